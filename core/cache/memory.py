"""The in-process tier: least recently used, bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict

from hexar.core.cache.codec import Entry

#: What an entry costs beside its value: key, entry object, dictionary slots. Measured with sys.getsizeof, rounded up.
ENTRY_OVERHEAD = 512


class MemoryTier:
    """Entries by key, the least recently used dropped first.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._bytes = 0
        #: Entries dropped for want of room.
        self.evictions = 0
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def used_bytes(self) -> int:
        """Bytes held now, overhead included."""
        return self._bytes

    def get(self, key: bytes) -> Entry | None:
        """The entry under ``key``, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep ``entry``, dropping others as needed; one larger than the whole tier is not kept."""
        size = _cost(entry)
        with self._lock:
            self._remove(key)
            if size > self.limit_bytes:
                return
            self._entries[key] = entry
            self._bytes += size
            while self._bytes > self.limit_bytes:
                _, dropped = self._entries.popitem(last=False)
                self._bytes -= _cost(dropped)
                self.evictions += 1

    def entries(self) -> list[tuple[bytes, Entry, int]]:
        """Key, entry and the bytes it takes, the latest used first."""
        with self._lock:
            return [(key, entry, _cost(entry)) for key, entry in reversed(self._entries.items())]

    def remove(self, key: bytes) -> None:
        """Forget ``key``."""
        with self._lock:
            self._remove(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _cost(entry)


def _cost(entry: Entry) -> int:
    # A parsed view holds about the same bytes again.
    return 2 * len(entry.value) + entry.size + ENTRY_OVERHEAD

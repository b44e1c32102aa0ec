"""The embedded backend: one SQLite file, one thread, writes behind the caller.

The file is a cache: it is written without waiting for the disk, and where it is damaged it is deleted and begun anew. One
process uses it, so that process knows which keys are not there, and a miss asks neither the file nor another thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from hexar.core.cache.backend import Held
from hexar.core.cache.kinds import Tier

log = structlog.get_logger(__name__)

#: Bytes of values that may wait to be written; beyond it new values stay in memory only.
PENDING_LIMIT = 64 * 1024 * 1024
#: Rows looked at by one sweep of expired and surplus entries.
SWEEP_EVERY = 512
#: Bytes of the filter of keys: a key that is not there is taken for one that is in one of a thousand cases while there are
#: 400,000 keys, and in every second while there are 4 million.
FILTER_BYTES = 1 << 20

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cache (
    key BLOB PRIMARY KEY, expires_at REAL NOT NULL, size INTEGER NOT NULL, value BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cache_expires_at ON cache (expires_at);
"""


class _Filter:
    """A Bloom filter of keys, which are digests: four of their 4-byte parts are its hashes. Not thread-safe."""

    def __init__(self, size: int = FILTER_BYTES) -> None:
        self._bits = bytearray(size)

    def add(self, key: bytes) -> None:
        """Remember ``key``."""
        for at in (0, 4, 8, 12):
            bit = int.from_bytes(key[at : at + 4]) % (8 * len(self._bits))
            self._bits[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, key: bytes) -> bool:
        """False where ``key`` was never added."""
        for at in (0, 4, 8, 12):
            bit = int.from_bytes(key[at : at + 4]) % (8 * len(self._bits))
            if not self._bits[bit >> 3] >> (bit & 7) & 1:
                return False
        return True


class SqliteBackend:
    """Values in ``path``, at most about ``limit_bytes`` of them.

    Thread-safety: :meth:`get`, :meth:`flush` and :meth:`close` belong to the event loop; :meth:`put` to any thread.
    """

    tier = Tier.DISK

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache-disk")
        self._pending: deque[tuple[bytes, bytes, float]] = deque()
        self._pending_bytes = 0
        self._lock = threading.Lock()
        self._scheduled = False
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._writes = 0
        #: Entries and their bytes as the file had them at the last look, with what was written since; and what was dropped.
        self._entries = self._bytes = self._evictions = 0
        #: What may be in the file, complete once its keys were read.
        self._filter = _Filter()
        self._filtered = False
        self.failures = 0

    async def get(self, key: bytes) -> bytes | None:
        """The framed value under ``key``, also one that is not yet written."""
        if self._filtered and key not in self._filter:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._get, key)

    def put(self, key: bytes, data: bytes, expires_at: float) -> None:
        """Queue a write; dropped (and counted as a failure) when too much waits."""
        with self._lock:
            if self._closed or self._pending_bytes + len(data) > PENDING_LIMIT:
                self.failures += 1
                return
            self._filter.add(key)
            self._pending.append((key, data, expires_at))
            self._pending_bytes += len(data)
            if self._scheduled:
                return
            self._scheduled = True
            self._thread.submit(self._write_pending)

    def forget(self, key: bytes) -> None:
        """Queue an empty value that has expired: it is no entry, and the next sweep deletes it."""
        self.put(key, b"", 0.0)

    def held(self) -> Held:
        """What the file holds, as it was seen last; what was replaced since then counts twice until the next look."""
        return Held(self._bytes, self._limit_bytes, self._entries, self._evictions)

    async def flush(self) -> None:
        """Wait until what was put before is written."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write_pending)

    async def close(self) -> None:
        """Write what is pending, then close the file."""
        with self._lock:
            self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=True)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=OFF")
                connection.executescript(_SCHEMA)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._entries, self._bytes = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM cache").fetchone()
        return self._connection

    def _read_keys(self) -> None:
        # The index holds every key, so no value is read.
        rows = self._open().execute("SELECT key FROM cache INDEXED BY cache_expires_at")
        while part := rows.fetchmany(1000):
            with self._lock:
                for (key,) in part:
                    self._filter.add(key)
        self._filtered = True

    def _get(self, key: bytes) -> bytes | None:
        self._write_pending()
        try:
            if not self._filtered:
                self._read_keys()
            row = self._open().execute("SELECT value FROM cache WHERE key = ?", (key,)).fetchone()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return None
        return row[0] if row else None

    def _write_pending(self) -> None:
        with self._lock:
            batch = list(self._pending)
            self._pending.clear()
            self._pending_bytes = 0
            self._scheduled = False
        if not batch:
            return
        try:
            connection = self._open()
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT OR REPLACE INTO cache (key, expires_at, size, value) VALUES (?, ?, ?, ?)",
                [(key, expires_at, len(data), data) for key, data, expires_at in batch],
            )
            connection.execute("COMMIT")
            self._writes += len(batch)
            self._entries += len(batch)
            self._bytes += sum(len(data) for _, data, _ in batch)
            if self._writes >= SWEEP_EVERY:
                self._writes = 0
                self._sweep(connection)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)

    def _sweep(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM cache WHERE expires_at < ?", (time.time(),))
        (used,) = connection.execute("SELECT coalesce(sum(size), 0) FROM cache").fetchone()
        # What expires first goes first: it is worth the least, and the order needs no bookkeeping on reads.
        while used > self._limit_bytes:
            rows = connection.execute("SELECT key, size FROM cache ORDER BY expires_at LIMIT 256").fetchall()
            if not rows:
                break
            connection.executemany("DELETE FROM cache WHERE key = ?", [(key,) for key, _ in rows])
            used -= sum(size for _, size in rows)
            self._evictions += len(rows)
        self._entries, self._bytes = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM cache").fetchone()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        log.warning("cache_disk_failed", error=type(error).__name__, failures=self.failures)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            # "Malformed" or "not a database": the file is of no use to anyone any more.
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _close(self) -> None:
        self._write_pending()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

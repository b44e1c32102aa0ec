"""The caches that callers use: memory first, then the backend, every read checked."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from hexar.core.cache.backend import CacheBackend
from hexar.core.cache.codec import Entry, decode, encode
from hexar.core.cache.kinds import Kind, Tier
from hexar.core.cache.memory import MemoryTier
from hexar.core.cache.stats import CacheStats
from hexar.core.cache.versions import Versions

#: A time to live is shortened at random by up to this share, so that values stored together do not expire together.
JITTER = 0.1


def tenant_dependencies(tenant: str, kind: str) -> tuple[str, str]:
    """The two names on which every entry depends, so that a kind or a tenant can be forgotten as a whole."""
    return f"tenant:{tenant}", f"kind:{tenant}:{kind}"


class Caches:
    """All kinds of cached values in one memory tier over one backend.

    An entry is served only while every version in its ``depends`` still holds.

    Thread-safety: :meth:`peek`, :meth:`put`, :meth:`hold` and :meth:`snapshot` may be called from any thread, the rest on the
    event loop.
    """

    def __init__(
        self,
        versions: Versions,
        backend: CacheBackend | None = None,
        *,
        kinds: Iterable[Kind],
        memory_bytes: int = 256 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.versions = versions
        self.kinds = {kind.name: kind for kind in kinds}
        self.memory = MemoryTier(memory_bytes)
        self.backend = backend
        self.stats = CacheStats()
        #: False: nothing is found and nothing is kept; an operator may turn it off.
        self.enabled = True
        self._clock = clock

    def snapshot(self, tenant: str, kind: str, *names: str) -> dict[str, int]:
        """The versions that an entry of ``kind`` depends on; taken before its sources are read."""
        return self.versions.snapshot((*tenant_dependencies(tenant, kind), *names))

    def peek(self, kind: str, key: bytes, *, allow_stale: bool = False) -> Entry | None:
        """The entry in memory, without asking anyone. A miss is not counted: :meth:`get` decides it."""
        guard = self.versions.guard
        if not self.enabled or (guard is not None and not guard.current()):
            return None
        return self._peek(kind, key, allow_stale)

    async def confirmed(self) -> bool:
        """Whether the versions in memory can be trusted, if need be after catching up with the store."""
        guard = self.versions.guard
        return guard is None or guard.current() or await guard.confirm()

    def _peek(self, kind: str, key: bytes, allow_stale: bool) -> Entry | None:
        entry = self.memory.get(key)
        if entry is None:
            return None
        checked = self._checked(entry, allow_stale)
        if checked is None:
            if not self.versions.holds(entry.depends) or self._clock() >= entry.expires_at:
                self.memory.remove(key)
            return None
        self.stats.hit(kind, Tier.MEMORY, checked.stale)
        return checked

    async def get(self, kind: str, key: bytes, *, allow_stale: bool = False) -> Entry | None:
        """The entry from the first tier that has it. With ``allow_stale`` also one past its time, marked so."""
        if not self.enabled or not await self.confirmed():
            self.stats.miss(kind)
            return None
        entry = self._peek(kind, key, allow_stale)
        if entry is not None:
            return entry
        if self.backend is not None:
            data = await self.backend.get(key)
            if data is not None:
                found = decode(key, data, self.backend.tier)
                checked = self._checked(found, allow_stale) if found is not None else None
                if found is not None and checked is not None:
                    # Later reads find it in memory and must say so; this one came from the backend.
                    self.memory.put(key, replace(found, tier=Tier.MEMORY))
                    self.stats.hit(kind, self.backend.tier, checked.stale)
                    return checked
        self.stats.miss(kind)
        return None

    def put(self, kind: str, key: bytes, value: bytes, depends: Mapping[str, int], *, view: object = None) -> Entry:
        """Keep ``value`` for the time of its kind; it is in memory when this returns, in the backend soon after."""
        entry = self._put(kind, key, value, depends, view, 0)
        if self.backend is not None and self.enabled:
            self.backend.put(key, encode(key, entry), entry.expires_at)
        return entry

    def hold(self, kind: str, key: bytes, view: object, depends: Mapping[str, int], *, size: int) -> Entry:
        """Keep ``view``, which takes about ``size`` bytes, for the time of its kind in memory only.

        For what is made anew sooner than a backend answers.
        """
        return self._put(kind, key, b"", depends, view, size)

    def _put(self, kind: str, key: bytes, value: bytes, depends: Mapping[str, int], view: object, size: int) -> Entry:
        shape = self.kinds[kind]
        now = self._clock()
        ttl = shape.ttl * (1.0 - random.random() * JITTER)
        entry = Entry(value, now, now + ttl, now + ttl + shape.stale_for, depends, Tier.MEMORY, view=view, size=size)
        if self.enabled:
            self.memory.put(key, entry)
        return entry

    def forget(self, key: bytes) -> None:
        """Drop one entry from this process' memory and from the backend."""
        self.memory.remove(key)
        if self.backend is not None:
            self.backend.forget(key)

    async def close(self) -> None:
        """Write what is pending and close the backend."""
        if self.backend is not None:
            await self.backend.close()

    def _checked(self, entry: Entry, allow_stale: bool) -> Entry | None:
        now = self._clock()
        if now >= entry.expires_at or not self.versions.holds(entry.depends):
            return None
        if now < entry.fresh_until:
            return entry
        return replace(entry, stale=True) if allow_stale else None

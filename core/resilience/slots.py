"""Limits on what is open at once, by name: a tenant's streams, a user's streams. Several processes on a Redis share each limit.

A slot is a member of a sorted set, with the time until which it holds. A process renews its slots while their streams are open,
so those of one that died are free again after :data:`LEASE` seconds. Without Redis a process keeps to its share of each limit:
what other processes hold then is not known.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from redis.exceptions import ResponseError

from hexar.core.ids import random_hex
from hexar.core.redis.link import RedisDown, RedisLink

log = structlog.get_logger(__name__)

#: Seconds that a slot holds without being renewed, and between two renewals.
LEASE = 30.0
RENEW = 10.0

# KEYS the sets; ARGV the member, milliseconds of a lease, the limits. The index of the set that is full, from 1; 0: taken.
_ENTER = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
for at, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  if redis.call('ZCARD', key) >= tonumber(ARGV[2 + at]) then return at end
end
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', key, ARGV[2])
end
return 0
"""
# KEYS the sets of one member; ARGV the member, milliseconds.
_HOLD = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', key, ARGV[2])
end
return 0
"""
_LEAVE = """
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end
return 0
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of each limit in ``names``; ``shared``: Redis knows of it."""

    member: str
    group: str
    names: tuple[str, ...]
    shared: bool


class Slots:
    """The limits of one process. ``processes`` says how many share them.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self, link: RedisLink | None = None, processes: Callable[[], int] = lambda: 1) -> None:
        self._link = link
        self._processes = processes
        self._open: Counter[str] = Counter()
        self._held: dict[str, Slot] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    def open(self, name: str) -> int:
        """Slots of ``name`` that this process holds."""
        return self._open[name]

    async def enter(self, group: str, claims: Sequence[tuple[str, int]]) -> Slot | str:
        """A slot of every limit in ``claims``, or the name of the one that is full. ``group`` keeps names together in Redis."""
        names = tuple(name for name, _ in claims)
        member, shared = random_hex(16), False
        if self._link is not None and self._link.up:
            keys = [_key(group, name) for name in names]
            try:
                full = await self._link.script(_ENTER, keys, member, int(LEASE * 1000), *(limit for _, limit in claims))
            except (RedisDown, ResponseError) as error:
                if isinstance(error, ResponseError):
                    log.error("slots_not_shared", error=str(error)[:200])
            else:
                if full:
                    return names[int(full) - 1]
                shared = True
        if not shared:
            among = max(1, self._processes()) if self._link is not None else 1
            for name, limit in claims:
                if self._open[name] >= math.ceil(limit / among):
                    return name
        slot = Slot(member, group, names, shared)
        self._open.update(names)
        self._held[member] = slot
        if self._link is not None and self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(), name="slots")
        return slot

    def leave(self, slot: Slot) -> None:
        """Give ``slot`` back; never waits."""
        self._held.pop(slot.member, None)
        for name in slot.names:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]
        if slot.shared and self._link is not None:
            task = asyncio.create_task(self._give_back(slot))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Stop renewing; what is held lapses."""
        if self._renewing is not None:
            self._renewing.cancel()
        await asyncio.gather(*filter(None, (self._renewing, *self._leaving)), return_exceptions=True)

    async def _give_back(self, slot: Slot) -> None:
        assert self._link is not None
        # One that cannot be given back lapses.
        with suppress(RedisDown, ResponseError):
            await self._link.script(_LEAVE, [_key(slot.group, name) for name in slot.names], slot.member)

    async def _renew(self) -> None:
        assert self._link is not None
        while True:
            await asyncio.sleep(RENEW)
            for slot in list(self._held.values()):
                if slot.shared and slot.member in self._held:
                    with suppress(RedisDown, ResponseError):
                        keys = [_key(slot.group, name) for name in slot.names]
                        await self._link.script(_HOLD, keys, slot.member, int(LEASE * 1000))


def _key(group: str, name: str) -> str:
    # Digests: names of tenants and users are nobody's business. The group in braces keeps a script on one node of a Cluster.
    return f"hexar:{{{_digest(group)}}}:v1:s:{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]

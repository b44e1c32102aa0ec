"""A run of an answer in Redis: who leads it, and the events that were written.

A run is a hash (its lease) and a stream (its events), under one Cluster tag made of its id. A *pointer* names the run that
produces an answer now: its key is a digest of the cache key and the versions the answer is made from, so that callers who
would get different answers never share one.

All changes go through Lua scripts that check the *fence*: each new leader has a higher one, and what an older leader still
writes is refused. Times are durations or the server's clock, never a client's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

from hexar.core.errors import Aborted, DeadlineExceeded, FailedPrecondition, HexarError, ResourceExhausted, Unavailable
from hexar.core.eventlog.frames import pack_events, unpack_events
from hexar.core.redis.link import RedisLink

#: Seconds until a leader that says nothing has lost its run.
LEASE = 1.5
#: Leaders that a run may have; an answer that ends every process that makes it is given up.
MAX_LEADERS = 3
#: Seconds that a finished run can still be read, and that its end is known.
KEEP = 60
KNOWN = 660
#: Bytes in one write.
WRITE_BYTES = 1024 * 1024

_NOW = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
"""
# KEYS lease, stream; ARGV lease ms, leaders at most, known ms, ms until the answer's deadline, whose it is.
# The fence; 0 where another leads or the run has ended, -1 where it is given up.
_LEAD = (
    _NOW
    + """
local h = redis.call('HMGET', KEYS[1], 'state', 'until', 'fence')
if h[1] and h[1] ~= 'live' then return 0 end
if h[1] and tonumber(h[2]) > now then return 0 end
if h[3] and tonumber(h[3]) >= tonumber(ARGV[2]) then return -1 end
redis.call('HSET', KEYS[1], 'state', 'live', 'until', now + ARGV[1])
redis.call('HSETNX', KEYS[1], 'last', 0)
redis.call('HSETNX', KEYS[1], 'deadline', now + ARGV[4])
redis.call('HSETNX', KEYS[1], 'owner', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('HINCRBY', KEYS[1], 'fence', 1)
"""
)
# ARGV fence, lease ms, keep ms, number of events before, number after, events.
# Milliseconds since others wanted it: negative where they still do for so long, many where they never did; nil: lead lost.
_WRITE = (
    _NOW
    + """
local h = redis.call('HMGET', KEYS[1], 'fence', 'state', 'last', 'seen')
if h[1] ~= ARGV[1] or h[2] ~= 'live' then return false end
redis.call('HSET', KEYS[1], 'until', now + ARGV[2])
if ARGV[6] then
  if h[3] ~= ARGV[4] then return false end
  redis.call('XADD', KEYS[2], '*', 's', ARGV[4], 'd', ARGV[6])
  redis.call('HSET', KEYS[1], 'last', ARGV[5])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return now - (h[4] or 0)
"""
)
# ARGV fence, state, detail, keep ms, known ms.
_END = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'state') ~= 'live' then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'detail', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
"""
# ARGV last entry id read, ms from now that the reader wants the answer to go on.
_READ = (
    _NOW
    + """
local h = redis.call('HMGET', KEYS[1], 'state', 'until', 'last', 'detail', 'deadline')
if not h[1] then return false end
redis.call('HSET', KEYS[1], 'seen', now + ARGV[2])
return {h[1], tonumber(h[2]) - now, tonumber(h[3]), h[4] or '', h[5] - now,
  redis.call('XRANGE', KEYS[2], '(' .. ARGV[1], '+', 'COUNT', 256)}
"""
)
_LET_GO = "if redis.call('HGET', KEYS[1], 'fence') == ARGV[1] then redis.call('HSET', KEYS[1], 'until', 0) end return 1"
# ARGV run, the run that is to be replaced, ms.
_POINT = """
local there = redis.call('GET', KEYS[1])
if there and there ~= ARGV[2] then return there end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return ARGV[1]
"""


class RunState(StrEnum):
    """LIVE: being produced. DONE: complete. PARTIAL: complete, for those who read it only. FAILED, ABORTED: ended early."""

    LIVE = "live"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(slots=True)
class RunSlice:
    """What a read found: the ``events`` past the last read; ``led``: someone holds the lease; ``last``: events ever written."""

    state: RunState
    led: bool
    last: int
    detail: str
    events: list[bytes]
    #: Where the next read begins.
    cursor: str
    #: There is more to be read at once.
    more: bool
    #: Seconds until the answer's deadline.
    left: float


class RunStore:
    """The runs in one Redis. Every method raises RedisDown, and ResponseError where the server refuses."""

    def __init__(self, link: RedisLink) -> None:
        self.link = link

    async def point(self, slot: str, run: str, instead_of: str = "") -> str:
        """The run that ``slot`` points to; from now on ``run``, where there was none or only ``instead_of``."""
        found: bytes = await self.link.script(_POINT, [f"hexar:{{{slot}}}:v1:p"], run, instead_of, KNOWN * 1000)
        return found.decode()

    async def lead(self, run: str, left: float, owner: str = "") -> int:
        """Take the lead of a run of ``owner``'s that nobody leads, with ``left`` seconds to its deadline.

        Returns the fence; 0 where someone leads or the run has ended, -1 where it had too many leaders.
        """
        times = (KNOWN * 1000, int(min(left, 1e6) * 1000))
        return int(await self.link.script(_LEAD, _keys(run), int(LEASE * 1000), MAX_LEADERS, *times, owner))

    async def write(self, run: str, fence: int, before: int, events: Sequence[bytes]) -> float | None:
        """Add ``events`` after the first ``before``, or only keep the lead.

        Returns the seconds since another process last wanted the answer (negative: it still does for so long; a large number:
        none ever did), None where the lead is lost.
        """
        arguments: list[object] = [fence, int(LEASE * 1000), KNOWN * 1000, before, before + len(events)]
        if events:
            arguments.append(pack_events(events))
        age = await self.link.script(_WRITE, _keys(run), *arguments)
        return None if age is None else int(age) / 1000

    async def end(self, run: str, fence: int, state: RunState, detail: str = "") -> bool:
        """End the run; False where the lead was lost."""
        return bool(await self.link.script(_END, _keys(run), fence, state.value, detail, KEEP * 1000, KNOWN * 1000))

    async def let_go(self, run: str, fence: int) -> None:
        """Give the lead to whoever wants it."""
        await self.link.script(_LET_GO, _keys(run)[:1], fence)

    async def owner(self, run: str) -> str | None:
        """The tenant and kind that the run belongs to, None where there is no such run."""
        found: bytes | None = await self.link.call("HGET", _keys(run)[0], "owner")
        return None if found is None else found.decode()

    async def state(self, run: str) -> RunState | None:
        """How the run stands, None where there is no such run."""
        found: bytes | None = await self.link.call("HGET", _keys(run)[0], "state")
        return None if found is None else RunState(found.decode())

    async def read(self, run: str, cursor: str, wanted: float = 0.0) -> RunSlice | None:
        """What was written past ``cursor`` ("0": from the start), None where there is no such run.

        Tells the leader that the answer is wanted, now and for another ``wanted`` seconds.
        """
        found = await self.link.script(_READ, _keys(run), cursor, int(wanted * 1000))
        if found is None:
            return None
        state, lease, last, detail, left, entries = found
        events: list[bytes] = []
        for number, fields in entries:
            cursor = number.decode()
            batch = unpack_events(fields[3])
            if batch is None:
                raise ValueError("a batch of events cannot be read")
            events.extend(batch)
        return RunSlice(
            RunState(state.decode()), lease > 0, last, detail.decode(), events, cursor, len(entries) == 256, left / 1000
        )


def one_write(events: list[bytes], after: int) -> list[bytes]:
    """The events past the first ``after`` that go into one write: one at least, then up to :data:`WRITE_BYTES`."""
    size = 0
    for end in range(after, len(events)):
        size += len(events[end])
        if size > WRITE_BYTES and end > after:
            return events[after:end]
    return events[after:]


def _keys(run: str) -> list[str]:
    return [f"hexar:{{{run}}}:v1:r", f"hexar:{{{run}}}:v1:s"]


_ERRORS: dict[int, type[HexarError]] = {
    one.code: one for one in (HexarError, FailedPrecondition, Aborted, ResourceExhausted, Unavailable, DeadlineExceeded)
}


def describe(error: BaseException) -> str:
    """An error as the followers of a run will raise it; only what was meant for callers."""
    if isinstance(error, HexarError):
        return orjson.dumps([int(error.code), error.message, getattr(error, "retry_after", None)]).decode()
    return orjson.dumps([int(HexarError.code), "the answer failed", None]).decode()


def described(detail: str) -> HexarError:
    """The error in ``detail``."""
    code, message, retry_after = orjson.loads(detail)
    error = _ERRORS.get(code, HexarError)(message)
    if isinstance(error, Unavailable | ResourceExhausted) and retry_after is not None:
        error.retry_after = retry_after
    return error

"""Circuit breakers that processes share: who sees a party fail spares it the calls of all, and one of them probes.

Redis holds one small hash: for each party that failed of late, whether its breaker is open, for how long, and who holds the
lease of the half-open probe. A process says what it saw at once, and looks twice a second whether the others saw something:
one script does both, and answers with a single number where nothing has changed. A call of a healthy party asks nobody; only
the one that would be the probe waits for the answer, at most :data:`hexar.core.redis.link.TIMEOUT`.

Where Redis is gone each process decides alone, as it would without: it keeps what it knows, probes by itself, and says what is
still true when Redis is back.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from redis.exceptions import ResponseError

from hexar.core.redis.link import RedisDown, RedisLink
from hexar.core.resilience import BreakerState, CircuitBreaker

log = structlog.get_logger(__name__)

#: Seconds between two looks at what the others saw.
LOOK_EVERY = 0.5
#: Seconds that a process may take to probe before another may; renewed at each look while the probe runs.
PROBE_LEASE = 3.0
#: Seconds after which a process that does not look is not counted any more.
GONE = 5.0
#: Seconds between two attempts while Redis is gone, and that a thread waits for the event loop to ask.
RETRY_EVERY = 0.25
THREAD_WAIT = 1.0
#: Seconds after which a hash that nobody changes is gone.
KEEP = 86_400

_STATE = "hexar:{breakers}:v1:state"
_PROCESSES = "hexar:{breakers}:v1:processes"

# A field is "change until holder lease": until is when the breaker stops being open, 0 where it was closed; change is the
# number of the last change, which the empty field repeats for the whole hash. Numbers are microseconds of the server's clock
# where that goes forward, so that they differ from those before a restart.
_READ = """
local now = redis.call('TIME')
local micros = now[1] * 1000000 + now[2]
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local version = redis.call('HGET', KEYS[1], '') or '0'
local function entry(agent)
  local text = redis.call('HGET', KEYS[1], agent)
  if not text then return '', 0, '-', 0 end
  local change, untl, holder, lease = string.match(text, '^(%S+) (%d+) (%S+) (%d+)$')
  return change, tonumber(untl), holder, tonumber(lease)
end
local function keep(agent, change, untl, holder, lease)
  redis.call('HSET', KEYS[1], agent, string.format('%s %.0f %s %.0f', change, untl, holder, lease))
end
local function changed()
  version = string.format('%.0f', math.max(micros, tonumber(version) + 1))
  redis.call('HSET', KEYS[1], '', version)
  return version
end
"""
# KEYS state, processes; ARGV the version that is known, process, lease ms, keep ms, ms after which a process that does not look
# is gone, then (what, agent, ms of being open) for what this process saw.
_LOOK = (
    _READ
    + """
redis.call('ZADD', KEYS[2], ms, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ms - ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local processes = redis.call('ZCARD', KEYS[2])
for i = 6, #ARGV, 3 do
  local what, agent = ARGV[i], ARGV[i + 1]
  local change, untl, holder, lease = entry(agent)
  if what == 'open' then
    keep(agent, changed(), math.max(untl, ms + ARGV[i + 2]), '-', 0)
  elseif what == 'close' then
    keep(agent, changed(), 0, '-', 0)
  elseif holder == ARGV[2] then
    keep(agent, change, untl, holder, ms + ARGV[3])
  end
end
if version == ARGV[1] then return {version, processes} end
if #ARGV > 5 then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
local rows, all = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= '' then
    local change, untl = string.match(all[i + 1], '^(%S+) (%d+)')
    rows[#rows + 1] = {all[i], change, tonumber(untl) > 0 and 1 or 0, math.max(0, untl - ms)}
  end
end
return {version, processes, rows}
"""
)
# ARGV agent, process, lease ms, keep ms, the change that this process knows. Verdict, change, ms.
_CLAIM = (
    _READ
    + """
local change, untl, holder, lease = entry(ARGV[1])
if change ~= '' and untl == 0 and change ~= ARGV[5] then return {'closed', change, 0} end
if untl > ms then return {'open', change, untl - ms} end
if holder ~= ARGV[2] and lease > ms then return {'held', change, lease - ms} end
keep(ARGV[1], change == '' and '0' or change, untl, ARGV[2], ms + ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'yours', change, 0}
"""
)


@dataclass(slots=True)
class _Known:
    """What Redis said last of a party."""

    change: str
    is_open: bool
    until: float


class SharedBreakers:
    """One process's part in the breakers of all; the ``peers`` of each breaker.

    Thread-safety: :meth:`share`, :meth:`changed` and :meth:`claim_from_thread` may be called from any thread, the rest belongs
    to the event loop that called :meth:`start`.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        #: Looks at Redis; all that a process asks of it while nothing fails.
        self.looks = 0
        #: Processes that looked a moment ago, this one included; while Redis is gone, those from before.
        self.processes = 1
        self._id = os.urandom(8).hex()
        self._version = ""
        self._known: dict[str, _Known] = {}
        self._breakers: dict[str, CircuitBreaker] = {}
        self._unsaid: set[str] = set()
        self._lock = threading.Lock()
        self._claims: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def share(self, breaker: CircuitBreaker) -> None:
        """Let ``breaker`` agree with those of its name in other processes. Raises ValueError where its name is taken."""
        with self._lock:
            if breaker.name in self._breakers:
                raise ValueError(f"{breaker.name} is shared already")
            self._breakers[breaker.name] = breaker
            known = self._known.get(breaker.name)
            breaker.peers = self
        if known is not None and known.is_open:
            breaker.open_for(max(0.0, known.until - time.monotonic()))

    def start(self) -> None:
        """Begin to look; on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._watch(), name="breakers")

    async def close(self) -> None:
        """Stop looking; from now on each breaker is on its own."""
        self._loop = None
        with self._lock:
            for breaker in self._breakers.values():
                breaker.peers = None
        tasks = [*self._claims.values(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None

    def changed(self, breaker: CircuitBreaker) -> None:
        """A call of this process opened or closed ``breaker``: say so soon."""
        with self._lock:
            self._unsaid.add(breaker.name)
        loop = self._loop
        if loop is not None:
            # A loop that is closed needs no word any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake.set)

    async def claim(self, breaker: CircuitBreaker) -> None:
        """Ask for the probe; callers who come together ask once."""
        task = self._claims.get(breaker.name)
        if task is None:
            task = self._claims[breaker.name] = asyncio.create_task(self._claim(breaker))
            task.add_done_callback(lambda _: self._claims.pop(breaker.name, None))
        await asyncio.wait([task])

    def claim_from_thread(self, breaker: CircuitBreaker) -> None:
        """As :meth:`claim`, blocking, from a thread that is not the event loop's."""
        loop = self._loop
        if loop is None:
            breaker.lend(PROBE_LEASE)
            return
        asked = asyncio.run_coroutine_threadsafe(self.claim(breaker), loop)
        try:
            asked.result(THREAD_WAIT)
        except TimeoutError:
            # The loop is too busy to ask: the breaker decides alone.
            asked.cancel()
            breaker.lend(PROBE_LEASE)

    async def _claim(self, breaker: CircuitBreaker) -> None:
        name = breaker.name
        try:
            if name in self._unsaid:
                await self._look()
            known = self._known.get(name)
            verdict, change, left = await self._link.script(
                _CLAIM, [_STATE], name, self._id, int(PROBE_LEASE * 1000), KEEP * 1000, known.change if known else ""
            )
        except (RedisDown, ResponseError):
            breaker.lend(PROBE_LEASE)
            return
        if verdict == b"yours":
            breaker.lend(PROBE_LEASE)
        elif verdict == b"held":
            # The holder says how its probe went, or dies and loses the lease.
            breaker.open_for(min(left / 1000, LOOK_EVERY))
        else:
            self._learn(name, change.decode(), verdict == b"open", left / 1000, said=False)

    async def _watch(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._wake.wait()
            except RedisDown:
                await asyncio.sleep(RETRY_EVERY)
            except ResponseError as error:
                log.warning("breakers_not_shared", error=str(error)[:200])
                await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> None:
        """Say what was seen here, and learn what was seen elsewhere."""
        with self._lock:
            saying, self._unsaid = self._unsaid, set()
            breakers = dict(self._breakers)
        arguments: list[Any] = []
        for name, breaker in breakers.items():
            if name in saying:
                what = "close" if breaker.state is BreakerState.CLOSED else "open"
                arguments += [what, name, int(breaker.seconds_left * 1000)]
            elif breaker.probing:
                arguments += ["probe", name, 0]
        self.looks += self._link.up
        try:
            found = await self._link.script(
                _LOOK,
                [_STATE, _PROCESSES],
                self._version,
                self._id,
                int(PROBE_LEASE * 1000),
                KEEP * 1000,
                int(GONE * 1000),
                *arguments,
            )
        except BaseException:
            with self._lock:
                self._unsaid |= saying
            raise
        self._version, self.processes = found[0].decode(), int(found[1])
        if len(found) == 2:
            return
        told = {row[0].decode(): row[1:] for row in found[2]}
        for name, (change, is_open, left) in told.items():
            self._learn(name, change.decode(), bool(is_open), left / 1000, said=name in saying)
        # A server that lost its memory is told again.
        for name, breaker in breakers.items():
            if name not in told and breaker.state is not BreakerState.CLOSED and not breaker.opened_elsewhere:
                self.changed(breaker)

    def _learn(self, name: str, change: str, is_open: bool, left: float, *, said: bool) -> None:
        with self._lock:
            before = self._known.get(name)
            if before is not None and before.change == change:
                return
            self._known[name] = _Known(change, is_open, time.monotonic() + left)
            breaker = self._breakers.get(name)
            # What this process saw since it asked is newer than what it was told.
            if breaker is None or name in self._unsaid:
                return
        if is_open:
            breaker.open_for(left, elsewhere=not said)
        else:
            breaker.close()
        if not said:
            log.info("breaker_learned", agent=name, open=is_open)

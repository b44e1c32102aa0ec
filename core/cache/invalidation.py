"""Versions across processes: a bump is acknowledged when no live process serves what it made old.

The store says which versions hold; Redis tells everyone at once. A process trusts the versions in its memory while two things
are true: Redis has confirmed, less than :data:`LEASE` ago, that it has applied every bump announced so far, and it has compared
itself with the store less than :data:`STORE_LEASE` ago. Where either is not so, every look-up first asks the store.

Who bumps commits to the store, announces the bump (one Lua script: next epoch, publish) and waits until every process that is
listed has acknowledged that epoch. A process that has not applied it cannot renew its trust, so after :data:`LEASE` those that
did not answer are struck from the list. Where Redis cannot be reached the bump waits for :data:`STORE_LEASE` instead: by then
every process has asked the store, or asks it at each look-up.

No clock is compared with another machine's; only seconds are counted, with a margin. The argument, and its one exception, is
in ``docs/adr/0008-invalidation-across-processes.md``.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import structlog
from redis.exceptions import RedisError, ResponseError

from hexar.core.cache.versions import Versions
from hexar.core.redis.link import TIMEOUT, RedisDown, RedisLink
from hexar.core.store.database import STORE_ERRORS, awaited

log = structlog.get_logger(__name__)

#: Seconds that a process trusts its versions after Redis confirmed them, and after the store did.
LEASE = 2.0
STORE_LEASE = 3.0
#: Seconds between two renewals, and between two looks at the store.
RENEW_EVERY = 0.5
STORE_EVERY = 1.0
#: The share of a lease that its holder counts on: two machines' seconds differ by less than the rest.
MARGIN = 0.9
#: After the store failed, look-ups do not ask it for so many seconds.
STORE_PAUSE = 1.0

_STATE = "hexar:{bus}:v1:state"
_ACKS = "hexar:{bus}:v1:acks"
_CHANNEL = "hexar:{bus}:v1:bumps"

# A server that restarted, or a replica that took over, has another run id: it may have forgotten who was listed, or the last
# epochs. The list then begins anew, and who bumps waits until every trust from before has lapsed.
_RUN = """
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or 'unknown'
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
if redis.call('HGET', KEYS[1], 'run') ~= run then
  redis.call('HSET', KEYS[1], 'run', run, 'since', now)
  redis.call('HSETNX', KEYS[1], 'epoch', 0)
  redis.call('DEL', KEYS[2])
end
local age = now - redis.call('HGET', KEYS[1], 'since')
"""
_RENEW = (
    _RUN
    + """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] == run and ARGV[3] or -1)
return {run, epoch}
"""
)
_ANNOUNCE = (
    _RUN
    + """
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('PUBLISH', ARGV[1], run .. ' ' .. epoch .. ' ' .. ARGV[3] .. ' ' .. ARGV[2])
return {run, epoch, age}
"""
)
# Who has not yet acknowledged an epoch; with ARGV[3] they are struck from the list. -1: another run has begun.
_PENDING = """
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[4] then return -1 end
local acks, left = redis.call('HGETALL', KEYS[2]), 0
for i = 1, #acks, 2 do
  if acks[i] ~= ARGV[1] and tonumber(acks[i + 1]) < tonumber(ARGV[2]) then
    left = left + 1
    if ARGV[3] == '1' then redis.call('HDEL', KEYS[2], acks[i]) end
  end
end
return left
"""


class Invalidation:
    """One process's part in the agreement on versions.

    Thread-safety: :meth:`announce` may be called from any thread, the rest belongs to the event loop that called :meth:`start`.
    """

    def __init__(self, versions: Versions, link: RedisLink) -> None:
        self.versions = versions
        self._link = link
        #: Renewals sent; they are all that a process asks of Redis beside its requests.
        self.renewals = 0
        self._id = os.urandom(8).hex()
        self._run = ""
        self._applied = -1
        self._heard = 0
        self._redis_until = -math.inf
        self._store_until = -math.inf
        self._store_failed_at = -math.inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="versions")
        self._renew_now = asyncio.Event()
        self._running: asyncio.Future[bool] | None = None
        self._queued: asyncio.Future[bool] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Join the processes that are told of bumps; on the event loop, with the link started."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._listener = self._begin(self._listen())
        self._begin(self._renew())
        self._begin(self._watch_store())
        self.versions.guard = self

    async def close(self) -> None:
        """Leave: nobody waits for this process any more, and it trusts nothing any more."""
        if self._loop is None:
            return
        self._redis_until = -math.inf
        self._loop = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(RedisDown, ResponseError):
            await self._link.call("HDEL", _ACKS, self._id)
        self._thread.shutdown(wait=True)

    def current(self) -> bool:
        """True while the versions in memory can be trusted without asking anyone."""
        now = time.monotonic()
        return now < self._redis_until and now < self._store_until

    async def confirm(self) -> bool:
        """Compare with the store now; False where the versions in memory cannot be trusted.

        Where the store does not answer, Redis vouches alone.
        """
        if time.monotonic() - self._store_failed_at > STORE_PAUSE:
            with suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT):
                    if await self._compared():
                        return True
            self._store_failed_at = time.monotonic()
        return time.monotonic() < self._redis_until

    def announce(self, name: str, version: int) -> None:
        """Tell every process of a committed version; off the event loop, return when each has applied it or trusts nothing.

        On the event loop it returns at once; on a thread of the store, whoever runs the statement waits instead.
        """
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if threading.get_ident() == self._loop_thread:
            self._begin(self._announced(name, version, time.monotonic()))
            return
        done = asyncio.run_coroutine_threadsafe(self._announced(name, version, time.monotonic()), loop)
        later = awaited()
        if later is not None:
            # A wait of seconds must not hold one of the few threads of the store.
            later.append(done)
        else:
            done.result()

    async def _announced(self, name: str, version: int, committed: float) -> None:
        give_up = committed + STORE_LEASE
        while True:
            if self._link.up:
                with suppress(RedisDown, ResponseError):
                    run, epoch, age = await self._link.script(_ANNOUNCE, [_STATE, _ACKS], _CHANNEL, name, version)
                    if await self._applied_everywhere(run, epoch, age / 1000):
                        return
            left = give_up - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.05))

    async def _applied_everywhere(self, run: bytes, epoch: int, age: float) -> bool:
        """Wait for the others. False where the server was replaced meanwhile; raises RedisDown where it is gone."""
        began = time.monotonic()
        pause = 0.001
        if age < LEASE:
            # The list is younger than a lease: some who still trust may not be on it again.
            await asyncio.sleep(LEASE - age)
        while True:
            lapsed = time.monotonic() - began >= LEASE
            left = await self._link.script(_PENDING, [_STATE, _ACKS], self._id, epoch, int(lapsed), run)
            if left <= 0 or lapsed:
                return bool(left >= 0)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.05)

    async def _renew(self) -> None:
        while True:
            self._renew_now.clear()
            began = time.monotonic()
            heard = self._heard
            self.renewals += self._link.up
            try:
                run, epoch = await self._link.script(_RENEW, [_STATE, _ACKS], self._id, self._run, self._applied)
            except (RedisDown, ResponseError):
                # The trust lapses by itself; the link comes back by itself.
                await asyncio.sleep(0.05)
                continue
            epoch = int(epoch)
            if run.decode() != self._run or epoch < self._applied:
                self._run, self._applied, self._heard = run.decode(), -1, epoch
            if self._applied < epoch:
                # What was bumped up to this epoch is committed, so the store knows it.
                if not await self._compared():
                    await asyncio.sleep(0.05)
                    continue
                self._applied = max(self._applied, epoch)
                self._renew_now.set()
            self._redis_until = began + LEASE * MARGIN
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_EVERY):
                    await self._renew_now.wait()
            if self._heard < epoch and self._heard == heard and time.monotonic() - began >= RENEW_EVERY:
                self._restart_listener(epoch)

    def _restart_listener(self, epoch: int) -> None:
        """Messages do not arrive although there were some: the connection is dead without having said so."""
        self._heard = epoch
        if self._listener is not None:
            self._listener.cancel()
        self._listener = self._begin(self._listen())

    async def _listen(self) -> None:
        while True:
            connection = self._link.connection()
            try:
                async with asyncio.timeout(1.0):
                    await connection.connect()
                    await connection.send_command("SUBSCRIBE", _CHANNEL, check_health=False)
                while True:
                    message = await connection.read_response(timeout=math.inf)
                    if message[0] == b"message":
                        self._received(message[2])
            except (RedisError, OSError, TimeoutError) as error:
                log.info("bumps_not_heard", error=type(error).__name__)
            finally:
                with suppress(RedisError, OSError, TimeoutError):
                    await connection.disconnect(nowait=True)
            await asyncio.sleep(0.1)

    def _received(self, data: bytes) -> None:
        run, epoch, version, name = data.decode().split(" ", 3)
        self._heard = int(epoch)
        if run == self._run and self._heard == self._applied + 1:
            self.versions.learn(name, int(version))
            self._applied = self._heard
        # Also after a gap: the renewal closes it from the store, and acknowledges.
        self._renew_now.set()

    async def _watch_store(self) -> None:
        while True:
            await self._compared()
            await asyncio.sleep(STORE_EVERY)

    async def _compared(self) -> bool:
        """One comparison with the store that begins after this call; callers who come meanwhile share the next one."""
        if self._queued is None:
            self._queued = asyncio.ensure_future(self._compare_after(self._running))
        return await asyncio.shield(self._queued)

    async def _compare_after(self, before: asyncio.Future[bool] | None) -> bool:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._queued = self._queued, None
        began = time.monotonic()
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self.versions.refresh)
        except (*STORE_ERRORS, OSError) as error:
            log.warning("versions_not_compared", error=type(error).__name__)
            self._store_failed_at = time.monotonic()
            return False
        self._store_until = began + STORE_LEASE * MARGIN
        return True

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

"""Request rates: token buckets that several processes share, spent in memory.

A bucket fills at ``per_second`` tokens a second up to ``burst``. It lives in Redis as one number; a process *leases* tokens
from it, about a tenth of a second's worth of what its callers ask for, in one script, and admits requests from its lease
without asking anyone. The next lease is asked for before the last one is used up, so that a request waits for Redis only where
its process holds no token of the bucket, once for all requests that wait.

Bounds, over all processes. All tokens come from the bucket, and none is ever put back, so from a full bucket on no more than
``burst + per_second * t`` requests are admitted in ``t`` seconds. A token lapses :data:`LEASE` seconds after it was asked for,
so in any other window of ``t`` seconds it is at most ``burst + per_second * (t + LEASE)``.

Without Redis a process fills a bucket of its own, with its share: rate and burst divided by the processes that were seen last.
A change from the one to the other may admit one burst more, and so may a Redis that lost its memory.

::

    RateExceeded(ResourceExhausted)      RESOURCE_EXHAUSTED, with the seconds until a token is there

Source: the generic cell rate algorithm, ITU-T I.371 annex A.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from redis.exceptions import ResponseError

from hexar.core.errors import ResourceExhausted
from hexar.core.redis.link import RedisDown, RedisLink

log = structlog.get_logger(__name__)

#: Seconds of its demand that a process leases at once, and seconds until what it has not spent is void.
PERIOD = 0.1
LEASE = 1.0
#: Seconds that a process decides alone after Redis did not answer in time.
ALONE = 1.0
#: Buckets in memory from which on those that are idle are forgotten.
SWEEP_THRESHOLD = 10_000

# ARGV microseconds between two tokens, burst, tokens wanted. The bucket is the time, on the server's clock, at which it will be
# full again. Tokens granted, and the microseconds until there is another.
_LEASE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local interval, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local room = burst * interval
local full = tonumber(redis.call('GET', KEYS[1]) or now)
full = math.min(math.max(full, now), now + room)
local granted = math.min(wanted, math.floor((now + room - full) / interval + 1e-9))
if granted > 0 then
  full = math.ceil(full + granted * interval)
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
end
return {granted, math.max(0, math.ceil(full + interval - now - room))}
"""


class RateExceeded(ResourceExhausted):
    """The caller's request rate is used up; after ``retry_after`` seconds a request may pass."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests ``per_second`` in the long run, up to ``burst`` at once."""

    per_second: float
    burst: int


class Bucket:
    """One bucket in memory, full at first. Times are seconds of one clock. Not thread-safe."""

    __slots__ = ("_full", "_interval", "_room")

    def __init__(self, rate: Rate) -> None:
        self._interval = 1 / rate.per_second
        self._room = rate.burst * self._interval
        self._full = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0: there is one."""
        # The slack is that of the clock: a nanosecond is no token.
        wait = max(self._full, now) + self._interval - now - self._room
        return wait if wait > 1e-9 else 0.0

    def spend(self, now: float) -> None:
        """Take a token that is there."""
        self._full = max(self._full, now) + self._interval

    def idle(self, now: float) -> bool:
        """True where it is full, as one that was just made."""
        return self._full <= now


@dataclass(slots=True)
class _Account:
    """What a process holds of one bucket."""

    name: str
    rate: Rate
    #: Tokens by the lease they came with, the oldest first: when they lapse, how many are left.
    leases: deque[list[float]] = field(default_factory=deque)
    batch: int = 1
    #: Requests since the last lease was asked for, admitted or not, and those that wait for one now.
    demand: int = 0
    waiting: int = 0
    asked_at: float = -math.inf
    asking: asyncio.Task[None] | None = None
    #: Until then Redis need not be asked: there is nothing.
    empty_until: float = -math.inf
    alone: Bucket | None = None

    def held(self, now: float) -> int:
        """Tokens that may be spent now."""
        leases = self.leases
        while leases and (leases[0][0] <= now or leases[0][1] == 0):
            leases.popleft()
        return sum(int(count) for _, count in leases)

    def idle(self, now: float) -> bool:
        """True where nothing is lost by forgetting it."""
        return (
            not self.waiting
            and self.asking is None
            and not self.held(now)
            and now - self.asked_at > LEASE
            and (self.alone is None or self.alone.idle(now))
        )


#: The name of a bucket, and its rate; the same name has the same rate.
Claim = tuple[str, Rate]


class RateLimiter:
    """The buckets of one process; shared where there is a ``link``. ``processes`` says how many share them.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(
        self,
        link: RedisLink | None = None,
        processes: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._processes = processes
        self._clock = clock
        self._accounts: dict[str, _Account] = {}
        self._sweep_at = SWEEP_THRESHOLD
        self._alone_until = -math.inf
        #: Leases asked for: the commands that all this costs.
        self.asked = 0

    async def take(self, claims: Sequence[Claim]) -> tuple[str, float] | None:
        """Spend one token of every bucket in ``claims``, or of none.

        None where the request may go on; else the name of the bucket that is empty, and the seconds until it is not.
        """
        accounts = [self._account(name, rate) for name, rate in claims]
        for account in accounts:
            account.demand += 1
        while True:
            for account in accounts:
                wait = await self._ready(account)
                if wait > 0:
                    return account.name, wait
            now = self._clock()
            # Another request may have spent the first token while this one waited for the second.
            if all(self._has(account, now) for account in accounts):
                for account in accounts:
                    self._spend(account, now)
                return None

    async def close(self) -> None:
        """Stop asking; from now on this process decides alone."""
        self._link = None
        tasks = [account.asking for account in self._accounts.values() if account.asking is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _account(self, name: str, rate: Rate) -> _Account:
        account = self._accounts.get(name)
        if account is None:
            if len(self._accounts) >= self._sweep_at:
                now = self._clock()
                self._accounts = {known: one for known, one in self._accounts.items() if not one.idle(now)}
                self._sweep_at = max(SWEEP_THRESHOLD, 2 * len(self._accounts))
            account = self._accounts[name] = _Account(name, rate)
        return account

    async def _ready(self, account: _Account) -> float:
        """0 once there is a token here; else the seconds until there may be one."""
        while True:
            now = self._clock()
            if account.held(now):
                return 0.0
            if not self._shared(now):
                return self._own(account).wait(now)
            if now < account.empty_until:
                return account.empty_until - now
            account.waiting += 1
            try:
                await asyncio.wait([self._ask(account)])
            finally:
                account.waiting -= 1

    def _shared(self, now: float) -> bool:
        return self._link is not None and self._link.up and now >= self._alone_until

    def _has(self, account: _Account, now: float) -> bool:
        return account.held(now) > 0 or (not self._shared(now) and self._own(account).wait(now) == 0)

    def _own(self, account: _Account) -> Bucket:
        """The bucket of this process alone."""
        if account.alone is None:
            rate, among = account.rate, max(1, self._processes())
            account.alone = Bucket(Rate(rate.per_second / among, max(1, rate.burst // among)))
        return account.alone

    def _spend(self, account: _Account, now: float) -> None:
        held = account.held(now)
        if not held:
            self._own(account).spend(now)
            return
        account.leases[0][1] -= 1
        # Ahead of need, where a lease is more than a single token.
        if held - 1 <= account.batch // 2 and account.batch > 1 and now >= account.empty_until and self._shared(now):
            self._ask(account)

    def _ask(self, account: _Account) -> asyncio.Task[None]:
        if account.asking is None:
            account.asking = asyncio.create_task(self._lease(account), name="rate-lease")
        return account.asking

    async def _lease(self, account: _Account) -> None:
        rate, now = account.rate, self._clock()
        seconds = max(now - account.asked_at, 0.01)
        most = max(1, int(min(rate.per_second * PERIOD, rate.burst)))
        account.batch = min(most, max(1, math.ceil(account.demand / seconds * PERIOD)))
        wanted = min(rate.burst, max(account.batch, account.waiting))
        account.asked_at, account.demand = now, 0
        try:
            if self._link is None:
                return
            self.asked += 1
            granted, micros = await self._link.script(_LEASE, [_key(account.name)], 1e6 / rate.per_second, rate.burst, wanted)
        except (RedisDown, ResponseError) as error:
            if isinstance(error, ResponseError):
                log.error("rates_not_shared", error=str(error)[:200])
            self._alone_until = self._clock() + ALONE
            return
        finally:
            account.asking = None
        account.alone = None
        if granted:
            account.leases.append([now + LEASE, granted])
        if granted < wanted:
            # A whole lease is waited for, so that many who are refused cost few commands.
            next_one = micros / 1e6
            whole = next_one + (account.batch - 1) / rate.per_second
            account.empty_until = self._clock() + max(next_one, min(whole, PERIOD))


def _key(name: str) -> str:
    # A digest: the names of tenants are nobody's business, and may be long.
    return f"hexar:{{{hashlib.sha256(name.encode()).hexdigest()[:24]}}}:v1:t"

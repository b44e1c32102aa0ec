"""Request rates over a real Redis: what a fleet admits, what that costs, and what is left without Redis."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.redis.link import RedisLink
from hexar.core.resilience import rate_limits as ratelimit
from hexar.core.resilience.rate_limits import LEASE, Bucket, Rate, RateLimiter
from tests.fix.stores.redis_server import RedisServer

Make = Callable[..., Awaitable[list[RateLimiter]]]


@pytest.fixture
async def make(redis_server: RedisServer) -> AsyncIterator[Make]:
    """Limiters on links of their own: each stands for a process."""
    links: list[RedisLink] = []
    limiters: list[RateLimiter] = []

    async def start(count: int, *, server: RedisServer = redis_server) -> list[RateLimiter]:
        for _ in range(count):
            # A busy machine is no outage: what this is about is not how fast the server answers.
            link = RedisLink(server.url, timeout=5.0)
            link.start()
            links.append(link)
            limiters.append(RateLimiter(link, lambda: count))
        for link in links:
            assert await link.ready(20)
        return limiters[-count:]

    yield start
    for limiter in limiters:
        await limiter.close()
    for link in links:
        await link.close()


def most_above(admitted: list[float], rate: Rate, lapse: float) -> float:
    """The largest excess, over all windows between two admissions, of requests over ``burst + per_second * (t + lapse)``."""
    admitted.sort()
    # With x[i] = i - per_second * time, the excess of window (i, j) is x[j] - x[i] + 1 - burst - per_second * lapse.
    worst, lowest = float("-inf"), float("inf")
    for number, at in enumerate(admitted):
        lowest = min(lowest, number - rate.per_second * at)
        worst = max(worst, number - rate.per_second * at - lowest + 1)
    return worst - rate.burst - rate.per_second * lapse


@given(
    st.floats(0.5, 5000), st.integers(1, 50), st.lists(st.floats(0, 0.2), min_size=1, max_size=200)
)  # fmt: skip
def test_a_bucket_in_memory_admits_as_a_bucket_of_tokens_does(per_second: float, burst: int, pauses: list[float]) -> None:
    """At any moments, it admits exactly while a counted bucket has a token, and what it says to wait is the time to one."""
    bucket, tokens, now, at = Bucket(Rate(per_second, burst)), float(burst), 1000.0, 1000.0
    for pause in pauses:
        now += pause
        tokens, at = min(float(burst), tokens + (now - at) * per_second), now
        wait = bucket.wait(now)
        if abs(tokens - 1) < 1e-5:
            return
        assert (wait == 0) == (tokens >= 1)
        if wait == 0:
            bucket.spend(now)
            tokens -= 1
        else:
            assert wait == pytest.approx((1 - tokens) / per_second, rel=1e-3, abs=1e-8)


async def test_a_refusal_names_the_true_time() -> None:
    """The request that comes after the time that was named passes; one that comes before does not."""
    now = [0.0]
    limiter, claim = RateLimiter(clock=lambda: now[0]), ("a", Rate(4, 2))
    assert [await limiter.take([claim]) for _ in range(2)] == [None, None]
    assert await limiter.take([claim]) == ("a", 0.25)
    now[0] += 0.24
    refused = await limiter.take([claim])
    assert refused is not None and refused[1] == pytest.approx(0.01)
    now[0] += refused[1]
    assert await limiter.take([claim]) is None


async def test_a_request_that_one_bucket_refuses_costs_the_others_nothing(make: Make) -> None:
    """Of two limits the one that is used up is named, and the other keeps its tokens."""
    for limiter in [RateLimiter(), *await make(1)]:
        wide, narrow = ("wide", Rate(0.001, 5)), ("narrow", Rate(0.001, 2))
        assert [await limiter.take([narrow, wide]) for _ in range(2)] == [None, None]
        for _ in range(10):
            refused = await limiter.take([narrow, wide])
            assert refused is not None and refused[0] == "narrow"
        assert [await limiter.take([wide]) for _ in range(3)] == [None] * 3
        refused = await limiter.take([wide])
        assert refused is not None and refused[0] == "wide" and 900 < refused[1] <= 1000


async def test_four_processes_admit_no_more_than_one_bucket_and_little_less(make: Make) -> None:
    """Under more load than the rate the fleet admits burst + rate * time at most, in every window, and most of it."""
    limiters, rate = await make(4), Rate(200, 50)
    admitted: list[float] = []
    began, offered = time.monotonic(), 0

    async def caller(limiter: RateLimiter) -> None:
        nonlocal offered
        while time.monotonic() - began < 3:
            offered += 1
            if await limiter.take([("t", rate)]) is None:
                admitted.append(time.monotonic())
            await asyncio.sleep(0.01)

    await asyncio.gather(*(caller(limiter) for limiter in limiters for _ in range(5)))
    took = time.monotonic() - began
    asked = sum(limiter.asked for limiter in limiters)
    print(f"{offered} offered, {len(admitted)} admitted in {took:.2f} s, {asked} commands")
    assert offered > 1.3 * len(admitted)
    assert len(admitted) <= rate.burst + rate.per_second * took
    assert most_above(admitted, rate, LEASE) <= 0
    assert len(admitted) >= 0.8 * (rate.burst + rate.per_second * took)
    assert asked < len(admitted) / 2


async def test_uneven_load_below_the_rate_is_not_refused(make: Make) -> None:
    """What a process does not use others may: a tenant whose requests all come to one process has its whole rate there."""
    limiters, rate = await make(4), Rate(100, 30)
    for _ in range(4):
        await limiters[1].take([("t", rate)])
        await limiters[2].take([("t", rate)])
    outcomes = []
    for _ in range(120):
        outcomes.append(await limiters[0].take([("t", rate)]))
        await asyncio.sleep(0.0125)
    assert outcomes == [None] * 120


async def test_a_burst_is_admitted_at_once_with_few_commands(make: Make, redis_server: RedisServer) -> None:
    """Of 300 requests that come together in two processes exactly the burst passes; those that wait ask Redis together."""
    limiters, rate = await make(2), Rate(0.01, 100)
    outcomes = await asyncio.gather(*(limiter.take([("t", rate)]) for limiter in limiters for _ in range(150)))
    assert sum(outcome is None for outcome in outcomes) == 100
    assert sum(limiter.asked for limiter in limiters) <= 6
    before = redis_server.commands()
    assert all([await limiters[0].take([("t", rate)]) for _ in range(500)])
    assert redis_server.commands() == before


async def test_tokens_that_a_process_does_not_spend_lapse(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is older than its time admits nothing: what one process held back cannot pile up on the burst."""
    now = [time.monotonic()]
    (limiter,) = await make(1)
    monkeypatch.setattr(limiter, "_clock", lambda: now[0])
    rate = Rate(100, 50)
    for _ in range(30):
        assert await limiter.take([("t", rate)]) is None
    account = limiter._accounts["t"]
    await asyncio.sleep(0.05)
    assert account.held(now[0]) > 0
    now[0] += LEASE
    assert account.held(now[0]) == 0
    assert await limiter.take([("t", rate)]) is None


async def test_tenants_do_not_touch_each_other(make: Make) -> None:
    """Random requests of ten tenants over three processes: each is admitted what its own bucket holds."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    limiters = await make(3)
    rates = {f"tenant {number}": Rate(0.001, rng.randrange(1, 40)) for number in range(10)}
    admitted = dict.fromkeys(rates, 0)
    for _ in range(1500):
        name = rng.choice(list(rates))
        admitted[name] += await rng.choice(limiters).take([(name, rates[name])]) is None
    assert admitted == {name: rate.burst for name, rate in rates.items()}


async def test_without_redis_each_process_admits_its_share(make: Make, fragile_redis: RedisServer) -> None:
    """Redis gone: no request waits or fails, and all processes together stay within the rate; back, they share again."""
    limiters, rate = await make(2, server=fragile_redis), Rate(20, 20)
    assert await limiters[0].take([("t", rate)]) is None
    fragile_redis.kill()
    # The first request of each that asks finds nobody, and is admitted all the same.
    for limiter in limiters:
        assert await limiter.take([("other", rate)]) is None
        assert limiter._link is not None and not limiter._link.up
    began, waits = time.monotonic(), []
    admitted = 0
    while time.monotonic() - began < 1.5:
        for limiter in limiters:
            asked = time.perf_counter()
            admitted += await limiter.take([("t", rate)]) is None
            waits.append(time.perf_counter() - asked)
        await asyncio.sleep(0.01)
    took = time.monotonic() - began
    # Waiting for Redis would be its timeout, for each.
    assert sorted(waits)[len(waits) // 2] < limiters[0]._link.timeout / 2
    assert 0.8 * (rate.burst + rate.per_second * took) <= admitted <= rate.burst + rate.per_second * took + 1
    await asyncio.to_thread(fragile_redis.start)
    for limiter in limiters:
        assert limiter._link is not None and await limiter._link.ready(20)
    before = limiters[0].asked
    began = time.monotonic()
    while limiters[0].asked == before:
        assert time.monotonic() - began < 20
        await limiters[0].take([("t", rate)])
        await asyncio.sleep(0.01)


async def test_a_server_that_refuses_the_script_does_not_refuse_requests(make: Make, redis_server: RedisServer) -> None:
    """A bucket that is no number, as by another program: the process decides alone, and asks again only after a while."""
    (limiter,) = await make(1)
    with redis_server.client() as client:
        client.lpush(ratelimit._key("t"), "x")
    assert [await limiter.take([("t", Rate(1, 3))]) for _ in range(3)] == [None] * 3
    assert await limiter.take([("t", Rate(1, 3))]) is not None
    assert limiter.asked == 1


async def test_buckets_that_are_idle_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of tenants leaves a bounded memory: who is refused stays known, who is idle does not."""
    monkeypatch.setattr(ratelimit, "SWEEP_THRESHOLD", 100)
    now = [0.0]
    limiter = RateLimiter(clock=lambda: now[0])
    monkeypatch.setattr(limiter, "_sweep_at", 100)
    slow = ("slow", Rate(0.0001, 1))
    assert await limiter.take([slow]) is None
    for number in range(1000):
        now[0] += 1
        assert await limiter.take([(str(number), Rate(10, 1))]) is None
        assert len(limiter._accounts) <= 201
    assert await limiter.take([slow]) is not None

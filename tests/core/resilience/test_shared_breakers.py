"""Breakers that processes share over a real Redis: each test's links stand for processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from hexar.core.redis.link import RedisLink
from hexar.core.resilience import BreakerOpen, BreakerState, CircuitBreaker
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher
from hexar.core.resilience.shared_breakers import SharedBreakers
from tests.fix.stores.redis_server import RedisServer


class Process:
    """What one process holds: a link, its part of the shared breakers, and a dispatcher."""

    def __init__(self, server: RedisServer, open_seconds: float) -> None:
        # A busy machine is no outage: what this is about is not how fast the server answers.
        self.link = RedisLink(server.url, timeout=5.0)
        self.shared = SharedBreakers(self.link)
        self.dispatcher = Dispatcher(
            BulkheadConfig(threads=4, breaker_threshold=3, breaker_open_seconds=open_seconds), share=self.shared.share
        )
        self.calls = 0

    async def start(self) -> None:
        self.link.start()
        assert await self.link.ready(20)
        self.shared.start()

    async def close(self) -> None:
        self.dispatcher.close()
        await self.shared.close()
        await self.link.close()

    async def call(self, agent: str, *, fails: bool = False, seconds: float = 0.0) -> None:
        def work() -> None:
            self.calls += 1
            time.sleep(seconds)
            if fails:
                raise OSError

        await self.dispatcher.call(agent, work)

    async def fail(self, agent: str) -> None:
        """Open the breaker of ``agent`` by its third failure in a row."""
        for _ in range(3):
            with pytest.raises(OSError):
                await self.call(agent, fails=True)

    def breaker(self, agent: str) -> CircuitBreaker:
        return next(bulkhead.breaker for bulkhead in self.dispatcher.status() if bulkhead.agent == agent)


Make = Callable[..., Awaitable[list[Process]]]


@pytest.fixture
async def make(redis_server: RedisServer) -> AsyncIterator[Make]:
    made: list[Process] = []

    async def start(count: int, *, open_seconds: float = 60.0, server: RedisServer = redis_server) -> list[Process]:
        new = [Process(server, open_seconds) for _ in range(count)]
        made.extend(new)
        await asyncio.gather(*(process.start() for process in new))
        return new

    yield start
    for process in made:
        await process.close()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait for ``condition``; the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_what_one_process_opens_all_skip_without_a_call(make: Make) -> None:
    """The others, also one that starts later, refuse the agent; an agent that is well is refused by nobody."""
    one, other, idle = await make(3)
    await other.call("vendor")
    await idle.call("well")
    await one.fail("vendor")
    await until(lambda: other.breaker("vendor").state is BreakerState.OPEN)
    with pytest.raises(BreakerOpen) as caught:
        await other.call("vendor")
    assert 50 < caught.value.retry_after <= 60
    assert other.calls == 1
    # A bulkhead that is made after the word came begins open. A look that begins now finds it.
    looks = idle.shared.looks
    await until(lambda: idle.shared.looks > looks + 1)
    with pytest.raises(BreakerOpen):
        await idle.call("vendor")
    assert other.breaker("vendor").opened_elsewhere and not one.breaker("vendor").opened_elsewhere
    (late,) = await make(1)
    await until(lambda: late.shared.looks > 0 and bool(late.shared._version))
    with pytest.raises(BreakerOpen):
        await late.call("vendor")
    assert late.calls == 0
    await late.call("well")


async def test_one_process_probes_and_its_success_opens_the_way_for_all(make: Make) -> None:
    """When the time is over, callers of four processes at once cause one call; when it succeeds all pass again."""
    processes = await make(4, open_seconds=1.0)
    for process in processes:
        await process.call("vendor")
    await processes[0].fail("vendor")
    await until(lambda: all(process.breaker("vendor").state is not BreakerState.CLOSED for process in processes))
    await until(lambda: all(process.breaker("vendor").state is BreakerState.HALF_OPEN for process in processes))
    before = sum(process.calls for process in processes)
    outcomes = await asyncio.gather(
        *(process.call("vendor", seconds=1.0) for process in processes for _ in range(5)), return_exceptions=True
    )
    assert sum(process.calls for process in processes) - before == 1
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, BreakerOpen) for outcome in outcomes) == 19
    await until(lambda: all(process.breaker("vendor").state is BreakerState.CLOSED for process in processes))
    for process in processes:
        await process.call("vendor")


async def test_a_failed_probe_keeps_all_away_for_the_whole_time_again(make: Make) -> None:
    """While the agent stays dead the fleet asks it once in each period, whoever it is that asks."""
    processes = await make(3, open_seconds=0.5)
    for process in processes:
        await process.call("vendor")
    await processes[0].fail("vendor")
    await until(lambda: all(process.breaker("vendor").state is not BreakerState.CLOSED for process in processes))
    before, began = sum(process.calls for process in processes), time.monotonic()
    while time.monotonic() - began < 1.8:
        for process in processes:
            with pytest.raises((BreakerOpen, OSError)):
                await process.call("vendor", fails=True)
        await asyncio.sleep(0.02)
    probes = sum(process.calls for process in processes) - before
    assert 1 <= probes <= int((time.monotonic() - began) / 0.5) + 1


async def test_a_process_that_leaves_with_the_probe_hands_it_on(make: Make) -> None:
    """The lease of a probe lapses where its holder says nothing any more: another process probes."""
    one, other = await make(2, open_seconds=0.5)
    await other.call("vendor")
    await one.fail("vendor")
    await until(lambda: other.breaker("vendor").state is not BreakerState.CLOSED)
    await until(lambda: one.breaker("vendor").state is BreakerState.HALF_OPEN)
    await one.breaker("vendor").consult()
    one.breaker("vendor").enter()
    # As kill -9 does: the lease is neither renewed nor given back.
    await one.shared.close()
    await until(lambda: other.breaker("vendor").seconds_left == 0)
    with pytest.raises(BreakerOpen):
        await other.call("vendor")
    began = time.monotonic()
    while True:
        assert time.monotonic() - began < 20
        try:
            await other.call("vendor")
            break
        except BreakerOpen:
            await asyncio.sleep(0.05)
    assert other.breaker("vendor").state is BreakerState.CLOSED


async def test_callers_who_leave_and_calls_from_before_change_nothing(make: Make) -> None:
    """Cancellations open nothing anywhere; the success of a call that began before the opening closes nothing."""
    one, other = await make(2)
    slow = asyncio.create_task(other.call("vendor", seconds=2.0))
    for _ in range(5):
        left = asyncio.create_task(one.call("vendor", seconds=0.2))
        await asyncio.sleep(0.02)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        await asyncio.sleep(0.2)
    assert one.breaker("vendor").state is BreakerState.CLOSED
    await one.fail("vendor")
    await until(lambda: other.breaker("vendor").state is BreakerState.OPEN)
    await slow
    assert other.breaker("vendor").state is BreakerState.OPEN
    with pytest.raises(BreakerOpen):
        await other.call("vendor")


async def test_healthy_agents_cost_redis_nothing(make: Make, redis_server: RedisServer) -> None:
    """A thousand calls of agents that are well send no command; what is sent is sent by the clock."""
    (process,) = await make(1)
    await asyncio.sleep(0.1)
    before, looks = redis_server.commands(), process.shared.looks
    for number in range(1000):
        await process.call(f"vendor-{number % 7}")
    await asyncio.sleep(0.1)
    assert redis_server.commands() - before <= process.shared.looks - looks + 1


async def test_without_redis_each_process_decides_alone_and_says_so_later(make: Make, fragile_redis: RedisServer) -> None:
    """Killed: breakers open, probe and close locally at once. Back and empty: it is told what is still open."""
    one, other = await make(2, open_seconds=1.0, server=fragile_redis)
    await other.call("dead")
    fragile_redis.kill()
    await until(lambda: not one.link.up and not other.link.up)
    await one.fail("vendor")
    with pytest.raises(BreakerOpen):
        await one.call("vendor")
    await until(lambda: one.breaker("vendor").state is BreakerState.HALF_OPEN)
    # Waiting for Redis would be its timeout.
    began = time.monotonic()
    await one.call("vendor")
    assert time.monotonic() - began < one.link.timeout / 2
    assert one.breaker("vendor").state is BreakerState.CLOSED
    one.breaker("vendor").open_seconds = 60
    await one.fail("vendor")
    assert other.calls == 1
    await asyncio.to_thread(fragile_redis.start)

    def told() -> bool:
        return any(known.is_open for known in other.shared._known.values())

    await until(told)
    with pytest.raises(BreakerOpen):
        await other.call("vendor")


async def test_redis_that_forgets_is_told_again(make: Make, fragile_redis: RedisServer) -> None:
    """A server restarted empty while an agent is down: a process that starts then skips the agent all the same."""
    (one,) = await make(1, server=fragile_redis)
    await one.fail("vendor")
    await until(lambda: "vendor" in one.shared._known)
    fragile_redis.kill()
    await until(lambda: not one.link.up)
    await asyncio.to_thread(fragile_redis.start)
    (late,) = await make(1, server=fragile_redis)
    await until(lambda: "vendor" in late.shared._known)
    with pytest.raises(BreakerOpen):
        await late.call("vendor")


async def test_a_thread_asks_for_the_probe_as_the_loop_does(make: Make) -> None:
    """Blocking callers, as those of models, take part: of two threads in two processes one probes."""
    one, other = await make(2, open_seconds=0.5)
    pair = [CircuitBreaker("fast", threshold=1, open_seconds=0.5, name="model:fast") for _ in range(2)]
    one.shared.share(pair[0])
    other.shared.share(pair[1])
    pair[0].enter()
    pair[0].failed()
    await until(lambda: pair[1].state is not BreakerState.CLOSED)
    await until(lambda: all(breaker.state is BreakerState.HALF_OPEN for breaker in pair))

    def enter(breaker: CircuitBreaker) -> bool:
        breaker.consult_from_thread()
        try:
            breaker.enter()
        except BreakerOpen:
            return False
        return True

    entered = await asyncio.gather(*(asyncio.to_thread(enter, breaker) for breaker in pair))
    assert sorted(entered) == [False, True]
    pair[entered.index(True)].succeeded()
    await until(lambda: all(breaker.state is BreakerState.CLOSED for breaker in pair))

"""The dispatcher: bulkheads, deadlines, retries and circuit breakers over real threads."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded
from hexar.core.resilience import BreakerOpen, BreakerState, BulkheadFull, CircuitBreaker, RetryPolicy
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher


class Flaky(Exception):
    """An error of a party that may pass."""

    retryable = True


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # threads set no event of the loop
            await asyncio.sleep(0.01)


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    made = Dispatcher(BulkheadConfig(threads=2, queue=1, breaker_threshold=3, breaker_open_seconds=60))
    yield made
    made.close()


async def test_a_hanging_agent_holds_only_its_own_threads(dispatcher: Dispatcher) -> None:
    """While one agent hangs with all its threads, another answers at once and a further call is refused."""
    gate = threading.Event()
    hung = [asyncio.create_task(dispatcher.call("hangs", gate.wait, 5)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(BulkheadFull):
        await dispatcher.call("hangs", gate.wait, 5)
    assert await dispatcher.call("works", lambda: 42) == 42
    gate.set()
    assert await asyncio.gather(*hung) == [True, True, True]


async def test_the_caller_goes_on_when_its_deadline_passes(dispatcher: Dispatcher) -> None:
    """A call that outlives the deadline ends with DeadlineExceeded at the deadline, not at the call's end."""
    gate = threading.Event()
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await dispatcher.call("slow", gate.wait, 20, deadline=Deadline.after(0.1))
    assert time.monotonic() - began < 10
    gate.set()


async def test_a_retryable_error_is_retried_and_another_is_not(dispatcher: Dispatcher) -> None:
    """Only errors that say ``retryable`` are repeated, and at most as often as the policy says."""
    calls: list[int] = []

    def flaky() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise Flaky
        return len(calls)

    assert await dispatcher.call("flaky", flaky, retry=RetryPolicy(base=0.001)) == 3

    def broken() -> None:
        calls.append(1)
        raise ValueError

    calls.clear()
    with pytest.raises(ValueError):
        await dispatcher.call("broken", broken, retry=RetryPolicy(base=0.001))
    assert len(calls) == 1


async def test_retries_stay_inside_the_deadline(dispatcher: Dispatcher) -> None:
    """A pause that would outlive the deadline is not begun: the error comes at once."""

    def flaky() -> None:
        raise Flaky

    began = time.monotonic()
    with pytest.raises(Flaky):
        await dispatcher.call("flaky", flaky, deadline=Deadline.after(20), retry=RetryPolicy(base=100))
    assert time.monotonic() - began < 10


async def test_consecutive_failures_open_the_breaker_for_that_agent_only(dispatcher: Dispatcher) -> None:
    """After the threshold calls are refused without reaching the agent; other agents are not touched."""
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise OSError

    for _ in range(3):
        with pytest.raises(OSError):
            await dispatcher.call("down", fail)
    with pytest.raises(BreakerOpen) as caught:
        await dispatcher.call("down", fail)
    assert len(calls) == 3
    assert 0 < caught.value.retry_after <= 60
    assert await dispatcher.call("up", lambda: 1) == 1


async def test_cancelled_callers_do_not_count_against_the_agent(dispatcher: Dispatcher) -> None:
    """A caller that leaves says nothing about the agent: the breaker stays closed however often."""
    for _ in range(5):
        gate = threading.Event()
        task = asyncio.create_task(dispatcher.call("left", gate.wait, 5))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await asyncio.sleep(0.01)
    (bulkhead,) = dispatcher.status()
    assert bulkhead.breaker.state is BreakerState.CLOSED
    assert bulkhead.breaker.failures == 0


async def test_a_caller_in_a_hurry_does_not_open_the_breaker(dispatcher: Dispatcher) -> None:
    """Timeouts after less than a second speak against the caller's patience, not against the agent."""
    for _ in range(4):
        with pytest.raises(DeadlineExceeded):
            await dispatcher.call("hurried", time.sleep, 0.05, deadline=Deadline.after(0.01))
        await asyncio.sleep(0.06)
    (bulkhead,) = dispatcher.status()
    assert bulkhead.breaker.state is BreakerState.CLOSED


async def test_an_agent_that_lets_a_patient_caller_wait_is_blamed(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timeout after the agent had long enough counts as its failure."""
    monkeypatch.setattr("hexar.core.resilience.dispatch.BLAME_AFTER", 0.01)
    with pytest.raises(DeadlineExceeded):
        await dispatcher.call("late", time.sleep, 0.3, deadline=Deadline.after(0.1))
    (bulkhead,) = dispatcher.status()
    assert bulkhead.breaker.failures == 1


async def test_a_caller_that_leaves_the_queue_makes_room(dispatcher: Dispatcher) -> None:
    """Its call is dropped at once and never runs, though all threads are still taken."""
    gate = threading.Event()
    ran: list[int] = []
    taken = [asyncio.create_task(dispatcher.call("full", gate.wait, 5)) for _ in range(2)]
    queued = asyncio.create_task(dispatcher.call("full", ran.append, 1))
    await asyncio.sleep(0.05)
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    after = asyncio.create_task(dispatcher.call("full", ran.append, 2))
    await asyncio.sleep(0.05)
    gate.set()
    await asyncio.gather(*taken, after)
    assert ran == [2]


async def test_nothing_is_repeated_for_a_caller_who_left(dispatcher: Dispatcher) -> None:
    """The pause before the next attempt ends when the caller leaves, and there is no next attempt."""
    calls: list[int] = []

    def flaky() -> None:
        calls.append(1)
        raise Flaky

    task = asyncio.create_task(dispatcher.call("flaky", flaky, retry=RetryPolicy(base=30)))
    await _until(lambda: bool(calls))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    began = time.monotonic()
    await _until(lambda: not dispatcher.status()[0].busy)
    assert time.monotonic() - began < 10
    assert len(calls) == 1


async def test_a_result_that_comes_late_is_dropped_in_silence(dispatcher: Dispatcher) -> None:
    """Neither a value nor an error that comes after the caller's deadline troubles the event loop."""
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    gate = threading.Event()

    def late(error: Exception | None) -> None:
        gate.wait(5)
        if error is not None:
            raise error

    for error in (None, ValueError()):
        with pytest.raises(DeadlineExceeded):
            await dispatcher.call("late", late, error, deadline=Deadline.after(0.05))
    gate.set()
    await _until(lambda: not any(bulkhead.busy for bulkhead in dispatcher.status()))
    await asyncio.sleep(0.05)
    assert not troubles


def test_an_open_breaker_lets_one_call_probe() -> None:
    """After its time one call passes; its success closes the breaker, its failure opens it anew."""
    now = [0.0]
    breaker = CircuitBreaker("agent", threshold=1, open_seconds=10, clock=lambda: now[0])
    breaker.enter()
    breaker.failed()
    assert breaker.state is BreakerState.OPEN
    now[0] = 10.0
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.enter()
    with pytest.raises(BreakerOpen):
        breaker.enter()
    breaker.failed()
    assert breaker.state is BreakerState.OPEN
    now[0] = 20.0
    breaker.enter()
    breaker.abandoned()
    breaker.enter()
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    breaker.enter()

"""Blocking calls on thread pools, with a bulkhead for each agent.

Each agent has its own lane: a pool of threads, a bounded queue, a circuit breaker. A vendor that hangs can hold its own
threads only; when they and its queue are taken, further calls are refused at once instead of waiting.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded
from hexar.core.resilience import NO_RETRY, BulkheadFull, CircuitBreaker, RetryPolicy, counts_as_failure

T = TypeVar("T")

#: A timeout speaks against the agent only when the agent had at least this long, seconds: a caller in a hurry is no proof.
BLAME_AFTER = 1.0


class DispatchObserver(Protocol):
    """Told of every call that ended: ``failure`` is the exception's class name, empty where it succeeded."""

    def __call__(self, agent: str, seconds: float, failure: str) -> None: ...


@dataclass(frozen=True, slots=True)
class LaneConfig:
    """What one agent may hold: ``threads`` at once, ``queue`` calls that wait, and when its breaker opens."""

    threads: int = 8
    queue: int = 64
    breaker_threshold: int = 5
    breaker_open_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One agent's lane now."""

    agent: str
    breaker: CircuitBreaker
    busy: int
    threads: int
    queued: int


@dataclass(slots=True)
class _Lane:
    agent: str
    config: LaneConfig
    breaker: CircuitBreaker
    executor: ThreadPoolExecutor
    lock: threading.Lock = field(default_factory=threading.Lock)
    pending: int = 0
    busy: int = 0

    def leave(self, _: Future[Any]) -> None:
        """A call has ended, or was dropped from the queue."""
        with self.lock:
            self.pending -= 1


class _LateError(Exception):
    """The caller's time is over."""


class _Call:
    """One call's fate, settled once: by its thread, by its deadline, or by a caller that left."""

    __slots__ = ("_lane", "_lock", "_observer", "_settled", "started", "stop")

    def __init__(self, lane: _Lane, observer: DispatchObserver | None) -> None:
        self._lane = lane
        self._observer = observer
        self._lock = threading.Lock()
        self._settled = False
        self.started: float | None = None
        self.stop = threading.Event()

    def settle(self, error: BaseException | None, *, blame: bool) -> None:
        with self._lock:
            if self._settled:
                return
            self._settled = True
        if error is None:
            self._lane.breaker.succeeded()
        elif blame:
            self._lane.breaker.failed()
        else:
            self._lane.breaker.abandoned()
        if self._observer is not None and self.started is not None and not isinstance(error, asyncio.CancelledError):
            self._observer(self._lane.agent, time.monotonic() - self.started, type(error).__name__ if error else "")


class Dispatcher:
    """Runs blocking functions for agents. ``share`` is given each agent's breaker, to let it agree with other processes.

    Thread-safety: :meth:`call` belongs to the event loop; the rest may be called from any thread.
    """

    def __init__(
        self,
        default: LaneConfig | None = None,
        *,
        observer: DispatchObserver | None = None,
        share: Callable[[CircuitBreaker], None] | None = None,
    ) -> None:
        self._default = default or LaneConfig()
        self._observer = observer
        self._share = share
        self._lanes: dict[str, _Lane] = {}
        self._lock = threading.Lock()

    def configure(self, agent: str, config: LaneConfig) -> None:
        """Give ``agent`` limits of its own; before its first call."""
        with self._lock:
            if agent in self._lanes:
                raise ValueError(f"{agent} is already in use")
            self._lanes[agent] = self._new_lane(agent, config)

    async def call(
        self,
        agent: str,
        function: Callable[..., T],
        *args: Any,
        deadline: Deadline | None = None,
        retry: RetryPolicy = NO_RETRY,
        abandoned: Callable[[], None] | None = None,
    ) -> T:
        """Run ``function(*args)`` on a thread of ``agent`` and return its result.

        The function is repeated as ``retry`` says, inside the deadline, and only for exceptions that say ``retryable``.
        Raises what the function raises, or BreakerOpen, BulkheadFull, DeadlineExceeded. When the deadline passes, the
        caller goes on; the thread ends when the function notices (sockets carry the same deadline). ``abandoned`` is called
        on the event loop when the caller left or its time is over, so that the function can be told at once.
        """
        limit = deadline or Deadline.never()
        lane = self._lane(agent)
        if limit.expired:
            raise DeadlineExceeded(f"no time was left to ask {agent}")
        await lane.breaker.consult()
        lane.breaker.enter()
        call = _Call(lane, self._observer)
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()
        try:
            future = self._submit(lane, call, function, args, limit, retry)
        except BaseException as error:
            call.settle(error, blame=False)
            raise
        future.add_done_callback(partial(_tell, loop, ended))
        late = None if limit.at == float("inf") else loop.call_later(limit.remaining(), _expire, ended)
        try:
            return await ended
        except _LateError as error:
            ran = 0.0 if call.started is None else time.monotonic() - call.started
            _abandon(future, call, error, abandoned, blame=ran >= BLAME_AFTER)
            raise DeadlineExceeded(f"{agent} did not answer in time") from error
        except asyncio.CancelledError as error:
            _abandon(future, call, error, abandoned, blame=False)
            raise
        finally:
            if late is not None:
                late.cancel()

    def status(self) -> list[LaneStatus]:
        """Every lane, by agent name."""
        with self._lock:
            lanes = sorted(self._lanes.items())
        return [
            LaneStatus(name, lane.breaker, lane.busy, lane.config.threads, max(0, lane.pending - lane.busy))
            for name, lane in lanes
        ]

    def close(self) -> None:
        """Refuse new calls and drop the queued ones; running threads end by their own deadlines."""
        with self._lock:
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.executor.shutdown(wait=False, cancel_futures=True)

    def _lane(self, agent: str) -> _Lane:
        lane = self._lanes.get(agent)
        if lane is None:
            with self._lock:
                lane = self._lanes.get(agent)
                if lane is None:
                    lane = self._lanes[agent] = self._new_lane(agent, self._default)
        return lane

    def _new_lane(self, agent: str, config: LaneConfig) -> _Lane:
        breaker = CircuitBreaker(agent, threshold=config.breaker_threshold, open_seconds=config.breaker_open_seconds)
        if self._share is not None:
            self._share(breaker)
        return _Lane(agent, config, breaker, ThreadPoolExecutor(config.threads, thread_name_prefix=f"agent-{agent}"))

    def _submit(
        self, lane: _Lane, call: _Call, function: Callable[..., T], args: tuple[Any, ...], limit: Deadline, retry: RetryPolicy
    ) -> Future[T]:
        with lane.lock:
            if lane.pending >= lane.config.threads + lane.config.queue:
                raise BulkheadFull(lane.agent)
            lane.pending += 1

        try:
            future = lane.executor.submit(self._run, lane, call, function, args, limit, retry)
        except BaseException:
            with lane.lock:
                lane.pending -= 1
            raise
        future.add_done_callback(lane.leave)
        return future

    @staticmethod
    def _run(
        lane: _Lane, call: _Call, function: Callable[..., T], args: tuple[Any, ...], limit: Deadline, retry: RetryPolicy
    ) -> T:
        call.started = time.monotonic()
        with lane.lock:
            lane.busy += 1
        try:
            result = _attempt(lane.agent, call.stop, function, args, limit, retry)
        except BaseException as error:
            call.settle(error, blame=counts_as_failure(error))
            raise
        else:
            call.settle(None, blame=False)
            return result
        finally:
            with lane.lock:
                lane.busy -= 1


def _attempt(
    agent: str, stop: threading.Event, function: Callable[..., T], args: tuple[Any, ...], limit: Deadline, retry: RetryPolicy
) -> T:
    attempt = 0
    while True:
        if limit.expired or stop.is_set():
            raise DeadlineExceeded(f"no time was left to ask {agent}")
        attempt += 1
        try:
            return function(*args)
        except Exception as error:
            if attempt >= retry.attempts or not getattr(error, "retryable", False):
                raise
            pause = retry.pause(attempt, error)
            # A pause that outlives the budget only delays the same answer.
            if pause >= limit.remaining() or stop.wait(pause):
                raise


def _tell(loop: asyncio.AbstractEventLoop, ended: asyncio.Future[T], future: Future[T]) -> None:
    """On the call's thread: its fate to who waits for it."""
    # The loop may have ended meanwhile; then nobody waits.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_settle, ended, future)


def _settle(ended: asyncio.Future[T], future: Future[T]) -> None:
    if ended.done():
        return
    if future.cancelled():
        ended.cancel()
    elif (error := future.exception()) is not None:
        ended.set_exception(error)
    else:
        ended.set_result(future.result())


def _expire(ended: asyncio.Future[Any]) -> None:
    if not ended.done():
        ended.set_exception(_LateError())


def _abandon(
    future: Future[Any], call: _Call, error: BaseException, abandoned: Callable[[], None] | None, *, blame: bool
) -> None:
    """Nobody waits any more: drop the call from the queue, or tell the function that runs."""
    future.cancel()
    call.stop.set()
    if abandoned is not None:
        abandoned()
    call.settle(error, blame=blame)

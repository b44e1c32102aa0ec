"""Blocking calls on thread pools, with a bulkhead for each agent.

Each agent has its own bulkhead: a pool of threads, a bounded queue, a circuit breaker. A vendor that hangs can hold its own
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

import structlog

from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, HexarError
from hexar.core.resilience import NO_RETRY, BulkheadFull, CircuitBreaker, RetryPolicy, counts_as_failure
from hexar.core.telemetry.tracing import span

T = TypeVar("T")

log = structlog.get_logger(__name__)

#: A timeout speaks against the agent only when the agent had at least this long, seconds: a caller in a hurry is no proof.
BLAME_AFTER = 1.0


class DispatchObserver(Protocol):
    """Told of every call that ended: ``failure`` is the exception's class name, empty where it succeeded."""

    def __call__(self, agent: str, seconds: float, failure: str) -> None: ...


@dataclass(frozen=True, slots=True)
class BulkheadConfig:
    """What one agent may hold: ``threads`` at once, ``queue`` calls that wait, and when its breaker opens.

    ``party`` is False for work of our own on what callers send: nobody else can fail there, so its breaker never opens. One
    caller's document or deadline must not close it to the others.
    """

    threads: int = 8
    queue: int = 64
    breaker_threshold: int = 5
    breaker_open_seconds: float = 60.0
    party: bool = True


@dataclass(frozen=True, slots=True)
class BulkheadStatus:
    """One agent's bulkhead now."""

    agent: str
    breaker: CircuitBreaker
    busy: int
    threads: int
    queued: int


@dataclass(slots=True)
class _Bulkhead:
    agent: str
    config: BulkheadConfig
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

    __slots__ = ("_bulkhead", "_lock", "_observer", "_settled", "started", "stop")

    def __init__(self, bulkhead: _Bulkhead, observer: DispatchObserver | None) -> None:
        self._bulkhead = bulkhead
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
            self._bulkhead.breaker.succeeded()
        elif blame and self._bulkhead.config.party:
            self._bulkhead.breaker.failed()
        else:
            self._bulkhead.breaker.abandoned()
        if error is not None and not isinstance(error, asyncio.CancelledError):
            reason = error.message if isinstance(error, HexarError) else type(error.__cause__ or error).__name__
            log.warning("agent_failed", agent=self._bulkhead.agent, failure=type(error).__name__, reason=reason)
        if self._observer is not None and self.started is not None and not isinstance(error, asyncio.CancelledError):
            self._observer(self._bulkhead.agent, time.monotonic() - self.started, type(error).__name__ if error else "")


class Dispatcher:
    """Runs blocking functions for agents. ``share`` is given each agent's breaker, to let it agree with other processes.

    Thread-safety: :meth:`call` belongs to the event loop; the rest may be called from any thread.
    """

    def __init__(
        self,
        default: BulkheadConfig | None = None,
        *,
        observer: DispatchObserver | None = None,
        share: Callable[[CircuitBreaker], None] | None = None,
    ) -> None:
        self.default = default or BulkheadConfig()
        self._observer = observer
        self._share = share
        self._bulkheads: dict[str, _Bulkhead] = {}
        self._lock = threading.Lock()

    def configure(self, agent: str, config: BulkheadConfig) -> None:
        """Give ``agent`` limits of its own; before its first call."""
        with self._lock:
            if agent in self._bulkheads:
                raise ValueError(f"{agent} is already in use")
            self._bulkheads[agent] = self._new_bulkhead(agent, config)

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
        bulkhead = self._bulkhead(agent)
        if limit.expired:
            raise DeadlineExceeded(f"no time was left to ask {agent}")
        await bulkhead.breaker.consult()
        bulkhead.breaker.enter()
        call = _Call(bulkhead, self._observer)
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()
        try:
            future = self._submit(bulkhead, call, function, args, limit, retry)
        except BaseException as error:
            call.settle(error, blame=False)
            raise
        future.add_done_callback(partial(_tell, loop, ended))
        late = None if limit.at == float("inf") else loop.call_later(limit.remaining(), _expire, ended)
        try:
            with span(f"agent {agent}", agent=agent):
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

    def status(self) -> list[BulkheadStatus]:
        """Every bulkhead, by agent name."""
        with self._lock:
            bulkheads = sorted(self._bulkheads.items())
        return [
            BulkheadStatus(
                name, bulkhead.breaker, bulkhead.busy, bulkhead.config.threads, max(0, bulkhead.pending - bulkhead.busy)
            )
            for name, bulkhead in bulkheads
        ]

    def close(self) -> None:
        """Refuse new calls and drop the queued ones; running threads end by their own deadlines."""
        with self._lock:
            bulkheads = list(self._bulkheads.values())
        for bulkhead in bulkheads:
            bulkhead.executor.shutdown(wait=False, cancel_futures=True)

    def _bulkhead(self, agent: str) -> _Bulkhead:
        bulkhead = self._bulkheads.get(agent)
        if bulkhead is None:
            with self._lock:
                bulkhead = self._bulkheads.get(agent)
                if bulkhead is None:
                    bulkhead = self._bulkheads[agent] = self._new_bulkhead(agent, self.default)
        return bulkhead

    def _new_bulkhead(self, agent: str, config: BulkheadConfig) -> _Bulkhead:
        breaker = CircuitBreaker(agent, threshold=config.breaker_threshold, open_seconds=config.breaker_open_seconds)
        if self._share is not None:
            self._share(breaker)
        return _Bulkhead(agent, config, breaker, ThreadPoolExecutor(config.threads, thread_name_prefix=f"agent-{agent}"))

    def _submit(
        self,
        bulkhead: _Bulkhead,
        call: _Call,
        function: Callable[..., T],
        args: tuple[Any, ...],
        limit: Deadline,
        retry: RetryPolicy,
    ) -> Future[T]:
        with bulkhead.lock:
            if bulkhead.pending >= bulkhead.config.threads + bulkhead.config.queue:
                raise BulkheadFull(bulkhead.agent)
            bulkhead.pending += 1

        try:
            future = bulkhead.executor.submit(self._run, bulkhead, call, function, args, limit, retry)
        except BaseException:
            with bulkhead.lock:
                bulkhead.pending -= 1
            raise
        future.add_done_callback(bulkhead.leave)
        return future

    @staticmethod
    def _run(
        bulkhead: _Bulkhead, call: _Call, function: Callable[..., T], args: tuple[Any, ...], limit: Deadline, retry: RetryPolicy
    ) -> T:
        call.started = time.monotonic()
        with bulkhead.lock:
            bulkhead.busy += 1
        try:
            result = _attempt(bulkhead.agent, call.stop, function, args, limit, retry)
        except BaseException as error:
            call.settle(error, blame=counts_as_failure(error))
            raise
        else:
            call.settle(None, blame=False)
            return result
        finally:
            with bulkhead.lock:
                bulkhead.busy -= 1


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

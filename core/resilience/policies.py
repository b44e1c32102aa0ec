"""Circuit breakers and retries: how a caller treats a party that fails.

An exception tells what it means by two optional attributes: ``counts_as_failure`` (default True: the party is to blame) and
``retryable`` (default False: the same call may succeed soon). Caller errors and cancellations set neither against it.

::

    Unavailable
    ├── BreakerOpen      the party failed too often and is left alone
    └── BulkheadFull     all threads that the party may hold are taken, and its queue is full
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hexar.core.errors import HexarError, Unavailable


class BreakerOpen(Unavailable):
    """The circuit breaker of ``agent`` is open; ``retry_after`` seconds are left until it probes."""

    counts_as_failure = False

    def __init__(self, agent: str, retry_after: float) -> None:
        super().__init__(f"{agent} failed repeatedly and is not asked for now", retry_after)
        self.agent = agent


class BulkheadFull(Unavailable):
    """Every thread of ``agent`` is taken and as many calls wait as may wait."""

    counts_as_failure = False

    def __init__(self, agent: str) -> None:
        super().__init__(f"{agent} is busy", 1.0)
        self.agent = agent


def counts_as_failure(error: BaseException) -> bool:
    """True where ``error`` speaks against the party that was called."""
    default = isinstance(error, Exception) and not isinstance(error, HexarError)
    return bool(getattr(error, "counts_as_failure", default))


class BreakerState(StrEnum):
    """CLOSED: calls pass. OPEN: they are refused. HALF_OPEN: one probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Peers(Protocol):
    """What makes the breakers of several processes agree (:mod:`hexar.core.resilience.shared_breakers`)."""

    def changed(self, breaker: CircuitBreaker) -> None:
        """A call of this process opened or closed ``breaker``; from any thread, returns at once."""
        ...

    async def claim(self, breaker: CircuitBreaker) -> None:
        """Ask for the probe: ends with :meth:`CircuitBreaker.lend`, :meth:`~CircuitBreaker.open_for` or a close."""
        ...

    def claim_from_thread(self, breaker: CircuitBreaker) -> None:
        """As :meth:`claim`, for a thread that may block."""
        ...


class CircuitBreaker:
    """Opens after ``threshold`` consecutive failures, for ``open_seconds``; then lets one call probe.

    Every :meth:`enter` is answered by exactly one of :meth:`succeeded`, :meth:`failed` or :meth:`abandoned`. While the breaker
    is open and nobody probes, what calls from before report changes nothing.

    With ``peers`` the breaker also opens and closes for what other processes saw of the same ``name``, and the probe is one of
    all processes: call :meth:`consult` before :meth:`enter`.

    Thread-safety: all methods may be called from any thread, :meth:`consult` belongs to the event loop.
    """

    def __init__(
        self,
        agent: str,
        *,
        threshold: int = 5,
        open_seconds: float = 60.0,
        name: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.agent = agent
        self.name = name or agent
        self.threshold = threshold
        self.open_seconds = open_seconds
        self.peers: Peers | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False
        self._lent_until = 0.0
        self._elsewhere = False

    @property
    def failures(self) -> int:
        """Consecutive failures since the last success."""
        return self._failures

    @property
    def state(self) -> BreakerState:
        """The state as a caller would find it now."""
        with self._lock:
            if self._open_until is None:
                return BreakerState.CLOSED
            return BreakerState.HALF_OPEN if self._probing or self._clock() >= self._open_until else BreakerState.OPEN

    @property
    def seconds_left(self) -> float:
        """Seconds until a probe may pass; 0 where one may, or the breaker is closed."""
        with self._lock:
            return 0.0 if self._open_until is None else max(0.0, self._open_until - self._clock())

    @property
    def opened_elsewhere(self) -> bool:
        """True while the breaker is not closed because of what another process saw."""
        return self._elsewhere and self._open_until is not None

    @property
    def probing(self) -> bool:
        """True while a call of this process probes."""
        return self._probing

    async def consult(self) -> None:
        """Where the next call would be the probe, agree with the other processes on it; costs nothing otherwise."""
        peers = self.peers
        if peers is not None and self._needs_claim():
            await peers.claim(self)

    def consult_from_thread(self) -> None:
        """As :meth:`consult`, for a thread that may block."""
        peers = self.peers
        if peers is not None and self._needs_claim():
            peers.claim_from_thread(self)

    def enter(self) -> None:
        """Admit a call, or raise :class:`BreakerOpen`."""
        with self._lock:
            if self._open_until is None:
                return
            now = self._clock()
            left = self._open_until - now
            if left > 0:
                raise BreakerOpen(self.agent, left)
            if self._probing or (self.peers is not None and now >= self._lent_until):
                raise BreakerOpen(self.agent, 1.0)
            # Lent for one probe: after a failure the next one is agreed on anew.
            self._probing = True
            self._lent_until = 0.0

    def succeeded(self) -> None:
        """The call went well: a probe closes the breaker."""
        with self._lock:
            closes = self._probing
            if self._open_until is not None and not closes:
                return
            self._close()
        self._tell(closes)

    def failed(self) -> None:
        """The party failed: one step nearer to opening; a failed probe opens it anew."""
        with self._lock:
            self._failures += 1
            opens = self._probing or (self._failures >= self.threshold and self._open_until is None)
            if opens:
                self._open_until = self._clock() + self.open_seconds
                self._elsewhere = False
            self._probing = False
        self._tell(opens)

    def abandoned(self) -> None:
        """The call says nothing about the party (the caller left, or asked for something wrong)."""
        with self._lock:
            self._probing = False

    def open_for(self, seconds: float, *, elsewhere: bool = True) -> None:
        """Another process saw the party fail, or probes it: no call passes for ``seconds``."""
        with self._lock:
            self._open_until = self._clock() + seconds
            self._elsewhere = elsewhere

    def close(self) -> None:
        """Another process saw the party answer."""
        with self._lock:
            self._close()

    def reset(self) -> None:
        """An operator closes it, here and in the other processes."""
        with self._lock:
            changed = self._open_until is not None
            self._close()
        self._tell(changed)

    def lend(self, seconds: float) -> None:
        """One call within ``seconds`` may probe."""
        with self._lock:
            self._lent_until = self._clock() + seconds

    def _tell(self, changed: bool) -> None:
        peers = self.peers
        if changed and peers is not None:
            peers.changed(self)

    def _close(self) -> None:
        self._failures = 0
        self._open_until = None
        self._probing = False
        self._elsewhere = False

    def _needs_claim(self) -> bool:
        # Read without the lock: closed, the usual case, must cost nothing.
        if self._open_until is None:
            return False
        with self._lock:
            now = self._clock()
            return self._open_until is not None and not self._probing and now >= self._open_until and now >= self._lent_until


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Up to ``attempts`` calls; the n-th pause is ``base · factor^(n-1)`` seconds, shortened at random by up to ``jitter``."""

    attempts: int = 3
    base: float = 0.1
    factor: float = 1.5
    jitter: float = 0.5

    def pause(self, attempt: int, error: BaseException) -> float:
        """Seconds to wait after the ``attempt``-th failure (from 1); at least what the error's ``retry_after`` asks for."""
        wait = self.base * self.factor ** (attempt - 1) * (1.0 - random.random() * self.jitter)
        asked = getattr(error, "retry_after", None)
        return max(wait, float(asked)) if asked else wait


#: For work that may not be repeated.
NO_RETRY = RetryPolicy(attempts=1)

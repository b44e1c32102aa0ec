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


class CircuitBreaker:
    """Opens after ``threshold`` consecutive failures, for ``open_seconds``; then lets one call probe.

    Every :meth:`enter` is answered by exactly one of :meth:`succeeded`, :meth:`failed` or :meth:`abandoned`.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(
        self, agent: str, *, threshold: int = 5, open_seconds: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.agent = agent
        self.threshold = threshold
        self.open_seconds = open_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def failures(self) -> int:
        """Consecutive failures since the last success."""
        return self._failures

    @property
    def state(self) -> BreakerState:
        """The state as a caller would find it now."""
        with self._lock:
            if self._opened_at is None:
                return BreakerState.CLOSED
            waited = self._clock() - self._opened_at
            return BreakerState.HALF_OPEN if self._probing or waited >= self.open_seconds else BreakerState.OPEN

    def enter(self) -> None:
        """Admit a call, or raise :class:`BreakerOpen`."""
        with self._lock:
            if self._opened_at is None:
                return
            left = self._opened_at + self.open_seconds - self._clock()
            if left > 0:
                raise BreakerOpen(self.agent, left)
            if self._probing:
                raise BreakerOpen(self.agent, 1.0)
            self._probing = True

    def succeeded(self) -> None:
        """The call went well: the breaker closes."""
        with self._lock:
            self._failures = 0
            self._opened_at = None
            self._probing = False

    def failed(self) -> None:
        """The party failed: one step nearer to opening; a failed probe opens it anew."""
        with self._lock:
            self._failures += 1
            if self._probing or (self._failures >= self.threshold and self._opened_at is None):
                self._opened_at = self._clock()
            self._probing = False

    def abandoned(self) -> None:
        """The call says nothing about the party (the caller left, or asked for something wrong)."""
        with self._lock:
            self._probing = False


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

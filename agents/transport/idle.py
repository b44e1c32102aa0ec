"""Connections that are kept for the next call: the youngest is used first, the oldest are closed."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

C = TypeVar("C")

#: Kept connections that one call lays down at most, those that are too old or that their server has closed: a call after a long
#: pause must not answer for them all.
MAX_LAID_DOWN = 4


class IdleConnections(Generic[C]):
    """The idle connections to one place. ``alive`` tells of one whether its server still holds it.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, *, limit: int, seconds: float, alive: Callable[[C], bool], close: Callable[[C], None]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._alive = alive
        self._close = close
        self._lock = threading.Lock()
        self._idle: deque[tuple[float, C]] = deque()

    def __len__(self) -> int:
        return len(self._idle)

    def take(self) -> C | None:
        """A connection that is still good, or None."""
        expired: list[C] = []
        found = None
        with self._lock:
            oldest = time.monotonic() - self._seconds
            while self._idle and self._idle[0][0] < oldest and len(expired) < MAX_LAID_DOWN:
                expired.append(self._idle.popleft()[1])
            while self._idle and self._idle[-1][0] >= oldest and found is None and len(expired) < MAX_LAID_DOWN:
                connection = self._idle.pop()[1]
                if self._alive(connection):
                    found = connection
                else:
                    expired.append(connection)
        for connection in expired:
            self._close(connection)
        return found

    def keep(self, connection: C) -> None:
        """Keep a connection that carries nothing; it is closed where there are enough."""
        with self._lock:
            if len(self._idle) < self._limit:
                self._idle.append((time.monotonic(), connection))
                return
        self._close(connection)

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            idle, self._idle = self._idle, deque()
        for _, connection in idle:
            self._close(connection)

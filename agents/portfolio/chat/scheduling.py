"""How often a stream may send while many stream at once.

A message costs the event loop about :data:`MESSAGE_COST`, whatever it holds. Each of n streams therefore waits
n · MESSAGE_COST / LOOP_SHARE after a message, so that all of them together keep the loop busy for at most its share, and tokens
that arrive meanwhile travel in one message. A hundred streams of twenty tokens a second are not slowed: their pause is shorter
than the time between two tokens. The first token of an answer never waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)

#: Seconds of the event loop that a message takes, from the model's socket to the caller's.
MESSAGE_COST = 150e-6
#: The share of the loop that streamed messages may take.
LOOP_SHARE = 0.4
#: Pauses below this are not worth a timer, seconds.
SHORTEST = 0.01


#: Requests that come within this of each other are a rush; how soon a quiet moment is looked at again; and the longest that
#: work is put off for a rush, seconds.
RUSH_GAP = 0.003
RUSH_LOOK = 0.001
RUSH_LONGEST = 0.1


class Deferred:
    """Work that was put off. It is done once: in a lull, or when :meth:`now` is called."""

    __slots__ = ("_work",)

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work

    def now(self) -> None:
        """Do it, where it was not done."""
        work, self._work = self._work, None
        if work is not None:
            work()


class QuietScheduler:
    """Puts off what can wait while requests arrive one upon the other.

    Whoever waits for a model waits for its first token, so the sooner each request is sent the better: of a hundred that come
    at once, all are sent before the first is told of its sources. A request that comes alone waits a little longer than
    :data:`RUSH_GAP` for that.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self) -> None:
        self._arrived = 0.0
        self._waiting: deque[tuple[float, Deferred]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._quiet = False

    def arrived(self) -> None:
        """A request has come."""
        self._arrived = asyncio.get_running_loop().time()

    def later(self, work: Callable[[], None]) -> Deferred:
        """Do ``work`` in the next lull, in the order of these calls; an error of its own is only logged."""
        loop = asyncio.get_running_loop()
        later = Deferred(work)
        self._waiting.append((loop.time(), later))
        if self._timer is None:
            self._timer = loop.call_later(RUSH_GAP, self._look)
        return later

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        # A process that was held up looks at its timers before it looks at what has come: quiet counts from the second look.
        quiet, self._quiet = self._quiet, now - self._arrived >= RUSH_GAP
        rush = not (quiet and self._quiet)
        while self._waiting and (not rush or now - self._waiting[0][0] >= RUSH_LONGEST):
            try:
                self._waiting.popleft()[1].now()
            except Exception:
                log.exception("work_put_off_failed")
        if self._waiting:
            self._timer = loop.call_later(RUSH_LOOK if self._quiet else RUSH_GAP, self._look)
        else:
            self._quiet = False


class MessageThrottle:
    """Counts the streams of one process.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self) -> None:
        self.streams = 0

    @contextmanager
    def held(self) -> Iterator[MessageThrottle]:
        """Count a stream while the block runs."""
        self.streams += 1
        try:
            yield self
        finally:
            self.streams -= 1

    def pause(self) -> float:
        """Seconds to wait after a message; 0 where few stream."""
        pause = self.streams * MESSAGE_COST / LOOP_SHARE
        return pause if pause >= SHORTEST else 0.0

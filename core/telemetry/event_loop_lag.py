"""How late the event loop runs: the first figure to look at when streams stutter."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

#: How often the loop is probed, seconds, and how long a measurement counts.
PROBE_SECONDS = 0.05
KEEP_SECONDS = 10.0
#: A loop that is late by less has nothing else to do, or hardly anything, seconds.
QUIET_SECONDS = 0.002


class EventLoopLag:
    """Measures by how much a short sleep overshoots."""

    def __init__(self) -> None:
        #: Called in quiet moments, at most once a probe: for work that is better done before the next rush than in it.
        self.quiet: Callable[[], None] | None = None
        #: Called with every measurement, seconds.
        self.seen: Callable[[float], None] | None = None
        self._lags: deque[float] = deque(maxlen=int(KEEP_SECONDS / PROBE_SECONDS))
        self._task: asyncio.Task[None] | None = None

    @property
    def worst(self) -> float:
        """The largest lag of the last :data:`KEEP_SECONDS`, seconds; 0 before the first probe."""
        return max(self._lags, default=0.0)

    def start(self) -> None:
        """Begin to measure the running loop."""
        self._task = asyncio.create_task(self._probe(), name="loop-lag")

    async def stop(self) -> None:
        """Stop measuring."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _probe(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(PROBE_SECONDS)
            lag = max(0.0, loop.time() - before - PROBE_SECONDS)
            self._lags.append(lag)
            if self.seen is not None:
                self.seen(lag)
            if self.quiet is not None and lag < QUIET_SECONDS:
                self.quiet()

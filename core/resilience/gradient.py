"""A limit on concurrency that follows what a process can carry: the gradient of its delay.

An answer takes as long as its vendors and models do, so its duration says nothing about this process. What does is how late
its event loop runs: a loop that has more to do than it can is late for everybody. While the loop is in time the limit grows
towards its maximum; while it is late the limit shrinks by the ratio of the delay that is tolerated to the delay that is seen.

Source: the update rule of Gradient2 in Netflix's concurrency-limits (gradient between one half and one, room for a queue of the
square root of the limit, smoothed; unchanged while less than half of the limit is used), over delay in place of round trips.
"""

from __future__ import annotations

import math

#: Delay of the event loop that is no sign of overload, seconds.
TOLERATED = 0.1
#: Share of a new limit that is taken over at once.
SMOOTHING = 0.2
#: The limit never falls below this share of its maximum, nor below MINIMUM.
FLOOR = 0.02
MINIMUM = 8


class GradientLimit:
    """A limit between a floor and ``maximum``. Not thread-safe."""

    def __init__(self, maximum: int, *, tolerated: float = TOLERATED) -> None:
        self.maximum = maximum
        self.minimum = min(maximum, max(MINIMUM, int(maximum * FLOOR)))
        self._tolerated = tolerated
        self._limit = float(maximum)

    @property
    def value(self) -> int:
        """The limit now."""
        return int(self._limit)

    def sample(self, delay: float, working: int) -> None:
        """Take in that the event loop ran ``delay`` seconds late with ``working`` calls at work."""
        gradient = max(0.5, min(1.0, self._tolerated / delay)) if delay > 0 else 1.0
        if gradient == 1.0 and working < self._limit / 2 and self._limit >= self.maximum:
            return
        wanted = self._limit * gradient + math.sqrt(self._limit)
        if gradient < 1.0:
            # What is at work is what was too much; the limit may be far above it.
            wanted = min(wanted, max(working, self.minimum) * gradient + math.sqrt(self._limit))
        moved = self._limit * (1 - SMOOTHING) + wanted * SMOOTHING
        self._limit = max(float(self.minimum), min(float(self.maximum), moved))

"""A deadline is a budget of time that every stage and every socket draws from."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock, seconds. ``Deadline.never()`` is infinitely far."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline that is ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    @classmethod
    def never(cls) -> Deadline:
        """The deadline that does not come."""
        return cls(math.inf)

    def remaining(self) -> float:
        """Seconds left; zero or less when it has passed, infinite when it never comes."""
        return self.at - time.monotonic()

    @property
    def expired(self) -> bool:
        """True when no time is left."""
        return self.remaining() <= 0

    def bounded(self, seconds: float) -> float:
        """Seconds that a stage may take: ``seconds``, or what is left where that is less; never below zero."""
        return max(0.0, min(seconds, self.remaining()))

    def earlier(self, seconds: float) -> Deadline:
        """A deadline ``seconds`` before this one, for work that must leave time for what follows."""
        return Deadline(self.at - seconds)

"""When the garbage collector looks for cycles: in quiet moments, and seldom among what is old.

A look at all that lives holds every stream up, and a look at the young is cheap. What a look at the young finds alive moves on
to the older ones, though, also a call that is still under way and leaves a cycle when it ends: without a look at the older ones
from time to time those would never go.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

#: So many objects are looked at for cycles in a quiet moment: that takes 1 to 2 ms.
YOUNG_OBJECTS = 5_000
#: Looks at the young before one at the older ones, and looks at the older ones before one at all.
YOUNG_ROUNDS, OLDER_ROUNDS = 20, 20
#: A look at all takes no more than this share of the time.
ALL_SHARE = 0.005


class Collector:
    """Called in quiet moments. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_all = 0.0

    def __call__(self) -> None:
        """Look for cycles, where some thousand objects were made since the last time."""
        young, younger_rounds, older_rounds = gc.get_count()
        if young < YOUNG_OBJECTS:
            return
        if younger_rounds < YOUNG_ROUNDS:
            gc.collect(0)
        elif older_rounds < OLDER_ROUNDS or self._clock() < self._next_all:
            gc.collect(1)
        else:
            begun = self._clock()
            gc.collect()
            ended = self._clock()
            self._next_all = ended + (ended - begun) / ALL_SHARE

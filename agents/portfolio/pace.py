"""How often a stream may send while many stream at once.

A message costs the event loop about :data:`MESSAGE_COST`, whatever it holds. Each of n streams therefore waits
n · MESSAGE_COST / LOOP_SHARE after a message, so that all of them together keep the loop busy for at most its share, and tokens
that arrive meanwhile travel in one message. A hundred streams of twenty tokens a second are not slowed: their pause is shorter
than the time between two tokens. The first token of an answer never waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds of the event loop that a message takes, from the model's socket to the caller's.
MESSAGE_COST = 150e-6
#: The share of the loop that streamed messages may take.
LOOP_SHARE = 0.4
#: Pauses below this are not worth a timer, seconds.
SHORTEST = 0.01


class Pace:
    """Counts the streams of one process.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self) -> None:
        self.streams = 0

    @contextmanager
    def held(self) -> Iterator[Pace]:
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

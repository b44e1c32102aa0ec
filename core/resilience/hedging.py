"""A second call where the first is late: the tail of a party whose calls are sometimes slow, bought with few extra calls.

Only for calls that may be made twice. The budget is a share of all calls, so a party that is slow as a whole is not asked twice
as often: its usual time follows, and what was saved up is a few calls. See "The Tail at Scale" (Dean and Barroso, 2013).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

#: Calls of a party that its usual time is taken from, and the fewest that say something about it.
REMEMBERED, FEW = 200, 20
#: Extra calls that can be saved up while none is late.
SAVED = 5.0


@dataclass(frozen=True, slots=True)
class HedgeConfig:
    """``share`` of all calls that may be made a second time (0: none), where the first takes longer than ``quantile`` of
    the party's latest calls, and longer than ``least`` seconds."""

    share: float = 0.0
    quantile: float = 0.95
    least: float = 0.05


@dataclass(slots=True)
class HedgeCounts:
    """Calls of one party, those of them that were made a second time, and how often the second was the one that answered."""

    calls: int = 0
    hedges: int = 0
    wins: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Hedger:
    """Makes calls, and late ones a second time.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self, config: HedgeConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.parties: dict[str, HedgeCounts] = {}
        self._clock = clock
        self._saved = 0.0

    async def call(self, party: str, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of ``attempt()``, or of a second one that is there sooner. Where both fail, the first one's error.

        An attempt that is no longer needed is cancelled, and has ended when this returns.
        """
        if not self.config.share:
            return await attempt()
        counts = self.parties.setdefault(party, HedgeCounts())
        counts.calls += 1
        self._saved = min(SAVED, self._saved + self.config.share)
        begun = self._clock()
        first = asyncio.create_task(attempt())
        tasks = [first]
        try:
            await asyncio.wait(tasks, timeout=self._late(counts))
            if not first.done() and self._saved >= 1.0:
                self._saved -= 1.0
                counts.hedges += 1
                tasks.append(asyncio.create_task(attempt()))
            winner = await _first_well(tasks)
            counts.wins += winner is not first
            result = winner.result()
            counts.times.append(self._clock() - begun)
            return result
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _late(self, counts: HedgeCounts) -> float | None:
        """Seconds after which a call of this party is late; None while too little is known of it."""
        if len(counts.times) < FEW:
            return None
        ordered = sorted(counts.times)
        return max(self.config.least, ordered[min(len(ordered) - 1, int(self.config.quantile * len(ordered)))])


async def _first_well(tasks: list[asyncio.Task[T]]) -> asyncio.Task[T]:
    """The task that ends well first; the first of all where none does."""
    pending = set(tasks)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done and not task.cancelled() and task.exception() is None:
                return task
    return tasks[0]

"""Times over the last minute, five minutes and hour: a few rings of histograms that can be added up.

A bucket is a sixteenth of a power of two of a microsecond, so that a percentile is off by a thirty-second of itself at most.
Histograms of several processes are added bucket by bucket: the percentile of the sum is as exact as that of each.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

#: What can be asked for, seconds; each is a ring of :data:`PARTS` slots, and one that is being filled.
SPANS = (60.0, 300.0, 3600.0)
PARTS = 12
_SUB = 16
_frexp = math.frexp


def bucket(seconds: float) -> int:
    """The number of the bucket that ``seconds`` falls in."""
    fraction, exponent = _frexp(seconds * 1e6 or 1e-3)
    return exponent * _SUB + int((fraction - 0.5) * 2 * _SUB)


def middle(number: int) -> float:
    """The middle of a bucket, seconds."""
    exponent, part = divmod(number, _SUB)
    return math.ldexp(0.5 + (part + 0.5) / (2 * _SUB), exponent) / 1e6


@dataclass(slots=True)
class Slot:
    """What ended in one span of time. ``errors`` failed; ``faults`` are those of them that were not the caller's own."""

    number: int = 0
    count: int = 0
    errors: int = 0
    faults: int = 0
    total: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, other: Slot) -> None:
        """Add what ``other`` holds."""
        self.count += other.count
        self.errors += other.errors
        self.faults += other.faults
        self.total += other.total
        self.buckets.update(other.buckets)

    @property
    def samples(self) -> int:
        """Times in the buckets: of what ended well."""
        return self.count - self.errors

    @property
    def mean(self) -> float | None:
        """Exact; None where nothing ended well."""
        return self.total / self.samples if self.samples else None

    def quantile(self, share: float) -> float | None:
        """The nearest rank; None where nothing ended well."""
        rank = max(1, math.ceil(share * self.samples))
        seen = 0
        for number in sorted(self.buckets):
            seen += self.buckets[number]
            if seen >= rank:
                return middle(number)
        return None

    def dump(self) -> list[Any]:
        """As JSON takes it."""
        return [self.count, self.errors, self.faults, self.total, [list(pair) for pair in self.buckets.items()]]

    @classmethod
    def load(cls, data: list[Any]) -> Slot:
        """What :meth:`dump` gave."""
        count, errors, faults, total, buckets = data
        return cls(0, count, errors, faults, total, Counter(dict(buckets)))


class Rings:
    """One series over :data:`SPANS`. ``now`` is seconds on any clock that does not go back. Not thread-safe."""

    __slots__ = ("_closed", "_open")

    def __init__(self) -> None:
        self._open = [Slot(-1) for _ in SPANS]
        self._closed: list[list[Slot]] = [[] for _ in SPANS]

    def at(self, now: float) -> Slot:
        """The slot that is being filled."""
        number = int(now * PARTS / SPANS[0])
        first = self._open[0]
        if number != first.number:
            self._roll(now)
            first = self._open[0]
        return first

    def windows(self, now: float) -> list[Slot]:
        """What each span holds until now; up to a twelfth of it more."""
        self._roll(now)
        found = []
        for level, span in enumerate(SPANS):
            oldest = int(now * PARTS / span) - PARTS
            found.append(merged([*(s for s in self._closed[level] if s.number >= oldest), *self._open[: level + 1]]))
        return found

    def _roll(self, now: float) -> None:
        """Close what is past: a closed slot is kept in its own ring and added to the next one's open slot."""
        for level, span in enumerate(SPANS):
            number, slot = int(now * PARTS / span), self._open[level]
            if number == slot.number:
                return
            self._open[level] = Slot(number)
            if slot.count:
                self._closed[level].append(slot)
                if level + 1 < len(SPANS):
                    # It was opened after that one, and within its time.
                    self._open[level + 1].add(slot)
            self._closed[level] = [kept for kept in self._closed[level] if kept.number >= number - PARTS]


def merged(slots: Iterable[Slot]) -> Slot:
    """The sum of ``slots``."""
    total = Slot()
    for slot in slots:
        total.add(slot)
    return total

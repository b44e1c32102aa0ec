"""What is timed, by kind and name: totals since the start, and windows of time. The time of a failure enters none of them."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any

from hexar.core.telemetry.histogram import SPANS, Rings, Slot, bucket

#: Upper bounds of Prometheus' buckets, seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
#: Names of one kind that have figures of their own; those that come later are counted together.
MAX_NAMES = 500
OTHERS = "(others)"


class Kind(StrEnum):
    """A kind of what is timed."""

    RPC = "rpc"
    FIRST_EVENT = "first_event"
    AGENT = "agent"
    MODEL = "model"
    FIRST_TOKEN = "first_token"
    TOOL = "tool"
    TIER = "tier"
    JOB = "job"


class Series:
    """One operation.

    Thread-safety: all methods may be called from any thread.
    """

    __slots__ = ("_lock", "_rings", "errors", "le", "longest", "shortest", "total", "well")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rings = Rings()
        #: Those that ended well, and the failures by code.
        self.well = 0
        self.errors: Counter[str] = Counter()
        self.shortest = math.inf
        self.longest = 0.0
        self.total = 0.0
        #: Those that took at most each of BOUNDS and more than the one before; the last: more than all.
        self.le = [0] * (len(BOUNDS) + 1)

    def add(self, times: Sequence[float], now: float) -> None:
        """Count those that ended well after ``times``, seconds each."""
        with self._lock:
            slot, le = self._rings.at(now), self.le
            buckets = slot.buckets
            for seconds in times:
                le[bisect_left(BOUNDS, seconds)] += 1
                number = bucket(seconds)
                buckets[number] = buckets.get(number, 0) + 1
            total = sum(times)
            self.well += len(times)
            self.total += total
            self.longest = max(self.longest, *times)
            self.shortest = min(self.shortest, *times)
            slot.count += len(times)
            slot.total += total

    def fail(self, code: str, fault: bool, now: float) -> None:
        """Count one that failed with ``code``; ``fault``: not through its caller."""
        with self._lock:
            self.errors[code] += 1
            slot = self._rings.at(now)
            slot.count += 1
            slot.errors += 1
            slot.faults += fault

    @property
    def used(self) -> bool:
        """True once something ended."""
        return bool(self.well or self.errors)

    def dump(self, now: float) -> dict[str, Any]:
        """As JSON takes it."""
        with self._lock:
            return {
                "count": self.well + self.errors.total(),
                "errors": dict(self.errors),
                "min": self.shortest if self.well else 0.0,
                "max": self.longest,
                "total": self.total,
                "le": list(self.le),
                "windows": [slot.dump() for slot in self._rings.windows(now)],
            }


class Operations:
    """All series of one process.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._series: dict[tuple[Kind, str], Series] = {}
        self._lock = threading.Lock()

    def series(self, kind: Kind, name: str) -> Series:
        """The series of an operation."""
        found = self._series.get((kind, name))
        if found is not None:
            return found
        with self._lock:
            if sum(known is kind for known, _ in self._series) >= MAX_NAMES:
                name = OTHERS
            return self._series.setdefault((kind, name), Series())

    def ended(self, kind: Kind, name: str, seconds: float) -> None:
        """Count one that ended well."""
        (self._series.get((kind, name)) or self.series(kind, name)).add((seconds,), self._clock())

    def failed(self, kind: Kind, name: str, code: str, *, fault: bool = True) -> None:
        """Count one that failed with ``code``; ``fault``: not through its caller."""
        self.series(kind, name).fail(code, fault, self._clock())

    def dump(self) -> list[dict[str, Any]]:
        """All series, as JSON takes them."""
        now = self._clock()
        with self._lock:
            known = sorted(self._series.items())
        return [{"kind": kind.value, "name": name, **series.dump(now)} for (kind, name), series in known if series.used]


def added(dumps: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The sums of what several processes dumped."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for row in (row for dump in dumps for row in dump):
        key = (row["kind"], row["name"])
        before = sums.get(key)
        sums[key] = row if before is None else _sum(before, row)
    return [sums[key] for key in sorted(sums)]


def _sum(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    timed = [row["min"] for row in (one, other) if row["count"] > sum(row["errors"].values())]
    windows = []
    for mine, theirs in zip(one["windows"], other["windows"], strict=True):
        slot = Slot.load(mine)
        slot.add(Slot.load(theirs))
        windows.append(slot.dump())
    return {
        **one,
        "count": one["count"] + other["count"],
        "errors": dict(Counter(one["errors"]) + Counter(other["errors"])),
        "min": min(timed, default=0.0),
        "max": max(one["max"], other["max"]),
        "total": one["total"] + other["total"],
        "le": [mine + theirs for mine, theirs in zip(one["le"], other["le"], strict=True)],
        "windows": windows,
    }


def without_windows(dump: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is left of a process that has ended: its totals."""
    return [{**row, "windows": [Slot().dump() for _ in SPANS]} for row in dump]

"""What a tool gives: figures with identifiers, and notes on how they were found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hexar.agents.market.figures.aggregates import PREVIOUS, SPAN, Frame, Groups, Sums
from hexar.v1 import market_pb2 as pb

Number = Decimal | float | int

UNITS = "units"
RATIO = "ratio"
POINTS = "percentage points"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says besides the rows. ``budget`` is in the table's money, ``bounds`` by channel as (least, most)."""

    top_n: int = 10
    horizon: int = 6
    confidence: float = 0.95
    budget: Decimal | None = None
    bounds: Mapping[str, tuple[Decimal | None, Decimal | None]] = field(default_factory=dict)
    spend: Frame | None = None


@dataclass(slots=True)
class Result:
    """The figures of one tool. ``problem`` says why there are none."""

    tool: str
    figures: list[pb.Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problem: str = ""

    def add(
        self,
        name: str,
        value: Number | None,
        unit: str,
        dimensions: Mapping[str, str] | None = None,
        *,
        interval: tuple[float, float] | None = None,
        confidence: float = 0.0,
        reason: str = "",
    ) -> pb.Figure | None:
        """Add a figure; None, and a value that is no number, are left out. A decimal is told exactly as well."""
        if value is None or not math.isfinite(value):
            return None
        figure = pb.Figure(id=f"{self.tool}-{len(self.figures) + 1}", name=name, value=float(value), unit=unit, reason=reason)
        if isinstance(value, Decimal):
            figure.exact = exact(value)
        if dimensions:
            figure.dimensions.update(dimensions)
        if interval is not None:
            figure.low, figure.high = interval
            figure.confidence = confidence
        self.figures.append(figure)
        return figure


def exact(value: Decimal) -> str:
    """A decimal with at least two digits after the point where it has any: 9229355.6600 → "9229355.66"."""
    if value == value.to_integral_value():
        return str(value.to_integral_value())
    text = format(value.normalize(), "f")
    whole, _, digits = text.partition(".")
    return f"{whole}.{digits.ljust(2, '0')}"


def ratio(part: Number, whole: Number) -> float | None:
    """``part`` / ``whole``; None of nothing."""
    return float(Decimal(part) / Decimal(whole)) if whole else None


def change(now: Number, before: Number) -> float | None:
    """The relative change; None where there was nothing, or less than nothing, before."""
    return float((Decimal(now) - Decimal(before)) / Decimal(before)) if before > 0 else None


def unit_of(frame: Frame, measure: str) -> str:
    """What a measure is counted in."""
    return UNITS if measure == "units" else "rows" if measure in ("rows", "loss_rows") else frame.profile.money_unit


def money(frame: Frame) -> str:
    """What amounts are counted in."""
    return frame.profile.money_unit


@dataclass(slots=True)
class Member:
    """One value of a dimension: its sums in the window, and in the two spans of the comparison."""

    name: str
    total: Sums | None
    current: Sums | None
    previous: Sums | None


#: How a row that has no value of a dimension is called.
NONE = "(none)"


def members(frame: Frame, groups: Groups) -> list[Member]:
    """The values of a dimension out of groups by (dimension, span)."""
    by_name: dict[str, dict[int, Sums]] = {}
    for (name, span), sums in groups.items():
        by_name.setdefault(name or NONE, {})[span] = sums
    found = []
    for name, spans in by_name.items():
        total: Sums | None = None
        for span, sums in sorted(spans.items()):
            if span in frame.scope.totals:
                total = sums if total is None else total + sums
        found.append(Member(name, total, spans.get(2), spans.get(PREVIOUS)))
    return found


def whole(frame: Frame) -> Member:
    """The whole table as one member."""
    return frame.derived("whole", lambda: _whole(frame))


def _whole(frame: Frame) -> Member:
    spans = {span: sums for (span,), sums in frame.groups(SPAN).items()}
    total: Sums | None = None
    for span, sums in sorted(spans.items()):
        if span in frame.scope.totals:
            total = sums if total is None else total + sums
    return Member("", total, spans.get(2), spans.get(PREVIOUS))


def compared(frame: Frame) -> bool:
    """Whether there is something to compare with."""
    return frame.scope.previous is not None


def ranked(frame: Frame, role: str, measure: str, n: int) -> tuple[list[Member], int]:
    """(members by falling measure, how many there are). Of a dimension with many values only the best and the worst."""
    return frame.derived((role, measure, n if frame.many(role) else 0), lambda: _ranked(frame, role, measure, n))


def _ranked(frame: Frame, role: str, measure: str, n: int) -> tuple[list[Member], int]:
    if frame.many(role):
        found = frame.ranked(role, measure, n)
        rows, count = members(frame, found.groups), found.count
    else:
        rows = list(frame.derived(role, lambda: members(frame, frame.groups(role, SPAN))))
        count = sum(1 for row in rows if row.total is not None)
    rows = [row for row in rows if row.total is not None]
    rows.sort(key=lambda row: (-frame.value(row.total, measure), row.name))
    return rows, count


def best_and_worst(rows: list[Member], n: int) -> list[tuple[str, Member]]:
    """The first ``n`` as "top k", the last ``n`` that are not among them as "bottom k", the very last first."""
    top = [(f"top {at}", row) for at, row in enumerate(rows[:n], 1)]
    rest = rows[max(n, len(rows) - n) :]
    return top + [(f"bottom {at}", row) for at, row in enumerate(reversed(rest), 1)]

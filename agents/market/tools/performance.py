"""Totals, and how each value of a dimension does."""

from __future__ import annotations

from collections.abc import Callable

from hexar.agents.market.figures.aggregates import SPAN, Frame
from hexar.agents.market.tools.result import (
    NONE,
    POINTS,
    RATIO,
    UNITS,
    Asked,
    Member,
    Result,
    best_and_worst,
    change,
    compared,
    money,
    ranked,
    ratio,
    unit_of,
    whole,
)

_PLURAL = {"category": "categories", "country": "countries"}


def plural(role: str) -> str:
    """A dimension in the plural."""
    return _PLURAL.get(role, role + "s")


def overview(frame: Frame, asked: Asked) -> Result:
    """Totals of the window, their change between the two spans, and the largest share of each dimension.

    Totals are sums of the rows. A change is (current − previous) / previous. A margin is profit / revenue, an average price is
    revenue / units, both of sums. A share is a group's part of the total of the measure.
    """
    result = Result("overview")
    total = whole(frame)
    if total.total is None:
        result.problem = "no row is left by the filters"
        return result
    for measure in ("revenue", "units", "cost", "profit", "spend"):
        if frame.has(measure):
            result.add(measure, frame.value(total.total, measure), unit_of(frame, measure))
    result.add("rows", total.total.rows, "rows")
    _ratios(result, frame, total)
    if compared(frame):
        for measure in ("revenue", "units", "profit"):
            if frame.has(measure):
                now, before = frame.value(total.current, measure), frame.value(total.previous, measure)
                result.add(f"{measure}_current", now, unit_of(frame, measure))
                result.add(f"{measure}_previous", before, unit_of(frame, measure))
                result.add(f"{measure}_change", change(now, before), RATIO)
        result.notes.append(span_note(frame))
    for role in frame.profile.dimensions:
        rows, _ = ranked(frame, role, frame.measure, asked.top_n)
        if rows:
            share = ratio(frame.value(rows[0].total, frame.measure), frame.value(total.total, frame.measure))
            result.add(f"{frame.measure}_share", share, RATIO, {role: rows[0].name}, reason=f"largest {role}")
    return result


def span_note(frame: Frame) -> str:
    """Which spans a change is between, in words."""
    now, before = frame.scope.current, frame.scope.previous
    if now is None or before is None:
        return "the table covers no time before to compare with"
    return f"changes are between {before.first} to {before.last} and {now.first} to {now.last}"


def _ratios(result: Result, frame: Frame, row: Member, dimensions: dict[str, str] | None = None) -> None:
    if frame.has("profit") and frame.has("revenue"):
        result.add("margin", ratio(frame.value(row.total, "profit"), frame.value(row.total, "revenue")), RATIO, dimensions)
    if frame.has("units") and frame.has("revenue"):
        price = ratio(frame.value(row.total, "revenue"), frame.value(row.total, "units"))
        result.add("average_price", price, f"{money(frame)} per unit", dimensions)


def _performance(result: Result, frame: Frame, asked: Asked, role: str) -> None:
    measure = frame.measure
    rows, count = ranked(frame, role, measure, asked.top_n)
    total = frame.value(whole(frame).total, measure)
    result.add(f"{plural(role)}", count, plural(role))
    for place, row in best_and_worst(rows, asked.top_n):
        named = {role: row.name}
        result.add(measure, frame.value(row.total, measure), unit_of(frame, measure), named, reason=place)
        result.add(f"{measure}_share", ratio(frame.value(row.total, measure), total), RATIO, named)
        for other in ("units", "profit"):
            if frame.has(other) and other != measure:
                result.add(other, frame.value(row.total, other), unit_of(frame, other), named)
        _ratios(result, frame, row, named)
        if compared(frame):
            now, before = frame.value(row.current, measure), frame.value(row.previous, measure)
            result.add(f"{measure}_current", now, unit_of(frame, measure), named)
            result.add(f"{measure}_previous", before, unit_of(frame, measure), named)
            result.add(f"{measure}_change", change(now, before), RATIO, named)


def performance(tool: str, *roles: str) -> Callable[[Frame, Asked], Result]:
    """The tool for the performance by one dimension, or by each of several that the table has."""

    def run(frame: Frame, asked: Asked) -> Result:
        """The best and the worst by revenue (units where there is none), with share, units, profit, margin, price and change.

        Ties are in the order of names. A change is between the two spans, of a group that had something in the first.
        """
        result = Result(tool)
        for role in roles:
            if role in frame.profile.dimensions:
                _performance(result, frame, asked, role)
        if compared(frame):
            result.notes.append(span_note(frame))
        if len(result.figures) <= len(roles) and not any(figure.dimensions for figure in result.figures):
            result.problem, result.figures = "no row is left by the filters", []
        return result

    return run


def profitability(frame: Frame, asked: Asked) -> Result:
    """Profit and margin by every dimension, the best and the worst, and what was lost.

    A margin is profit / revenue of the group's sums. ``loss`` is the sum of the negative profits of single rows, ``loss_rows``
    how many rows have one; a group whose profits add up to less than nothing is told whatever its rank.
    """
    result = Result("profitability")
    total = whole(frame)
    if total.total is None:
        result.problem = "no row is left by the filters"
        return result
    unit = money(frame)
    result.add("profit", frame.value(total.total, "profit"), unit)
    result.add("margin", ratio(frame.value(total.total, "profit"), frame.value(total.total, "revenue")), RATIO)
    result.add("loss", frame.value(total.total, "loss"), unit)
    result.add("loss_rows", int(frame.value(total.total, "loss_rows")), "rows")
    if compared(frame):
        now = ratio(frame.value(total.current, "profit"), frame.value(total.current, "revenue"))
        before = ratio(frame.value(total.previous, "profit"), frame.value(total.previous, "revenue"))
        result.add("margin_current", now, RATIO)
        result.add("margin_previous", before, RATIO)
        result.add("margin_change", None if now is None or before is None else (now - before) * 100, POINTS)
        result.notes.append(span_note(frame))
    for role in frame.profile.dimensions:
        rows, _ = ranked(frame, role, "profit", asked.top_n)
        chosen = best_and_worst(rows, asked.top_n)
        shown = {row.name for _, row in chosen}
        losing = [("loss", row) for row in rows if frame.value(row.total, "profit") < 0 and row.name not in shown]
        for place, row in [*chosen, *losing]:
            named = {role: row.name}
            result.add("profit", frame.value(row.total, "profit"), unit, named, reason=place)
            result.add("margin", ratio(frame.value(row.total, "profit"), frame.value(row.total, "revenue")), RATIO, named)
            if frame.value(row.total, "loss"):
                result.add("loss", frame.value(row.total, "loss"), unit, named)
            if compared(frame):
                moved = frame.value(row.current, "profit") - frame.value(row.previous, "profit")
                result.add("profit_change_amount", moved, unit, named)
                then = (
                    ratio(frame.value(side, "profit"), frame.value(side, "revenue")) for side in (row.current, row.previous)
                )
                margin, earlier = then
                if margin is not None and earlier is not None:
                    result.add("margin_change", (margin - earlier) * 100, POINTS, named)
    return result


def share(frame: Frame, asked: Asked) -> Result:
    """Each group's share of the total, in the window and in both spans, and its change in percentage points.

    The largest changes come first. ``concentration`` is the Herfindahl-Hirschman index: the sum of the squared shares, 0 to 1.
    """
    result = Result("share")
    measure = frame.measure
    total = whole(frame)
    for role in frame.profile.dimensions:
        if frame.many(role):
            result.notes.append(f"{plural(role)} are too many to tell the share of each")
            continue
        rows, _ = ranked(frame, role, measure, asked.top_n)
        shares = [(row, ratio(frame.value(row.total, measure), frame.value(total.total, measure)) or 0.0) for row in rows]
        result.add("concentration", sum(part * part for _, part in shares), RATIO, {"of": role})
        moved = []
        for row, part in shares:
            now = ratio(frame.value(row.current, measure), frame.value(total.current, measure)) if compared(frame) else None
            before = (
                ratio(frame.value(row.previous, measure), frame.value(total.previous, measure)) if compared(frame) else None
            )
            moved.append((row, part, now, before, (now - before) * 100 if now is not None and before is not None else 0.0))
        moved.sort(key=lambda entry: (-abs(entry[4]), -entry[1], entry[0].name))
        for row, part, now, before, points in moved[: asked.top_n]:
            named = {role: row.name}
            result.add("share", part, RATIO, named)
            if now is not None and before is not None:
                result.add("share_current", now, RATIO, named)
                result.add("share_previous", before, RATIO, named)
                result.add("share_change", points, POINTS, named)
    if compared(frame):
        result.notes.append(span_note(frame))
    return result


def kpi(frame: Frame, asked: Asked) -> Result:
    """The key figures in one table: totals, averages, how many of each dimension are active, and the change of each total.

    An average is a sum divided by a count: of rows, of units, or of the values of a dimension.
    """
    result = Result("kpi")
    total = whole(frame)
    if total.total is None:
        result.problem = "no row is left by the filters"
        return result
    measure = frame.measure
    value = frame.value(total.total, measure)
    for name in ("revenue", "units", "cost", "profit", "spend"):
        if frame.has(name):
            result.add(name, frame.value(total.total, name), unit_of(frame, name))
    _ratios(result, frame, total)
    result.add(f"{measure}_per_row", ratio(value, total.total.rows), f"{unit_of(frame, measure)} per row")
    for role in frame.profile.dimensions:
        _, count = ranked(frame, role, measure, asked.top_n)
        result.add(f"active_{plural(role)}", count, plural(role))
        result.add(f"{measure}_per_{role}", ratio(value, count), f"{unit_of(frame, measure)} per {role}")
    if compared(frame):
        for name in ("revenue", "units", "cost", "profit"):
            if frame.has(name):
                result.add(f"{name}_change", change(frame.value(total.current, name), frame.value(total.previous, name)), RATIO)
        if frame.has("revenue") and frame.has("units"):
            now = ratio(frame.value(total.current, "revenue"), frame.value(total.current, "units"))
            before = ratio(frame.value(total.previous, "revenue"), frame.value(total.previous, "units"))
            if now is not None and before:
                result.add("average_price_change", now / before - 1, RATIO)
        result.notes.append(span_note(frame))
    return result


def price_volume_mix(frame: Frame, asked: Asked) -> Result:
    """How much of the change of revenue came from prices, from volume, from the mix, from what is new and what is gone.

    By product (else brand and category together, else either), between the two spans, with prices p = revenue / units::

        price   Σ (p₁ − p₀) · q₁                       of what was sold in both
        volume  (Q₁ − Q₀) · R₀ / Q₀                    of what was sold in both, as if all had the old average price
        mix     Σ (q₁ − q₀) · p₀ − volume              the rest: more or less of what is dear
        new     Σ r₁ of what was not sold before        gone   −Σ r₀ of what is not sold any more

    The five add up to the change. What was sold without units is told as new or gone.
    """
    result = Result("price_volume_mix")
    if not compared(frame):
        result.problem = span_note(frame)
        return result
    keys = mix_keys(frame)
    effects = {"price": 0.0, "mix": 0.0, "new": 0.0, "gone": 0.0}
    sold: dict[tuple[str, ...], dict[int, tuple[float, float]]] = {}
    for key, sums in frame.groups(*keys, SPAN).items():
        revenue, units = float(frame.value(sums, "revenue")), float(frame.value(sums, "units"))
        sold.setdefault(tuple(name or NONE for name in key[:-1]), {})[key[-1]] = (revenue, units)
    common: list[tuple[float, float, float, float]] = []
    by_price: list[tuple[float, tuple[str, ...]]] = []
    for name, spans in sorted(sold.items()):
        (r0, q0), (r1, q1) = spans.get(1, (0.0, 0.0)), spans.get(2, (0.0, 0.0))
        if q0 > 0 and q1 > 0:
            common.append((r0, q0, r1, q1))
            effect = (r1 / q1 - r0 / q0) * q1
            effects["price"] += effect
            by_price.append((effect, name))
        else:
            effects["new"] += r1
            effects["gone"] -= r0
    old_revenue, old_units = sum(row[0] for row in common), sum(row[1] for row in common)
    volume = (sum(row[3] for row in common) - old_units) * old_revenue / old_units if old_units else 0.0
    effects["mix"] = sum((q1 - q0) * r0 / q0 for r0, q0, _, q1 in common) - volume
    total = whole(frame)
    unit = money(frame)
    result.add("revenue_previous", frame.value(total.previous, "revenue"), unit)
    result.add("revenue_current", frame.value(total.current, "revenue"), unit)
    result.add("revenue_change_amount", frame.value(total.current, "revenue") - frame.value(total.previous, "revenue"), unit)
    for part, effect in (
        ("price", effects["price"]),
        ("volume", volume),
        *((name, effects[name]) for name in ("mix", "new", "gone")),
    ):
        result.add(f"{part}_effect", effect, unit)
    by_price.sort(key=lambda entry: (-abs(entry[0]), entry[1]))
    for effect, names in by_price[: asked.top_n]:
        result.add("price_effect", effect, unit, dict(zip(keys, names, strict=True)))
    result.notes.append(f"by {' and '.join(keys)}; " + span_note(frame))
    return result


def mix_keys(frame: Frame) -> tuple[str, ...]:
    """What counts as one thing sold at one price."""
    have = [role for role in ("product", "brand", "category") if role in frame.profile.dimensions and not frame.many(role)]
    return ("product",) if "product" in have else tuple(have)


__all__ = [
    "UNITS",
    "kpi",
    "mix_keys",
    "overview",
    "performance",
    "plural",
    "price_volume_mix",
    "profitability",
    "share",
    "span_note",
]

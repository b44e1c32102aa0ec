"""What spend came with: return by channel, the response to more of it, and a plan for a budget."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from hexar.agents.market.figures.aggregates import PERIOD, ZERO, Frame
from hexar.agents.market.tools.result import RATIO, Asked, Result, money
from hexar.agents.market.tools.statistics import Array, Fit, least_squares, student

#: Single rows that are regressed on where a table has no dates.
MOST_ROWS = 20_000
#: Observations for each coefficient that a response is told from.
LEAST_OBSERVATIONS = 5
#: Shapes of response: spend itself, or with falling returns. A shape is taken where AICc favours it by more than this.
MARGIN = 2.0
#: Steps in which a budget is given out.
STEPS = 400

ASSOCIATION = (
    "a response is what revenue went along with in this table, not what spend would cause: prices, seasons and other spend "
    "move too"
)


@dataclass(frozen=True, slots=True)
class Observations:
    """Spend by channel and revenue, by period (or by row, of a table without dates). ``per``: what one observation is."""

    channels: tuple[str, ...]
    spend: Array
    revenue: Array
    totals: tuple[Decimal, ...]
    own_revenue: tuple[Decimal | None, ...]
    per: str
    notes: tuple[str, ...] = ()


def observations(frame: Frame, asked: Asked) -> Observations | str:
    """What can be learnt from; or why nothing can."""
    spend = asked.spend or frame
    if spend.profile.wide_spend:
        return _wide(frame, spend)
    if "channel" not in spend.profile.roles:
        return "no column says which channel the spend was for"
    return _long(frame, spend)


def _wide(frame: Frame, spend: Frame) -> Observations | str:
    names = spend.profile.wide_spend
    columns = [f"spend_{at}" for at in range(1, len(names) + 1)]
    if "date" in spend.profile.roles and "date" in frame.profile.roles:
        revenue = {period: frame.value(sums, "revenue") for (period,), sums in frame.groups(PERIOD).items()}
        cells = {
            (name, period): spend.value(sums, column)
            for (period,), sums in spend.groups(PERIOD).items()
            for name, column in zip(names, columns, strict=True)
        }
        return _by_period(frame, names, cells, revenue, {})
    if spend is not frame:
        return "the two tables have no dates to be joined by"
    rows = frame.rows(["revenue", *columns], MOST_ROWS)
    if len(rows) > MOST_ROWS:
        return f"without dates each row is an observation, and there are more than {MOST_ROWS} rows"
    whole = [row for row in rows if row[0] is not None]
    values = np.array([[float(value or 0) for value in row] for row in whole], dtype=np.float64).reshape(
        len(whole), len(names) + 1
    )
    totals = tuple(sum((Decimal(row[at] or 0) for row in whole), ZERO) for at in range(1, len(names) + 1))
    return Observations(tuple(names), values[:, 1:], values[:, 0], totals, (None,) * len(names), "row")


def _long(frame: Frame, spend: Frame) -> Observations | str:
    own: dict[str, Decimal] = {}
    groups = spend.groups("channel", PERIOD) if "date" in spend.profile.roles else {}
    cells = {(name or "(none)", period): spend.value(sums, "spend") for (name, period), sums in groups.items()}
    if spend is frame:
        for (name,), sums in frame.groups("channel").items():
            own[name or "(none)"] = frame.value(sums, "revenue")
    names = tuple(sorted({name for name, _ in cells} or set(own)))
    if not cells:
        totals = {name or "(none)": spend.value(sums, "spend") for (name,), sums in spend.groups("channel").items()}
        empty = np.zeros((0, len(names)))
        return Observations(
            names, empty, np.zeros(0), tuple(totals[name] for name in names), tuple(own.get(name) for name in names), "row"
        )
    if "date" not in frame.profile.roles:
        return "the two tables have no dates to be joined by"
    revenue = {period: frame.value(sums, "revenue") for (period,), sums in frame.groups(PERIOD).items()}
    return _by_period(frame, names, cells, revenue, own)


def _by_period(
    frame: Frame,
    names: tuple[str, ...],
    cells: dict[tuple[str, dt.date], Decimal],
    revenue: dict[dt.date, Decimal],
    own: dict[str, Decimal],
) -> Observations:
    periods = sorted(set(revenue) & {period for _, period in cells})
    spend = np.array([[float(cells.get((name, period), ZERO)) for name in names] for period in periods]).reshape(
        len(periods), len(names)
    )
    sold = np.array([float(revenue[period]) for period in periods])
    totals = tuple(sum((cells[name, period] for period in periods if (name, period) in cells), ZERO) for name in names)
    return Observations(names, spend, sold, totals, tuple(own.get(name) for name in names), frame.scope.granularity)


def _shape(spend: Array, curved: bool) -> Array:
    """Spend as the regression sees it: itself, or log(1 + spend / its median), which rises ever more slowly."""
    if not curved:
        return spend
    return np.log1p(spend / _scales(spend))


def _scales(spend: Array) -> Array:
    return np.array([np.median(column[column > 0]) if np.any(column > 0) else 1.0 for column in spend.T])


@dataclass(frozen=True, slots=True)
class Response:
    """A fit of revenue on all channels at once."""

    fit: Fit
    curved: bool
    scales: Array

    def marginal(self, at: int, spend: float) -> tuple[float, float]:
        """(revenue that goes with one more unit of spend in a channel, its standard error) where ``spend`` is spent."""
        slope = 1 / (self.scales[at] + spend) if self.curved else 1.0
        return float(self.fit.coefficients[at + 1] * slope), float(self.fit.errors[at + 1] * slope)


def response(seen: Observations) -> Response | str:
    """How revenue went along with spend, by the shape that the data favour; or why that cannot be told."""
    count, channels = seen.spend.shape
    least = LEAST_OBSERVATIONS * (channels + 1)
    if count < least:
        return f"a response needs {least} observations for {channels} channels; there are {count}"
    found: list[Response] = []
    for curved in (False, True):
        x = np.column_stack([np.ones(count), _shape(seen.spend, curved)])
        fit = least_squares(x, seen.revenue)
        if fit is not None:
            found.append(Response(fit, curved, _scales(seen.spend)))
    if not found:
        return "the channels' spend moves together, or not at all: their responses cannot be told apart"
    if len(found) == 2 and found[1].fit.aicc() < found[0].fit.aicc() - MARGIN:
        return found[1]
    return found[0]


def roi(frame: Frame, asked: Asked) -> Result:
    """Spend by channel, what it returned where rows tell, and the response of revenue to more of it.

    ``return_on_spend`` is revenue / spend of the rows of a channel, told where the same rows hold both. A ``response`` is the
    coefficient of a least-squares regression of revenue on the spend of all channels at once, by period (by row, of a table
    without dates): revenue that went along with one more unit of spend, at the channel's mean spend, with its Student interval.
    Where log(1 + spend / median) explains better (AICc, by more than 2), returns fall with spend and that curve is taken.
    """
    result = Result("roi")
    seen = observations(frame, asked)
    if isinstance(seen, str):
        result.problem = seen
        return result
    unit = money(frame)
    for name, total, own in zip(seen.channels, seen.totals, seen.own_revenue, strict=True):
        result.add("spend", total, unit, {"channel": name})
        if own is not None and total > 0:
            result.add(
                "return_on_spend",
                float(own / total),
                f"{unit} per {unit} spent" if " " not in unit else RATIO,
                {"channel": name},
            )
    found = response(seen)
    if isinstance(found, str):
        result.notes.append(found)
        return result
    width = student(asked.confidence, found.fit.freedom)
    for at, name in enumerate(seen.channels):
        value, error = found.marginal(at, float(seen.spend[:, at].mean()))
        interval = (value - width * error, value + width * error)
        said = "" if interval[0] > 0 or interval[1] < 0 else "the interval holds zero: no response is seen"
        result.add("response", value, RATIO, {"channel": name}, interval=interval, confidence=asked.confidence, reason=said)
    result.add("explained", found.fit.r2, RATIO, {"of": "revenue"})
    curve = "returns fall with spend (logarithmic)" if found.curved else "in proportion to spend (linear)"
    result.notes += [f"the response is {curve}, over {len(seen.revenue)} {seen.per}s", ASSOCIATION]
    return result


def budget(frame: Frame, asked: Asked) -> Result:
    """A budget for the coming periods, given out step by step to the channel whose response is then the largest.

    Each channel gets at least its lower and at most its upper bound (without one: from nothing to twice what it had in as many
    periods). A channel whose response's interval holds zero, or less, keeps its share of the spend so far, within its bounds:
    there is no sign that another amount would be better. ``expected_change`` is what the responses make of the plan against the
    same budget in today's shares.
    """
    result = Result("budget")
    if asked.budget is None:
        result.problem = "no budget is given"
        return result
    seen = observations(frame, asked)
    found = seen if isinstance(seen, str) else response(seen)
    if isinstance(seen, str) or isinstance(found, str):
        result.problem = str(found)
        return result
    periods = 1 if seen.per == "row" else asked.horizon
    total = float(asked.budget)
    today = seen.spend.mean(axis=0) * periods
    shares = today / today.sum() if today.sum() > 0 else np.full(len(today), 1 / len(today))
    low, high = _bounds(seen, asked, today)
    if low.sum() > total + 1e-6:
        result.problem = f"the least amounts add up to {low.sum():.2f}, more than the budget"
        return result
    plan = _allocate(found, asked, total, shares, low, high, periods)
    unit = money(frame)
    for at, name in enumerate(seen.channels):
        named = {"channel": name}
        result.add("planned_spend", round(Decimal(float(plan[at])), 2), unit, named)
        result.add("planned_share", float(plan[at] / total) if total else None, RATIO, named)
        result.add("share_so_far", float(shares[at]), RATIO, named)
    left = total - float(plan.sum())
    if left > 0.005:
        result.add("unplanned", round(Decimal(left), 2), unit, reason="every channel is at its upper bound")
    even = np.clip(shares * total, low, high)
    result.add(
        "expected_change",
        _revenue(found, plan, periods) - _revenue(found, even, periods),
        unit,
        reason="against the same budget in the shares so far",
    )
    result.notes += [f"for {periods} {seen.per}s", ASSOCIATION]
    return result


def _bounds(seen: Observations, asked: Asked, today: Array) -> tuple[Array, Array]:
    low, high = np.zeros(len(today)), 2 * today
    for at, name in enumerate(seen.channels):
        least, most = asked.bounds.get(name, (None, None))
        low[at] = float(least) if least is not None else 0.0
        high[at] = float(most) if most is not None else max(high[at], low[at])
    return low, high


def _allocate(found: Response, asked: Asked, total: float, shares: Array, low: Array, high: Array, periods: int) -> Array:
    width = student(asked.confidence, found.fit.freedom)
    known = np.array([found.fit.coefficients[at + 1] - width * found.fit.errors[at + 1] > 0 for at in range(len(shares))])
    plan = np.where(known, low, np.clip(shares * total, low, high))
    if plan.sum() > total:
        plan = low + (plan - low) * (total - low.sum()) / max(float((plan - low).sum()), 1e-12)
    step = (total - float(plan.sum())) / STEPS
    for _ in range(STEPS if step > 0 else 0):
        room = high - plan
        rates = np.array(
            [
                found.marginal(at, float(plan[at]) / periods)[0] if known[at] and room[at] > 1e-9 else -np.inf
                for at in range(len(plan))
            ]
        )
        best = int(rates.argmax())
        if rates[best] == -np.inf:
            break
        plan[best] += min(step, room[best])
    return _spread_rest(plan, high, total)


def _spread_rest(plan: Array, high: Array, total: float) -> Array:
    """What the steps left goes where there is room."""
    rest = total - float(plan.sum())
    for at in np.argsort(-(high - plan), kind="stable"):
        if rest <= 1e-9:
            break
        more = min(rest, max(0.0, float(high[at] - plan[at])))
        plan[at] += more
        rest -= more
    return plan


def _revenue(found: Response, plan: Array, periods: int) -> float:
    each = (plan / periods).reshape(1, -1)
    shaped = np.log1p(each / found.scales) if found.curved else each
    return float((shaped @ found.fit.coefficients[1:])[0]) * periods

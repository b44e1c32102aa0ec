"""A measure by period: which periods are whole, and the tools that read the series."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hexar.agents.market.figures.aggregates import PERIOD, ZERO, Frame, Sums
from hexar.agents.market.figures.spans import next_period, period_end
from hexar.agents.market.forecast.backtest import TooShortError, forecast
from hexar.agents.market.forecast.models import season_index
from hexar.agents.market.tools.result import RATIO, Asked, Result, change, unit_of
from hexar.agents.market.tools.statistics import student

#: Periods in a year, where a year has seasons of them.
SEASONS = {"day": 7, "week": 52, "month": 12, "quarter": 4}
#: Periods that a tool tells at most.
MOST_TOLD = 400
#: Robust deviations from which a period stands out.
OUTLIER = 3.5
#: Values of a dimension that are looked at to explain a period, and how many are told.
EXPLAINED, CAUSES = 200, 2


@dataclass(frozen=True, slots=True)
class Line:
    """A measure by period: every period from the first to the last, those without rows as zero.

    ``whole`` are the places of the periods that the window covers from end to end.
    """

    periods: tuple[dt.date, ...]
    sums: tuple[Sums | None, ...]
    values: tuple[Decimal, ...]
    whole: slice

    def numbers(self) -> NDArray[np.float64]:
        """The values of the whole periods."""
        return np.array([float(value) for value in self.values[self.whole]], dtype=np.float64)

    def days(self) -> tuple[dt.date, ...]:
        """The first days of the whole periods."""
        return self.periods[self.whole]


def line(frame: Frame, measure: str) -> Line:
    """The series of ``measure``; empty where no row is left."""
    groups = {period: sums for (period,), sums in frame.groups(PERIOD).items()}
    window, step = frame.scope.window, frame.scope.granularity
    if not groups or window is None:
        return Line((), (), (), slice(0, 0))
    periods = [min(groups)]
    while periods[-1] < max(groups) and len(periods) < 100_000:
        periods.append(next_period(periods[-1], step))
    first = 0 if periods[0] >= window.first else 1
    last = len(periods) if period_end(periods[-1], step) <= window.last else len(periods) - 1
    found = tuple(groups.get(period) for period in periods)
    values = tuple(frame.value(sums, measure) if sums is not None else ZERO for sums in found)
    return Line(tuple(periods), found, values, slice(first, max(first, last)))


def label(period: dt.date, granularity: str) -> str:
    """A period's name: 2024-03, 2024-Q1, 2024-03-18."""
    if granularity == "month":
        return f"{period:%Y-%m}"
    return f"{period.year}-Q{(period.month + 2) // 3}" if granularity == "quarter" else period.isoformat()


def _left_out(series: Line, result: Result, granularity: str) -> None:
    inside = set(series.days())
    out = [label(period, granularity) for period in series.periods if period not in inside]
    if out:
        result.notes.append(f"{', '.join(out)}: not a whole {granularity} of data, and left out of what compares periods")


def trend(frame: Frame, asked: Asked) -> Result:
    """The series, its trend and its season.

    ``trend`` is the slope of a least-squares line over the whole periods, by period, with its Student interval; ``trend_ratio``
    is that over the mean. ``annual_growth`` compares the last whole year with the one before. A ``season_index`` is the mean
    ratio of its periods to a centred moving average of a year, all scaled to mean one; it needs two whole years.
    """
    result, measure, step = Result("trend"), frame.measure, frame.scope.granularity
    series = line(frame, measure)
    unit = unit_of(frame, measure)
    y = series.numbers()
    if len(y) < 3:
        result.problem = f"a trend needs three whole {step}s; there are {len(y)}"
        return result
    x = np.arange(len(y), dtype=np.float64)
    slope, intercept = np.polyfit(x, y, 1)
    spread = float(np.sqrt(np.sum((y - slope * x - intercept) ** 2) / max(1, len(y) - 2) / np.sum((x - x.mean()) ** 2)))
    width = student(asked.confidence, len(y) - 2) * spread
    interval = (float(slope - width), float(slope + width))
    result.add("trend", float(slope), f"{unit} per {step}", interval=interval, confidence=asked.confidence)
    result.add("trend_ratio", float(slope / y.mean()) if y.mean() > 0 else None, f"ratio per {step}")
    season = SEASONS[step]
    if step in ("month", "quarter") and len(y) >= 2 * season:
        whole = series.values[series.whole]
        result.add("annual_growth", change(sum(whole[-season:], ZERO), sum(whole[-2 * season : -season], ZERO)), RATIO)
    if len(y) >= 2 * season and np.all(y > 0):
        index = season_index(y, season)
        first = series.days()[0]
        for place in range(season):
            result.add(
                "season_index", float(index[place]), RATIO, {"season": _season_name(next_period(first, step, place), step)}
            )
        result.add("season_strength", float(index.max() - index.min()), RATIO)
    else:
        result.notes.append(f"a season needs {2 * season} whole {step}s, all with sales; there are {len(y)}")
    _left_out(series, result, step)
    told = list(zip(series.periods, series.values, strict=True))
    if len(told) > MOST_TOLD:
        result.notes.append(f"the last {MOST_TOLD} of {len(told)} {step}s are told")
    for period, value in told[-MOST_TOLD:]:
        result.add(measure, value, unit, {step: label(period, step)})
    return result


_MONTH_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _season_name(period: dt.date, step: str) -> str:
    if step == "month":
        return _MONTH_NAMES[period.month - 1]
    if step == "quarter":
        return f"Q{(period.month + 2) // 3}"
    return f"{period:%A}" if step == "day" else f"week {period.isocalendar().week}"


def forecast_tool(frame: Frame, asked: Asked) -> Result:
    """The coming periods of the measure, with 80 and 95 % intervals and the error of the same method on the past.

    Models compete in a backtest with rolling origin (:mod:`hexar.agents.market.forecast.backtest`); ``mape`` stands beside the
    error of seasonal-naive and of the mean of twelve. ``coverage`` is how often an interval held the outcome in the backtest,
    each origin judged by the others.
    """
    result, measure, step = Result("forecast"), frame.measure, frame.scope.granularity
    series, unit = line(frame, measure), unit_of(frame, measure)
    y = series.numbers()
    try:
        season = SEASONS[step] if len(y) >= SEASONS[step] + 2 else 1
        found = forecast(y, season, asked.horizon, lambda: frame.cancel.cancelled)
    except TooShortError as error:
        result.problem = str(error)
        return result
    last = series.days()[-1]
    for at in range(asked.horizon):
        named = {step: label(next_period(last, step, at + 1), step)}
        for level in sorted(found.intervals):
            low, high = found.intervals[level]
            result.add(
                "forecast", float(found.values[at]), unit, named, interval=(float(low[at]), float(high[at])), confidence=level
            )
    result.add("forecast_total", float(found.values.sum()), unit)
    result.add("mape", found.mape, RATIO, {"model": found.model})
    for name in ("seasonal naive", "mean of 12"):
        if name in found.errors:
            result.add("mape", found.errors[name], RATIO, {"model": name}, reason="for comparison")
    for level, share in found.coverage.items():
        result.add("coverage", share, RATIO, {"interval": f"{level:.0%}"})
    result.notes.append(f"model: {found.model}, the best of a backtest from {found.origins} points of the past")
    _left_out(series, result, step)
    return result


def anomalies(frame: Frame, _asked: Asked) -> Result:
    """Periods that stand out from trend and season, and what made them.

    What is expected of a period is the median of its neighbours (three on each side, itself left out) after the season is taken
    out, times its season index. It stands out where its ratio to that differs from the median ratio by more than 3.5 robust
    deviations (1.4826 times the median absolute deviation). The reason names the groups of brand, category, region and channel
    that differ most from their usual share of what was expected.
    """
    result, measure, step = Result("anomalies"), frame.measure, frame.scope.granularity
    series, unit = line(frame, measure), unit_of(frame, measure)
    y = series.numbers()
    if len(y) < 8:
        result.problem = f"a period stands out among eight whole {step}s at least; there are {len(y)}"
        return result
    season = SEASONS[step]
    index = season_index(y, season) if len(y) >= 2 * season and np.all(y > 0) else np.ones(1)
    factors = np.resize(index, len(y))
    flat = np.divide(y, factors, out=np.zeros_like(y), where=factors > 0)
    around = np.array([np.median(np.delete(flat[max(0, at - 3) : at + 4], min(at, 3))) for at in range(len(flat))])
    expected = around * factors
    known = expected > 0
    deviation = np.where(known, np.divide(y, expected, out=np.ones_like(y), where=known) - 1, 0.0)
    middle = float(np.median(deviation))
    spread = 1.4826 * float(np.median(np.abs(deviation - middle)))
    if spread <= 1e-9:
        spread = 1e-9 + 0.01
    scores = (deviation - middle) / spread
    found = [at for at in np.argsort(-np.abs(scores), kind="stable") if abs(scores[at]) > OUTLIER and known[at]]
    for at in sorted(found[:20]):
        period = series.days()[at]
        named = {step: label(period, step)}
        side = "above" if y[at] > expected[at] else "below"
        cause = _causes(frame, measure, period, float(expected[at]), float(y[at]))
        reason = f"{abs(deviation[at]):.0%} {side} what trend and season let expect" + (f"; {cause}" if cause else "")
        result.add(measure, series.values[series.whole][at], unit, named, reason=reason)
        result.add("expected", float(expected[at]), unit, named)
        result.add("deviation", float(deviation[at]), RATIO, named)
    result.add("anomalies", len(found), f"{step}s")
    if not found:
        result.notes.append(f"no {step} of {len(y)} stands out")
    _left_out(series, result, step)
    return result


def explaining(frame: Frame) -> list[str]:
    """The dimensions that may explain a period."""
    have = [role for role in ("brand", "category", "region", "channel") if role in frame.profile.dimensions]
    return [role for role in have if frame.profile.distinct.get(role, 0) <= EXPLAINED]


def _causes(frame: Frame, measure: str, period: dt.date, expected: float, actual: float) -> str:
    gaps: list[tuple[float, str]] = []
    for role in explaining(frame):
        usual: dict[str, float] = {}
        now: dict[str, float] = {}
        for (name, when), sums in frame.groups(role, PERIOD).items():
            value = float(frame.value(sums, measure))
            usual[name] = usual.get(name, 0.0) + value
            if when == period:
                now[name] = value
        total = sum(usual.values())
        if total <= 0:
            continue
        for name, value in usual.items():
            gap = now.get(name, 0.0) - value / total * expected
            if gap * (actual - expected) > 0:
                gaps.append((gap / (actual - expected), f"{role} {name or '(none)'}"))
    gaps.sort(key=lambda entry: (-entry[0], entry[1]))
    told = [f"{name} ({share:.0%} of the gap)" for share, name in gaps[:CAUSES] if share >= 0.15]
    return "most of it from " + " and ".join(told) if told else ""

"""Which model, and how wide the intervals: by forecasts from earlier points of the same series, whose outcome is known.

Origins roll one period at a time over the last part of the series. Every model forecasts from each origin over the whole
horizon; its error is the mean absolute percentage error of all (periods without sales have none). The forecast is the mean of
the models that the errors favour. Its errors at each lead, spread by how they grow with it, give the intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hexar.agents.market.forecast.models import MEAN, MODELS, SEASONAL_NAIVE, Model, Series
from hexar.core.errors import Aborted

#: Origins at most, and at least; a series that has not the latter is too short.
MOST_ORIGINS, LEAST_ORIGINS = 12, 3
#: The levels of the intervals that are always told.
LEVELS = (0.8, 0.95)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The coming values with intervals by level, and the errors of the backtest.

    ``mape`` is that of what is told, by model in ``errors``; ``coverage`` by level is how often an interval made of the other
    origins held the outcome of one.
    """

    model: str
    values: Series
    intervals: dict[float, tuple[Series, Series]]
    mape: float
    errors: dict[str, float]
    coverage: dict[float, float]
    origins: int


class TooShortError(ValueError):
    """There are not enough periods to see how wrong a forecast would have been."""


def least_length(season: int, horizon: int) -> int:
    """Periods that a series must have."""
    return max(8, season + 1 if season > 1 else 6) + horizon + LEAST_ORIGINS - 1


def forecast(y: Series, season: int, horizon: int, stopped: Callable[[], bool] = lambda: False) -> Forecast:
    """The next ``horizon`` values of ``y`` with a season of so many periods (1: none). TooShortError.

    A horizon of which too few origins have an outcome is tested over fewer leads, and the last lead's spread holds for the
    rest.
    """
    tested = horizon
    while tested > 1 and least_length(season, tested) > len(y):
        tested -= 1
    least = least_length(season, tested)
    if len(y) < least:
        raise TooShortError(f"{len(y)} whole periods are too few: a forecast with a known error needs {least}")
    origins = list(range(max(least - tested - LEAST_ORIGINS + 1, len(y) - tested - MOST_ORIGINS + 1), len(y) - tested + 1))
    actual = np.stack([y[at : at + tested] for at in origins])
    models = [model for model in MODELS if len(y) >= model.least(season) and (season > 1 or not model.seasonal)]
    told: dict[str, Series] = {}
    for model in models:
        if stopped():
            raise Aborted("the analysis was cancelled")
        told[model.name] = np.stack([_safe(model, y[:at], season, tested) for at in origins])
    errors = {name: mape(actual, values) for name, values in told.items()}
    chosen = _choose(actual, told, errors)
    by_name = {model.name: model for model in models}
    values = np.mean([_safe(by_name[name], y, season, horizon) for name in chosen], axis=0)
    past = np.mean([told[name] for name in chosen], axis=0)
    intervals, coverage = _intervals(actual - past, values, float(y.min()))
    return Forecast(" + ".join(chosen), values, intervals, mape(actual, past), errors, coverage, len(origins))


def _safe(model: Model, y: Series, season: int, horizon: int) -> Series:
    """A model's forecast; that of the plain ones where it needs a longer past or gives no number, within reach of the past."""
    fallback = SEASONAL_NAIVE if season > 1 and len(y) >= season else MEAN
    if len(y) < model.least(season):
        return fallback.fit(y, season, horizon)
    try:
        values = model.fit(y, season, horizon)
    except Exception:
        return fallback.fit(y, season, horizon)
    if not np.all(np.isfinite(values)):
        return fallback.fit(y, season, horizon)
    # Sales of a kind that never was are no forecast; nor are negative ones where none were.
    low, high = float(y.min()), float(y.max())
    return np.clip(values, min(0.0, 2 * low), 3 * high if high > 0 else 0.0)


def mape(actual: Series, told: Series) -> float:
    """Mean absolute percentage error, as a ratio; of periods with sales. 0 where there are none."""
    known = np.abs(actual) > 1e-9
    return float(np.mean(np.abs(actual - told)[known] / np.abs(actual[known]))) if known.any() else 0.0


def _choose(actual: Series, told: dict[str, Series], errors: dict[str, float]) -> Sequence[str]:
    """The models whose mean is told: the best alone, or with those that are near it, where that was no worse."""
    ranked = sorted(errors, key=lambda name: (errors[name], name))
    best, chosen = errors[ranked[0]], [ranked[0]]
    for count in (2, 3):
        if count > len(ranked):
            break
        group = ranked[:count]
        error = mape(actual, np.mean([told[name] for name in group], axis=0))
        if error <= best:
            best, chosen = error, list(group)
    return chosen


def _intervals(errors: Series, values: Series, least: float) -> tuple[dict[float, tuple[Series, Series]], dict[float, float]]:
    """Intervals of the errors (origins × leads), and how often those of the other origins held each origin."""
    horizon = len(values)
    scale = _spread(errors, horizon)
    intervals: dict[float, tuple[Series, Series]] = {}
    coverage: dict[float, float] = {}
    for level in LEVELS:
        width = _quantile(errors / scale[: errors.shape[1]], level) * scale
        low = values - width
        intervals[level] = (np.maximum(low, 0.0) if least >= 0 else low, values + width)
        held = 0
        for at in range(len(errors)):
            others = np.delete(errors, at, axis=0)
            spread = _spread(others, errors.shape[1])
            held += int(np.sum(np.abs(errors[at]) <= _quantile(others / spread, level) * spread))
        coverage[level] = held / errors.size
    return intervals, coverage


def _spread(errors: Series, horizon: int) -> Series:
    """How far errors spread at each lead: their root mean square, never less than at an earlier lead."""
    found = np.maximum.accumulate(np.sqrt(np.mean(errors**2, axis=0)))
    found = np.maximum(found, 1e-9 + 1e-6 * float(np.abs(errors).max(initial=0.0)))
    return (
        found
        if horizon <= len(found)
        else np.concatenate([found, found[-1] * np.sqrt(np.arange(len(found) + 1, horizon + 1) / len(found))])
    )


def _quantile(scaled: Series, level: float) -> float:
    """The width in spreads that holds ``level`` of the errors, with the small-sample correction of conformal prediction."""
    flat = np.sort(np.abs(scaled).ravel())
    place = int(np.ceil((len(flat) + 1) * level)) - 1
    return float(flat[min(place, len(flat) - 1)])

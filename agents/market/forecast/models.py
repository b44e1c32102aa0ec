"""Models of a series: each a function from the past and a horizon to the coming values.

Seasonal-naive and the mean are what any other must beat. STL with exponential smoothing comes from augurs; the rest are a few
lines of arithmetic each (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, chapters 5 and 8; theta after
Assimakopoulos and Nikolopoulos, 2000).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
Fit = Callable[[Series, int, int], Series]


@dataclass(frozen=True, slots=True)
class Model:
    """``least`` observations it needs, by the length of the season (1: none)."""

    name: str
    fit: Fit
    least: Callable[[int], int]
    seasonal: bool = False


def seasonal_naive(y: Series, season: int, horizon: int) -> Series:
    """The value of the same season a year before."""
    return np.resize(y[-season:], horizon)


def mean(y: Series, season: int, horizon: int) -> Series:
    """The mean of the last season, or of the last twelve values where there is none."""
    return np.full(horizon, y[-max(season, 12) :].mean())


def seasonal_mean(y: Series, season: int, horizon: int) -> Series:
    """The average share of each season in its year, on the level of the last year."""
    years = len(y) // season
    table = y[-years * season :].reshape(years, season)
    levels = table.mean(axis=1, keepdims=True)
    if np.any(levels <= 0):
        return np.resize(table.mean(axis=0), horizon)
    return np.resize((table / levels).mean(axis=0) * levels[-1, 0], horizon)


def season_index(y: Series, season: int) -> Series:
    """The factor of each season, first to last of the first year, by the ratio to a centred moving average; mean one."""
    window = np.ones(season + 1 if season % 2 == 0 else season)
    if season % 2 == 0:
        window[[0, -1]] = 0.5
    smooth = np.convolve(y, window / season, mode="valid")
    half = len(window) // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = y[half : half + len(smooth)] / smooth
    places = (np.arange(len(ratio)) + half) % season
    index = np.ones(season)
    for place in range(season):
        found = ratio[(places == place) & np.isfinite(ratio)]
        if len(found):
            index[place] = found.mean()
    total = index.mean()
    return index / total if total > 0 else np.ones(season)


def theta(y: Series, season: int, horizon: int) -> Series:
    """Half of the slope of a line, over simple exponential smoothing; of a series whose season was taken out before."""
    index = season_index(y, season) if season > 1 and len(y) >= 2 * season and np.all(y > 0) else np.ones(1)
    factors = np.resize(index, len(y) + horizon)
    flat = y / factors[: len(y)]
    slope = np.polyfit(np.arange(len(flat)), flat, 1)[0] if len(flat) > 2 else 0.0
    level, alpha = _smooth(flat)
    drift = slope / 2 * (np.arange(1, horizon + 1) - 1 + 1 / alpha)
    return (level + drift) * factors[len(y) :]


def _smooth(y: Series) -> tuple[float, float]:
    """(last level, weight) of simple exponential smoothing with the weight of the least squared error."""
    weights = np.linspace(0.05, 0.95, 19)
    level = np.full(len(weights), y[: min(3, len(y))].mean())
    error = np.zeros(len(weights))
    for value in y:
        error += (value - level) ** 2
        level += weights * (value - level)
    best = int(error.argmin())
    return float(level[best]), float(weights[best])


def stl_ets(y: Series, season: int, horizon: int) -> Series:
    """Seasonal-trend decomposition by loess, its trend by exponential smoothing chosen by AICc (augurs)."""
    import augurs

    model = augurs.MSTL.ets([season])
    model.fit(np.ascontiguousarray(y))
    return np.asarray(model.predict(horizon, None).point())


SEASONAL_NAIVE = Model("seasonal naive", seasonal_naive, lambda season: season, True)
MEAN = Model("mean of 12", mean, lambda _: 2)
MODELS = (
    SEASONAL_NAIVE,
    MEAN,
    Model("seasonal mean", seasonal_mean, lambda season: 2 * season, True),
    Model("theta", theta, lambda _: 4),
    Model("STL and exponential smoothing", stl_ets, lambda season: 2 * season + 1, True),
)

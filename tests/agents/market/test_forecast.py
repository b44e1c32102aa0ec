"""The forecast: no worse than the plain ones on what it did not see, and intervals that hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hexar.agents.market.forecast import models
from hexar.agents.market.forecast.backtest import TooShortError, forecast, least_length, mape
from hexar.agents.market.tools.statistics import least_squares, student

Array = np.ndarray[Any, np.dtype[np.float64]]


def series(seed: int) -> Array:
    """Trend, season, both, a break, or intermittent."""
    chance = np.random.default_rng(seed)
    count = int(chance.integers(42, 73))
    t = np.arange(count)
    season = 1 + 0.3 * np.sin(2 * np.pi * (t + chance.integers(12)) / 12)
    noise = 1 + chance.normal(0, 0.05, count)
    return (
        500 * (1 + 0.02 * t) * noise,
        500 * season * noise,
        500 * (1 + 0.01 * t) * season * noise,
        500 * np.where(t < 0.5 * count, 1, 1.5) * season * noise,
        np.where(chance.random(count) < 0.3, 0.0, 500 * chance.gamma(4, 0.25, count)),
    )[seed % 5]


def test_it_beats_the_plain_ones_on_what_it_did_not_see() -> None:
    """Over series of each kind, at six months; and four of five outcomes lie in the 80 % interval."""
    errors, held = [], []
    for seed in range(30):
        y = series(seed)
        past, actual = y[:-6], y[-6:]
        found = forecast(past, 12, 6)
        low, high = found.intervals[0.8]
        held.append(np.mean((actual >= low) & (actual <= high)))
        plain = (models.seasonal_naive(past, 12, 6), models.mean(past, 12, 6))
        errors.append((mape(actual, found.values), *(mape(actual, values) for values in plain)))
        assert found.mape <= min(found.errors["seasonal naive"], found.errors["mean of 12"]) + 1e-12
        assert 0.6 <= found.coverage[0.8] <= 0.95
    ours, naive, mean = np.mean(errors, axis=0)
    assert ours < min(naive, mean)
    assert 0.65 <= np.mean(held) <= 0.92


def test_intervals_grow_with_the_level_and_the_lead() -> None:
    """And never below nothing, where nothing ever was below."""
    found = forecast(series(2), 12, 12)
    (low80, high80), (low95, high95) = found.intervals[0.8], found.intervals[0.95]
    assert np.all(low95 <= low80)
    assert np.all(high95 >= high80)
    assert np.all(np.diff(high80 - found.values) >= -1e-9)
    assert np.all(low95 >= 0)


def test_too_short_a_series_says_so() -> None:
    """By how many periods; a longer horizon than can be tested is tested at fewer leads."""
    with pytest.raises(TooShortError, match="10 whole periods are too few"):
        forecast(np.arange(10, dtype=np.float64) + 1, 1, 6)
    found = forecast(np.arange(20, dtype=np.float64) + 1, 1, 60)
    assert len(found.values) == 60
    assert least_length(12, 6) == 21


@pytest.mark.parametrize("values", [[0.0] * 40, [5.0] * 40, [0.0] * 39 + [9.0], [-3.0, 2.0] * 20, [1e12] * 20 + [2e12] * 20])
def test_odd_series_have_finite_forecasts(values: list[float]) -> None:
    """Nothing but zeros, a constant, one spike, changing signs, large amounts."""
    found = forecast(np.array(values), 12, 6)
    for each in (found.values, *found.intervals[0.8], *found.intervals[0.95]):
        assert np.all(np.isfinite(each))


@pytest.mark.parametrize(
    ("confidence", "freedom", "expected"),
    [(0.95, 1, 12.7062), (0.95, 2, 4.3027), (0.95, 3, 3.1824), (0.95, 5, 2.5706), (0.95, 10, 2.2281), (0.95, 30, 2.0423),
     (0.95, 196, 1.9721), (0.8, 3, 1.6377), (0.8, 20, 1.3253), (0.99, 4, 4.6041), (0.99, 60, 2.6603), (0.5, 7, 0.7111)],
)  # fmt: skip
def test_students_quantiles_are_those_of_the_tables(confidence: float, freedom: int, expected: float) -> None:
    """Right to four digits."""
    assert student(confidence, freedom) == pytest.approx(expected, rel=2e-4)


def test_least_squares_finds_what_made_the_data() -> None:
    """Coefficients, their errors against numpy's, and nothing where columns say the same."""
    chance = np.random.default_rng(3)
    x = np.column_stack([np.ones(200), chance.random(200) * 100, chance.random(200)])
    y = x @ np.array([5.0, 0.25, -3.0]) + chance.normal(0, 0.5, 200)
    fit = least_squares(x, y)
    assert fit is not None
    expected, rss, _, _ = np.linalg.lstsq(x, y)
    covariance = np.linalg.inv(x.T @ x) * rss[0] / 197
    assert fit.coefficients == pytest.approx(expected)
    assert fit.errors == pytest.approx(np.sqrt(np.diag(covariance)))
    assert least_squares(np.column_stack([x, x[:, 1] * 2]), y) is None
    assert least_squares(x[:2], y[:2]) is None

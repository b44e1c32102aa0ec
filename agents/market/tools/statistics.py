"""The few distributions that the tools need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def student(confidence: float, freedom: int) -> float:
    """How many standard errors on either side hold ``confidence``: the two-sided quantile of Student's t.

    Exact for one and two degrees of freedom, else by Hill's expansion (CACM algorithm 396), right to four digits.
    """
    tail = 1 - confidence
    if freedom <= 0:
        return math.inf
    if freedom == 1:
        return math.cos(tail * math.pi / 2) / math.sin(tail * math.pi / 2)
    if freedom == 2:
        return math.sqrt(2 / (tail * (2 - tail)) - 2)
    a = 1 / (freedom - 0.5)
    b = 48 / a**2
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * freedom
    x = d * tail
    y = x ** (2 / freedom)
    if y > 0.05 + a:
        x = NormalDist().inv_cdf(tail / 2)
        y = x * x
        if freedom < 5:
            c += 0.3 * (freedom - 4.5) * (x + 0.6)
        c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
        y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
        y = math.expm1(a * y * y)
    else:
        y = ((1 / (((freedom + 6) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2) * 3) + 0.5 / (freedom + 4)) * y - 1) * (
            freedom + 1
        ) / (freedom + 2) + 1 / y
    return math.sqrt(freedom * y)


@dataclass(frozen=True, slots=True)
class Fit:
    """A least-squares fit: coefficients with standard errors, residual sum of squares, degrees of freedom."""

    coefficients: Array
    errors: Array
    rss: float
    freedom: int
    r2: float

    def aicc(self) -> float:
        """Akaike's criterion with the correction for few observations; smaller is better."""
        n, k = self.freedom + len(self.coefficients), len(self.coefficients) + 1
        if n - k - 1 <= 0:
            return math.inf
        return n * math.log(max(self.rss, 1e-300) / n) + 2 * k * n / (n - k - 1)


def least_squares(x: Array, y: Array) -> Fit | None:
    """Ordinary least squares of ``y`` on the columns of ``x``; None where the columns do not tell their effects apart."""
    rows, columns = x.shape
    if rows <= columns:
        return None
    scale = np.sqrt((x**2).sum(axis=0))
    if np.any(scale == 0):
        return None
    q, r = np.linalg.qr(x / scale)
    if np.any(np.abs(np.diag(r)) < 1e-8):
        return None
    inverse = np.linalg.inv(r)
    coefficients = inverse @ (q.T @ y) / scale
    residual = y - x @ coefficients
    rss = float(residual @ residual)
    variance = rss / (rows - columns)
    errors = np.sqrt((inverse**2).sum(axis=1) * variance) / scale
    total = float(((y - y.mean()) ** 2).sum())
    return Fit(coefficients, errors, rss, rows - columns, 1 - rss / total if total > 0 else 0.0)

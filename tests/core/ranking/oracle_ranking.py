"""The plain oracle of hexar.core.ranking: score every row, sort all of them, keep the first k."""

import math
from collections.abc import Sequence


def contributions(row: Sequence[float], weights: Sequence[float], missing: Sequence[float]) -> list[float]:
    """What each column adds to the score; NaN stands for the column's neutral value."""
    filled = [neutral if math.isnan(value) else value for value, neutral in zip(row, missing, strict=True)]
    return [value * weight for value, weight in zip(filled, weights, strict=True)]


def score(parts: Sequence[float]) -> float:
    """The documented order of additions: column j goes to lane j % 4, the lanes are added in pairs."""
    lanes = [0.0] * 4
    for column, part in enumerate(parts):
        lanes[column % 4] += part
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])


def top_k(
    features: Sequence[Sequence[float]],
    weights: Sequence[float],
    k: int,
    mask: Sequence[bool] | None = None,
    missing: Sequence[float] | None = None,
) -> list[tuple[int, float, list[float], list[bool]]]:
    """Index, score, contributions and missing flags of the best k rows: score descending, then index ascending."""
    neutral = [0.0] * len(weights) if missing is None else missing
    ranked = []
    for index, row in enumerate(features):
        if mask is None or mask[index]:
            parts = contributions(row, weights, neutral)
            ranked.append((index, score(parts), parts, [math.isnan(value) for value in row]))
    ranked.sort(key=lambda entry: (-entry[1], entry[0]))
    return ranked[:k]

"""What hexar.core.search.fusion must do, with dictionaries and the standard library's statistics."""

import statistics
from collections.abc import Sequence


def fuse(first: Sequence[int], second: Sequence[int], constant: float, limit: int) -> list[tuple[int, int, int]]:
    """The best keys by reciprocal rank fusion, each with its places."""
    places = [{key: place for place, key in reversed(list(enumerate(keys, 1)))} for keys in (first, second)]

    def order(key: int) -> tuple[float, int, int]:
        score = sum(1.0 / (constant + held[key]) for held in places if key in held)
        return -score, places[0].get(key, len(first) + 1), key

    return [(key, places[0].get(key, 0), places[1].get(key, 0)) for key in sorted({*first, *second}, key=order)[:limit]]


def combine(rows: Sequence[Sequence[float]], weights: Sequence[float]) -> list[float]:
    """The weighed sum of each document's standard scores."""
    total = [0.0] * (len(rows[0]) if rows else 0)
    for row, weight in zip(rows, weights, strict=True):
        mean, spread = statistics.fmean(row or [0.0]), statistics.pstdev(row or [0.0])
        if spread > 1e-9:
            total = [sum_ + weight * (score - mean) / spread for sum_, score in zip(total, row, strict=True)]
    return total


def best(
    fused: Sequence[tuple[int, int, int]], scores: Sequence[float], constant: float, count: int
) -> list[tuple[int, float, int, int]]:
    """The first of ``fused`` by their scores from 1 upwards, then the others; each with where it stood and its places."""
    lowest = min(scores, default=0.0)
    moved = [1.0 + score - lowest for score in scores]
    moved += [1.0 / (constant + place) for place in range(len(scores) + 1, len(fused) + 1)]
    head = sorted(range(len(scores)), key=lambda at: (-moved[at], fused[at][0]))
    return [(at, moved[at], *fused[at][1:]) for at in [*head, *range(len(scores), len(fused))][:count]]

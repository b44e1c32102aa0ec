"""Ranking 100,000 rows of 8 features against the best numpy formulation and ``sorted()`` over dicts.

Every contender returns the 20 best rows, their scores and their contributions. One value in twenty is missing. The
peers are several numpy formulations, of which the fastest in the run counts:

``where``      fill the missing values, multiply (BLAS), ``argpartition``, sort the winners;
``repair``     multiply first, then repair only the rows whose product is NaN;
``prefilter``  as ``where``, but ``argpartition`` sees only the rows that beat the 20th best of a sample;
``buffers``    as ``prefilter``, but every large array was allocated before and is written in place.

``vs_numpy_no_missing`` compares on a table without any missing value, where numpy needs no filling at all.

Run: ``python tests/bench/kernels/ranking.py [--quick]``.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

# A product this small waits longer for BLAS's second thread than it computes: numpy is at its best with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from hexar.core.ranking import top_k
from tests.bench.harness import options, paired, report, seconds

ROWS, COLUMNS, K = 100_000, 8, 20
NAMES = ["price", "rating", "reviews", "level", "brand", "stock", "shipping", "fresh"]
WEIGHTS = np.array([0.35, 0.2, 0.1, 0.15, 0.05, 0.05, 0.04, 0.06])

Floats = NDArray[np.float64]
Answer = tuple[NDArray[np.int64], Floats, Floats]


def make_table(rows: int, missing: float) -> Floats:
    random = np.random.default_rng(11)
    features = random.random((rows, COLUMNS))
    features[random.random(features.shape) < missing] = np.nan
    return features


def winners(features: Floats, scores: Floats, chosen: NDArray[np.int64]) -> Answer:
    """Put the chosen rows into order and explain them."""
    chosen = chosen[np.lexsort((chosen, -scores[chosen]))]
    rows = features[chosen]
    return chosen, scores[chosen], np.where(np.isnan(rows), 0.0, rows) * WEIGHTS


def numpy_where(features: Floats) -> Answer:
    scores = np.where(np.isnan(features), 0.0, features) @ WEIGHTS
    return winners(features, scores, np.argpartition(scores, len(scores) - K)[-K:])


def numpy_repair(features: Floats) -> Answer:
    scores = features @ WEIGHTS
    broken = np.flatnonzero(np.isnan(scores))
    rows = features[broken]
    scores[broken] = np.where(np.isnan(rows), 0.0, rows) @ WEIGHTS
    return winners(features, scores, np.argpartition(scores, len(scores) - K)[-K:])


def select_prefiltered(features: Floats, scores: Floats) -> Answer:
    sample = scores[:4096]
    hopeful = np.flatnonzero(scores >= np.partition(sample, len(sample) - K)[-K])
    return winners(features, scores, hopeful[np.argpartition(scores[hopeful], len(hopeful) - K)[-K:]])


def numpy_prefilter(features: Floats) -> Answer:
    return select_prefiltered(features, np.where(np.isnan(features), 0.0, features) @ WEIGHTS)


FILLED, MISSING, SCORES = np.empty((ROWS, COLUMNS)), np.empty((ROWS, COLUMNS), np.bool_), np.empty(ROWS)


def numpy_buffers(features: Floats) -> Answer:
    np.isnan(features, out=MISSING)
    np.copyto(FILLED, features)
    np.putmask(FILLED, MISSING, 0.0)
    np.dot(FILLED, WEIGHTS, out=SCORES)
    return select_prefiltered(features, SCORES)


def numpy_no_missing(features: Floats) -> Answer:
    scores = features @ WEIGHTS
    chosen = np.argpartition(scores, len(scores) - K)[-K:]
    chosen = chosen[np.lexsort((chosen, -scores[chosen]))]
    return chosen, scores[chosen], features[chosen] * WEIGHTS


NUMPY: dict[str, Callable[[Floats], Answer]] = {
    "where": numpy_where,
    "repair": numpy_repair,
    "prefilter": numpy_prefilter,
    "buffers": numpy_buffers,
}


def by_sorting(products: list[dict[str, Any]]) -> list[tuple[int, float, dict[str, float]]]:
    """What one writes without a kernel: dicts, ``sorted`` with a key, contributions of the winners."""
    weights = dict(zip(NAMES, WEIGHTS.tolist(), strict=True))

    def score(product: dict[str, Any]) -> float:
        return float(sum(weight * (product[name] or 0.0) for name, weight in weights.items()))

    best = sorted(products, key=lambda product: (-score(product), product["index"]))[:K]
    return [
        (product["index"], score(product), {name: weight * (product[name] or 0.0) for name, weight in weights.items()})
        for product in best
    ]


def workload() -> None:
    """A fixed amount of work whose instructions are counted."""
    features = np.sin(np.arange(4_000.0 * COLUMNS)).reshape(-1, COLUMNS)
    features[::7, 3] = np.nan
    narrow = np.ascontiguousarray(features[:, :5])
    mask = np.arange(len(features)) % 3 == 0
    for _ in range(20):
        top_k(features, WEIGHTS, K)
        top_k(features, WEIGHTS, K, mask=mask, missing=WEIGHTS)
        top_k(narrow, WEIGHTS[:5], 500)


def main() -> None:
    quick = options(__doc__ or "").quick
    repeat, number = (41, 5) if quick else (101, 10)  # many short rounds: the median passes over a busy moment
    features, full = make_table(ROWS, 0.05), make_table(ROWS, 0.0)
    products: list[dict[str, Any]] = [
        {"index": index, **{name: None if value != value else value for name, value in zip(NAMES, row, strict=True)}}
        for index, row in enumerate(features.tolist())
    ]
    ranking = top_k(features, WEIGHTS, K)
    for formulation in NUMPY.values():
        assert np.allclose(formulation(features)[1], ranking.scores, rtol=0, atol=1e-12)
    assert [entry[0] for entry in by_sorting(products)] == ranking.indices.tolist()

    pairs = {
        name: paired(lambda: top_k(features, WEIGHTS, K), lambda f=formulation: f(features), repeat, number)  # type: ignore[misc]
        for name, formulation in NUMPY.items()
    }
    best = min(pairs, key=lambda name: pairs[name][1])
    mine, peer = pairs[best]
    mine_full, peer_full = paired(lambda: top_k(full, WEIGHTS, K), lambda: numpy_no_missing(full), repeat, number)
    report(
        "ranking",
        {
            "vs_numpy": peer / mine,
            "vs_sorted": seconds(lambda: by_sorting(products), 3) / mine,
            "vs_numpy_no_missing": peer_full / mine_full,
            "best_numpy": best,
            "top_k_ms": mine * 1e3,
            **{f"numpy_{name}_ms": pair[1] * 1e3 for name, pair in pairs.items()},
            "gigabytes_per_second": features.nbytes / mine / 1e9,
        },
    )


if __name__ == "__main__":
    main()

"""What hexar.core.search.similarity must do, in float64 and one word at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Tokens and length of each word.
Words = list[tuple[list[int], float]]


def nearest(matrix: NDArray[np.float32], keys: NDArray[np.int64], query: NDArray[np.float32]) -> list[tuple[int, float]]:
    """Every key with its product, best first."""
    products = matrix.astype(np.float64) @ query.astype(np.float64)
    return sorted(zip(keys.tolist(), products.tolist(), strict=True), key=lambda hit: (-hit[1], hit[0]))


def vectors(table: NDArray[np.float32], words: Words) -> list[NDArray[np.float64]]:
    """The vector of each word."""
    return [table[tokens].astype(np.float64).sum(0) / length for tokens, length in words]


def scores(
    table: NDArray[np.float32], query: Words, documents: Sequence[Words | None], weights: Sequence[float], floor: float
) -> list[float]:
    """The weighed sum of the best cosines above ``floor`` for each document."""
    asked = vectors(table, query)[: len(weights)]
    result = []
    for document in documents:
        held = vectors(table, document) if document is not None else []
        best = [max((float(word @ other) for other in held), default=0.0) for word in asked]
        result.append(sum(weight * value for weight, value in zip(weights, best, strict=True) if value > floor))
    return result


def unit_sum(table: NDArray[np.float32], tokens: Sequence[int]) -> tuple[NDArray[np.float64], float]:
    """The sum of the rows of ``tokens`` divided by its length, and that length."""
    total = table[list(tokens)].astype(np.float64).sum(0)
    length = max(float(np.linalg.norm(total)), 1e-9)
    return total / length, length

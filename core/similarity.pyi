from collections.abc import Iterable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

_Words = tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.float32]]

def nearest(
    matrix: NDArray[np.float32], keys: NDArray[np.int64], query: NDArray[np.float32], count: int
) -> tuple[list[int], list[float]]: ...

@final
class WordSimilarity:
    def __init__(self, table: NDArray[np.float32]) -> None: ...
    def scores(
        self, query: _Words, documents: Iterable[_Words | None], weights: Sequence[float], floor: float
    ) -> list[float]: ...

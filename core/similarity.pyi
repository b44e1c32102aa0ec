from collections.abc import Iterable, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from hexar.core.hits import Hits

def nearest(matrix: NDArray[np.float32], keys: NDArray[np.int64], query: NDArray[np.float32], count: int) -> Hits: ...

@final
class WordTokens:
    def __init__(self, words: Iterable[tuple[Sequence[int], float]]) -> None: ...
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int: ...

@final
class WordSimilarity:
    def __init__(self, table: NDArray[np.float32]) -> None: ...
    def scores(
        self, query: WordTokens, documents: Iterable[WordTokens | None], weights: Sequence[float], floor: float
    ) -> list[float]: ...
    def unit_sum(self, tokens: Iterable[int], row: NDArray[np.float32]) -> float: ...

from collections.abc import Sequence
from typing import SupportsIndex, final

import numpy as np
from numpy.typing import NDArray

@final
class Ranking:
    @property
    def indices(self) -> NDArray[np.int64]: ...
    @property
    def scores(self) -> NDArray[np.float64]: ...
    @property
    def contributions(self) -> NDArray[np.float64]: ...
    @property
    def missing(self) -> NDArray[np.bool_]: ...
    def __len__(self) -> int: ...

def top_k(
    features: NDArray[np.float64] | memoryview[float],
    weights: Sequence[float] | NDArray[np.float64],
    k: SupportsIndex,
    *,
    mask: Sequence[bool] | NDArray[np.bool_] | NDArray[np.uint8] | None = None,
    missing: Sequence[float] | NDArray[np.float64] | None = None,
    _portable: bool = False,
) -> Ranking: ...

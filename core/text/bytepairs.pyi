from collections.abc import Iterable, Mapping, Sequence
from typing import final

@final
class BytePairs:
    def __init__(self, vocabulary: Mapping[str, int], merges: Iterable[Sequence[str]]) -> None: ...
    def encode(self, word: str) -> tuple[int, ...]: ...

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, final

MAX_QUERY_LENGTH: Final[int]
MAX_QUERY_TOKENS: Final[int]
MAX_VALUES: Final[int]

@dataclass(frozen=True, slots=True)
class Match:
    index: int
    score: float

def default_tables() -> dict[str, Any]: ...
def fold(text: str) -> str: ...
def closeness(a: str, b: str) -> float: ...

@final
class FuzzyIndex:
    def __init__(
        self,
        names: Sequence[str],
        *,
        synonyms: Mapping[str, str | Sequence[str]] | None = None,
        constraints: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def vocabulary_size(self) -> int: ...
    def search(self, query: str, limit: int = 10, min_score: float = 0.0) -> list[Match]: ...
    def _search_exhaustive(self, query: str, limit: int = 10, min_score: float = 0.0) -> list[Match]: ...
    def save(self, path: str | os.PathLike[str]) -> None: ...
    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self: ...

"""What a search finds, and which indexes it asks."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hexar.core.cache import Tier

#: Bytes that a passage takes beside its text: names, headings and numbers. Measured with sys.getsizeof, rounded up.
PASSAGE_BYTES = 1000


class Mode(StrEnum):
    """Which indexes are asked, or answered."""

    HYBRID = "hybrid"
    LEXICAL = "lexical"
    VECTOR = "vector"
    NONE = "none"


class Passage(NamedTuple):
    """A chunk that was found. Ranks count from 1; 0: not found by that side."""

    key: int
    chunk_id: str
    document_id: str
    document_version: int
    document_title: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...]
    language: str
    url: str
    score: float = 0.0
    lexical_rank: int = 0
    vector_rank: int = 0
    similarity: float = 0.0

    def found(self, score: float, lexical_rank: int, vector_rank: int, similarity: float) -> "Passage":
        """This passage as a search found it."""
        return Passage._make((*self[:11], score, lexical_rank, vector_rank, similarity))


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The passages best first; seconds spent embedding the query and in all; the cache tier that a kept result came from.

    ``confirmed`` is False where the store did not answer, so that there may be a newer version than ``portfolio_version``.
    """

    passages: Sequence[Passage]
    mode: Mode
    portfolio_version: int
    embedding_seconds: float
    seconds: float
    tier: Tier = Tier.SOURCE
    confirmed: bool = True

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory this takes, were its texts nowhere else."""
        return sum([sys.getsizeof(passage.text) + PASSAGE_BYTES for passage in self.passages])

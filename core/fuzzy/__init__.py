"""Fuzzy retrieval of short names. The kernel and how it scores: :mod:`hexar.core.fuzzy.index`."""

from hexar.core.fuzzy.index import (
    MAX_QUERY_LENGTH,
    MAX_QUERY_TOKENS,
    MAX_VALUES,
    FuzzyIndex,
    Match,
    closeness,
    default_tables,
    fold,
)

__all__ = [
    "MAX_QUERY_LENGTH",
    "MAX_QUERY_TOKENS",
    "MAX_VALUES",
    "FuzzyIndex",
    "Match",
    "closeness",
    "default_tables",
    "fold",
]

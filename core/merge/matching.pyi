"""Typing of the matching kernel."""

from collections.abc import Mapping

DEFAULT_THRESHOLD: float

def same_product(left: Mapping[str, str], right: Mapping[str, str]) -> float:
    """How surely two listings are one product, 0..1; 0.5 and more is yes. Symmetric; equal non-empty rows score 1."""

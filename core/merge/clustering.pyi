"""Typing of the clustering kernel."""

from collections.abc import Mapping, Sequence

def cluster(listings: Sequence[Mapping[str, str]], threshold: float = ...) -> list[list[int]]:
    """Partition listings into products: members ascend, clusters ascend by their first member."""

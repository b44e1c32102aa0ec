"""Typing of the clustering kernel."""

from collections.abc import Mapping, Sequence
from typing import Any, final

@final
class Prepared:
    """A listing that is read already, for those that cluster it again and again.

    Raises TypeError where ``row`` is not a mapping.
    """

    def __init__(self, row: Mapping[str, Any]) -> None: ...

def cluster(listings: Sequence[Mapping[str, Any] | Prepared], threshold: float = ...) -> list[list[int]]:
    """Partition listings into products: members ascend, clusters ascend by their first member."""

"""Typing of the kernel that merges the readings of one product.

Example::

    merge(
        [
            Reading("maker", "A-1", {"name": "Harbour 154"}, live=False),
            Reading("peak", "9", {"name": "HARBOUR", "price": 399}, live=True),
        ],
        ("current", "static", "vendor", "sku"),
    )
    ->  fields   {"name": "Harbour 154", "price": 399}
        sources  {"name": the reading of maker, "price": the reading of peak}
        offers   (the reading of peak,)
"""

from collections.abc import Hashable, Iterable
from typing import Any, Generic, Literal, TypeAlias, TypeVar, final

#: the names of the orders; the compiled module has the name for typing only
Precedence: TypeAlias = Literal["current", "static", "live", "newest", "vendor", "sku"]

class Reading:
    """What one vendor says of one product at one moment."""

    def __init__(
        self,
        vendor: str,
        sku: str,
        values: dict[Any, Any],
        *,
        live: bool,
        stale: bool = False,
        fetched_at: float | None = None,
    ) -> None: ...
    @property
    def vendor(self) -> str: ...
    @property
    def sku(self) -> str: ...
    @property
    def values(self) -> dict[Any, Any]:
        """By the name of the field: any hashable value."""
    @property
    def live(self) -> bool:
        """Whether it is an offer of its vendor rather than static knowledge."""
    @property
    def stale(self) -> bool: ...
    @property
    def fetched_at(self) -> float | None:
        """Unix seconds; None where it is not known."""

R = TypeVar("R", bound=Reading)

@final
class Merged(Generic[R]):
    """One product."""

    @property
    def fields(self) -> dict[Hashable, Any]:
        """The value of each known field."""
    @property
    def sources(self) -> dict[Hashable, R]:
        """The reading that each of ``fields`` is from."""
    @property
    def readings(self) -> tuple[R, ...]:
        """All readings, the one that speaks first standing first."""
    @property
    def offers(self) -> tuple[R, ...]:
        """The live reading of each (vendor, sku), sorted by it."""

def merge(readings: Iterable[R], precedence: tuple[Precedence, ...]) -> Merged[R]:
    """Merge the readings of one product: of each field the first known value in the order of ``precedence``.

    ``current`` is before stale, ``static`` before live or ``live`` before static, ``newest`` by the time of reading; then by
    ``vendor`` and ``sku``. Ties keep the order given.

    Raises:
        TypeError: a reading is none.
        ValueError: the precedence has another name.
    """

"""Typing of the merge kernel, and of the two that find out what belongs together.

Shapes::

    merge(
        {"p1": {"vendor": "maker", "sku": "A-1", "name": "Harbour 154", "fetched_at": 100.0}},
        {"peak": [{"product_id": "p1", "price": 399, "currency": "USD", "fetched_at": 200.0, "tier": "l1"}]},
    )["p1"]
    ->  fields      {"name": "Harbour 154"}
        provenance  {"name": Source("maker", fetched_at=100.0, tier="", stale=False, live=False)}
        offers      {("maker", "A-1"): Offer(sku), ("peak", ""): Offer(price, currency)}
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, final

from hexar.core.merge.clustering import cluster as cluster
from hexar.core.merge.matching import DEFAULT_THRESHOLD as DEFAULT_THRESHOLD
from hexar.core.merge.matching import same_product as same_product

#: fields that stay in the offer of their vendor
OFFER_FIELDS: frozenset[str]
#: fields of a product for which a live reading comes before a static one, however old
LIVE_FIRST: frozenset[str]

Row: TypeAlias = Mapping[str, Any]

@final
class Source:
    """Where a value comes from."""

    @property
    def vendor(self) -> str:
        """Empty: a static row without a vendor."""
    @property
    def fetched_at(self) -> float | None:
        """Unix seconds; None where the row does not say."""
    @property
    def tier(self) -> str:
        """The cache tier that the row came from; empty where the row does not say."""
    @property
    def stale(self) -> bool: ...
    @property
    def live(self) -> bool:
        """Whether the row is a live reading rather than static knowledge."""
    def __hash__(self) -> int: ...

@final
class Offer:
    """One vendor's reading of one SKU."""

    @property
    def vendor(self) -> str: ...
    @property
    def sku(self) -> str:
        """Empty where the row has none."""
    @property
    def source(self) -> Source: ...
    @property
    def values(self) -> dict[str, Any]:
        """By field of OFFER_FIELDS, as read: a new dict each time. The offer keeps its row and reads it from there."""
    def get(self, name: str, default: Any = None) -> Any:
        """One of ``values``; ``default`` where it is unknown."""

@final
class Product:
    """One product."""

    @property
    def id(self) -> str: ...
    @property
    def fields(self) -> dict[str, Any]:
        """The winning value of each known field that is not of an offer."""
    @property
    def provenance(self) -> dict[str, Source]:
        """Where the value of each of ``fields`` comes from."""
    @property
    def offers(self) -> dict[tuple[str, str], Offer]:
        """By (vendor, sku)."""
    def offers_of(self, vendor: str) -> list[Offer]:
        """This vendor's offers, by SKU."""

@final
class Merged:
    """Products by id. Never changed once returned."""

    @property
    def products(self) -> dict[str, Product]: ...
    def merge(self, live_by_vendor: Mapping[str, Iterable[Row]]) -> Merged:
        """This and the live rows of more vendors."""
    def combine(self, other: Merged) -> Merged:
        """This and ``other``, both made from the same static rows; commutative, associative and idempotent."""
    def __or__(self, other: Merged) -> Merged: ...
    def __len__(self) -> int: ...
    def __getitem__(self, id: str) -> Product: ...
    def __iter__(self) -> Iterator[str]:
        """Ids, sorted."""
    def __contains__(self, id: object) -> bool: ...

def merge(static: Mapping[str, Row] | Sequence[Row], live_by_vendor: Mapping[str, Iterable[Row]]) -> Merged:
    """Join static knowledge with the live rows of vendors.

    ``static`` is rows by product id, or a sequence of rows that each have ``id``; ``live_by_vendor`` the rows of each
    vendor. A live row joins by ``product_id``, else by the vendor's ``sku``, else by ``gtin``, else it is its own product.

    Raises:
        TypeError: a row is not a mapping, or ``fetched_at`` is not a number.
        ValueError: a static row has no id, or ``fetched_at`` is NaN.
    """

def combine(left: Merged, right: Merged) -> Merged:
    """``left.combine(right)``."""

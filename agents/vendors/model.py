"""What a vendor says, in one shape for every data format. Whatever a vendor does not say stays None or empty.

Every type encodes to plain JSON values (:meth:`Listing.to_json`) so that caches hold no pickles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Availability(StrEnum):
    """What a vendor says of its stock; UNKNOWN where it says nothing."""

    UNKNOWN = "unknown"
    IN_STOCK = "in_stock"
    OUT_OF_STOCK = "out_of_stock"
    PREORDER = "preorder"
    BACKORDER = "backorder"
    DISCONTINUED = "discontinued"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: ``micros`` millionths of one unit of the ISO 4217 ``currency`` (empty: the vendor did not say which)."""

    currency: str
    micros: int


@dataclass(frozen=True, slots=True)
class Variant:
    """One size or colour that a vendor lists by itself."""

    sku: str = ""
    title: str = ""
    size: str = ""
    price: Money | None = None
    list_price: Money | None = None
    availability: Availability = Availability.UNKNOWN
    gtin: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """One customer's review. ``rating`` is 0..5, None where none was given; ``published`` is ISO 8601 or empty."""

    id: str
    text: str
    title: str = ""
    rating: float | None = None
    author: str = ""
    published: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """One product at one vendor, as read at ``fetched_at`` (Unix seconds).

    A light reading fills offer fields (price, availability, sizes, shipping, recent reviews); a heavy one fills knowledge
    (description, attributes, all reviews). Both fill identity (sku, name, brand, gtin, …) where the vendor states it.
    """

    vendor: str
    sku: str
    name: str
    fetched_at: float
    url: str = ""
    brand: str = ""
    gtin: str = ""
    mpn: str = ""
    model: str = ""
    category: str = ""
    year: int | None = None
    description: str = ""
    image_url: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    price: Money | None = None
    list_price: Money | None = None
    availability: Availability = Availability.UNKNOWN
    sizes: tuple[str, ...] = ()
    shipping: Money | None = None
    #: Days from the order to the door, at least and at most.
    delivery_days: tuple[int, int] | None = None
    variants: tuple[Variant, ...] = ()
    rating: float | None = None
    rating_count: int | None = None
    reviews: tuple[Review, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; empty fields are left out."""
        return _plain(self, _LISTING)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Listing:
        """The inverse of :meth:`to_json`. Raises KeyError, TypeError or ValueError on a foreign shape."""
        values = dict(data)
        for name in ("price", "list_price", "shipping"):
            if name in values:
                values[name] = Money(*values[name])
        if "availability" in values:
            values["availability"] = Availability(values["availability"])
        for name in ("tags", "sizes"):
            values[name] = tuple(values.get(name, ()))
        if "delivery_days" in values:
            low, high = values["delivery_days"]
            values["delivery_days"] = (int(low), int(high))
        values["variants"] = tuple(_variant(row) for row in values.get("variants", ()))
        values["reviews"] = tuple(Review(**row) for row in values.get("reviews", ()))
        return cls(**values)


def _variant(row: Mapping[str, Any]) -> Variant:
    values = dict(row)
    for name in ("price", "list_price"):
        if name in values:
            values[name] = Money(*values[name])
    if "availability" in values:
        values["availability"] = Availability(values["availability"])
    return Variant(**values)


def _money(value: Money | None) -> list[Any] | None:
    return [value.currency, value.micros] if value is not None else None


def _availability(value: Availability) -> str:
    return "" if value is Availability.UNKNOWN else value.value


#: How fields that are no plain JSON values become some.
_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "price": _money,
    "list_price": _money,
    "shipping": _money,
    "availability": _availability,
    "attributes": dict,
    "delivery_days": lambda days: list(days) if days else "",
    "tags": list,
    "sizes": list,
    "variants": lambda rows: [_plain(row, _VARIANT) for row in rows],
    "reviews": lambda rows: [_plain(row, _REVIEW) for row in rows],
}

_Fields = tuple[tuple[str, Callable[[Any], Any] | None], ...]


def _fields(shape: type[Listing] | type[Variant] | type[Review]) -> _Fields:
    return tuple((name, _ENCODERS.get(name)) for name in shape.__dataclass_fields__)


_LISTING: _Fields = _fields(Listing)
_VARIANT: _Fields = _fields(Variant)
_REVIEW: _Fields = _fields(Review)


def _plain(row: Listing | Variant | Review, fields: _Fields) -> dict[str, Any]:
    """The fields of ``row`` that say something; zero does."""
    out = {}
    for name, encode in fields:
        value = getattr(row, name)
        if value or value == 0:
            plain = value if encode is None else encode(value)
            if plain != "":
                out[name] = plain
    return out

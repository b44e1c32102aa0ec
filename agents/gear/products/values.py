"""What a listing states about its product, as the values that the merge kernel compares field by field.

A value of an attribute has the key ("attribute", folded name), so that two spellings of a name are one field; the value
keeps the name as written. Prices, stock and sizes are of the offer, never of the product, and not among them.
"""

from __future__ import annotations

from typing import Any

from hexar.agents.gear.request.words import fold
from hexar.agents.vendors.model import Listing


def valid_gtin(text: str) -> str:
    """``text`` where it is a GTIN-8, 12, 13 or 14 with a valid check digit (GS1 General Specifications, 7.9), else empty."""
    if len(text) not in (8, 12, 13, 14) or not (text.isascii() and text.isdigit()) or not text.strip("0"):
        return ""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(text)))
    return text if total % 10 == 0 else ""


def values_of(
    listing: Listing, brand: tuple[str, ...], levels: tuple[int, ...], terrain: tuple[str, ...]
) -> dict[str | tuple[str, str], Any]:
    """The values that ``listing`` states, by field; ``brand_words`` is the brand as it is compared."""
    stated: dict[str | tuple[str, str], Any] = {
        "name": listing.name,
        "brand": listing.brand,
        "brand_words": brand,
        "category": listing.category,
        "description": listing.description,
        "gtin": valid_gtin(listing.gtin),
        "model": listing.model,
        "image_url": listing.image_url,
        "year": listing.year if listing.year and 0 < listing.year < 10_000 else None,
        "skill_levels": levels,
        "terrain": terrain,
    }
    for name, value in listing.attributes.items():
        if value:
            stated.setdefault(("attribute", fold(name)), (name, value))
    return stated

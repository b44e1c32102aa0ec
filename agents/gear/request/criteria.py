"""The filters of a request, ready to be applied to products. Filters are hard: what does not meet them is not shown.

What a product does not state is treated as the contract says: no level and no terrain stated passes, no price known never
meets a price filter. Where a brand or a category is not stated, the product's name speaks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hexar.agents.gear.request.understanding import stated_terrain
from hexar.agents.gear.request.words import category_head, fold, head, tokens, words
from hexar.agents.vendors.model import Availability, Listing, Money
from hexar.v1 import query_pb2


@dataclass(frozen=True, slots=True)
class _Category:
    tokens: frozenset[str]
    head: str


def brand_key(name: str) -> tuple[str, ...]:
    """A brand's words without its article: "The North Face" and "north face" are one."""
    key = tuple(words(name))
    return key[1:] if len(key) > 1 and key[0] in ("the", "el", "la") else key


def same_brand(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """True where one brand is the other, or the other's beginning ("Burton" and "Burton Snowboards")."""
    shorter, longer = sorted((left, right), key=len)
    return bool(shorter) and longer[: len(shorter)] == shorter


def terrain_names(given: Iterable[str]) -> frozenset[str]:
    """Terrains by the names of the table ("nieve polvo" is "powder"); an unknown one keeps its folded form."""
    return frozenset(name for text in given for name in (stated_terrain(text) or (fold(text).strip(),)))


class Criteria:
    """The filters of one request."""

    __slots__ = ("_brands", "_categories", "_currency", "_high", "_in_stock", "_low", "level", "terrain")

    def __init__(self, filters: query_pb2.Filters) -> None:
        self._low = filters.price_min.micros if filters.HasField("price_min") else None
        self._high = filters.price_max.micros if filters.HasField("price_max") else None
        self._currency = filters.price_max.currency_code or filters.price_min.currency_code
        self._in_stock = filters.in_stock
        self._brands = tuple(key for name in filters.brands if (key := brand_key(name)))
        self._categories = tuple(
            _Category(frozenset(token.text for token in tokens(name)), head(name)) for name in filters.categories
        )
        #: The SkillLevel wanted; 0 for any.
        self.level = int(filters.skill_level)
        #: The terrains wanted; empty for any.
        self.terrain = terrain_names(filters.terrain)

    def offers_pass(self, offers: Sequence[Listing]) -> bool:
        """True where one offer can be had: in the range of prices, and in stock where that is asked."""
        if self._low is None and self._high is None and not self._in_stock:
            return True
        return any(self._offer_passes(offer) for offer in offers)

    def _offer_passes(self, offer: Listing) -> bool:
        choices = [(variant.price or offer.price, variant.availability) for variant in offer.variants]
        stated = [choice for choice in choices if choice[1] is not Availability.UNKNOWN]
        # Where the vendor states the stock of each variant, one variant must have both the price and the stock.
        pairs = stated or [(price, offer.availability) for price, _ in choices] or [(offer.price, offer.availability)]
        return any(
            self.price_passes(price) and (not self._in_stock or availability is Availability.IN_STOCK)
            for price, availability in pairs
        )

    def price_passes(self, price: Money | None) -> bool:
        """True where ``price`` is in the range, or no range was asked. Another currency never is."""
        if self._low is None and self._high is None:
            return True
        if price is None or (self._currency and price.currency != self._currency):
            return False
        return (self._low is None or price.micros >= self._low) and (self._high is None or price.micros <= self._high)

    def brand_passes(self, brand: tuple[str, ...], name: str) -> bool:
        """True where the brand, or the name of a product that states none, is one of those wanted."""
        if not self._brands:
            return True
        if brand:
            return any(same_brand(brand, wanted) for wanted in self._brands)
        spoken = words(name)
        return any(tuple(spoken[at : at + len(wanted)]) == wanted for wanted in self._brands for at in range(len(spoken)))

    def category_passes(self, category: str, name: str) -> bool:
        """True where the category, or the name of a product that states none, is one of those wanted."""
        if not self._categories:
            return True
        kind = category_head(category) or head(name)
        named = frozenset(token.text for token in tokens(category))
        found = named | frozenset(token.text for token in tokens(name))
        for wanted in self._categories:
            if wanted.head and kind and wanted.head != kind:
                continue
            # "Boots" alone may be snowboard boots; "Hiking boots" say that they are not.
            if wanted.tokens <= found or (wanted.head and named == {wanted.head}):
                return True
        return False

    def level_passes(self, levels: Sequence[int]) -> bool:
        """True where the level wanted is stated, or none is."""
        return not self.level or not levels or self.level in levels

    def terrain_passes(self, terrain: Iterable[str]) -> bool:
        """True where a terrain wanted is stated, or none is."""
        stated = frozenset(terrain)
        return not self.terrain or not stated or not self.terrain.isdisjoint(stated)

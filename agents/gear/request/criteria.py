"""The filters of a request, ready to be applied to products. Filters are hard: what does not meet them is not shown.

What a product does not state is treated as the contract says: no level and no terrain stated passes, no price known never
meets a price filter. Where a brand or a category is not stated, the product's name speaks for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hexar.agents.gear.request.conditions import stated_terrain
from hexar.agents.gear.request.measures import product_measures
from hexar.agents.gear.request.sizes import has_size, size_key
from hexar.agents.gear.request.words import category_head, fold, head, tokens, words
from hexar.agents.vendors.model import Availability, Listing, Money
from hexar.v1 import query_pb2

#: The least weight of a token that stands in a name, a category or a tag.
_SHELF = 0.8
_EPSILON = 1e-9


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


#: Every level that there is: a product for all of them is not for beginners in particular.
_LEVELS = frozenset(level for level in query_pb2.SkillLevel.values() if level)


class Criteria:
    """The filters of one request."""

    __slots__ = (
        "_brands", "_categories", "_excluded_brands", "_excluded_levels", "_excluded_terms", "_excluded_terrain", "_high",
        "_in_stock", "_low", "_measures", "_sizes", "currency", "level", "terrain",
    )  # fmt: skip

    def __init__(self, filters: query_pb2.Filters) -> None:
        self._low = filters.price_min.micros if filters.HasField("price_min") else None
        self._high = filters.price_max.micros if filters.HasField("price_max") else None
        #: The currency of the limits of price; empty for any.
        self.currency = filters.price_max.currency_code or filters.price_min.currency_code
        self._in_stock = filters.in_stock
        self._sizes = frozenset(size_key(size) for size in filters.sizes)
        self._brands = tuple(key for name in filters.brands if (key := brand_key(name)))
        self._excluded_brands = tuple(key for name in filters.excluded_brands if (key := brand_key(name)))
        self._categories = tuple(
            _Category(frozenset(token.text for token in tokens(name)), head(name)) for name in filters.categories
        )
        self._excluded_levels = frozenset(filters.excluded_levels)
        self._excluded_terrain = terrain_names(filters.excluded_terrain)
        self._excluded_terms = frozenset(token.text for term in filters.excluded_terms for token in tokens(term))
        self._measures = tuple(
            (
                int(measure.quantity),
                measure.min if measure.HasField("min") else -math.inf,
                measure.max if measure.HasField("max") else math.inf,
            )
            for measure in filters.measures
        )
        #: The SkillLevel wanted; 0 for any.
        self.level = int(filters.skill_level)
        #: The terrains wanted; empty for any.
        self.terrain = terrain_names(filters.terrain)

    @property
    def limits_price(self) -> bool:
        """True where a lowest or a highest price was asked."""
        return self._low is not None or self._high is not None

    @property
    def narrows(self) -> bool:
        """True where anything was asked that a product may fail."""
        asked = (self._in_stock, self._sizes, self._brands, self._excluded_brands, self._categories, self._excluded_levels)
        more = (self._excluded_terrain, self._excluded_terms, self._measures, self.level, self.terrain)
        return self.limits_price or any(asked) or any(more)

    def offers_pass(self, offers: Sequence[Listing]) -> bool:
        """True where one offer can be had: in the range of prices, and in stock and in size where that is asked."""
        if not self.limits_price and not self._in_stock and not self._sizes:
            return True
        return any(self._offer_passes(offer) for offer in offers)

    def _offer_passes(self, offer: Listing) -> bool:
        if self._sizes and not has_size(offer, self._sizes):
            return False
        choices = [(variant.price or offer.price, variant.availability) for variant in offer.variants]
        stated = [choice for choice in choices if choice[1] is not Availability.UNKNOWN]
        # Where the vendor states the stock of each variant, one variant must have both the price and the stock.
        pairs = stated or [(price, offer.availability) for price, _ in choices] or [(offer.price, offer.availability)]
        return any(
            self.price_passes(price) and (not self._in_stock or availability is Availability.IN_STOCK)
            for price, availability in pairs
        )

    def offer_failures(self, offers: Sequence[Listing]) -> list[int]:
        """The conditions that no offer meets by itself; where each is met, but by no single offer, the stock."""
        found: list[int] = []
        prices = [price for offer in offers for price in (offer.price, *(variant.price for variant in offer.variants)) if price]
        if self.limits_price and not any(map(self.price_passes, prices)):
            foreign = bool(self.currency) and bool(prices) and all(price.currency != self.currency for price in prices)
            found.append(query_pb2.CONDITION_CURRENCY if foreign else query_pb2.CONDITION_PRICE)
        if self._in_stock and not any(_in_stock(offer) for offer in offers):
            found.append(query_pb2.CONDITION_STOCK)
        if self._sizes and not any(has_size(offer, self._sizes) for offer in offers):
            found.append(query_pb2.CONDITION_SIZE)
        if not found and not self.offers_pass(offers):
            found.append(query_pb2.CONDITION_SIZE if self._sizes else query_pb2.CONDITION_STOCK)
        return found

    def measures_pass(self, listings: Sequence[Listing]) -> bool:
        """True where each quantity asked for is met, or not stated."""
        for quantity, low, high in self._measures:
            stated = product_measures(listings, quantity)
            if stated and not any(low - _EPSILON <= value <= high + _EPSILON for value in stated):
                return False
        return True

    def terms_pass(self, stated: Mapping[str, float]) -> bool:
        """True where nothing that is excluded stands in the name, category or tags: ``stated`` are tokens and their weights."""
        return not any(stated.get(term, 0.0) >= _SHELF for term in self._excluded_terms)

    def price_passes(self, price: Money | None) -> bool:
        """True where ``price`` is in the range, or no range was asked. Another currency never is."""
        if self._low is None and self._high is None:
            return True
        if price is None or (self.currency and price.currency != self.currency):
            return False
        return (self._low is None or price.micros >= self._low) and (self._high is None or price.micros <= self._high)

    def brand_passes(self, brand: tuple[str, ...], name: str) -> bool:
        """True where the brand, or the name of a product that states none, is one of those wanted, and not one excluded."""
        if self._excluded_brands and _is_of(brand, name, self._excluded_brands):
            return False
        return not self._brands or _is_of(brand, name, self._brands)

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
        """True where the level wanted is stated, or none is; and none that is excluded, unless every level is."""
        if self._excluded_levels and not set(levels) >= _LEVELS and not self._excluded_levels.isdisjoint(levels):
            return False
        return not self.level or not levels or self.level in levels

    def terrain_passes(self, terrain: Iterable[str]) -> bool:
        """True where a terrain wanted is stated, or none is; and not only such as are excluded."""
        stated = frozenset(terrain)
        if stated and stated <= self._excluded_terrain:
            return False
        return not self.terrain or not stated or not self.terrain.isdisjoint(stated)


def _is_of(brand: tuple[str, ...], name: str, brands: Iterable[tuple[str, ...]]) -> bool:
    """True where the brand, or the name of a product that states none, is one of ``brands``."""
    if brand:
        return any(same_brand(brand, one) for one in brands)
    spoken = words(name)
    return any(tuple(spoken[at : at + len(one)]) == one for one in brands for at in range(len(spoken)))


def _in_stock(offer: Listing) -> bool:
    return offer.availability is Availability.IN_STOCK or any(
        variant.availability is Availability.IN_STOCK for variant in offer.variants
    )

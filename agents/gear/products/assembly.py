"""One product from the readings of all vendors that list it.

Every field of the contract's Product is a value that one reading states, and ``field_sources`` says which. Nothing is made
up: a field that no reading states is absent. Offers stand side by side, one for each vendor's listing. The result depends
on the set of readings only.

The compiled kernel (:mod:`hexar.core.merge.products`) merges the readings of a product. Which one speaks for a field is
``PRECEDENCE``: current before stale, what a heavy agent read before a light one's summary, then by vendor name and sku. The
mean of ratings is weighted by their counts.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from hexar.agents.gear.analysis.analyst import Mention, summarise
from hexar.agents.gear.analysis.knowledge import Knowledge
from hexar.agents.gear.candidates import Facts
from hexar.agents.gear.products.reviews import review_summary
from hexar.agents.gear.products.values import values_of
from hexar.agents.vendors.model import Availability, Listing, Money
from hexar.core.cache import Tier
from hexar.core.merge import Merged, Precedence, Reading, merge
from hexar.v1 import common_pb2, query_pb2

_TIERS = {
    Tier.SOURCE: common_pb2.CACHE_TIER_SOURCE,
    Tier.MEMORY: common_pb2.CACHE_TIER_MEMORY,
    Tier.DISK: common_pb2.CACHE_TIER_DISK,
    Tier.REDIS: common_pb2.CACHE_TIER_REDIS,
}
_AVAILABILITY = {
    Availability.UNKNOWN: query_pb2.AVAILABILITY_UNSPECIFIED,
    Availability.IN_STOCK: query_pb2.AVAILABILITY_IN_STOCK,
    Availability.OUT_OF_STOCK: query_pb2.AVAILABILITY_OUT_OF_STOCK,
    Availability.PREORDER: query_pb2.AVAILABILITY_PREORDER,
    Availability.BACKORDER: query_pb2.AVAILABILITY_BACKORDER,
    Availability.DISCONTINUED: query_pb2.AVAILABILITY_DISCONTINUED,
}
#: What the contract's count can hold.
MAX_RATINGS = 2**32 - 1
#: Which reading of a product speaks first.
PRECEDENCE: tuple[Precedence, ...] = ("current", "static", "vendor", "sku")
#: Fields of one value, by their name in the contract.
_FIELDS = ("name", "brand", "category", "description", "gtin", "model", "image_url", "year")


class SourcedListing(Reading):
    """A listing, what it says, and how it came here: from a heavy agent (static), or with an offer (live)."""

    __slots__ = ("facts", "listing", "tier")

    def __init__(
        self,
        listing: Listing,
        facts: Facts,
        tier: Tier,
        stale: bool,
        *,
        heavy: bool = False,
        values: dict[Any, Any] | None = None,
    ) -> None:
        if values is None:
            values = values_of(listing, facts.brand, facts.levels, facts.terrain)
        super().__init__(listing.vendor, listing.sku, values, live=not heavy, stale=stale, fetched_at=listing.fetched_at)
        self.listing = listing
        self.facts = facts
        self.tier = tier


@dataclass(frozen=True, slots=True)
class Member:
    """One vendor's listing of a product: its live offer, and its static knowledge where there is any."""

    live: SourcedListing
    knowledge: Knowledge | None = None

    @property
    def key(self) -> tuple[str, str]:
        """(vendor, sku), unique among all listings."""
        return self.live.listing.vendor, self.live.listing.sku


def product_id(members: Iterable[Member]) -> str:
    """Stable for the same listings: a digest of the smallest (vendor, sku) among them."""
    vendor, sku = min(member.key for member in members)
    return "p_" + hashlib.sha256(f"{vendor}\0{sku}".encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of one product, and what filters and ranking ask of it. Made by :func:`assembly`."""

    product_id: str
    members: tuple[Member, ...]
    merged: Merged[SourcedListing]
    name: str
    brand: tuple[str, ...]
    category: str
    levels: tuple[int, ...]
    terrain: tuple[str, ...]
    rating: tuple[float, int] | None
    offers: tuple[Listing, ...]
    #: (vendor, sku) of each member.
    keys: tuple[tuple[str, str], ...]

    @property
    def readings(self) -> tuple[SourcedListing, ...]:
        """All readings, the one that speaks first standing first."""
        return self.merged.readings


def assembly(members: Iterable[Member]) -> Assembly:
    """Put the members of one product together."""
    ordered = tuple(sorted(members, key=lambda member: member.key))
    merged = merge(_readings(ordered), PRECEDENCE)
    fields = merged.fields
    return Assembly(
        product_id=product_id(ordered),
        members=ordered,
        merged=merged,
        name=fields.get("name", ""),
        brand=fields.get("brand_words", ()),
        category=fields.get("category", ""),
        levels=fields.get("skill_levels", ()),
        terrain=fields.get("terrain", ()),
        rating=_rating(merged.readings),
        offers=tuple(offer.listing for offer in merged.offers),
        keys=tuple(member.key for member in ordered),
    )


def _readings(members: Iterable[Member]) -> Iterator[SourcedListing]:
    for member in members:
        known = member.knowledge
        if known is not None and known.listing is not None and known.facts is not None:
            yield SourcedListing(known.listing, known.facts, known.tier, known.stale, heavy=True)
        yield member.live


def _stated_rating(listing: Listing) -> tuple[float, int] | None:
    """(mean, count) as the vendor states it, else of its reviews that carry stars, else None. A count of 0 is not stated."""
    if listing.rating is not None and 0.0 < listing.rating <= 5.0 and listing.rating_count != 0:
        return listing.rating, max(0, listing.rating_count or 0)
    stars = [review.rating for review in listing.reviews if review.rating is not None and 0.0 <= review.rating <= 5.0]
    return (sum(stars) / len(stars), len(stars)) if stars else None


def _ratings(readings: Iterable[SourcedListing]) -> list[tuple[SourcedListing, float, int]]:
    """One rating a vendor's listing: a heavy and a light reading of one listing count once."""
    found: dict[tuple[str, str], tuple[SourcedListing, float, int]] = {}
    for reading in readings:
        stated = _stated_rating(reading.listing)
        key = (reading.listing.vendor, reading.listing.sku)
        if stated is not None and (key not in found or stated[1] > found[key][2]):
            found[key] = (reading, *stated)
    return [found[key] for key in sorted(found)]


def _rating(readings: Iterable[SourcedListing]) -> tuple[float, int] | None:
    rated = _ratings(readings)
    if not rated:
        return None
    count = sum(number for _, _, number in rated)
    if count:
        return sum(mean * number for _, mean, number in rated) / count, min(count, MAX_RATINGS)
    return sum(mean for _, mean, _ in rated) / len(rated), 0


class _Sources:
    """The sources of one product, each reading once, in the order in which fields name them."""

    def __init__(self, product: query_pb2.Product) -> None:
        self._product = product
        self._places: dict[int, int] = {}

    def place(self, reading: SourcedListing) -> int:
        place = self._places.get(id(reading))
        if place is None:
            place = self._places[id(reading)] = len(self._product.sources)
            listing = reading.listing
            source = self._product.sources.add(
                vendor=listing.vendor, tier=_TIERS[reading.tier], stale=reading.stale, url=listing.url
            )
            source.fetched_at.FromNanoseconds(int(listing.fetched_at * 1e9))
        return place

    def field(self, name: str, reading: SourcedListing) -> None:
        self._product.field_sources[name] = self.place(reading)


def product_message(parts: Assembly, pending: query_pb2.AnalysisState) -> query_pb2.Product:
    """The contract's Product. ``pending`` is the state of the analysis where there is nothing to show yet."""
    product = query_pb2.Product(product_id=parts.product_id)
    sources = _Sources(product)
    merged, fields = parts.merged, parts.merged.fields
    for name in _FIELDS:
        if name in fields:
            setattr(product, name, fields[name])
            sources.field(name, merged.sources[name])
    for key, value in fields.items():
        if isinstance(key, tuple):
            name, text = value
            product.attributes[name] = text
            sources.field(f"attributes.{name}", merged.sources[key])
    if "skill_levels" in fields:
        product.skill_levels.extend(cast(query_pb2.SkillLevel, level) for level in fields["skill_levels"])
        sources.field("skill_levels", merged.sources["skill_levels"])
    if "terrain" in fields:
        product.terrain.extend(fields["terrain"])
        sources.field("terrain", merged.sources["terrain"])
    if parts.rating is not None:
        product.rating.value, product.rating.count = parts.rating
        # The weight of a mean lies with the vendor that counted most.
        sources.field("rating", max(_ratings(merged.readings), key=lambda row: row[2])[0])
    if (summary := review_summary((row.listing for row in merged.readings), time.time())) is not None:
        product.reviews.CopyFrom(summary)
    for offer in merged.offers:
        _offer(product.offers.add(), offer.listing, sources.place(offer))
    _analysis(product, parts, sources, pending)
    return product


def _offer(offer: query_pb2.Offer, listing: Listing, source: int) -> None:
    offer.vendor, offer.sku, offer.url, offer.source = listing.vendor, listing.sku, listing.url, source
    offer.availability = _AVAILABILITY[listing.availability]
    offer.sizes.extend(listing.sizes)
    if listing.price is not None:
        offer.price.CopyFrom(_money(listing.price))
    if is_discount(listing.price, listing.list_price):
        assert listing.list_price is not None
        offer.list_price.CopyFrom(_money(listing.list_price))
    if listing.shipping is not None:
        offer.shipping.CopyFrom(_money(listing.shipping))
    if listing.delivery_days is not None:
        offer.delivery.min_days, offer.delivery.max_days = listing.delivery_days
    for variant in listing.variants:
        row = offer.variants.add(sku=variant.sku, title=variant.title, availability=_AVAILABILITY[variant.availability])
        if variant.price is not None:
            row.price.CopyFrom(_money(variant.price))


def is_discount(price: Money | None, list_price: Money | None) -> bool:
    """True where a higher price in the same currency was struck out; vendors also send equal and lower ones."""
    return (
        price is not None
        and list_price is not None
        and list_price.currency == price.currency
        and list_price.micros > price.micros
    )


def _money(money: Money) -> common_pb2.Money:
    return common_pb2.Money(currency_code=money.currency, micros=money.micros)


def _analysis(product: query_pb2.Product, parts: Assembly, sources: _Sources, pending: query_pb2.AnalysisState) -> None:
    known = [member.knowledge for member in parts.members if member.knowledge is not None]
    mentions: list[Mention] = [mention for one in known for mention in one.mentions]
    methods = sorted({one.method for one in known if one.mentions})
    analysis = summarise(mentions, max((one.analysed_at for one in known), default=0.0), ", ".join(methods))
    if analysis is not None:
        product.analysis.CopyFrom(analysis)
        product.analysis_state = query_pb2.ANALYSIS_STATE_READY
        speaking = {mention.vendor for mention in mentions}
        for reading in parts.merged.readings:
            if not reading.live and reading.listing.vendor in speaking:
                sources.field("analysis", reading)
                break
    elif len(known) == len(parts.members):
        product.analysis_state = query_pb2.ANALYSIS_STATE_NONE
    else:
        product.analysis_state = pending

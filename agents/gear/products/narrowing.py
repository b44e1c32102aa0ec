"""Which conditions of a request cost how many products, and which products come nearest.

Counted over the products that the words are about. A product that several conditions keep out counts for each of them, and is
nearest only where it fails a single one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import cast

from hexar.agents.gear.products.assembly import Assembly
from hexar.agents.gear.request.criteria import Criteria
from hexar.agents.gear.request.measures import product_measures
from hexar.agents.gear.request.sizes import stated_sizes
from hexar.agents.vendors.model import Availability, Listing
from hexar.v1 import common_pb2, query_pb2

#: Products named for each condition.
MAX_NEAREST = 3
_UNITS = {
    query_pb2.QUANTITY_VOLUME: "l",
    query_pb2.QUANTITY_WEIGHT: "kg",
    query_pb2.QUANTITY_LENGTH: "m",
    query_pb2.QUANTITY_TEMPERATURE: "°C",
    query_pb2.QUANTITY_PERSONS: "persons",
    query_pb2.QUANTITY_LUMINOUS_FLUX: "lm",
    query_pb2.QUANTITY_WATER_COLUMN: "mm",
}


def failures(parts: Assembly, criteria: Criteria) -> list[int]:
    """The conditions that a product does not meet, as the contract's Condition."""
    found = criteria.offer_failures(parts.offers)
    listings = [reading.listing for reading in parts.readings]
    checks = (
        (query_pb2.CONDITION_BRAND, criteria.brand_passes(parts.brand, parts.name)),
        (query_pb2.CONDITION_CATEGORY, criteria.category_passes(parts.category, parts.name)),
        (query_pb2.CONDITION_LEVEL, criteria.level_passes(parts.levels)),
        (query_pb2.CONDITION_TERRAIN, criteria.terrain_passes(parts.terrain)),
        (query_pb2.CONDITION_MEASURE, criteria.measures_pass(listings)),
        (query_pb2.CONDITION_EXCLUDED_TERM, all(criteria.terms_pass(one.facts.tokens) for one in parts.readings)),
    )
    return found + [int(condition) for condition, passes in checks if not passes]


def narrowed(
    candidates: Iterable[tuple[Assembly, float]], criteria: Criteria, filters: query_pb2.Filters
) -> list[query_pb2.Narrowing]:
    """The conditions that kept ``candidates`` (a product and its relevance) out, the costliest first."""
    if not criteria.narrows:
        return []
    counts: defaultdict[int, int] = defaultdict(int)
    alone: defaultdict[int, list[tuple[float, float, str, Assembly]]] = defaultdict(list)
    currencies: set[str] = set()
    for parts, relevance in candidates:
        failed = failures(parts, criteria)
        for condition in failed:
            counts[condition] += 1
        if query_pb2.CONDITION_CURRENCY in failed:
            currencies.update(offer.price.currency for offer in parts.offers if offer.price is not None)
        if len(failed) == 1:
            alone[failed[0]].append((_distance(parts, failed[0], filters), -relevance, parts.product_id, parts))
    found = []
    for condition, count in sorted(counts.items(), key=lambda row: (-row[1], row[0])):
        nearest = sorted(alone[condition], key=lambda row: row[:3])
        found.append(
            query_pb2.Narrowing(
                condition=query_pb2.Condition.Name(condition),
                detail=_detail(condition, filters, currencies),
                products=count,
                alone=len(nearest),
                nearest=[_nearest(row[3], condition, filters) for row in nearest[:MAX_NEAREST]],
            )
        )
    return found


def nothing_about(terms: str, listings: int) -> list[query_pb2.Narrowing]:
    """What is said where no product at all is about the words."""
    detail = f"no product is about {terms!r}"
    return [query_pb2.Narrowing(condition=query_pb2.CONDITION_TERMS, detail=detail, products=listings)]


def _distance(parts: Assembly, condition: int, filters: query_pb2.Filters) -> float:
    """How far a product is from what it fails, where that can be measured; else 0."""
    if condition == query_pb2.CONDITION_PRICE:
        prices = [offer.price.micros for offer in parts.offers if offer.price is not None]
        return min((_off(price, filters) for price in prices), default=float("inf"))
    if condition == query_pb2.CONDITION_MEASURE:
        listings = [reading.listing for reading in parts.readings]
        total = 0.0
        for measure in filters.measures:
            low = measure.min if measure.HasField("min") else float("-inf")
            high = measure.max if measure.HasField("max") else float("inf")
            stated = product_measures(listings, measure.quantity)
            total += min((max(low - value, value - high, 0.0) / (abs(value) or 1.0) for value in stated), default=0.0)
        return total
    return 0.0


def _off(micros: int, filters: query_pb2.Filters) -> float:
    low = filters.price_min.micros if filters.HasField("price_min") else micros
    high = filters.price_max.micros if filters.HasField("price_max") else micros
    return float(max(low - micros, micros - high, 0))


def _amount(money: common_pb2.Money) -> str:
    return f"{money.micros / 1_000_000:.2f} {money.currency_code}".strip()


def _limits(filters: query_pb2.Filters) -> str:
    low = f"at least {_amount(filters.price_min)}" if filters.HasField("price_min") else ""
    high = f"at most {_amount(filters.price_max)}" if filters.HasField("price_max") else ""
    return " and ".join(part for part in (low, high) if part)


def _detail(condition: int, filters: query_pb2.Filters, currencies: set[str]) -> str:
    if condition == query_pb2.CONDITION_CURRENCY:
        limit = filters.price_max.currency_code or filters.price_min.currency_code
        others = " and ".join(sorted(code or "no stated currency" for code in currencies))
        return f"the limit is in {limit}, the offers are in {others}; nothing is converted"
    levels = [query_pb2.SkillLevel.Name(level).removeprefix("SKILL_LEVEL_").lower() for level in filters.excluded_levels]
    wanted = query_pb2.SkillLevel.Name(filters.skill_level).removeprefix("SKILL_LEVEL_").lower() if filters.skill_level else ""
    sentences = {
        query_pb2.CONDITION_PRICE: f"no offer costs {_limits(filters)}",
        query_pb2.CONDITION_STOCK: "no vendor states that it can be had now",
        query_pb2.CONDITION_SIZE: f"no vendor states that size {' or '.join(filters.sizes)} can be had now",
        query_pb2.CONDITION_BRAND: _either("is of", filters.brands, filters.excluded_brands),
        query_pb2.CONDITION_CATEGORY: f"the category is not {' or '.join(filters.categories)}",
        query_pb2.CONDITION_LEVEL: _either("is for", [wanted] if wanted else [], levels),
        query_pb2.CONDITION_TERRAIN: _either("is for", filters.terrain, filters.excluded_terrain),
        query_pb2.CONDITION_MEASURE: f"it states another measure than {', '.join(map(_measure, filters.measures))}",
        query_pb2.CONDITION_EXCLUDED_TERM: f"it names {' or '.join(filters.excluded_terms)}",
    }
    return sentences.get(cast("query_pb2.Condition", condition), "")


def _either(verb: str, wanted: Iterable[str], excluded: Iterable[str]) -> str:
    parts = [f"none {verb} {' or '.join(wanted)}" if list(wanted) else "", " or ".join(excluded)]
    return " or ".join(part for part in (parts[0], f"it {verb} {parts[1]}" if parts[1] else "") if part)


def _measure(measure: query_pb2.Measure) -> str:
    unit = _UNITS.get(measure.quantity, "")
    low = f"{measure.min:g}" if measure.HasField("min") else ""
    high = f"{measure.max:g}" if measure.HasField("max") else ""
    if low and high:
        return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"
    return f"at least {low} {unit}" if low else f"at most {high} {unit}"


def _nearest(parts: Assembly, condition: int, filters: query_pb2.Filters) -> query_pb2.NearestProduct:
    offers = [offer for offer in parts.offers if offer.price is not None]
    offer: Listing = min(
        offers or parts.offers,
        key=lambda one: (_off(one.price.micros, filters) if one.price is not None else 0.0, one.vendor, one.sku),
    )
    found = query_pb2.NearestProduct(
        product_id=parts.product_id, name=parts.name, vendor=offer.vendor, url=offer.url, has=_has(parts, condition, filters)
    )
    if offer.price is not None:
        found.price.currency_code, found.price.micros = offer.price.currency, offer.price.micros
    return found


def _has(parts: Assembly, condition: int, filters: query_pb2.Filters) -> str:
    """What the product states in place of what is asked."""
    if condition == query_pb2.CONDITION_SIZE:
        sizes = [size for offer in parts.offers for size, state in stated_sizes(offer) if state is Availability.IN_STOCK]
        return ", ".join(dict.fromkeys(sizes))[:200]
    if condition == query_pb2.CONDITION_BRAND:
        return next((reading.listing.brand for reading in parts.readings if reading.listing.brand), "")
    if condition == query_pb2.CONDITION_CATEGORY:
        return parts.category
    if condition == query_pb2.CONDITION_LEVEL:
        return ", ".join(query_pb2.SkillLevel.Name(level).removeprefix("SKILL_LEVEL_").lower() for level in parts.levels)
    if condition == query_pb2.CONDITION_TERRAIN:
        return ", ".join(parts.terrain)
    if condition == query_pb2.CONDITION_MEASURE:
        listings = [reading.listing for reading in parts.readings]
        stated = [
            f"{value:g} {_UNITS.get(measure.quantity, '')}"
            for measure in filters.measures
            for value in dict.fromkeys(product_measures(listings, measure.quantity))
        ]
        return ", ".join(stated)[:200]
    return ""

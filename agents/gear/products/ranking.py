"""The ranking of products: eight features, their weights, and a score that is the sum of its contributions.

========== =============================================================== ===============================
feature    value                                                            missing where
========== =============================================================== ===============================
relevance  0..1, see :mod:`hexar.agents.gear.candidates`                    no term was given
rating     -1..1, the mean shrunk to a prior by its count, about neutral    nobody rated it
price      1 within the budget, falling to -1 at twice the budget           no budget, or no price in it
discount   share of the struck-out price, at most 1/2, doubled              no discount is stated
skill      1 the level wanted, 1/3 one level off, -1 further                no level is wanted or stated
brand      1 a preferred brand, else 0                                      no preference, or no brand
terrain    share of the wanted terrains that it states, -1/2 for none       none is wanted or stated
stock      1 in stock, 1/4 to come, -1 out of stock at every vendor         no vendor states it
========== =============================================================== ===============================

A missing feature adds nothing: what is not known neither helps nor hurts. Ties stand by product_id.

Where an order is asked for ("cheapest"), a ninth feature, order, stands before all of them: its steps are larger than what the
others can add up to. Prices of one currency are ordered, that of the limits or else the most frequent one; nothing is
converted, and what states nothing to order by stands last.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hexar.agents.gear.products.assembly import Assembly, is_discount
from hexar.agents.gear.request.criteria import Criteria, brand_key, same_brand, terrain_names
from hexar.agents.gear.request.measures import product_measures
from hexar.agents.vendors.model import Availability, Money
from hexar.core.ranking import top_k
from hexar.v1 import query_pb2

FEATURES = ("relevance", "rating", "price", "discount", "skill", "brand", "terrain", "stock")
#: The feature of an order that is asked for.
ORDER = "order"
_MISSING = float("nan")


@dataclass(frozen=True, slots=True)
class Weights:
    """What each feature counts. An answer is cached under its weights, so that a change is seen at once."""

    relevance: float = 1.0
    rating: float = 0.35
    price: float = 0.3
    discount: float = 0.1
    skill: float = 0.35
    brand: float = 0.25
    terrain: float = 0.3
    stock: float = 0.25
    #: The mean that a product without ratings is taken to have, and how many ratings that belief is worth.
    rating_prior: float = 3.8
    rating_prior_count: float = 8.0

    def vector(self) -> tuple[float, ...]:
        """The weights in the order of :data:`FEATURES`."""
        return tuple(float(getattr(self, name)) for name in FEATURES)

    def fingerprint(self) -> list[float]:
        """What an answer's cache key holds of them."""
        return [float(value) for value in astuple(self)]


assert {field.name for field in fields(Weights)} >= set(FEATURES)


class Preferences:
    """What the ranking knows of the one who asks: the user's context where there is one, else the filters."""

    __slots__ = ("brands", "budget", "criteria", "level", "ordering", "terrain")

    def __init__(self, criteria: Criteria, user: query_pb2.UserContext | None, ordering: int = 0) -> None:
        self.criteria = criteria
        self.ordering = ordering
        self.level = (user.skill_level if user is not None else 0) or criteria.level
        self.budget = (
            Money(user.budget.currency_code, user.budget.micros) if user is not None and user.HasField("budget") else None
        )
        self.brands = tuple(brand_key(name) for name in user.brands) if user is not None else ()
        wanted = terrain_names(user.terrain) if user is not None else frozenset()
        self.terrain = wanted or criteria.terrain


@dataclass(frozen=True, slots=True)
class RankedProduct:
    """One product's place: its row in what was ranked, its score, and each feature's part of it."""

    row: int
    rank: query_pb2.Rank


def rank(
    parts: Sequence[Assembly], relevance: Sequence[float] | None, taste: Preferences, weights: Weights, limit: int
) -> list[RankedProduct]:
    """The ``limit`` best of ``parts``, best first. ``relevance`` is None where no term was given."""
    if not parts:
        return []
    # The kernel breaks ties by row, the contract by product_id: rows in that order make them one.
    order = sorted(range(len(parts)), key=lambda row: parts[row].product_id)
    columns = [_features(parts[row], relevance[row] if relevance is not None else _MISSING, taste, weights) for row in order]
    names: tuple[str, ...] = FEATURES
    vector = weights.vector()
    if taste.ordering:
        values, steps = _ordered([parts[row] for row in order], taste, weights)
        columns = [(*column, value) for column, value in zip(columns, values, strict=True)]
        names, vector = (*FEATURES, ORDER), (*vector, steps * (1.0 + 2.0 * sum(map(abs, vector))))
    matrix = np.array(columns, dtype=np.float64)
    best = top_k(np.ascontiguousarray(matrix), vector, min(limit, len(parts)))
    return [
        RankedProduct(order[int(row)], _message(names, contributions, missing))
        for row, contributions, missing in zip(best.indices, best.contributions, best.missing, strict=True)
    ]


def _message(names: Sequence[str], contributions: NDArray[np.float64], missing: NDArray[np.bool_]) -> query_pb2.Rank:
    parts = [float(value) for value in contributions]
    return query_pb2.Rank(
        score=sum(parts),
        contributions=[
            query_pb2.Contribution(feature=name, value=0.0 if absent else value, missing=bool(absent))
            for name, value, absent in zip(names, parts, missing, strict=True)
        ],
    )


def _ordered(parts: Sequence[Assembly], taste: Preferences, weights: Weights) -> tuple[list[float], int]:
    """Each product's place in the order asked for, from 1 for the first evenly down to above 0, and the number of places."""
    currency = _currency_of(parts, taste)
    keys = [_order_key(one, taste, weights, currency) for one in parts]
    places = {key: place for place, key in enumerate(sorted({key for key in keys if key is not None}))}
    count = max(1, len(places))
    return [1.0 - places[key] / count if key is not None else _MISSING for key in keys], count


def _currency_of(parts: Sequence[Assembly], taste: Preferences) -> str:
    if taste.criteria.currency:
        return taste.criteria.currency
    stated = Counter(offer.price.currency for one in parts for offer in one.offers if offer.price is not None)
    return min(stated, key=lambda code: (-stated[code], code)) if stated else ""


def _order_key(parts: Assembly, taste: Preferences, weights: Weights, currency: str) -> float | None:
    """What the order compares, the least first; None where the product does not state it."""
    if taste.ordering == query_pb2.ORDERING_LIGHTEST:
        listings = [reading.listing for reading in parts.readings]
        return min(product_measures(listings, query_pb2.QUANTITY_WEIGHT), default=None)
    if taste.ordering == query_pb2.ORDERING_BEST_RATED:
        value = _rating(parts, weights)
        return None if math.isnan(value) else -value
    if taste.ordering == query_pb2.ORDERING_BIGGEST_DISCOUNT:
        shares = [
            1.0 - offer.price.micros / offer.list_price.micros
            for offer in parts.offers
            if offer.price is not None and offer.list_price is not None and is_discount(offer.price, offer.list_price)
        ]
        return -max(shares) if shares else None
    prices = [
        offer.price.micros for offer in parts.offers if offer.price is not None and offer.price.currency == currency
        and taste.criteria.offers_pass([offer])
    ]  # fmt: skip
    if not prices:
        return None
    return float(min(prices)) if taste.ordering == query_pb2.ORDERING_CHEAPEST else -float(max(prices))


def _features(parts: Assembly, relevance: float, taste: Preferences, weights: Weights) -> tuple[float, ...]:
    return (
        relevance,
        _rating(parts, weights),
        _price(parts, taste),
        _discount(parts),
        _skill(parts, taste),
        _brand(parts, taste),
        _terrain(parts, taste),
        _stock(parts),
    )


def _rating(parts: Assembly, weights: Weights) -> float:
    if parts.rating is None:
        return _MISSING
    mean, count = parts.rating
    prior, worth = weights.rating_prior, weights.rating_prior_count
    # A mean without a count is some evidence, but not more than one rating's.
    number = max(1, count)
    shrunk = (mean * number + prior * worth) / (number + worth)
    return (shrunk - prior) / (5.0 - prior) if shrunk >= prior else (shrunk - prior) / prior


def _price(parts: Assembly, taste: Preferences) -> float:
    if taste.budget is None or taste.budget.micros <= 0:
        return _MISSING
    prices = [
        offer.price.micros
        for offer in parts.offers
        if offer.price is not None and taste.budget.currency in ("", offer.price.currency)
    ]
    if not prices:
        return _MISSING
    over = min(prices) / taste.budget.micros - 1.0
    return 1.0 if over <= 0 else max(-1.0, 1.0 - 2.0 * over)


def _discount(parts: Assembly) -> float:
    shares = [
        1.0 - offer.price.micros / offer.list_price.micros
        for offer in parts.offers
        if offer.price is not None and offer.list_price is not None and is_discount(offer.price, offer.list_price)
    ]
    return 2.0 * min(0.5, max(shares)) if shares else _MISSING


def _skill(parts: Assembly, taste: Preferences) -> float:
    if not taste.level or not parts.levels:
        return _MISSING
    off = min(abs(level - taste.level) for level in parts.levels)
    return (1.0, 1.0 / 3.0)[off] if off < 2 else -1.0


def _brand(parts: Assembly, taste: Preferences) -> float:
    if not taste.brands or not parts.brand:
        return _MISSING
    return float(any(same_brand(parts.brand, wanted) for wanted in taste.brands))


def _terrain(parts: Assembly, taste: Preferences) -> float:
    if not taste.terrain or not parts.terrain:
        return _MISSING
    share = len(taste.terrain.intersection(parts.terrain)) / len(taste.terrain)
    return share or -0.5


_STOCK = {
    Availability.IN_STOCK: 1.0,
    Availability.PREORDER: 0.25,
    Availability.BACKORDER: 0.25,
    Availability.OUT_OF_STOCK: -1.0,
    Availability.DISCONTINUED: -1.0,
}


def _stock(parts: Assembly) -> float:
    return max((_STOCK[offer.availability] for offer in parts.offers if offer.availability in _STOCK), default=_MISSING)

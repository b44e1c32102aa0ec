"""Reading a request's text: what it asks for, what it excludes, and in which order, in English and Spanish.

The phrases are data (data/understanding.json, data/brands.json); this package only applies them. The rules:

- a field that the request sets wins over the text, field by field; the phrase is still taken out of the terms;
- the longest phrase at the leftmost place wins ("no más de 400" is not "más de 400"), and every phrase ends at a word;
- a negated phrase excludes ("not for beginners", "sin fijaciones"); "not only" neither asks nor excludes;
- "$" is the US dollar; an amount without a currency compares with any; "around 400" is 400 ± 20 %;
- an amount with a currency and no other word ("snowboard 400€") is the most one would pay;
- a number with a unit is a limit on what a product states ("40 litros", "under 2 kg"), a superlative an order ("cheapest");
- a brand is a filter where its name is known; one that is also an everyday word ("Ride") only after "by" or "marca";
- what was read and cannot be applied is told, and so are words that were read as others.

The case of letters means nothing, so that texts which share a cache key share their meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

from hexar.agents.gear.request.brands import Brands, read_brands
from hexar.agents.gear.request.conditions import (
    read_discounts,
    read_excluded,
    read_levels,
    read_ordering,
    read_stock,
    read_terrain,
    stated_levels,
    stated_terrain,
)
from hexar.agents.gear.request.measures import read_measures
from hexar.agents.gear.request.prices import read_prices
from hexar.agents.gear.request.reading import TextReading
from hexar.agents.gear.request.sizes import fractions, read_sizes
from hexar.agents.gear.request.spelling import spelled
from hexar.agents.gear.request.words import heads, named
from hexar.v1 import query_pb2

__all__ = ["Brands", "Understood", "stated_levels", "stated_terrain", "understand"]


@dataclass(frozen=True, slots=True)
class Understood:
    """What a text says. ``filters`` holds what was given and what was read; ``phrases`` are as they were written."""

    terms: str
    filters: query_pb2.Filters
    language: str
    phrases: tuple[str, ...]
    #: The concepts of the things that it names.
    things: tuple[str, ...] = ()
    ordering: int = 0
    #: (as written, as read)
    corrections: tuple[tuple[str, str], ...] = ()
    #: (phrase, reason)
    not_applied: tuple[tuple[str, str], ...] = ()

    def message(self) -> query_pb2.Understanding:
        """The contract's form of it."""
        return query_pb2.Understanding(
            terms=self.terms,
            filters=self.filters,
            language=self.language,
            phrases=self.phrases,
            ordering=query_pb2.Ordering.Name(self.ordering),
            corrections=[query_pb2.Correction(written=written, read=read) for written, read in self.corrections],
            not_applied=[query_pb2.NotApplied(phrase=phrase, reason=reason) for phrase, reason in self.not_applied],
        )


def understand(text: str, given: query_pb2.Filters, brands: Brands, ordering: int = 0) -> Understood:
    """Read ``text``. Pure but for ``brands``, which it only reads; a few hundred microseconds for a long text."""
    right, corrections = spelled(text, brands.speaks)
    reading = TextReading(named(fractions(right)))
    filters = query_pb2.Filters()
    filters.CopyFrom(given)
    read_prices(reading, filters)
    ordering = read_ordering(reading, ordering)
    read_discounts(reading)
    read_sizes(reading, filters)
    read_measures(reading, filters)
    read_brands(reading, filters, brands)
    read_levels(reading, filters)
    read_stock(reading, filters)
    read_terrain(reading, filters)
    read_excluded(reading, filters)
    return Understood(
        reading.terms(),
        filters,
        reading.language(),
        reading.phrases(),
        heads(reading.left()),
        ordering,
        tuple(corrections),
        tuple(reading.not_applied),
    )

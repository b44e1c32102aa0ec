"""The limits of price that a request's text names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from hexar.agents.gear.request.numbers import Amount, amount_pattern, read_amount
from hexar.agents.gear.request.reading import MAX_FOUND, TextReading, alternation
from hexar.agents.gear.request.words import table
from hexar.v1 import common_pb2, query_pb2

_TABLE = table("understanding")


@dataclass(frozen=True, slots=True)
class _PricePhrase:
    pattern: re.Pattern[str]
    kind: str
    language: str
    needs_currency: bool
    #: Its words: a text without one of them is not searched.
    words: tuple[str, ...]


def _price_phrases() -> Iterator[_PricePhrase]:
    strict = frozenset(_TABLE["range_needs_currency"])
    for language, kinds in _TABLE["price"].items():
        for kind, phrases in kinds.items():
            for phrase in phrases:
                words = tuple(part for part in phrase.split() if part != "NUM")
                yield _PricePhrase(_price_pattern(phrase), kind, language, phrase in strict, words)


def _price_pattern(phrase: str) -> re.Pattern[str]:
    pattern, amounts, previous = "", 0, ""
    for part in phrase.split():
        if previous:
            pattern += r"\s*" if not (part.isalpha() and previous.isalpha()) or "NUM" in (part, previous) else r"\s+"
        if part == "NUM":
            amounts += 1
            pattern += amount_pattern(amounts)
        else:
            pattern += re.escape(part)
        previous = part
    left = r"(?<![\w.,])" if phrase.startswith("NUM") else r"(?<!\w)"
    return re.compile(left + pattern + (r"(?!\w)" if phrase[-1].isalpha() else ""))


@dataclass(frozen=True, slots=True)
class _PriceMatch:
    start: int
    end: int
    kind: str
    language: str
    bare: bool
    amounts: tuple[Amount, ...]


_BARE = _PricePhrase(_price_pattern("NUM"), "max", "any", needs_currency=True, words=())
_PRICES = (*_price_phrases(), _BARE)


def _price_matches(folded: str) -> list[_PriceMatch]:
    """All price phrases, leftmost and longest first, without those that overlap an earlier one."""
    found: list[_PriceMatch] = []
    if not any(char.isdigit() for char in folded):
        return found
    for phrase in _PRICES:
        if not all(word in folded for word in phrase.words):
            continue
        for spot in islice(phrase.pattern.finditer(folded), MAX_FOUND):
            read = [read_amount(spot, number + 1) for number in range(2 if phrase.kind == "range" else 1)]
            amounts = tuple(amount for amount in read if amount is not None)
            if len(amounts) == len(read) and (not phrase.needs_currency or any(amount.currency for amount in amounts)):
                bare = phrase is _BARE
                found.append(_PriceMatch(spot.start(), spot.end(), phrase.kind, phrase.language, bare, amounts))
    # A bare amount yields to any phrase that holds it, wherever the phrase begins.
    found.sort(key=lambda match: (match.bare, match.start, match.start - match.end))
    chosen: list[_PriceMatch] = []
    for match in found:
        if all(match.end <= other.start or match.start >= other.end for other in chosen):
            chosen.append(match)
    return sorted(chosen, key=lambda match: match.start)[:MAX_FOUND]


def _bounds(match: _PriceMatch) -> tuple[Amount | None, Amount | None]:
    first = match.amounts[0]
    if match.kind == "range":
        currency = first.currency or match.amounts[1].currency
        low, high = sorted(amount.micros for amount in match.amounts)
        return Amount(currency, low), Amount(currency, high)
    if match.kind == "about":
        margin = round(first.micros * _TABLE["about_margin"])
        return Amount(first.currency, first.micros - margin), Amount(first.currency, first.micros + margin)
    return (first, None) if match.kind == "min" else (None, first)


_BEFORE_AMOUNT = alternation(
    phrase.removesuffix(" NUM")
    for kinds in _TABLE["price"].values()
    for phrases in kinds.values()
    for phrase in phrases
    if phrase.endswith(" NUM") and phrase.count("NUM") == 1 and phrase[0].isalpha()
)
_OTHER_CURRENCY = re.compile(
    rf"(?<!\w)(?:(?:{_BEFORE_AMOUNT})\s+)?(?<![\w.,])\d[\d.,'\x20\u00a0]{{0,14}}(?:mil\s)?\s?(?:{alternation(_TABLE['currency_unknown'])})(?!\w)"
)


def _take_other_currencies(reading: TextReading) -> None:
    """Amounts in a currency that several countries call alike: nobody here knows which is meant, and none is guessed."""
    for match in islice(_OTHER_CURRENCY.finditer(reading.folded), MAX_FOUND):
        known = any(match.start() <= found.start() < match.end() < found.end() for found in _KNOWN.finditer(reading.folded))
        if not known:
            reading.take(match.start(), match.end(), as_filter=False, reason="the currency is not told apart by this word")


_KNOWN = re.compile(
    rf"(?<!\w)\d[\d.,']*\s?(?:{alternation(word for names in _TABLE['currencies'].values() for word in names['words'])})(?!\w)"
)


def read_prices(reading: TextReading, filters: query_pb2.Filters) -> None:
    """Read the limits of price; a half that the request gave wins, and the text's other half must agree with it."""
    _take_other_currencies(reading)
    given = [filters.HasField("price_min"), filters.HasField("price_max")]
    bounds: list[Amount | None] = [None, None]
    for match in _price_matches(reading.folded):
        if match.language != "any":
            reading.votes[match.language] += 2
        used = False
        for side, amount in enumerate(_bounds(match)):
            if amount is not None and not given[side] and bounds[side] is None:
                bounds[side] = amount
                used = True
        reading.take(match.start, match.end, as_filter=used)
    low, high = bounds
    currency = next((amount.currency for amount in bounds if amount is not None and amount.currency), "")
    if given[0] != given[1]:
        # The text's half must agree with the half that the request gave, or it is not used.
        fixed = filters.price_min if given[0] else filters.price_max
        currency = currency or fixed.currency_code
        other = high if given[0] else low
        if other is not None and (
            (fixed.currency_code and currency != fixed.currency_code)
            or (other.micros < fixed.micros if given[0] else other.micros > fixed.micros)
        ):
            low = high = None
    elif low is not None and high is not None:
        if low.currency and high.currency and low.currency != high.currency:
            low = None
        elif low.micros > high.micros:
            low, high = high, low
    if low is not None:
        filters.price_min.CopyFrom(common_pb2.Money(currency_code=low.currency or currency, micros=low.micros))
    if high is not None:
        filters.price_max.CopyFrom(common_pb2.Money(currency_code=high.currency or currency, micros=high.micros))

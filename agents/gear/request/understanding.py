"""Reading a request's text: what it asks for, and the filters, brands, levels and prices it names, in English and Spanish.

The phrases are data (data/understanding.json, data/brands.json); this module only applies them. The rules:

- a field that the request sets wins over the text, field by field; the phrase is still taken out of the terms;
- the longest phrase at the leftmost place wins ("no más de 400" is not "más de 400"), and every phrase ends at a word;
- a negated phrase ("not for beginners") sets nothing and leaves the terms;
- "$" is the US dollar; an amount without a currency compares with any; "around 400" is 400 ± 20 %;
- an amount with a currency and no other word ("snowboard 400€") is the most one would pay;
- a brand is a filter where its name is known; one that is also an everyday word ("Ride") only after "by" or "marca".

The case of letters means nothing, so that texts which share a cache key share their meaning.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, pairwise

from hexar.agents.gear.request.numbers import Amount, amount_pattern, read_amount
from hexar.agents.gear.request.words import fold, table, tokens, words
from hexar.v1 import common_pb2, query_pb2

_TABLE = table("understanding")
_LANGUAGES = ("en", "es")
_STOPWORDS = {language: frozenset(fold(word) for word in _TABLE["stopwords"][language]) for language in _LANGUAGES}
_ALL_STOPWORDS = _STOPWORDS["en"] | _STOPWORDS["es"]
_NEGATIONS = frozenset(fold(word) for word in _TABLE["negations"])
_LEVELS: dict[str, query_pb2.SkillLevel] = {
    "beginner": query_pb2.SKILL_LEVEL_BEGINNER,
    "intermediate": query_pb2.SKILL_LEVEL_INTERMEDIATE,
    "advanced": query_pb2.SKILL_LEVEL_ADVANCED,
    "expert": query_pb2.SKILL_LEVEL_EXPERT,
}
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
#: A character that unfolds into more letters than this is no letter ("U+FDFA" is eighteen): it would only cost time.
_LONGEST_PIECE = 4
#: Price phrases, brands and terrains that one text may name; a text that names more is not a question.
_MOST = 16
#: Characters before a name that are looked at.
_BEFORE = 48
#: What a consumed part of the text becomes, so that no later phrase reaches across it.
_GAP = "\0"


@dataclass(frozen=True, slots=True)
class Understood:
    """What a text says. ``filters`` holds what was given and what was read; ``phrases`` are as they were written."""

    terms: str
    filters: query_pb2.Filters
    language: str
    phrases: tuple[str, ...]

    def message(self) -> query_pb2.Understanding:
        """The contract's form of it."""
        return query_pb2.Understanding(terms=self.terms, filters=self.filters, language=self.language, phrases=self.phrases)


class Brands:
    """The brands that a text may name: the table's and those that the vendors' listings carry.

    Thread-safety: written and read from one event loop.
    """

    #: More names than this are not kept: a hostile feed must not grow the process.
    LIMIT = 20_000

    def __init__(self, names: Iterable[str] | None = None) -> None:
        data = table("brands")
        self._everyday = frozenset(data["everyday_words"])
        self._known: dict[tuple[str, ...], str] = {}
        self.learn(data["brands"] if names is None else names)

    def learn(self, names: Iterable[str]) -> None:
        """Add the brands of a vendor's listings."""
        for name in names:
            key = tuple(words(name))
            if key and len(key) <= 4 and len(self._known) < self.LIMIT and not _is_plain(key):
                self._known.setdefault(key, name)

    def find(self, key: tuple[str, ...]) -> str | None:
        """The brand of these folded words, as it is written; None where it is not known."""
        return self._known.get(key)

    def everyday(self, key: tuple[str, ...]) -> bool:
        """True where the name is also a word of its own ("Ride", "Head")."""
        return len(key) == 1 and (key[0] in self._everyday or key[0].isdigit() or len(key[0]) < 2)


def _is_plain(key: tuple[str, ...]) -> bool:
    """A listing whose brand is a product word ("Snowboard") or a stopword teaches nothing."""
    return all(word in _ALL_STOPWORDS for word in key) or any(token.is_type for token in tokens(" ".join(key)))


def understand(text: str, given: query_pb2.Filters, brands: Brands) -> Understood:
    """Read ``text``. Pure but for ``brands``, which it only reads; a few hundred microseconds for a long text."""
    reading = _Parse(text)
    filters = query_pb2.Filters()
    filters.CopyFrom(given)
    _read_prices(reading, filters)
    _read_brands(reading, filters, brands)
    _read_levels(reading, filters)
    _read_stock(reading, filters)
    _read_terrain(reading, filters)
    return Understood(reading.terms(), filters, reading.language(), reading.phrases())


@dataclass(slots=True)
class _Parse:
    """A text, its folded form with a map back to the characters as they were written, and what was consumed of it."""

    text: str
    folded: str = ""
    origin: list[int] = field(default_factory=list)
    taken: list[tuple[int, int, bool]] = field(default_factory=list)
    votes: dict[str, int] = field(default_factory=lambda: {"en": 0, "es": 0})

    def __post_init__(self) -> None:
        pieces: list[str] = []
        for position, char in enumerate(self.text):
            piece = char if char in "\u00a0\u202f\u2009" else fold(char).translate(_DASHES)
            if len(piece) > _LONGEST_PIECE:
                piece = " "
            piece = "\u00a0" if char in "\u202f\u2009" else piece.replace("’", "'")
            pieces.append(piece)
            self.origin.extend([position] * len(piece))
        self.folded = "".join(pieces)
        self.origin.append(len(self.text))

    def take(self, start: int, end: int, *, as_filter: bool) -> None:
        """Consume ``folded[start:end]``; ``as_filter`` tells whether it became one."""
        self.taken.append((self.origin[start], self.origin[end - 1] + 1, as_filter))
        self.folded = self.folded[:start] + _GAP * (end - start) + self.folded[end:]

    def negated(self, start: int) -> bool:
        """True where one of the two words before ``start`` negates."""
        before = re.findall(r"[\w']+|\0", self.folded[max(0, start - _BEFORE) : start])[-2:]
        return any(word in _NEGATIONS for word in before)

    def phrases(self) -> tuple[str, ...]:
        return tuple(self.text[start:end] for start, end, as_filter in sorted(self.taken) if as_filter)

    def terms(self) -> str:
        """What is left, normalised, without the stopwords at its ends."""
        kept = list(self.text)
        for start, end, _ in self.taken:
            kept[start:end] = " " * (end - start)
        plain = unicodedata.normalize("NFKC", "".join(kept)).casefold()[: len(kept)]
        left = [stripped for word in plain.split() if (stripped := word.strip(" \t.,;:!?¿¡()[]{}\"'“”«»<>=+-–—/|*#&"))]
        while left and fold(left[0]) in _ALL_STOPWORDS:
            left.pop(0)
        while left and fold(left[-1]) in _ALL_STOPWORDS:
            left.pop()
        return " ".join(left)

    def language(self) -> str:
        """ "en", "es", or "und" where the words do not decide it."""
        votes = dict(self.votes)
        for word in re.findall(r"[^\W\d_]+", fold(self.text)):
            for language, other in (("en", "es"), ("es", "en")):
                if word in _STOPWORDS[language] and word not in _STOPWORDS[other]:
                    votes[language] += 2
        for token in tokens(self.text):
            if token.language:
                votes[token.language] += 1
        votes["es"] += 2 * sum(self.text.count(mark) for mark in "¿¡ñÑ")
        if votes["en"] == votes["es"]:
            return "und"
        return "en" if votes["en"] > votes["es"] else "es"


# -- prices ----------------------------------------------------------------------------------------------------------


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
        for spot in islice(phrase.pattern.finditer(folded), _MOST):
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
    return sorted(chosen, key=lambda match: match.start)[:_MOST]


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


def _read_prices(reading: _Parse, filters: query_pb2.Filters) -> None:
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


# -- brands ----------------------------------------------------------------------------------------------------------


def _alternation(phrases: Iterable[str]) -> str:
    ordered = sorted({fold(phrase) for phrase in phrases}, key=len, reverse=True)
    return "|".join(r"[\s-]+".join(re.escape(word) for word in phrase.split()) for phrase in ordered)


_BRAND_BEFORE = re.compile(rf"(?<!\w)(?:{_alternation([*_TABLE['brand_before']['en'], *_TABLE['brand_before']['es']])})\s+$")
_BRAND_ASSUMED = re.compile(rf"(?<!\w)(?:{_alternation(_TABLE['brand_assumed'])})\s+$")
_NAMING = ("brand", "marca")
_BRAND_NAMED = re.compile(rf"(?<!\w)(?:{_alternation(_TABLE['brand_named'])})\s+$")
_BRAND_NOT_AFTER = re.compile(rf"(?<!\w)(?:{_alternation(_TABLE['brand_not_after'])})\s+(?:(?:the|a|el|la)\s+)?$")
_BRAND_WORD = re.compile(r"[^\W_]+(?:['.-][^\W_]+)*")


def _read_brands(reading: _Parse, filters: query_pb2.Filters, brands: Brands) -> None:
    given = bool(filters.brands)
    named = any(word in reading.folded for word in _NAMING)
    found: list[str] = []
    spots = list(_BRAND_WORD.finditer(reading.folded))
    keys = [tuple(words(spot[0])) for spot in spots]
    position = 0
    while position < len(spots) and len(found) < _MOST:
        for length in range(min(4, len(spots) - position), 0, -1):
            key = tuple(word for part in keys[position : position + length] for word in part)
            known = brands.find(key)
            if known is None and not (named and length == 1):
                continue
            start, end = spots[position].start(), spots[position + length - 1].end()
            name = _brand_at(reading, start, end, key, known, brands)
            if name is not None:
                before = _before(_BRAND_BEFORE, reading, start)
                reading.take(before.start() if before else start, end, as_filter=not given)
                if name not in found:
                    found.append(name)
                position += length
                break
        else:
            position += 1
    if not given:
        filters.brands.extend(found)


def _before(pattern: re.Pattern[str], reading: _Parse, start: int) -> re.Match[str] | None:
    return pattern.search(reading.folded, max(0, start - _BEFORE), start)


def _brand_at(reading: _Parse, start: int, end: int, key: tuple[str, ...], known: str | None, brands: Brands) -> str | None:
    if _GAP in reading.folded[start:end] or _before(_BRAND_NOT_AFTER, reading, start):
        return None
    if known is not None:
        return known if not brands.everyday(key) or _before(_BRAND_ASSUMED, reading, start) else None
    # "marca Foobar" names a brand that nobody here has heard of, in any case of its letters.
    if _before(_BRAND_NAMED, reading, start) and key and key[0] not in _ALL_STOPWORDS:
        return reading.text[reading.origin[start] : reading.origin[end - 1] + 1]
    return None


# -- levels, stock, terrain --------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _phrase_pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{_alternation(phrases)})(?!\w)")


def _phrases(reading: _Parse, table_part: Mapping[str, Iterable[str]]) -> list[tuple[int, int, bool, str]]:
    """The places of a table's phrases: (start, end, negated, language), leftmost and longest first."""
    found: list[tuple[int, int, bool, str]] = []
    for language in _LANGUAGES:
        pattern = _phrase_pattern(tuple(table_part[language]))
        found.extend(
            (match.start(), match.end(), reading.negated(match.start()), language) for match in pattern.finditer(reading.folded)
        )
    found.sort(key=lambda row: (row[0], row[0] - row[1]))
    return found


def _read_levels(reading: _Parse, filters: query_pb2.Filters) -> None:
    for match in _phrase_pattern(tuple(_TABLE["all_levels"])).finditer(reading.folded):
        reading.take(match.start(), match.end(), as_filter=False)
    spots = sorted(
        ((*row, name) for name, phrases in _TABLE["skill"].items() for row in _phrases(reading, phrases)),
        key=lambda row: (row[0], row[0] - row[1]),
    )
    wanted = query_pb2.SKILL_LEVEL_UNSPECIFIED
    for start, end, negated, language, name in spots:
        if _GAP in reading.folded[start:end]:
            continue
        reading.votes[language] += 1
        # Of "beginner to intermediate" the first is the person; both leave the terms.
        used = not negated and not filters.skill_level and not wanted
        if used:
            wanted = _LEVELS[name]
        reading.take(start, end, as_filter=used)
    if wanted:
        filters.skill_level = wanted


def _read_stock(reading: _Parse, filters: query_pb2.Filters) -> None:
    for start, end, negated, language in _phrases(reading, _TABLE["stock"]):
        if _GAP in reading.folded[start:end]:
            continue
        reading.votes[language] += 1
        used = not negated and not filters.in_stock
        filters.in_stock = filters.in_stock or not negated
        reading.take(start, end, as_filter=used)


def _read_terrain(reading: _Parse, filters: query_pb2.Filters) -> None:
    given = bool(filters.terrain)
    spots = sorted(
        ((*row, name) for name, phrases in _TABLE["terrain"].items() for row in _phrases(reading, phrases)),
        key=lambda row: (row[0], row[0] - row[1]),
    )
    for start, end, negated, language, name in spots:
        if _GAP in reading.folded[start:end]:
            continue
        if name not in reading.folded[start:end]:
            reading.votes[language] += 1
        used = not negated and not given
        if used and name not in filters.terrain:
            filters.terrain.append(name)
        reading.take(start, end, as_filter=used)


def stated_levels(text: str) -> tuple[int, ...]:
    """The SkillLevel values that a specification states: "Beginner - Intermediate", "para todos los niveles"."""
    return _stated_levels(fold(text))


@lru_cache(maxsize=8192)
def _stated_levels(folded: str) -> tuple[int, ...]:
    if _phrase_pattern(tuple(_TABLE["all_levels"])).search(folded):
        return tuple(_LEVELS.values())
    reading = _Parse(folded)
    spots = [
        (start, end, _LEVELS[name])
        for name, phrases in _TABLE["skill"].items()
        for start, end, negated, _ in _phrases(reading, phrases)
        if not negated
    ]
    spots.sort()
    levels: set[int] = {level for _, _, level in spots}
    for (_, end, low), (start, _, high) in pairwise(spots):
        if folded[end:start].strip() in _TABLE["skill_range"] and high > low:
            levels.update(range(low, high + 1))
    return tuple(sorted(levels))


def stated_terrain(text: str) -> tuple[str, ...]:
    """The terrains, by their names in the table, that a specification states."""
    return _stated_terrain(fold(text))


@lru_cache(maxsize=8192)
def _stated_terrain(folded: str) -> tuple[str, ...]:
    reading = _Parse(folded)
    return tuple(
        name
        for name, phrases in _TABLE["terrain"].items()
        if any(not negated for _, _, negated, _ in _phrases(reading, phrases))
    )

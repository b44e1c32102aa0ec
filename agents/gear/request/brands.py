"""The brands that a request's text may name, asks for, and excludes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hexar.agents.gear.request.reading import ALL_STOPWORDS, BEFORE, GAP, MAX_FOUND, TextReading, alternation
from hexar.agents.gear.request.words import stem, table, tokens, words
from hexar.v1 import query_pb2

_TABLE = table("understanding")


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
        self._words: set[str] = set()
        self._heard: dict[str, float] = {}
        self.learn(data["brands"] if names is None else names)

    def learn(self, names: Iterable[str]) -> None:
        """Add the brands of a vendor's listings."""
        for name in names:
            key = tuple(words(name))
            if key and len(key) <= 4 and len(self._known) < self.LIMIT and not _is_plain(key):
                self._known.setdefault(key, name)
                self._words.update(key)

    def learn_words(self, vendor: str, at: float, spoken: Iterable[str]) -> None:
        """Add words of a vendor's listings, read ``at``: what a shop calls its products is not misspelt."""
        if self._heard.get(vendor) == at or len(self._words) > self.LIMIT * 5:
            return
        self._heard[vendor] = at
        self._words.update(spoken)

    def speaks(self, word: str) -> bool:
        """True for a folded word of a brand or of a vendor's listing."""
        return word in self._words or stem(word) in self._words

    def find(self, key: tuple[str, ...]) -> str | None:
        """The brand of these folded words, as it is written; None where it is not known."""
        return self._known.get(key)

    def everyday(self, key: tuple[str, ...]) -> bool:
        """True where the name is also a word of its own ("Ride", "Head")."""
        return len(key) == 1 and (key[0] in self._everyday or key[0].isdigit() or len(key[0]) < 2)


def _is_plain(key: tuple[str, ...]) -> bool:
    """A listing whose brand is a product word ("Snowboard") or a stopword teaches nothing."""
    return all(word in ALL_STOPWORDS for word in key) or any(token.is_type for token in tokens(" ".join(key)))


_BRAND_BEFORE = re.compile(rf"(?<!\w)(?:{alternation([*_TABLE['brand_before']['en'], *_TABLE['brand_before']['es']])})\s+$")
_BRAND_ASSUMED = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['brand_assumed'])})\s+$")
_NAMING = ("brand", "marca")
_BRAND_NAMED = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['brand_named'])})\s+$")
_BRAND_NOT_AFTER = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['brand_not_after'])})\s+(?:(?:the|a|el|la)\s+)?$")
_EXCLUDING = re.compile(r"(?<!\w)(?:except|excluding|excepto|salvo|other than|anything but)\s+$")
_BRAND_WORD = re.compile(r"[^\W_]+(?:['.-][^\W_]+)*")


def read_brands(reading: TextReading, filters: query_pb2.Filters, brands: Brands) -> None:
    """Read the brands that are asked for and those that are excluded."""
    given = bool(filters.brands)
    named = any(word in reading.folded for word in _NAMING)
    found: list[str] = []
    excluded: list[str] = []
    spots = list(_BRAND_WORD.finditer(reading.folded))
    keys = [tuple(words(spot[0])) for spot in spots]
    position = 0
    while position < len(spots) and len(found) + len(excluded) < MAX_FOUND:
        for length in range(min(4, len(spots) - position), 0, -1):
            key = tuple(word for part in keys[position : position + length] for word in part)
            known = brands.find(key)
            if known is None and not (named and length == 1):
                continue
            start, end = spots[position].start(), spots[position + length - 1].end()
            name = _brand_at(reading, start, end, key, known, brands)
            if name is not None:
                negated = reading.negated(start)
                before = None if negated else _before(_BRAND_BEFORE, reading, start)
                reading.take(before.start() if before else start, end, as_filter=negated or not given, negated=negated)
                kept = excluded if negated else found
                if name not in kept:
                    kept.append(name)
                position += length
                break
        else:
            position += 1
    if not given:
        filters.brands.extend(found)
    filters.excluded_brands.extend(name for name in excluded if name not in filters.excluded_brands)


def _before(pattern: re.Pattern[str], reading: TextReading, start: int) -> re.Match[str] | None:
    return pattern.search(reading.folded, max(0, start - BEFORE), start)


def _brand_at(
    reading: TextReading, start: int, end: int, key: tuple[str, ...], known: str | None, brands: Brands
) -> str | None:
    if GAP in reading.folded[start:end] or _before(_BRAND_NOT_AFTER, reading, start):
        return None
    if known is not None:
        # "sin Ride" cannot mean the verb.
        assumed = _before(_BRAND_ASSUMED, reading, start) or _before(_EXCLUDING, reading, start)
        return known if not brands.everyday(key) or assumed else None
    # "marca Foobar" names a brand that nobody here has heard of, in any case of its letters.
    if _before(_BRAND_NAMED, reading, start) and key and key[0] not in ALL_STOPWORDS:
        return reading.text[reading.origin[start] : reading.origin[end - 1] + 1]
    return None

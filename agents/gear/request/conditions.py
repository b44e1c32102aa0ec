"""Levels, stock, terrain and order, as a request's text names them, and as a product's specifications state them."""

from __future__ import annotations

import re
from itertools import pairwise

from hexar.agents.gear.request.reading import (
    ALL_STOPWORDS,
    FILLERS,
    GAP,
    LINKS,
    MAX_FOUND,
    TextReading,
    alternation,
    find_phrases,
    phrase_pattern,
)
from hexar.agents.gear.request.words import fold, head, table, tokens
from hexar.core.memo import remembered
from hexar.v1 import query_pb2

_TABLE = table("understanding")
_LEVELS: dict[str, query_pb2.SkillLevel] = {
    "beginner": query_pb2.SKILL_LEVEL_BEGINNER,
    "intermediate": query_pb2.SKILL_LEVEL_INTERMEDIATE,
    "advanced": query_pb2.SKILL_LEVEL_ADVANCED,
    "expert": query_pb2.SKILL_LEVEL_EXPERT,
}
_ORDERINGS: dict[str, int] = {
    "cheapest": query_pb2.ORDERING_CHEAPEST,
    "dearest": query_pb2.ORDERING_DEAREST,
    "lightest": query_pb2.ORDERING_LIGHTEST,
    "best rated": query_pb2.ORDERING_BEST_RATED,
    "biggest discount": query_pb2.ORDERING_BIGGEST_DISCOUNT,
}
_COMPARISON = re.compile(r"(?<=menos) de \d|(?<=pese menos) que \d| que \d| than \d")
#: "On sale", "at least 30 % off", "con un 20 % de descuento".
_LEAST = r"(?:(?:at least|more than|over|al menos|con|de|mas de|de mas de|con mas de)\s){0,2}(?:un\s)?\d{1,2}\s?%"
_DISCOUNT = re.compile(
    rf"(?<!\w)(?:{alternation(_TABLE['discounts'])})(?!\w)(?:\s{_LEAST}(?:\soff)?)?"
    rf"|(?<!\w){_LEAST}\s(?:off|discount|de descuento|dto)(?!\w)"
)
_NO_DISCOUNT = "products are not narrowed to discounts; they can be ordered by them"
_SOLD_OUT = "what cannot be had is not asked for"
_NO_OPPOSITE = "nothing is put last by an order that is not wanted"
_NOTHING = phrase_pattern(tuple(_TABLE["negations_of_nothing"]))
_VAIN = frozenset(_TABLE["negated_in_vain"])
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_DESCRIPTION = re.compile(r"\s+(?:de|of|with|con|made of|hechas? de|hechos? de)\s+([^\W\d_]{3,})")
#: The words up to the end of a clause.
_CLAUSE = re.compile(rf"[^{GAP},.;:!?()]{{0,80}}")
_LINK = re.compile(rf"[ ,]*(?:{alternation(LINKS)}|,|/)[ ]+")


def read_levels(reading: TextReading, filters: query_pb2.Filters) -> None:
    for match in phrase_pattern(tuple(_TABLE["all_levels"])).finditer(reading.folded):
        reading.take(match.start(), match.end(), as_filter=False)
    spots = sorted(
        ((*row, name) for name, phrases in _TABLE["skill"].items() for row in find_phrases(reading, phrases)),
        key=lambda row: (row[0], row[0] - row[1]),
    )
    wanted = query_pb2.SKILL_LEVEL_UNSPECIFIED
    for start, end, language, name in spots:
        if GAP in reading.folded[start:end]:
            continue
        reading.votes[language] += 1
        negated = reading.negated(start)
        # Of "beginner to intermediate" the first is the person; both leave the terms.
        used = not negated and not filters.skill_level and not wanted and not reading.is_open(start)
        if used:
            wanted = _LEVELS[name]
        if negated and _LEVELS[name] not in filters.excluded_levels:
            filters.excluded_levels.append(_LEVELS[name])
        reading.take(start, end, as_filter=used or negated, negated=negated)
    if wanted:
        filters.skill_level = wanted


def read_stock(reading: TextReading, filters: query_pb2.Filters) -> None:
    for start, end, language in find_phrases(reading, _TABLE["stock"]):
        if GAP in reading.folded[start:end]:
            continue
        reading.votes[language] += 1
        negated = reading.negated(start)
        used = not negated and not filters.in_stock
        filters.in_stock = filters.in_stock or not negated
        reading.take(start, end, as_filter=used, negated=negated, reason=_SOLD_OUT if negated else "")


def read_terrain(reading: TextReading, filters: query_pb2.Filters) -> None:
    given = bool(filters.terrain)
    spots = sorted(
        ((*row, name) for name, phrases in _TABLE["terrain"].items() for row in find_phrases(reading, phrases)),
        key=lambda row: (row[0], row[0] - row[1]),
    )
    for start, end, language, name in spots:
        if GAP in reading.folded[start:end]:
            continue
        if name not in reading.folded[start:end]:
            reading.votes[language] += 1
        negated = reading.negated(start)
        used = not negated and not given and not reading.is_open(start)
        if used and name not in filters.terrain:
            filters.terrain.append(name)
        if negated and name not in filters.excluded_terrain:
            filters.excluded_terrain.append(name)
        reading.take(start, end, as_filter=used or negated, negated=negated)


def read_ordering(reading: TextReading, given: int) -> int:
    """The order that the text asks for by a superlative; ``given`` wins over it."""
    found = 0
    spots = sorted(
        ((*row, name) for name, phrases in _TABLE["ordering"].items() for row in find_phrases(reading, phrases)),
        key=lambda row: (row[0], row[0] - row[1]),
    )
    for start, end, language, name in spots:
        if GAP in reading.folded[start:end]:
            continue
        reading.votes[language] += 1
        if _COMPARISON.match(reading.folded, end):
            continue  # "que pese menos de 1 kg", "más ligera que 2 kg": a limit, which the measures read
        negated = reading.negated(start)
        used = not negated and not given and not found
        if used:
            found = _ORDERINGS[name]
        reading.take(start, end, as_filter=used, negated=negated, reason=_NO_OPPOSITE if negated else "")
    return given or found


def read_discounts(reading: TextReading) -> None:
    """Tell that a discount is no condition here; its words are not looked for in names either."""
    for match in list(_DISCOUNT.finditer(reading.folded))[:MAX_FOUND]:
        if GAP not in match[0]:
            reading.take(
                match.start(), match.end(), as_filter=False, negated=reading.negated(match.start()), reason=_NO_DISCOUNT
            )


def read_excluded(reading: TextReading, filters: query_pb2.Filters) -> None:
    """What is left behind a negation is excluded: "without bindings", "sin capucha", "no red ones"."""
    whole = head(reading.text)
    for match in _NOTHING.finditer(reading.folded):
        reading.take(match.start(), match.end(), as_filter=False)
    for _ in range(MAX_FOUND):
        spot = next(iter(reading.negations()), None)
        if spot is None:
            return
        end, found = _excluded_at(reading, spot[1], whole)
        described = _DESCRIPTION.match(reading.folded, end) if found == [whole] else None
        if described is not None:
            # "No quiero botas de piel": boots are what is looked for, of anything but leather.
            found = [tokens(described[1])[0].text]
            reading.take(spot[0], spot[1], as_filter=False)
            reading.take(end, described.end(), as_filter=True)
        else:
            reading.take(spot[0], max(end, spot[1]), as_filter=bool(found))
        filters.excluded_terms.extend(term for term in found if term not in filters.excluded_terms)


def _excluded_at(reading: TextReading, start: int, whole: str) -> tuple[int, list[str]]:
    """The things named from ``start`` on, over filling words and links: (where they end, their terms)."""
    found: list[str] = []
    end = position = start
    while len(found) < 4:
        clause = _CLAUSE.match(reading.folded, position)
        spots = list(_WORD.finditer(clause[0])) if clause is not None else []
        while spots and spots[0][0] in FILLERS:
            spots.pop(0)
        while spots and spots[0][0] in _VAIN:
            end = position + spots.pop(0).end()
        if not spots or end > position:
            break
        thing, count = _thing([spot[0] for spot in spots], whole)
        if not thing:
            break
        found.append(thing)
        end = position + spots[count - 1].end()
        link = _LINK.match(reading.folded, end)
        if link is None:
            break
        position = link.end()
    return end, found


def _thing(spoken: list[str], whole: str) -> tuple[str, int]:
    """The first thing that words name, and how many of them name it.

    Of "leather boots" where boots are what is looked for, only the leather is excluded.
    """
    for length in range(min(4, len(spoken)), 1, -1):
        read = tokens(" ".join(spoken[:length]))
        if len(read) == 1:
            return read[0].text, length
    first = tokens(spoken[0])
    if not first or spoken[0] in ALL_STOPWORDS:
        return "", 0
    if first[0].is_type and len(spoken) > 1:
        second = tokens(spoken[1])
        # "snowboard boots" are boots.
        if second and second[0].is_type and first[0].language != "es" and second[0].text != whole:
            return second[0].text, 2
    return first[0].text, 1


def stated_levels(text: str) -> tuple[int, ...]:
    """The SkillLevel values that a specification states: "Beginner - Intermediate", "para todos los niveles"."""
    return _stated_levels(fold(text))


@remembered("gear.levels")
def _stated_levels(folded: str) -> tuple[int, ...]:
    if phrase_pattern(tuple(_TABLE["all_levels"])).search(folded):
        return tuple(_LEVELS.values())
    reading = TextReading(folded)
    spots = [
        (start, end, _LEVELS[name])
        for name, phrases in _TABLE["skill"].items()
        for start, end, _ in find_phrases(reading, phrases)
        if not reading.negated(start)
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


@remembered("gear.terrain")
def _stated_terrain(folded: str) -> tuple[str, ...]:
    reading = TextReading(folded)
    return tuple(
        name
        for name, phrases in _TABLE["terrain"].items()
        if any(not reading.negated(start) for start, _, _ in find_phrases(reading, phrases))
    )

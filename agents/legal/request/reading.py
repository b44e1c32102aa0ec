# ruff: noqa: E501  # a pattern is read in one line
"""Values that the words of a request state, each where it stands. Nothing is guessed: what is not said is not read.

A value is taken for a field where its kind fits and the field's own words stand beside it in the same sentence; parties where the
request names two ("between A and B"). A value that two fields could claim alike is left to neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hexar.agents.legal.templates.model import DocumentType, Field, Kind
from hexar.agents.legal.templates.readings import DURATION, MONEY, NotReadable, dates_in
from hexar.agents.legal.templates.values import Raw, read_value
from hexar.core.text.terms import STOPWORDS, stem
from hexar.core.text.words import fold

#: Characters of a request between a value and the words of its field.
REACH = 60
_NAME = r"[A-Z0-9ÁÉÍÓÚÑ][\w&.'’-]*(?:,?\s(?:[A-Z0-9ÁÉÍÓÚÑ][\w&.'’-]*|of|and(?=\s(?:Sons|Co|Company|Partners|Associates)\b)|&|de|del|la|y(?=\s(?:Hijos|Cía|Compañía)\b)))*"
_PAIR = re.compile(rf"\b(?:between|entre)\s+(?P<a>{_NAME})\s+(?:and|y|&)\s+(?P<b>{_NAME})")
_ENDS = re.compile(r"[\s,.;:]+$")
_WORD = re.compile(r"[^\W_]+")
_ASSIGNED = re.compile(r"(?m)(?:^|[;\n,]\s*)([\w ]{2,40})\s*[:=]\s*([^;\n]{1,400})")


#: A figure below zero is no length and no amount.
BELOW = re.compile(r"(?:^|[\s(])[-−–]\s?$")
#: Two values stand equally near to the words of their field where their distances differ by no more characters.
AS_NEAR = 4


@dataclass(frozen=True, slots=True)
class Read:
    """A value read from a text: the field, what it is, and where it stands."""

    field: str
    raw: Raw
    text: str
    start: int
    end: int


def read_fields(text: str, kind: DocumentType, known: Iterable[str] = ()) -> list[Read]:
    """The values of ``text`` for fields that are not ``known``, each field once, in the order of the text."""
    taken = set(known)
    found: list[Read] = []
    for reader in (_assigned, _parties, _typed, _choices):
        for read in reader(text, kind):
            overlaps = any(read.start < other.end and other.start < read.end for other in found)
            if read.field not in taken and not overlaps:
                taken.add(read.field)
                found.append(read)
    return sorted(found, key=lambda read: read.start)


def _assigned(text: str, kind: DocumentType) -> Iterator[Read]:
    """What is written as "label: value"."""
    labels = {_key(name): field for field in kind.fields for name in (field.name, field.label)}
    for match in _ASSIGNED.finditer(text):
        field = labels.get(_key(match[1]))
        if field is None:
            continue
        value = _ENDS.sub("", match[2])
        try:
            raw = read_value(field, value)
        except NotReadable:
            continue
        yield Read(field.name, raw, value, match.start(2), match.start(2) + len(value))


def _key(name: str) -> str:
    return " ".join(_WORD.findall(fold(name.lower().replace("_", " "))))


def _parties(text: str, kind: DocumentType) -> Iterator[Read]:
    """The two names of "between A and B", for a type of two parties."""
    parties = [field for field in kind.fields if field.kind is Kind.PARTY]
    match = _PAIR.search(text)
    if match is None or len(parties) != 2:
        return
    for field, group in zip(parties, ("a", "b"), strict=True):
        name = _named(match[group])
        if name:
            yield Read(field.name, {"name": name}, name, match.start(group), match.start(group) + len(name))


def _named(name: str) -> str:
    """A name without the full stop that ends its sentence; "Inc." and the like keep theirs."""
    name = re.sub(r"[\s,;:]+$", "", name)
    if name.endswith(".") and not re.search(r"\b(?:Inc|Ltd|Co|Corp|LLC|L\.L\.C|S\.A|S\.L|N\.V|B\.V|GmbH|Jr|Sr|plc)\.$", name):
        name = name[:-1]
    return name


def _typed(text: str, kind: DocumentType) -> Iterator[Read]:
    """Dates, amounts and durations beside the words of a field of their kind."""
    spans: list[tuple[Kind, int, int, str]] = []
    spans += [(Kind.DATE, day.start, day.end, day.text) for day in dates_in(text) if day.value is not None]
    spans += [(Kind.MONEY, match.start(), match.end(), match.group()) for match in MONEY.finditer(text)]
    spans += [(Kind.DURATION, match.start(), match.end(), match.group()) for match in DURATION.finditer(text)]
    claims: list[tuple[int, Field, tuple[Kind, int, int, str]]] = []
    for span in spans:
        near: list[tuple[int, Field]] = []
        for field in kind.fields:
            if field.kind is span[0]:
                distance = _distance(text, field, span[1], span[2], kind.language)
                if distance is not None:
                    near.append((distance, field))
        near.sort(key=lambda row: row[0])
        if near and (len(near) == 1 or near[0][0] < near[1][0]):
            claims.append((near[0][0], near[0][1], span))
    claims = [claim for claim in claims if not BELOW.search(text[: claim[2][1]])]
    for distance, field, (_, start, end, words) in sorted(claims, key=lambda claim: claim[0]):
        try:
            value = read_value(field, words)
            rivals = [other[3] for far, owner, other in claims if owner is field and abs(far - distance) <= AS_NEAR]
            # "A term of two years. The term is five years": neither is what was asked for.
            if any(read_value(field, rival) != value for rival in rivals):
                continue
            yield Read(field.name, value, words, start, end)
        except NotReadable:
            continue


#: Words that name a kind of value, not a field.
_GENERIC = frozenset(("date", "day", "period", "amount", "fecha", "plazo", "importe", "party", "parte"))


def words_of(text: str, language: str, *, specific: bool = False) -> list[tuple[str, int]]:
    """(stem, end) of each word but stop words; ``specific``: without those that name a kind of value, where others are left."""
    stop = STOPWORDS.get(language, frozenset())
    found = [(word.group().lower(), word.end()) for word in _WORD.finditer(text)]
    found = [(word, end) for word, end in found if word not in stop]
    if specific:
        found = [(word, end) for word, end in found if word not in _GENERIC] or found
    return [(stem(fold(word), language), end) for word, end in found]


def _distance(text: str, field: Field, start: int, end: int, language: str) -> int | None:
    """Characters between a value and the nearest word of the field's name in its sentence; None where there is none near."""
    generic = {"date", "day", "period", "amount", "fecha", "plazo", "importe", "party"}
    stop = STOPWORDS.get(language, frozenset())
    names = {stem(fold(word), language) for word in _WORD.findall(f"{field.label} {field.name.replace('_', ' ')}".lower())}
    names -= {stem(word, language) for word in generic} | stop
    first = max(0, text.rfind(". ", 0, start) + 1, text.rfind("\n", 0, start) + 1, start - REACH)
    stops = [at for at in (text.find(". ", end), text.find("\n", end)) if at >= 0]
    last = min([len(text), end + REACH // 2, *stops])
    best: int | None = None
    for word in _WORD.finditer(text, first, last):
        if start <= word.start() < end or stem(fold(word.group().lower()), language) not in names:
            continue
        distance = start - word.end() if word.end() <= start else word.start() - end + 8
        best = distance if best is None else min(best, distance)
    return best


def _choices(text: str, kind: DocumentType) -> Iterator[Read]:
    """A choice that is named in so many words, where it can be of one field only."""
    owners: dict[str, list[Field]] = {}
    for field in kind.fields:
        if field.kind is Kind.CHOICE:
            for choice in field.choices:
                owners.setdefault(choice.casefold(), []).append(field)
    for field in kind.fields:
        if field.kind is not Kind.CHOICE:
            continue
        places: list[tuple[int, int, str]] = []
        for choice in field.choices:
            if len(owners[choice.casefold()]) == 1 and len(choice) > 4:
                match = re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", text, re.IGNORECASE)
                if match:
                    places.append((match.start(), match.end(), choice))
        if len(places) == 1:
            start, end, choice = places[0]
            yield Read(field.name, choice, text[start:end], start, end)


def verbatim(text: str, kind: DocumentType, proposed: Any, known: Iterable[str] = ()) -> list[Read]:
    """Of values that a model proposes as {field: words}, those whose words stand in the text and are of the field's kind."""
    taken = set(known)
    found: list[Read] = []
    for name, words in proposed.items() if isinstance(proposed, dict) else ():
        field = kind.field(str(name))
        if field is None or field.name in taken or not isinstance(words, str) or not words.strip():
            continue
        start = text.find(words)
        if start < 0:
            continue
        try:
            found.append(Read(field.name, read_value(field, words), words, start, start + len(words)))
        except NotReadable:
            continue
    return found

"""Jurisdictions: one path each ("us/california"), whatever a caller writes.

The law of a place is its own and that of the places it lies in: "us/california" and "us". A passage of another path is another
jurisdiction's, however alike it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import yaml
from rapidfuzz import fuzz, process

from hexar.core.cachekey import normalize_text

#: A path as corpora may name one that is not listed here.
_PATH = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*){0,3}").fullmatch
#: Likeness from 0 to 100 from which a name is offered as what was meant.
NEAR = 60.0


class Place(NamedTuple):
    """One known jurisdiction."""

    path: str
    code: str
    names: tuple[str, ...]
    spanish: str
    adjectives: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def places() -> dict[str, Place]:
    """All known jurisdictions by path."""
    rows = yaml.safe_load(Path(__file__).with_name("jurisdictions.yaml").read_text("utf-8"))
    return {
        path: Place(path, row["code"], tuple(row["names"]), row.get("es", row["names"][0]), tuple(row.get("law", ())))
        for path, row in rows.items()
    }


@lru_cache(maxsize=1)
def _spellings() -> dict[str, str]:
    found: dict[str, str] = {}
    for place in places().values():
        for spelling in (place.path, place.code, *place.names):
            found[_key(spelling)] = place.path
    return found


def _key(text: str) -> str:
    return re.sub(r"[^\w/]+", " ", normalize_text(text)).strip()


def canonical(text: str) -> str:
    """The path of a known jurisdiction however it is written ("US-CA", "california"); empty where none is known.

    A name that is also a code ("CA") is the country of that code.
    """
    return _spellings().get(_key(text), "")


def path_of(text: str) -> str:
    """As :func:`canonical`; a path that is well formed but not known stays as it is, so that a corpus may bring its own."""
    known = canonical(text)
    if known:
        return known
    lowered = text.strip().lower()
    return lowered if "/" in lowered and _PATH(lowered) else ""


def lineage(path: str) -> tuple[str, ...]:
    """The place and those it lies in, the nearest first: ("us/california", "us")."""
    parts = path.split("/")
    return tuple("/".join(parts[:count]) for count in range(len(parts), 0, -1))


def applies(jurisdictions: Iterable[str], path: str) -> bool:
    """Whether a text of ``jurisdictions`` is law in ``path``."""
    return not set(lineage(path)).isdisjoint(jurisdictions)


def nearest(text: str, also: Iterable[str] = ()) -> list[str]:
    """Up to three paths that ``text`` may have meant, the most alike first; ``also`` are paths beside the known ones."""
    spellings = dict(_spellings()) | {_key(path): path for path in also}
    wanted = _key(text)
    scored = process.extract(wanted, list(spellings), scorer=fuzz.WRatio, limit=8, score_cutoff=NEAR)
    tail = _key(text.replace("-", "/").rsplit("/", 1)[-1])
    if tail and tail != wanted:
        scored += process.extract(tail, list(spellings), scorer=fuzz.ratio, limit=4, score_cutoff=NEAR)
    ordered = sorted(scored, key=lambda row: -row[1])
    return list(dict.fromkeys(spellings[row[0]] for row in ordered))[:3]


def display(path: str, language: str = "en") -> str:
    """A place's name for people: "California"."""
    place = places().get(path)
    if place:
        return place.spanish if language == "es" else place.names[0]
    return path.rsplit("/", 1)[-1].replace("-", " ").title()


@lru_cache(maxsize=1)
def _named() -> re.Pattern[str]:
    written = {name for place in places().values() for name in place.names if len(name) > 3}
    names = sorted(written | {name.upper() for name in written}, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(name) for name in names) + r")(?!\w)")


def named_in(text: str) -> list[tuple[int, int, str]]:
    """Places named in a text in the order in which they stand: (start, end, path)."""
    return [(found.start(), found.end(), canonical(found.group())) for found in _named().finditer(text)]

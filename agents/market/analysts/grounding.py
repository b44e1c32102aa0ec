"""A number in advice must be one of the figures that the advice cites.

A number is supported where a cited figure, written with as many digits, reads the same: 0.3500 supports "35 %", 9229355.66
supports "9.2 million". Digits inside the names of brands, stores or periods of the cited figures are no numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hexar.v1 import market_pb2 as pb

_UNIT = (
    r"%|percent\b|por ciento\b|percentage points?\b|puntos porcentuales\b|million\b|millones\b|billion\b|bn\b|[kKmM]\b|"
    r"thousand\b|mil\b"
)
_NUMBER = re.compile(rf"(?<![\w.,])[-−+]?(\d[\d.,\u00a0\u202f]*\d|\d)\s?({_UNIT})?")
_SCALE = {"million": 1e6, "millones": 1e6, "m": 1e6, "billion": 1e9, "bn": 1e9, "k": 1e3, "thousand": 1e3, "mil": 1e3}
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-ZÁÉÍÓÚÑ¿¡\"'(\d])")
#: A name with digits that is not one of the figures' names: another store, another period.
_NAMED = re.compile(r"\b[^\W\d_]+\d\w*")
#: Words that say how many times: a figure would have to say it.
_TIMES = re.compile(
    r"\b(twice|thrice|double[sd]?|triple[sd]?|halve[sd]?|half|doble|triple|mitad|duplic\w+|triplic\w+)\b", re.IGNORECASE
)


def sentences(text: str) -> list[str]:
    """The sentences of a text; a point inside a number ends none."""
    return [part.strip() for part in _SENTENCE.split(text.strip()) if part.strip()]


def supported(sentence: str, figures: Sequence[pb.Figure]) -> bool:
    """Whether every number of a sentence is one of ``figures``."""
    bare = sentence
    names = {value for figure in figures for value in (*figure.dimensions.values(), figure.id)}
    for name in sorted(names, key=len, reverse=True):
        if any(character.isdigit() for character in name):
            bare = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", " ", bare)
    if _TIMES.search(bare) or _NAMED.search(bare):
        return False
    return all(any(_is(match, figure) for figure in figures) for match in _NUMBER.finditer(bare))


def _is(match: re.Match[str], figure: pb.Figure) -> bool:
    word = (match[2] or "").casefold()
    values = [figure.value]
    if figure.HasField("low"):
        values += [figure.low, figure.high]
    if word.startswith(("%", "percent", "por ciento")) and not word.startswith("percentage"):
        if not _is_ratio(figure):
            return False
        values = [value * 100 for value in values]
    elif word.startswith(("percentage", "puntos")) and figure.unit != "percentage points":
        return False
    scale = _SCALE.get(word, 1.0)
    for number, digits in _readings(match[1]):
        # Half of the last digit that is written, and the noise of a binary fraction.
        slack = 0.5 * 10.0**-digits * scale * (1 + 1e-9) + 1e-9 * abs(number)
        if any(abs(number * scale - abs(value)) <= slack for value in values):
            return True
    return False


def _is_ratio(figure: pb.Figure) -> bool:
    return figure.unit.startswith("ratio")


def _readings(text: str) -> Iterable[tuple[float, int]]:
    """(value, digits after the point) of a number under each way of writing that it can have."""
    plain = re.sub(r"[\u00a0\u202f]", "", text)
    for group, point in ((",", "."), (".", ",")):
        if not re.fullmatch(rf"(\d+|\d{{1,3}}(\{group}\d{{3}})+)(\{point}\d+)?", plain):
            continue
        whole, _, fraction = plain.replace(group, "").partition(point)
        yield float(f"{whole}.{fraction or 0}"), len(fraction)


def ground(text: str, figures: Sequence[pb.Figure]) -> tuple[str, int]:
    """(the sentences whose numbers are figures, how many were dropped)."""
    found = sentences(text)
    kept = [sentence for sentence in found if supported(sentence, figures)]
    return " ".join(kept), len(found) - len(kept)

"""What a vehicle's description says: year, body, fuel, engine figures, and the words that are left for make and model."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TypedDict

from hexar.agents.parts.components.phrases import fold
from hexar.agents.parts.data import load

_YEAR = re.compile(r"(?<![\d.])(19\d\d|20\d\d)(?![\d.])")
_LITRES = re.compile(r"(?<![\d.])(\d{1,2}[.,]\d)\s*(?:l\b|litre|liter|litros)?", re.IGNORECASE)
_CC = re.compile(r"\b(\d{3,4})\s*(?:cc|ccm|cm3)\b", re.IGNORECASE)
_KW = re.compile(r"\b(\d{2,4})\s*kw\b", re.IGNORECASE)
_HP = re.compile(r"\b(\d{2,4})\s*(?:hp|ps|bhp|cv)\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]+(?:[.,]\d)?")

#: Kilowatts of one metric horsepower.
PS = 0.7355


@dataclass(slots=True)
class Description:
    """A vehicle as described. ``words`` are folded words that were not understood yet, in order."""

    make: str = ""
    model: str = ""
    year: int = 0
    body: str = ""
    fuel: str = ""
    litres: float = 0.0
    capacity_cc: int = 0
    power_kw: int = 0
    engine: str = ""
    words: list[str] = field(default_factory=list)


def words_of(text: str) -> list[str]:
    """Folded words of letters and digits; "1.4" stays one."""
    return [word.replace(",", ".") for word in _WORD.findall(fold(text))]


@cache
def _styles(table: str) -> dict[tuple[str, ...], str]:
    return {tuple(words_of(phrase)): name for name, phrases in load("vehicles.yaml")[table].items() for phrase in phrases}


def style(words: list[str], table: str) -> tuple[str, list[str]]:
    """The first body style (table "bodies") or fuel ("fuels") among words, longest phrase first, and the words without it."""
    phrases = _styles(table)
    for length in (4, 3, 2, 1):
        for start in range(len(words) - length + 1):
            name = phrases.get(tuple(words[start : start + length]))
            if name is not None:
                return name, words[:start] + words[start + length :]
    return "", words


def kin(body: str) -> frozenset[str]:
    """Body styles that a catalogue may mean by ``body``."""
    return frozenset({body}).union(*(group for group in load("vehicles.yaml")["body_kin"] if body in group))


def engine_figures(text: str, into: Description) -> str:
    """Take capacity and power out of ``text`` and return the rest."""
    if match := _CC.search(text):
        into.capacity_cc = int(match[1])
        text = text.replace(match[0], " ", 1)
    if match := _KW.search(text):
        into.power_kw = int(match[1])
        text = text.replace(match[0], " ", 1)
    elif match := _HP.search(text):
        into.power_kw = round(int(match[1]) * PS)
        text = text.replace(match[0], " ", 1)
    if match := _LITRES.search(text):
        into.litres = float(match[1].replace(",", "."))
        text = text.replace(match[0], " ", 1)
    return text


class Stated(TypedDict, total=False):
    """The fields of a description beside its text."""

    make: str
    model: str
    year: int
    engine: str
    body: str
    fuel: str


def describe(
    text: str = "", *, make: str = "", model: str = "", year: int = 0, engine: str = "", body: str = "", fuel: str = ""
) -> Description:
    """Read free text and fields; a field wins over what the text says of the same thing."""
    found = Description(make=make.strip(), model=model.strip(), year=year)
    rest = text
    if match := _YEAR.search(rest):
        found.year = found.year or int(match[1])
        rest = rest[: match.start()] + " " + rest[match.end() :]
    rest = engine_figures(rest, found)
    if engine.strip():
        found.litres, found.capacity_cc, found.power_kw = 0.0, 0, 0
        found.engine = " ".join(words_of(engine_figures(engine, found)))
    words = words_of(rest)
    found.body = style(words_of(body), "bodies")[0] or fold(body).strip()
    if found.body:
        words = style(words, "bodies")[1]
    else:
        found.body, words = style(words, "bodies")
    found.fuel = style(words_of(fuel), "fuels")[0]
    if not found.fuel and engine:
        found.fuel = style(words_of(engine), "fuels")[0]
    if not found.fuel:
        # The word stays: "TDI" is a fuel and part of the engine's name.
        found.fuel = style(words, "fuels")[0]
    found.words = words
    return found

"""Words → tools, filters, dimensions; and how they were read, in a sentence.

Words that stand in :file:`words.yaml` are read there; names that stand in the table (brands, regions, …) become filters; dates
become the window. What is neither, nor a common word, is told as unread, so that nobody takes a guess for an answer.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from hexar.agents.market.figures.spans import months_before
from hexar.agents.market.questions.dates import Dates, read_dates
from hexar.agents.market.tables.model import Profile
from hexar.agents.market.tables.roles import DIMENSIONS, ROLES
from hexar.agents.market.tools.registry import TOOLS
from hexar.v1 import market_pb2 as pb

_TOOL = {tool.name: number for number, tool in TOOLS.items()}
_GRANULARITY = {
    "day": pb.GRANULARITY_DAY,
    "week": pb.GRANULARITY_WEEK,
    "month": pb.GRANULARITY_MONTH,
    "quarter": pb.GRANULARITY_QUARTER,
}


_SEVERAL = re.compile(
    r" (?:top|best|worst|bottom|first|leading|las|los|the) (\d{1,3}) | (\d{1,3}) (?:best|worst|top|mejores|peores|principales) "
)


@cache
def words() -> Mapping[str, Any]:
    """The words by what they ask for."""
    text = files("hexar.agents.market.questions").joinpath("words.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


@dataclass(slots=True)
class Reading:
    """How a question was read. ``move`` is "down", "up", "changed" or nothing; ``end`` is "high", "low" or nothing."""

    language: str
    tools: tuple[pb.MarketTool, ...] = ()
    filters: pb.AnalyzeFilters = field(default_factory=pb.AnalyzeFilters)
    dimensions: tuple[str, ...] = ()
    measure: str = ""
    move: str = ""
    end: str = ""
    granularity: pb.Granularity = pb.GRANULARITY_UNSPECIFIED
    horizon: int = 0
    unread: tuple[str, ...] = ()
    #: The values whose share is asked for, by role: they are looked at among the others, and no filters.
    focus: dict[str, tuple[str, ...]] = field(default_factory=dict)
    question: str = ""

    def message(self) -> pb.QuestionReading:
        """For callers."""
        return pb.QuestionReading(
            language=self.language,
            text=self.sentence(),
            tools=self.tools,
            filters=self.filters,
            dimensions=[ROLES[name].number for name in self.dimensions],
            measure=self.measure,
            unread=self.unread,
        )

    def sentence(self) -> str:
        """The reading in words."""
        spanish = self.language == "es"
        asked = ", ".join(TOOLS[tool].name.replace("_", " ") for tool in self.tools) or ("todo" if spanish else "everything")
        parts = [f"{'Leído como' if spanish else 'Read as'}: {asked}"]
        if self.measure:
            parts.append(f"{'medida' if spanish else 'measure'} {self.measure}")
        if self.dimensions:
            parts.append(f"{'por' if spanish else 'by'} {', '.join(self.dimensions)}")
        if self.filters.from_date or self.filters.to_date:
            parts.append(
                f"desde {self.filters.from_date} hasta {self.filters.to_date}"
                if spanish
                else f"from {self.filters.from_date} to {self.filters.to_date}"
            )
        for entry in self.filters.dimensions:
            role = next(name for name, known in ROLES.items() if known.number == entry.role)
            without = ("sin " if spanish else "without ") if entry.exclude else ""
            parts.append(f"{without}{role} {', '.join(entry.values)}")
        if self.unread:
            parts.append(f"{'no se entendió' if spanish else 'not understood'}: {', '.join(self.unread)}")
        return "; ".join(parts) + "."


def plain(text: str) -> str:
    """Lower case, without accents, one space between words."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in folded if not unicodedata.combining(character))
    return " ".join(re.findall(r"[^\W_]+(?:[-'&.][^\W_]+)*", bare))


class _Text:
    """A question whose words are taken away as they are read."""

    def __init__(self, text: str) -> None:
        self.text = f" {plain(text)} "
        self.left = self.text

    def take(self, phrase: str) -> bool:
        """Whether the phrase stands in the question; then its words are read."""
        if f" {phrase} " not in self.text:
            return False
        self.left = self.left.replace(f" {phrase} ", f" {'·' * len(phrase)} ")
        return True

    def any(self, phrases: Iterable[str]) -> bool:
        """Whether one of the phrases stands there; all that do are read."""
        found = [self.take(phrase) for phrase in sorted(phrases, key=len, reverse=True)]
        return any(found)

    def which(self, phrases: Mapping[str, Iterable[str]]) -> list[str]:
        """The names whose phrases stand there; all are read."""
        return [name for name, known in phrases.items() if self.any(known)]

    def count(self) -> int:
        """How many parts are asked for ("top 5", "las 3 mejores"): that number is read; 0 where none stands there."""
        match = _SEVERAL.search(self.text)
        if match is None:
            return 0
        number = match[1] or match[2]
        self.left = self.left.replace(f" {number} ", " · ", 1)
        return int(number)

    def before(self, phrase: str, markers: Iterable[str]) -> bool:
        """Whether one of ``markers`` stands within three words before the phrase."""
        head = self.text.partition(f" {phrase} ")[0].split()[-3:]
        return any(f" {marker} " in f" {' '.join(head)} " for marker in markers)


def read(question: str, profile: Profile) -> Reading:
    """Read a question over a table with ``profile``."""
    known, text = words(), _Text(question)
    reading = Reading(_language(text.text), question=question)
    _values(text, profile, reading)
    dates = read_dates(text.text, known["months"], profile.last)
    for phrase in dates.read:
        text.take(phrase)
    _window(dates, profile, reading)
    reading.dimensions = tuple(role for role in DIMENSIONS if text.any(known["dimensions"][role]) and role in profile.roles)
    reading.measure = next(iter(text.which(known["measures"])), "")
    reading.move = next(iter(text.which(known["moves"])), "")
    reading.end = next(iter(text.which(known["ends"])), "")
    many = text.count()
    if reading.end and many > 1:
        # "Top 5" asks for several: no one part answers it.
        reading.end = ""
    reading.granularity = next(
        (_GRANULARITY[name] for name, phrases in known["granularities"].items() if text.any(phrases)),
        pb.GRANULARITY_UNSPECIFIED,
    )
    _focus(reading)
    named = [name for name, phrases in known["tools"].items() if text.any(phrases)]
    if dates.ahead and "forecast" not in named:
        named.append("forecast")
    reading.horizon = min(60, dates.ahead)
    reading.tools = _tools(named, reading)
    for phrase in known["exclude"]:
        text.take(phrase)
    common = set(known["common"])
    reading.unread = tuple(
        dict.fromkeys(
            # A number that nothing took may be a day, an amount or a count: it is told like any word.
            word
            for word in text.left.split()
            if not word.startswith("·") and word not in common
        )
    )
    return reading


def _language(text: str) -> str:
    found = text.split()
    counts = {language: sum(1 for word in found if word in set(known)) for language, known in words()["language"].items()}
    return "es" if counts["es"] > counts["en"] else "en"


def _values(text: _Text, profile: Profile, reading: Reading) -> None:
    """Names of the table's own values become filters, the longest first."""
    same = {name: group for group in words()["aliases"] for name in group}
    values = [
        (phrase, role, value)
        for role, known in profile.values.items()
        for value in known
        for phrase in (same.get(plain(value)) or (plain(value),))
    ]
    generic = {phrase for phrases in words()["dimensions"].values() for phrase in phrases} | set(words()["common"])
    by_role: dict[str, list[str]] = {}
    excluded: dict[str, list[str]] = {}
    for phrase, role, value in sorted(values, key=lambda row: -len(row[0])):
        if not phrase or phrase in generic or phrase.isdigit() or f" {phrase} " not in text.left:
            continue
        out = text.before(phrase, words()["exclude"])
        text.take(phrase)
        (excluded if out else by_role).setdefault(role, []).append(value)
    for role in DIMENSIONS:
        if role in by_role:
            reading.filters.dimensions.add(role=ROLES[role].number, values=by_role[role])
        elif role in excluded:
            reading.filters.dimensions.add(role=ROLES[role].number, values=excluded[role], exclude=True)


def _window(dates: Dates, profile: Profile, reading: Reading) -> None:
    if profile.last is None:
        return
    first, last = dates.first, dates.last
    if dates.back:
        unit, count = dates.back
        after = profile.last + dt.timedelta(days=1)
        months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
        first = (
            months_before(after, months * count) if months else after - dt.timedelta(days=count * (7 if unit == "week" else 1))
        )
        last = profile.last
    if first is not None:
        reading.filters.from_date = first.isoformat()
    if last is not None:
        reading.filters.to_date = last.isoformat()


def _focus(reading: Reading) -> None:
    """Values whose share is asked for, or that are compared, are looked at among the others."""
    for entry in list(reading.filters.dimensions):
        role = next(name for name, known in ROLES.items() if known.number == entry.role)
        if entry.exclude:
            continue
        if reading.measure == "share":
            reading.focus[role] = tuple(entry.values)
            reading.filters.dimensions.remove(entry)
        if (reading.measure == "share" or len(entry.values) > 1) and role not in reading.dimensions:
            reading.dimensions = (*reading.dimensions, role)


def _tools(named: list[str], reading: Reading) -> tuple[pb.MarketTool, ...]:
    chosen = {_TOOL[name] for name in named}
    if reading.measure in ("margin", "profit"):
        chosen.add(_TOOL["profitability"])
    elif reading.measure == "share":
        chosen.add(_TOOL["share"])
    for role in reading.dimensions:
        tool = "region" if role == "country" else role
        if not named or set(named) <= {"overview", "kpi"}:
            chosen.add(_TOOL[tool])
    if not chosen and (reading.measure or reading.move):
        chosen |= {_TOOL["overview"], _TOOL["trend"]} if not reading.end or reading.move else {_TOOL["overview"]}
        if reading.move and reading.measure in ("", "revenue"):
            chosen.add(_TOOL["price_volume_mix"])
    return tuple(sorted(chosen))

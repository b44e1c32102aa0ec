"""Numbers with units: the limits that a request's text names ("40 litros", "under 2 kg", "-10°"), and what a product states.

Values are in the unit that the contract's Quantity names. A number without a comparing word means itself: within a twentieth,
temperatures and persons exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from hexar.agents.gear.request.numbers import parse_number
from hexar.agents.gear.request.reading import GAP, MAX_FOUND, TextReading, alternation
from hexar.agents.gear.request.words import fold, heads, table
from hexar.agents.vendors.model import Listing
from hexar.core.memo import remembered
from hexar.v1 import query_pb2

_TABLE = table("understanding")
#: How far a stated value may be from the one asked for.
TOLERANCE = 0.05
#: A length of more millimetres is how much water a fabric withstands.
WATER_COLUMN = 1000
QUANTITIES: dict[str, int] = {
    "volume": query_pb2.QUANTITY_VOLUME,
    "weight": query_pb2.QUANTITY_WEIGHT,
    "length": query_pb2.QUANTITY_LENGTH,
    "temperature": query_pb2.QUANTITY_TEMPERATURE,
    "fahrenheit": query_pb2.QUANTITY_TEMPERATURE,
    "persons": query_pb2.QUANTITY_PERSONS,
    "luminous flux": query_pb2.QUANTITY_LUMINOUS_FLUX,
}
_UNITS = {unit: (kind, scale) for kind, units in _TABLE["measure"].items() for unit, scale in units.items()}
_EXACT = frozenset([query_pb2.QUANTITY_TEMPERATURE, query_pb2.QUANTITY_PERSONS])
_DIGITS = r"\d{1,3}(?:[.,\x20]\d{3})+(?![\d.,])|\d{1,6}(?:[.,]\d{1,3})?"
_UNIT = "|".join(re.escape(unit).replace("\\ ", r"\s?") for unit in sorted(_UNITS, key=len, reverse=True))
_MEASURE = re.compile(
    rf"(?<![\w.,])(?P<minus>(?:-|minus\s|(?<!al )(?<!lo )menos\s)\s?)?(?P<low>{_DIGITS})"
    rf"(?:\s?(?:-|to|or|a|o|y|and)\s?(?P<high>-?(?:{_DIGITS})))?\s?-?(?P<unit>{_UNIT})(?![\w'’])"
    r"(?P<frost>\s(?:bajo cero|below zero))?"
)
_FOR_PERSONS = re.compile(
    r"(?<!\w)(?:for|para)\s([1-9]|1\d|two|three|four|five|six|dos|tres|cuatro|cinco|seis)(?=\s*(?:$|[,.;])|\s\w)(?!\s?[%€$£])"
)
_SPELLED_PERSONS = re.compile(
    r"(?<!\w)(two|three|four|five|six|dos|tres|cuatro|cinco|seis)[\s-](?:persons?|people|man|personas?|plazas)(?!\w)"
)
_SPELLED = dict(
    zip(["two", "three", "four", "five", "six", "dos", "tres", "cuatro", "cinco", "seis"], "2345623456", strict=True)
)
MAX_BEFORE = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['measure_max'])})(?:\s(?:de|of))?\s*$|<\s*$")
MIN_BEFORE = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['measure_min'])})(?:\s(?:de|of))?\s*$|>\s*$")
_MAX_AFTER = re.compile(rf"\s*(?:{alternation(_TABLE['measure_max_after'])})(?!\w)")
_MIN_AFTER = re.compile(rf"\s*(?:{alternation(_TABLE['measure_min_after'])})(?!\w)|\s?\+")
_BETWEEN = re.compile(r"(?<!\w)(?:between|entre|from|de|desde)\s+$")
_LEADING = re.compile(r"(?<!\w)(?:of|with|de|con|para|for|a)\s+$")
_PERSON = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['measure_of_a_person'])})(?!\w)[^{GAP},.;]{{0,14}}$")
_OTHER_WEIGHTS = re.compile(r"rider|load|carga|max|recommend|recomend|fill|relleno|user|usuario|person", re.I)
_UNIT_IN_NAME = re.compile(rf"[(\[]\s*({_UNIT})\s*[)\]]")


def read_measures(reading: TextReading, filters: query_pb2.Filters) -> None:
    """Read the limits that numbers with units name."""
    given = {measure.quantity for measure in filters.measures}
    for match in list(islice(_MEASURE.finditer(reading.folded), MAX_FOUND)):
        low = max(0, match.start() - 40)
        compared = MAX_BEFORE.search(reading.folded, low, match.start()) or MIN_BEFORE.search(
            reading.folded, low, match.start()
        )
        if GAP in match[0] or (not compared and reading.negated(match.start())):
            continue
        if _PERSON.search(reading.folded, low, match.start()):
            reading.take(match.start(), match.end(), as_filter=False, reason="the measures of a person are not compared")
            continue
        measure, start, end = _limits(reading.folded, match)
        used = measure is not None and measure.quantity not in given
        if used and measure is not None:
            filters.measures.append(measure)
        reading.take(start, end, as_filter=used)
    if query_pb2.QUANTITY_PERSONS not in {measure.quantity for measure in filters.measures}:
        _read_persons(reading, filters)


def _read_persons(reading: TextReading, filters: query_pb2.Filters) -> None:
    """ "A tent for 4", "a two person tent"."""
    match = _FOR_PERSONS.search(reading.folded) if "tent" in heads(reading.text) else None
    match = match or _SPELLED_PERSONS.search(reading.folded)
    if match is not None and not reading.negated(match.start()):
        number = float(_SPELLED.get(match[1], match[1]))
        filters.measures.add(quantity=query_pb2.QUANTITY_PERSONS, min=number, max=number)
        reading.take(match.start(), match.end(), as_filter=True)


def _limits(folded: str, match: re.Match[str]) -> tuple[query_pb2.Measure | None, int, int]:
    """The measure at ``match``, and the place of its whole phrase."""
    start, end, before = match.start(), match.end(), max(0, match.start() - 40)
    values = _values(match)
    if not values:
        return None, start, end
    quantity = values[0][0]
    low, high = min(value for _, value in values), max(value for _, value in values)
    measure = query_pb2.Measure(quantity=query_pb2.Quantity.Name(quantity))
    if len(values) > 1:
        measure.min, measure.max = low, high
        phrase = _BETWEEN.search(folded, before, start)
        return measure, phrase.start() if phrase else start, end
    most, least = MAX_BEFORE.search(folded, before, start), MIN_BEFORE.search(folded, before, start)
    most_after, least_after = _MAX_AFTER.match(folded, end), _MIN_AFTER.match(folded, end)
    after = most_after or least_after
    phrase = most or least or _LEADING.search(folded, before, start)
    if quantity == query_pb2.QUANTITY_TEMPERATURE or not (most or least or after):
        measure.min, measure.max = _around(quantity, low)
    elif most or most_after:
        measure.max = high
    else:
        measure.min = low
    return measure, phrase.start() if phrase else start, after.end() if after else end


def _around(quantity: int, value: float) -> tuple[float, float]:
    margin = 0.0 if quantity in _EXACT else abs(value) * TOLERANCE
    return value - margin, value + margin


def _values(match: re.Match[str]) -> list[tuple[int, float]]:
    """The numbers of a match in their quantity's unit."""
    kind, scale = _UNITS[re.sub(r"\s+", " ", match["unit"])] if match["unit"] in _UNITS else ("", 0.0)
    if not kind:
        return []
    found = []
    for name in ("low", "high"):
        said = match[name]
        if not said:
            continue
        number = parse_number(said.lstrip("-"))
        cold = kind in ("temperature", "fahrenheit") and (
            said.startswith("-") or bool(match["frost"]) or (name == "low" and bool(match["minus"]))
        )
        number = -number if cold else number
        if kind == "fahrenheit":
            found.append((QUANTITIES[kind], (number - 32) / 1.8))
        elif match["unit"] == "mm" and number >= WATER_COLUMN:
            found.append((int(query_pb2.QUANTITY_WATER_COLUMN), number))
        else:
            found.append((QUANTITIES[kind], number * scale))
    return found


@remembered("gear.measures")
def stated_measures(text: str) -> tuple[tuple[int, float], ...]:
    """The quantities and values that a name or a specification states."""
    folded = fold(text[:300].replace("º", "°")).translate({0x2212: "-", 0x2013: "-"})
    return tuple(value for match in islice(_MEASURE.finditer(folded), 8) for value in _values(match))


def product_measures(listings: Iterable[Listing], quantity: int) -> list[float]:
    """What the readings of one product state of ``quantity``: in its name, else in its specifications."""
    rows = list(listings)
    for texts in (
        [row.name for row in rows],
        [row.model for row in rows],
        [text for row in rows for name, value in row.attributes.items() if (text := _specification(name, value, quantity))],
    ):
        found = [value for text in texts for kind, value in stated_measures(text) if kind == quantity]
        if found:
            return found
    return []


def _specification(name: str, value: str, quantity: int) -> str:
    """An attribute's value with the unit that stands in its name; empty where it is about something else."""
    if quantity == query_pb2.QUANTITY_LENGTH:
        # A product states many lengths; only its name says which one is its size.
        return ""
    if quantity == query_pb2.QUANTITY_WEIGHT and _OTHER_WEIGHTS.search(name):
        return ""
    unit = _UNIT_IN_NAME.search(fold(name))
    return f"{value} {unit[1]}" if unit is not None and re.fullmatch(r"[\s\d.,-]+", value) else value

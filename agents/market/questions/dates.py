"""Dates in a question: a year, a month, a quarter, a span, so many months back or ahead."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_QUARTERS = {"q1": 1, "q2": 2, "q3": 3, "q4": 4, "t1": 1, "t2": 2, "t3": 3, "t4": 4, "first": 1, "second": 2, "third": 3,
"fourth": 4,
             "primer": 1, "segundo": 2, "tercer": 3, "cuarto": 4}  # fmt: skip
_UNITS = {"day": "day", "days": "day", "dia": "day", "dias": "day", "week": "week", "weeks": "week", "semana": "week",
"semanas": "week",
          "month": "month", "months": "month", "mes": "month", "meses": "month", "quarter": "quarter", "quarters": "quarter",
          "trimestre": "quarter", "trimestres": "quarter", "year": "year", "years": "year", "ano": "year",
          "anos": "year"}  # fmt: skip
_NUMBERS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "six": 6,
    "twelve": 12,
    "un": 1,
    "dos": 2,
    "tres": 3,
    "cuatro": 4,
    "seis": 6,
    "doce": 12,
}
_COUNT = r"(\d{1,3}|" + "|".join(_NUMBERS) + r")"
_UNIT = "(" + "|".join(sorted(_UNITS, key=len, reverse=True)) + ")"
_BACK = re.compile(rf" (?:last|past|ultimos|ultimas) (?:{_COUNT} )?{_UNIT} ")
_LAST = re.compile(rf" (?:last|previous) {_UNIT} | {_UNIT} (?:pasado|pasada|anterior) | (?:ultimo|ultima) {_UNIT} ")
_AHEAD = re.compile(rf" (?:next|coming|proximos|proximas|proximo|proxima|siguientes|siguiente) (?:{_COUNT} )?{_UNIT} ")
_DAY = re.compile(r" (\d{4}-\d{2}-\d{2}) ")


@dataclass(slots=True)
class Dates:
    """The window that a question names; ``back`` is (unit, count) before the table's end, ``ahead`` months to forecast."""

    first: dt.date | None = None
    last: dt.date | None = None
    back: tuple[str, int] | None = None
    ahead: int = 0
    read: list[str] = field(default_factory=list)


def read_dates(text: str, months: Sequence[Sequence[str]], end: dt.date | None) -> Dates:
    """The dates of a question in plain words; a year without more is the whole year."""
    found = Dates()
    ahead = _AHEAD.search(text)
    if ahead:
        found.ahead = _number(ahead[1]) * {"quarter": 3, "year": 12}.get(_UNITS[ahead[2]], 1)
        found.read.append(ahead[0].strip())
    spans = _spans(text, months, found)
    if spans:
        found.first, found.last = min(span[0] for span in spans), max(span[1] for span in spans)
        if (
            re.search(r" (?:since|desde|after|a partir de) ", text)
            and len(spans) == 1
            and not re.search(r" (?:until|hasta) ", text)
        ):
            found.last = None
        elif re.search(r" (?:until|hasta|before|antes de) ", text) and len(spans) == 1:
            found.first = None
        return found
    back = _BACK.search(text)
    single = _LAST.search(text)
    if back and back[1]:
        found.back = (_UNITS[back[2]], _number(back[1]))
        found.read.append(back[0].strip())
    elif (single or back) and end is not None:
        match = single or back
        assert match is not None
        unit = _UNITS[next(group for group in match.groups()[::-1] if group)]
        found.read.append(match[0].strip())
        if unit == "year":
            # The table's last year is the present one; the one before is the last.
            found.first, found.last = dt.date(end.year - 1, 1, 1), dt.date(end.year - 1, 12, 31)
        else:
            found.back = (unit, 1)
    return found


def _number(text: str | None) -> int:
    return 1 if not text else _NUMBERS.get(text) or int(text)


def _spans(text: str, months: Sequence[Sequence[str]], found: Dates) -> list[tuple[dt.date, dt.date]]:
    spans: list[tuple[dt.date, dt.date]] = []
    rest = text
    for match in _DAY.finditer(text):
        try:
            day = dt.date.fromisoformat(match[1])
        except ValueError:
            continue
        spans.append((day, day))
        found.read.append(match[1])
        rest = rest.replace(match[1], " ")
    names = {name: number for number, row in enumerate(months, 1) for name in row}
    month = re.compile(r" (" + "|".join(sorted(names, key=len, reverse=True)) + r")(?: (?:of|de|del))? ((?:19|20)\d{2})(?= )")
    for match in month.finditer(rest):
        year, number = int(match[2]), names[match[1]]
        spans.append((dt.date(year, number, 1), dt.date(year, number, calendar.monthrange(year, number)[1])))
        found.read.append(match[0].strip())
    rest = month.sub(" ", rest)
    quarter = re.compile(r" (" + "|".join(_QUARTERS) + r")(?: (?:quarter|trimestre))?(?: (?:of|de|del))? ((?:19|20)\d{2})(?= )")
    for match in quarter.finditer(rest):
        year, number = int(match[2]), _QUARTERS[match[1]]
        last = number * 3
        spans.append((dt.date(year, last - 2, 1), dt.date(year, last, calendar.monthrange(year, last)[1])))
        found.read.append(match[0].strip())
    rest = quarter.sub(" ", rest)
    for match in re.finditer(r" ((?:19|20)\d{2})(?= )", rest):
        spans.append((dt.date(int(match[1]), 1, 1), dt.date(int(match[1]), 12, 31)))
        found.read.append(match[1])
    return spans

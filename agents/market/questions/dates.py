"""Dates in a question: a year, a month, a quarter, a span, so many months back or ahead."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

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
_HALVES = {"h1": 1, "h2": 2, "first": 1, "second": 2, "primer": 1, "primera": 1, "segundo": 2, "segunda": 2}
_HALF = re.compile(
    r" (?:(h1|h2)|(first|second|primera?|segund[oa]) (?:half|semestre|mitad))(?: (?:of|de|del))? ((?:19|20)\d{2})(?= )"
)
_YEAR = r"(?: (?:of|de|del))? ((?:19|20)\d{2})(?= )"
_FIGURES = re.compile(r" (\d{1,2}) (\d{1,2}) ((?:19|20)\d{2})(?= )")
#: Where two dates are the ends of a span, and not two spans.
_RANGE = re.compile(r" (?:between|entre|from|desde|to|until|through|till|hasta|al?|since) ")
_BEFORE = re.compile(r" (before|antes de|antes del) ")
_AFTER = re.compile(r" (after|despues de|despues del) ")


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
    if len(spans) > 1 and not _RANGE.search(text) and not _contiguous(spans):
        # "2021 and 2023" leaves 2022 out: no one window holds that, and the years stay unread.
        return Dates(ahead=found.ahead)
    if spans:
        found.first, found.last = min(span[0] for span in spans), max(span[1] for span in spans)
        if len(spans) == 1:
            _open_ended(text, found)
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


def _open_ended(text: str, found: Dates) -> None:
    """A span that only begins or ends at the date: "since" and "until" with it, "after" and "before" without it."""
    before, after = _BEFORE.search(text), _AFTER.search(text)
    if before and found.first is not None:
        found.last = found.first - dt.timedelta(days=1)
        found.first = None
    elif after and found.last is not None:
        found.first, found.last = found.last + dt.timedelta(days=1), None
    elif re.search(r" (?:since|desde|a partir de) ", text) and not re.search(r" (?:until|till|through|hasta) ", text):
        found.last = None
    elif re.search(r" (?:until|till|through|hasta) ", text):
        found.first = None
    found.read.extend(match[1] for match in (before, after) if match)


def _contiguous(spans: Sequence[tuple[dt.date, dt.date]]) -> bool:
    ordered = sorted(spans)
    return all(later[0] <= one[1] + dt.timedelta(days=1) for one, later in pairwise(ordered))


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
    rest = _days(rest, names, spans, found)
    for match in _HALF.finditer(rest):
        year, half = int(match[3]), _HALVES[match[1] or match[2]]
        spans.append((dt.date(year, 6 * half - 5, 1), dt.date(year, 6 * half, 30 if half == 1 else 31)))
        found.read.append(match[0].strip())
    rest = _HALF.sub(" ", rest)
    rest = _two_months(rest, names, spans, found)
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


def _days(text: str, names: Mapping[str, int], spans: list[tuple[dt.date, dt.date]], found: Dates) -> str:
    """Days by the name of their month ("15 May 2023", "May 15, 2023", "15 de mayo de 2023"); the text without them."""
    for match in _FIGURES.finditer(text):
        # A day in figures that fits either order is left unread, and its year is no window.
        one, two, year = (int(group) for group in match.groups())
        text = text.replace(match[0], " ")
        if (one > 12) != (two > 12) or one == two:
            day, number = (one, two) if one > 12 else (two, one)
            with suppress(ValueError):
                spans.append((dt.date(year, number, day),) * 2)
                found.read.append(match[0].strip())
    month = "|".join(sorted(names, key=len, reverse=True))
    forms = (
        (re.compile(rf" (\d{{1,2}})(?:st|nd|rd|th)?(?: (?:of|de|del))? ({month}){_YEAR}"), (3, 2, 1)),
        (re.compile(rf" ({month}) (\d{{1,2}})(?:st|nd|rd|th)? ((?:19|20)\d{{2}})(?= )"), (3, 1, 2)),
    )
    for form, (year, name, day) in forms:
        for match in form.finditer(text):
            try:
                value = dt.date(int(match[year]), names[match[name]], int(match[day]))
            except ValueError:
                continue
            spans.append((value, value))
            found.read.append(match[0].strip())
            text = text.replace(match[0], " ")
    return text


def _two_months(text: str, names: Mapping[str, int], spans: list[tuple[dt.date, dt.date]], found: Dates) -> str:
    """Two months of one year that is named once ("between January and March 2023"); the text without them."""
    month = "|".join(sorted(names, key=len, reverse=True))
    forms = (
        rf" (?:between|entre) ({month}) (?:and|y) ({month}){_YEAR}",
        rf" (?:from|desde|de) ({month}) (?:to|through|till|until|a|hasta) ({month}){_YEAR}",
        rf" ({month}) (?:to|through|till|until|a|hasta) ({month}){_YEAR}",
    )
    for form in forms:
        for match in re.finditer(form, text):
            year, first, last = int(match[3]), names[match[1]], names[match[2]]
            if first > last:
                continue
            spans.append((dt.date(year, first, 1), dt.date(year, last, calendar.monthrange(year, last)[1])))
            found.read.append(match[0].strip())
            text = text.replace(match[0], " ")
    return text

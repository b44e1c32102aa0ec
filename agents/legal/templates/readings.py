# ruff: noqa: E501  # a pattern is read in one line
"""Dates, money and durations as people write them, English and Spanish: read from texts and found in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from hexar.agents.legal.templates.numbers import NUMBER_WORDS, from_words

MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "es": [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
}
_MONTH_OF: dict[str, int] = {}
for _names in MONTHS.values():
    for _number, _name in enumerate(_names, 1):
        _MONTH_OF[_name.lower()] = _number
_MONTH_OF |= {name[:3].lower(): number for number, name in enumerate(MONTHS["en"], 1)} | {"sept": 9, "setiembre": 9}
_MONTH = "|".join(sorted(_MONTH_OF, key=len, reverse=True))

_DATES = (
    re.compile(r"(?<![\w/-])(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?![\w/-])"),
    re.compile(rf"(?<!\w)(?P<n>{_MONTH})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})(?!\w)", re.IGNORECASE),
    re.compile(
        rf"(?<!\w)(?P<d>\d{{1,2}})(?:st|nd|rd|th|º|°)?\)?\s+(?:day\s+of\s+|d[íi]as?\s+(?:del?\s+)?|del?\s+)?(?:mes\s+de\s+)?(?P<n>{_MONTH})\.?,?\s+(?:de\s+|del\s+)?(?P<y>\d{{4}})(?!\w)",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![\w/.-])(?P<a>\d{1,2})[/.](?P<b>\d{1,2})[/.](?P<y>\d{4})(?![\w/-])"),
)

#: A day in words: "the first day of May, 2026", "diez de abril de dos mil veintiséis".
_EN_DAYS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
]
_DAY_WORDS = {word: number for number, word in enumerate(_EN_DAYS, 1)} | {"primero": 1, "uno": 1}
_IN_WORDS = re.compile(
    rf"(?<!\w)(?:(?P<en>{'|'.join(sorted(_EN_DAYS, key=len, reverse=True))})\s+(?:day\s+)?of|(?P<es>primero|treinta(?:\s+y\s+uno)?|[a-zé]{{3,12}})\s+(?:d[íi]as?\s+)?del?(?:\s+mes\s+de)?)"
    rf"\s+(?P<n>{_MONTH}),?\s+(?:(?:del?|in the year)\s+)?(?P<y>\d{{4}}|dos\s+mil(?:\s+[a-zé]+(?:\s+y\s+[a-z]+)?)?|two\s+thousand(?:\s+and)?(?:\s+[a-z]+(?:-[a-z]+)?)?)(?!\w)",
    re.IGNORECASE,
)

SYMBOLS = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "A$": "AUD", "C$": "CAD", "¥": "JPY", "MX$": "MXN"}
CURRENCIES = {
    "USD": ("dollar", "dollars", "dólar", "dólares"), "EUR": ("euro", "euros", "euro", "euros"),
    "GBP": ("pound sterling", "pounds sterling", "libra esterlina", "libras esterlinas"),
    "AUD": ("Australian dollar", "Australian dollars", "dólar australiano", "dólares australianos"),
    "CAD": ("Canadian dollar", "Canadian dollars", "dólar canadiense", "dólares canadienses"),
    "MXN": ("Mexican peso", "Mexican pesos", "peso mexicano", "pesos mexicanos"),
    "CHF": ("Swiss franc", "Swiss francs", "franco suizo", "francos suizos"),
    "JPY": ("yen", "yen", "yen", "yenes"),
}  # fmt: skip
_CODE = r"[A-Z]{3}"
_NUMBER = r"\d{1,3}(?:[,.\u202f ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_NOUN = r"US dollars?|U\.S\. dollars?|dollars?|d[óo]lares|euros?|pounds?|libras|pesos"
_SCALE = r"(?:\s?(?P<scale>million|thousand|k|m|mil|millones)\b)?"
MONEY = re.compile(
    rf"(?<![\w.])(?:(?P<symbol>US\$|A\$|C\$|MX\$|[$€£¥])\s?|(?P<code>{_CODE})\s(?=\d))(?P<amount>{_NUMBER}){_SCALE}(?![\d])"
    rf"|(?<![\w.,$€£])(?P<amount2>{_NUMBER})\s?(?P<scale2>million\s|thousand\s|millones\sde\s|mil\s)?"
    rf"(?P<tail>€|(?:{'|'.join(CURRENCIES)})\b|(?:{_NOUN})\b)"
)
_UNITS = {
    "day": "days", "days": "days", "día": "days", "días": "days", "dia": "days", "dias": "days",
    "week": "weeks", "weeks": "weeks", "semana": "weeks", "semanas": "weeks",
    "month": "months", "months": "months", "mes": "months", "meses": "months",
    "year": "years", "years": "years", "año": "years", "años": "years",
}  # fmt: skip
_COUNT = "|".join(sorted((re.escape(word) for word in NUMBER_WORDS), key=len, reverse=True))
DURATION = re.compile(
    rf"(?<![\w.,$€£])(?:(?P<words>(?:{_COUNT})(?:[\s-]+(?:{_COUNT}))*)\s*(?:\(\s*(?P<both>\d{{1,5}})\s*\)\s*)?|(?P<figures>\d{{1,5}})[\s-]+)"
    r"(?:calendar\s+|business\s+|consecutive\s+)?"
    rf"(?P<unit>{'|'.join(sorted(_UNITS, key=len, reverse=True))})(?!\w)",
    re.IGNORECASE,
)


class NotReadable(ValueError):
    """A text is no value of its kind; the message says why."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Money: millionths of a currency unit."""

    currency: str
    micros: int


@dataclass(frozen=True, slots=True)
class Length:
    """A calendar duration: ``count`` of "days", "weeks", "months" or "years"."""

    count: int
    unit: str

    @property
    def days(self) -> float:
        """About how many days that is."""
        return self.count * {"days": 1.0, "weeks": 7.0, "months": 30.4375, "years": 365.25}[self.unit]


@dataclass(frozen=True, slots=True)
class DateReading:
    """A date where it stands in a text; ``value`` is None where no such day exists, or where it may be two days."""

    start: int
    end: int
    text: str
    value: date | None
    problem: str = ""


def dates_in(text: str) -> list[DateReading]:
    """The dates of a text in order."""
    found: list[DateReading] = []
    taken: list[tuple[int, int]] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            taken.append(match.span())
            value, problem = _date_of(match)
            found.append(DateReading(match.start(), match.end(), match.group(), value, problem))
    for match in _IN_WORDS.finditer(text):
        day = _DAY_WORDS.get((match["en"] or match["es"]).casefold()) or from_words(match["es"] or "")
        year = int(match["y"]) if match["y"].isdigit() else from_words(match["y"])
        if day and year and not any(match.start() < end and start < match.end() for start, end in taken):
            value, problem = _calendar(year, _MONTH_OF[match["n"].lower()], day)
            found.append(DateReading(match.start(), match.end(), match.group(), value, problem))
    return sorted(found, key=lambda reading: reading.start)


def _calendar(year: int, month: int, day: int) -> tuple[date | None, str]:
    try:
        return date(year, month, day), ""
    except ValueError:
        return None, "is no day of the calendar"


def _date_of(match: re.Match[str]) -> tuple[date | None, str]:
    parts = match.groupdict()
    year = int(parts["y"])
    if parts.get("a"):
        first, second = int(parts["a"]), int(parts["b"])
        if first <= 12 and second <= 12 and first != second:
            return None, "may be two days: write the month as a word"
        month, day = (second, first) if first > 12 else (first, second)
    else:
        month = _MONTH_OF[parts["n"].lower()] if parts.get("n") else int(parts["m"])
        day = int(parts["d"])
    return _calendar(year, month, day)


def read_date(text: str) -> date:
    """The day that ``text`` is. Raises NotReadable."""
    found = dates_in(text.strip())
    if len(found) == 1 and found[0].text == text.strip():
        if found[0].value is None:
            raise NotReadable(f"{text.strip()!r} {found[0].problem}")
        return found[0].value
    raise NotReadable(f"{text.strip()!r} is no date (2026-05-31, 31 May 2026)")


def micros_of(text: str) -> int:
    """The millionths that figures such as "1,234.50" or "1.234,50" mean."""
    compact = text.replace("\u202f", "").replace(" ", "")
    decimal = re.search(r"[.,](\d{1,2})$", compact)
    whole = compact[: decimal.start()] if decimal else compact
    cents = decimal[1].ljust(2, "0") if decimal else "00"
    return int(re.sub(r"[.,]", "", whole)) * 1_000_000 + int(cents) * 10_000


_SCALES = {"million": 10**6, "m": 10**6, "millones": 10**6, "millones de": 10**6, "thousand": 1000, "k": 1000, "mil": 1000}


def amount_of(match: re.Match[str]) -> Amount:
    """The amount of a match of :data:`MONEY`."""
    parts = match.groupdict()
    micros = micros_of(parts["amount"] or parts["amount2"])
    scale = (parts["scale"] or parts["scale2"] or "").strip().lower()
    micros *= _SCALES.get(scale, 1)
    tail = parts["tail"] or ""
    currency = parts["code"] or SYMBOLS.get(parts["symbol"] or "", "") or SYMBOLS.get(tail, "")
    if not currency and tail in CURRENCIES:
        currency = tail
    if not currency:
        nouns = {"dollar": "USD", "dólar": "USD", "dolar": "USD", "euro": "EUR", "pound": "GBP", "libra": "GBP", "peso": "MXN"}
        currency = next((code for noun, code in nouns.items() if noun in tail.lower()), "")
    return Amount(currency, micros)


def read_money(text: str) -> Amount:
    """The amount that ``text`` is. Raises NotReadable."""
    match = MONEY.fullmatch(text.strip())
    if match is None:
        raise NotReadable(f"{text.strip()!r} is no amount in a currency (USD 5,000.00, $5,000)")
    return amount_of(match)


def length_of(match: re.Match[str]) -> Length:
    """The duration of a match of :data:`DURATION`; figures in brackets win over the words before them."""
    figures = match["both"] or match["figures"]
    count = int(figures) if figures else from_words(match["words"])
    return Length(count or 0, _UNITS[match["unit"].lower()])


def read_duration(text: str) -> Length:
    """The duration that ``text`` is. Raises NotReadable."""
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise NotReadable(f"{text.strip()!r} is no duration (30 days, two years)")
    return length_of(match)

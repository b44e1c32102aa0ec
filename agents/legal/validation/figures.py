# ruff: noqa: E501  # a pattern is read in one line
"""Dates and amounts: that they can be read, exist, and agree with each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from hexar.agents.legal.messages.state import Finding, Severity
from hexar.agents.legal.templates.numbers import NUMBER_WORDS, from_words, spelled_before
from hexar.agents.legal.templates.readings import DURATION, MONEY, DateReading, amount_of, dates_in, length_of
from hexar.agents.legal.validation.text import Document

_STARTS = re.compile(
    r"\b(?:commenc\w*|begin\w*|beginning|start\w*|effective|as of|from|dated|made on|entered into|efectos|com(?:ienza|enzar)\w*|inicia\w*|desde|entrada en vigor|con fecha)\b|\bdel\s+(?=\d{1,2}\s*$|$)",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\b(?:end(?:s|ing|ed)?|expir\w*|terminat(?:es|ing|e on|ion date)|until|through|thereafter until|termina\w*|finaliza\w*|vence\w*|hasta|conclu\w*|maturity|matures)\b|\bal\s+(?=$)",
    re.IGNORECASE,
)
#: What must be done by a day.
_DUE = re.compile(
    r"\b(?:on or before|no later than|not later than|by|due(?: in full)?(?: and payable)?(?: on)?|payable on|delivered (?:on|by)|close on|take place on|a m[áa]s tardar(?: el)?|antes del?(?: el)?|se (?:otorgar|har|entregar|pagar)á (?:antes )?(?:el|del?)|deber[áa] \w+ (?:el|antes del?))"
    r"(?:\s+(?:the|el|d[íi]a|\w+day,?|\d{1,2}:\d{2}|on|de))*\s*$",
    re.IGNORECASE,
)
_MADE = re.compile(
    r"\b(?:dated|made|entered into|executed|as of|date(?: of (?:this |the )?\w+)?|fecha|firma\w*|celebran?)\b[^.;\n]{0,40}$|^[^\n]{0,60}\b[Ee]n [A-ZÁÉÍÓÚ][^\n.;]{0,40}, (?:a|el)\s*$|^[A-ZÁÉÍÓÚ][\w ]{2,30}, (?:a )?$",
    re.MULTILINE | re.IGNORECASE,
)
#: Days of other papers and people, which no term of the contract has to follow.
_OTHER_DAY = re.compile(
    r"accept|offer|birth|incorporat|prior|previous|original|amended|escritura|nacid|nacimiento|constitu|poder\b|born|filed|registered",
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(
    r"(?P<label>(?:[A-ZÁÉÍÓÚ][\w’'-]+[ \t]){0,3}(?:Date|Day|Deadline|Fecha(?: de [\w ]{3,30})?))[\"”]?\s*(?::|(?:means|is|shall be|será|es|of|,)\s)?\s*$"
)
_LABEL_AFTER = re.compile(r"^[,\s]*\(\s*(?:the|la|el)?\s*[\"“](?P<label>[A-ZÁÉÍÓÚ][\w ’'-]{2,40})[\"”]")
_WEEKDAY = re.compile(r"(?P<day>Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday),?\s*$", re.IGNORECASE)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: Figures, with a scale behind them where there is one ("1.5 million").
_FIGURE = re.compile(
    r"(?<![\w.,])(?P<figure>\d{1,3}(?:[.,\u202f ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)(?![\w]|[.,]\d)"
    r"(?:\s?(?P<scale>million|thousand|billion|mill[óo]n|millones|mil)\b)?"
)
_BRACKET = re.compile(r"\(([^()\n]{1,160})\)")
#: What may stand between a number and the bracket that says it again: units, currencies, hundredths.
_UNIT = re.compile(
    r"(?:[\s,.'’-]|/100|\b\d{2}/100\b|[$€£%¥]|\b(?:US|U\.S|USD|EUR|GBP|MXN|ARS|COP|CLP|PEN|MN|M\.?\s?N|S/|de los estados unidos|united states|americanos|estadounidenses|australian|canadian|mexican|"
    r"mexicanos|swiss|dollars?|euros?|pounds?|sterling|pesos?|soles|d[óo]lares|libras|esterlinas|francs?|yen|percent|per cent|por ciento|moneda|nacional|corriente|legal|colombianos|argentinos|chilenos|"
    r"de|of|in|the|calendar|business|consecutive|working|h[áa]biles|naturales|days?|months?|years?|weeks?|hours?|d[íi]as?|mes|meses|años?|semanas?|horas|only|net|gross|brutos|netos|con|and|y|with|no|n[º°o])(?!\w))",
    re.IGNORECASE,
)
_CENTS = re.compile(r"\b(\d{2})\s?/\s?100\b")
#: Words that make a spelled number more than its whole part.
_FRACTION = re.compile(
    r"\b(?:half|quarter|third|tenths?|hundredths?|point|cents?|medi[oa]|c[ée]ntimos?|centavos?|coma|punto)\b", re.IGNORECASE
)
_SCALES = {
    "million": 10**6,
    "millón": 10**6,
    "millon": 10**6,
    "millones": 10**6,
    "billion": 10**9,
    "thousand": 1000,
    "mil": 1000,
}
_PERCENT = re.compile(r"\b(?:por ciento|per ?cent)\b|%", re.IGNORECASE)
_TERM = r"[A-Z][\w’'-]+(?:[ \t][A-Z][\w’'-]+){0,3}"


def dates(document: Document) -> Iterator[Finding]:
    """Days that do not exist, ends before beginnings, one label with two days, weekdays that are wrong."""
    text = document.text
    found = [reading for reading in dates_in(text) if not re.search(r"_{3,}", text[max(0, reading.start - 5) : reading.start])]
    for reading in found:
        if reading.value is None:
            certain = "no day" in reading.problem
            yield document.finding(
                f"{reading.text!r} {reading.problem}",
                reading.start,
                reading.end,
                severity=Severity.ERROR if certain else Severity.INFO,
            )
        else:
            named = _WEEKDAY.search(text[max(0, reading.start - 14) : reading.start])
            if named and _WEEKDAYS.index(named["day"].lower()) != reading.value.weekday():
                right = _WEEKDAYS[reading.value.weekday()].capitalize()
                yield document.finding(f"{reading.text} is a {right}", reading.start, reading.end, suggestion=right)
    readable = [reading for reading in found if reading.value is not None]
    yield from _labels(document, readable)
    yield from _order(document, readable)


def _labels(document: Document, found: list[DateReading]) -> Iterator[Finding]:
    labels: dict[str, DateReading] = {}
    for reading in found:
        before = document.text[max(0, reading.start - 60) : reading.start]
        after = document.text[reading.end : reading.end + 60]
        match = _LABEL_AFTER.match(after) or _LABEL_BEFORE.search(before)
        if match is None or reading.start >= document.signing:
            continue
        label = re.sub(r"^(?:The|This|Such)\s", "", match["label"]).casefold()
        if label in ("date", "day", "fecha"):
            continue
        other = labels.setdefault(label, reading)
        if other.value != reading.value:
            message = f"{match['label']} is {other.text} and {reading.text}"
            yield document.finding(message, reading.start, reading.end, suggestion=other.text)


def _role(document: Document, reading: DateReading, start: int) -> str:
    """ "start" or "end" by the nearest such word before a date; empty where none is near."""
    before = document.text[start : reading.start]
    last: tuple[int, str] = (-1, "")
    for name, pattern in (("start", _STARTS), ("end", _ENDS)):
        for match in pattern.finditer(before):
            last = max(last, (match.start(), name))
    return last[1]


@dataclass(frozen=True, slots=True)
class _Day:
    """A day and what it is to the contract: "start", "end", "due", "made" or nothing; whether a label says so."""

    reading: DateReading
    value: date
    role: str
    labelled: bool
    sentence: tuple[int, int]


def _days(document: Document, found: list[DateReading]) -> list[_Day]:
    days: list[_Day] = []
    for reading in found:
        if reading.start >= document.signing or reading.value is None:
            continue
        first, last = document.sentence(reading.start)
        before = document.text[max(first, reading.start - 90) : reading.start]
        if _OTHER_DAY.search(document.text[first : reading.start]):
            continue
        label = _LABEL_BEFORE.search(document.text[max(0, reading.start - 60) : reading.start])
        after = _LABEL_AFTER.match(document.text[reading.end : reading.end + 60])
        named = (label or after)["label"].casefold() if label or after else ""  # type: ignore[index]
        if re.search(r"\b(?:end|expir\w+|terminat\w+|completion|maturity|repayment|fin|vencimiento|terminación)\b", named):
            role = "end"
        elif re.search(r"\b(?:effective|start|commencement|begin\w*|inicio|vigor)\b", named):
            role = "start"
        elif _DUE.search(before):
            role = "due"
        else:
            role = _role(document, reading, max(first, reading.start - 90))
            made = not days and reading.start < max(800, len(document.text) // 4) and _MADE.search(before)
            role = "made" if made and role != "end" else role
        days.append(_Day(reading, reading.value, role, bool(label or after), (first, last)))
    return days


def _order(document: Document, found: list[DateReading]) -> Iterator[Finding]:
    """Ends before beginnings; what is to be done before the contract is made."""
    days = _days(document, found)
    begins = next((day for day in days if day.role == "start"), None)
    made = next((day for day in days if day.role == "made"), None)
    for at, day in enumerate(days):
        reading = day.reading
        own = next((other for other in reversed(days[:at]) if other.role == "start" and other.sentence == day.sentence), None)
        since = own or begins
        if day.role == "end" and since is not None and since is not day and day.value < since.value:
            text = f"ends on {reading.text}, before it begins on {since.reading.text}"
            yield document.finding(text, reading.start, reading.end)
        elif day.role in ("end", "due") and made is not None and day.value < made.value:
            text = f"{reading.text} is before the day of the contract, {made.reading.text}"
            yield document.finding(text, reading.start, reading.end)
        elif day.role == "end" and since is not None:
            yield from _length(document, since.reading, reading, day.sentence[1])
        elif day.role == "start" and not day.labelled:
            ended = next((other for other in days if other.role == "end" and other.labelled and other.value < day.value), None)
            if ended is not None:
                text = f"begins on {reading.text}, after the end on {ended.reading.text}"
                yield document.finding(text, reading.start, reading.end)


def _length(document: Document, begins: DateReading, ends: DateReading, last: int) -> Iterator[Finding]:
    """A term that is named in the sentence of its two days and is not the time between them."""
    assert begins.value is not None
    assert ends.value is not None
    first = document.sentence(ends.start)[0]
    match = re.search(r"\b(?:term|period|duration|plazo|for|durante)\b[^.;\n]{0,30}", document.text[first:last])
    if match is None or begins.start < first - 1500:
        return
    stated = DURATION.search(document.text, first + match.start(), last)
    if stated is None or begins.start < first:
        return
    days = (ends.value - begins.value).days + 1
    wanted = length_of(stated).days
    if wanted >= 28 and abs(days - wanted) > max(4.0, 0.06 * wanted):
        message = f"{stated.group()} is not the time from {begins.text} to {ends.text}"
        yield document.finding(message, stated.start(), stated.end())


def amounts(document: Document) -> Iterator[Finding]:
    """Words against figures, one label with two amounts, figures that cannot be read."""
    yield from _words(document)
    yield from _labelled(document)
    for match in re.finditer(
        r"(?:[$€£]|\b(?:USD|EUR|GBP)\s?)\d{1,3}(?:,\d{3})*,\d{1,2}(?![\d])(?!\s?(?:€|EUR))", document.text
    ):
        if document.language == "en":
            yield document.finding(f"{match.group()!r} cannot be read as an amount", match.start(), match.end())


def _value(match: re.Match[str]) -> float:
    compact = match["figure"].replace(" ", "").replace("\u202f", "")
    decimal = re.search(r"[.,](\d{1,2})$", compact)
    whole = re.sub(r"[.,]", "", compact[: decimal.start()] if decimal else compact)
    value = int(whole) + (int(decimal[1].ljust(2, "0")) / 100 if decimal else 0)
    return float(value * _SCALES.get((match["scale"] or "").casefold(), 1))


def _words(document: Document) -> Iterator[Finding]:
    """A number that its bracket says again, as another: "twelve (15)", "12.000 € (quince mil euros)"."""
    text = document.text
    for bracket in _BRACKET.finditer(text):
        inside = bracket[1]
        before = text[max(0, bracket.start() - 160) : bracket.start()].rsplit("\n\n", 1)[-1]
        if _FRACTION.search(inside) or _FRACTION.search(before[-60:]):
            continue
        figure = _only_figure(inside)
        if figure is not None:
            spelled = _spelled_last(before)
            cents = _CENTS.search(before, max(0, len(before) - 40))
            value = round(_value(figure) * 100)
            if (
                spelled is not None
                and not _is_year(figure)
                and (value // 100 != spelled[1] or (cents and value % 100 != int(cents[1])))
            ):
                start = bracket.start() - len(before) + spelled[0]
                words = " ".join(text[start : bracket.start()].split())
                yield document.finding(f"{words!r} is not {figure.group()}", start, bracket.end())
            continue
        number = _spelled_first(inside)
        figure = _last_figure(before)
        if number is not None and figure is not None and int(_value(figure)) != number:
            start = bracket.start() - len(before) + figure.start()
            yield document.finding(f"{figure.group()} is not {inside.strip()!r}", start, bracket.end())


def _is_year(figure: re.Match[str]) -> bool:
    """Whether a figure may be a year, whose words are no number ("twenty twenty-six")."""
    return bool(re.fullmatch(r"(?:19|20)\d\d", figure["figure"]))


def _only_figure(inside: str) -> re.Match[str] | None:
    """The figure of a bracket that holds a figure and its unit, and nothing else."""
    found = list(_FIGURE.finditer(_CENTS.sub("", inside)))
    if len(found) != 1:
        return None
    rest = inside[: found[0].start()] + inside[found[0].end() :]
    return found[0] if not _UNIT.sub("", rest).strip() else None


def _spelled_last(before: str) -> tuple[int, int] | None:
    """(start, number) of the number in words that ends a text, units behind it left out."""
    end = len(before)
    for word in reversed(list(re.finditer(r"\d{2}/100|[^\W\d_]+(?:[./][^\W\d_]+)*|[$€£%]", before))):
        if word.group().casefold() in NUMBER_WORDS and not _is_percent(before, word.start()):
            end = word.end()
            break
        if not _is_percent(before, word.start()) and word.group().casefold() != "por" and _UNIT.sub("", word.group()).strip():
            return None
    return spelled_before(before, end)


def _is_percent(text: str, at: int) -> bool:
    """Whether "ciento" stands in "por ciento"."""
    return bool(re.search(r"\bpor\s+$", text[:at])) and text[at : at + 6].casefold() == "ciento"


def _spelled_first(inside: str) -> int | None:
    """The number that a bracket spells, where it spells one and says no more than its unit."""
    tokens: list[str] = []
    for token in re.findall(r"[^\W\d_]+", _PERCENT.sub(" ", inside)):
        known = token.casefold() in NUMBER_WORDS or (tokens and token.casefold() in ("and", "y"))
        if known:
            tokens.append(token)
        elif tokens:
            break
        elif _UNIT.sub("", token).strip():
            return None
    while tokens and tokens[-1].casefold() in ("and", "y"):
        tokens.pop()
    return from_words(" ".join(tokens)) if tokens else None


def _last_figure(before: str) -> re.Match[str] | None:
    """The figure that ends a text, units behind it left out."""
    text = _CENTS.sub(lambda match: " " * len(match.group()), before)
    found = list(_FIGURE.finditer(text))
    return found[-1] if found and not _UNIT.sub("", text[found[-1].end() :]).strip() else None


def _labelled(document: Document) -> Iterator[Finding]:
    """A defined amount that is another amount elsewhere."""
    text = document.text
    known: dict[str, tuple[int, str]] = {}
    for match in MONEY.finditer(text):
        after = re.match(
            rf"[\s,)]*(?:[^.;\n(]{{0,60}})\(\s*(?:the|la|el)?\s*[\"“](?P<label>{_TERM})[\"”]",
            text[match.end() : match.end() + 140],
        )
        before = re.search(
            rf"(?:^|\b[Tt]he\s|\n[ \t]*)(?P<label>{_TERM})[\"”]?(?:\s+(?:of|is|means|shall be|equals)\s|:\s*)(?:[\w-]+\s){{0,8}}?[(\s]*$",
            text[max(0, match.start() - 120) : match.start()],
        )
        found = after or before
        if found is None:
            continue
        label, micros = found["label"].casefold(), amount_of(match).micros
        if label in ("agreement", "section", "party", "client", "provider"):
            continue
        first = known.setdefault(label, (micros, match.group()))
        if first[0] != micros:
            yield document.finding(
                f"{found['label']} is {first[1]} and {match.group()}", match.start(), match.end(), suggestion=first[1]
            )

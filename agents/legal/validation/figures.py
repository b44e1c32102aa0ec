# ruff: noqa: E501  # a pattern is read in one line
"""Dates and amounts: that they can be read, exist, and agree with each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hexar.agents.legal.messages.state import Finding, Severity
from hexar.agents.legal.templates.numbers import NUMBER_WORDS, from_words, spelled_before
from hexar.agents.legal.templates.readings import DURATION, MONEY, DateReading, amount_of, dates_in, length_of
from hexar.agents.legal.validation.text import Document

_STARTS = re.compile(
    r"\b(?:commenc\w*|begin\w*|start\w*|effective|as of|from|dated|made on|entered into|efectos|comienza|inicia|desde|entrada en vigor|con fecha)\b",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\b(?:end(?:s|ing|ed)?|expir\w*|terminat(?:es|ing|e on|ion date)|until|through|thereafter until|termina|finaliza|vence|hasta|conclu\w*)\b",
    re.IGNORECASE,
)
_LABEL_BEFORE = re.compile(
    r"(?P<label>(?:[A-ZÁÉÍÓÚ][\w’'-]+[ \t]){0,3}(?:Date|Day|Deadline|Fecha(?: de [\w ]{3,30})?))[\"”]?\s*(?::|(?:means|is|shall be|será|es|of|,)\s)?\s*$"
)
_LABEL_AFTER = re.compile(r"^[,\s]*\(\s*(?:the|la|el)?\s*[\"“](?P<label>[A-ZÁÉÍÓÚ][\w ’'-]{2,40})[\"”]")
_WEEKDAY = re.compile(r"(?P<day>Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday),?\s*$", re.IGNORECASE)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_PAREN_FIGURE = re.compile(
    r"\(\s*(?:US\$|A\$|C\$|[$€£]|[A-Z]{3}\s?|n[oº]\.?\s?)?\s*(?P<figure>\d{1,3}(?:[.,]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)\s*(?:%|percent|USD|EUR|GBP|euros?|dollars?|€|days?|months?|years?|días|meses|años)?\s*\)"
)
_UNIT_WORDS = re.compile(
    r"(?:\s|^)(?:(?:U\.S\.|US|United States|Australian|Canadian|Mexican|Swiss|de los Estados Unidos)\s)?"
    r"(?:dollars?|euros?|pounds?(?: sterling)?|pesos?|d[óo]lares|libras(?: esterlinas)?|percent|per cent|por ciento|pesos mexicanos|"
    r"francs?|yen|de euros|de d[óo]lares|calendar|business|consecutive|days?|months?|years?|weeks?)?(?:\s+(?:only|net|gross))?\s*$",
    re.IGNORECASE,
)
_FIGURE_WORDS = re.compile(
    r"(?P<figure>\d{1,3}(?:[.,]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)\s*(?:dollars|euros|%|USD|EUR)?\s*\(\s*(?P<words>[^\W\d][^()\d]{2,120})\)"
)
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


def _order(document: Document, found: list[DateReading]) -> Iterator[Finding]:
    begins: DateReading | None = None
    for reading in found:
        if reading.start >= document.signing or reading.value is None:
            continue
        first, last = document.sentence(reading.start)
        role = _role(document, reading, max(first, reading.start - 90))
        label = _LABEL_BEFORE.search(document.text[max(0, reading.start - 60) : reading.start])
        after = _LABEL_AFTER.match(document.text[reading.end : reading.end + 60])
        named = (label or after)["label"].casefold() if label or after else ""  # type: ignore[index]
        if re.search(
            r"accept|offer|birth|incorporat|prior|original|nacimiento", document.text[first : reading.start], re.IGNORECASE
        ):
            continue
        if re.search(r"\b(?:end|expir\w+|terminat\w+|fin|vencimiento)\b", named):
            role = "end"
        elif re.search(r"\b(?:effective|start|commencement|begin\w*|inicio|vigor)\b", named):
            role = "start"
        if role == "start" and begins is None:
            begins = reading
        if role != "end" or begins is None or begins is reading or begins.value is None:
            continue
        if reading.value < begins.value:
            yield document.finding(f"ends on {reading.text}, before it begins on {begins.text}", reading.start, reading.end)
        else:
            yield from _length(document, begins, reading, last)


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


def _value(figure: str) -> float:
    compact = figure.replace(" ", "")
    decimal = re.search(r"[.,](\d{1,2})$", compact)
    whole = re.sub(r"[.,]", "", compact[: decimal.start()] if decimal else compact)
    return int(whole) + (int(decimal[1].ljust(2, "0")) / 100 if decimal else 0)


def _words(document: Document) -> Iterator[Finding]:
    text = document.text
    for match in _PAREN_FIGURE.finditer(text):
        end = match.start()
        spelled = spelled_before(text, end)
        if spelled is None:
            unit = _UNIT_WORDS.search(text[max(0, end - 60) : end])
            if unit is not None and unit.group().strip():
                spelled = spelled_before(text, max(0, end - 60) + unit.start())
        if spelled is None or re.search(r"\bcents?\b|/100|c[ée]ntimos", text[max(0, end - 40) : end]):
            continue
        if spelled[1] != int(_value(match["figure"])):
            words = " ".join(text[spelled[0] : end].split())
            yield document.finding(f"{words!r} is not {match['figure']}", spelled[0], match.end())
    for match in _FIGURE_WORDS.finditer(text):
        tokens: list[str] = []
        for token in re.findall(r"[^\W\d_]+", match["words"]):
            if token.lower() not in NUMBER_WORDS and token.lower() not in ("and", "y"):
                break
            tokens.append(token)
        number = from_words(" ".join(tokens)) if tokens else None
        if number is not None and number != int(_value(match["figure"])) and not re.search(r"cent|/100", match["words"]):
            yield document.finding(f"{match['figure']} is not {match['words'].strip()!r}", match.start(), match.end())


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

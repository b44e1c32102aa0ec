# ruff: noqa: E501  # a pattern is read in one line
"""What was left open: placeholders, blank lines to fill in, sentences with a hole where a value belongs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hexar.agents.legal.corpus.jurisdictions import named_in
from hexar.agents.legal.messages.state import Finding
from hexar.agents.legal.templates.model import DocumentType, Kind
from hexar.agents.legal.templates.readings import DURATION, MONEY, dates_in
from hexar.agents.legal.templates.rendering import Filling
from hexar.agents.legal.validation.parties import find_parties
from hexar.agents.legal.validation.text import Document

_PLACEHOLDERS = (
    re.compile(r"\{\{[^{}\n]{0,120}\}\}|\{%[^{}\n]{0,120}%\}|\$\{[^{}\n]{1,80}\}|(?<![\w{])\{[A-Za-z_][\w .$-]{0,60}\}"),
    re.compile(r"<<[^<>\n]{1,80}>>|<[A-Za-z][A-Za-z0-9_ /-]{1,60}>|«[A-Za-z]+_[A-Za-z_]*»|%[A-Z_]{3,40}%|##[A-Z_]{3,40}##"),
    re.compile(r"(?<!\w)(?:TBD|TBC|TBA|TODO|FIXME|X{3,}|lorem ipsum|INSERT [A-Z ]{3,40}|(?:to be|por) (?:determined|completed|inserted|confirmed|agreed later|determinar|completar))(?!\w)"),
    re.compile(r"\[?[●•]\]?(?=[\s.,;)]*(?:days|months|years|%|percent|,|\.|;|\)))|\[\s*[●•_.…\s]*\]"),
)  # fmt: skip
_BRACKETS = re.compile(r"\[([^\[\]\n]{1,120})\](?!\()")
_NO_PLACEHOLDER = re.compile(
    r"sic|x|X|…|\.{3}|\d{1,4}|[a-zA-Z]|.*\b(?:signature|page follows|remainder|intentionally|reserved|omitted|blank|firmas?|deliberadamente)\b.*"
    r"|(?:citation|internal|emphasis).*",
    re.IGNORECASE,
)
_LINE = re.compile(r"_{3,}|\.{6,}|(?<=\$)\s?_+")
_SIGNED = re.compile(
    r"^\W*(?:by|its|name|print(?:ed)? name|title|date|dated|signature|signed|witness|e-?mail|place|firma|nombre|cargo|fecha|d\.n\.i|nif|lugar|notary)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^[ \t]*(?P<label>[A-ZÁÉÍÓÚÑ][\w /()'’&.-]{1,50}):[ \t]*$", re.MULTILINE)
#: An entry of a form that has its value: a short label that is no beginning of a sentence.
_FILLED = re.compile(r"[ \t]*[A-ZÁÉÍÓÚÑ][\w /()'’&.-]{1,50}:[ \t]+\S[^\n]*")
_OPENING = re.compile(
    r"^(?:in|for|as|the following|if|where|when|provided|subject|by|between|with|en|para|si|cuando|entre|a los efectos)\b|\b(?:follows|following|agreed|siguientes?)\b",
    re.IGNORECASE,
)

_CURRENCY = r"euros?|dollars?|d[óo]lares|pesos|pounds?|libras|soles"
#: A hole where a value belongs: (what lacks, pattern). Each is a form of words that cannot end there.
_HOLES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a party", re.compile(r"\b(?:between|by and between|by and among|entre)\s*(?:,|\band\b|\by\b(?=\s)|\((?!\d|[a-z]\)|[ivx]+\))|[.;])", re.IGNORECASE)),
    ("a party", re.compile(r"\b(?:between|entre)\s[^.;\n]{2,200}?\s(?:and|y)\s*(?:\((?:the|la|el)?\s*[\"“]|[.;]\s|,\s*(?:a|an|una?)\s)", re.IGNORECASE)),
    ("a date", re.compile(r"\b(?:as of|dated|dated as of|effective as of|effective on|commencing on|commences on|begins on|beginning on|starting on|starts on|ends on|ending on|expires on|no later than|on or before|con fecha|con efectos desde)\s*(?:,|;|\.(?:\s|$)|\)|\(|\b(?:by and between|between|by|and ends|and continues|and ending|unless|entre)\b)", re.IGNORECASE)),
    ("an amount", re.compile(r"\b(?:(?:sum|amount|fee|price|salary|rent|deposit|payment|compensation|bonus|rate|total) of|importe de|cantidad de|precio de|salario de)\s*(?:,|;|\.(?:\s|$)|\(\s*(?:the\s|\)|[\"“])|\b(?:per|a year|a month|each|for each|payable|for the|within|on|por|al)\b)", re.IGNORECASE)),
    ("an amount", re.compile(r"(?<!\d)(?<!\d[\s\u202f])(?:\bUSD|\bEUR|\bGBP|\bMXN|\bS/|[$€£])\s*(?=[,;)]|\.(?:\s|$)|\s(?:per|for|within|on|payable|a|each|and|by|to|al|por|anuales|mensuales)\b)")),
    ("a duration", re.compile(r"\b(?:(?:period|term|duration) of|(?<=\s)within|upon|no less than|at least|plazo de|durante)\s*(?:,|;|\.(?:\s|$)|\(\s*\)|\b(?:days?|months?|years?|días|meses|años)\b|\bof\s+(?:receipt|written notice|notice)|\b(?:after|following|from)\s+(?:the|receipt|written))")),
    ("a place", re.compile(r"\blaws? of(?: the)?(?: State| Commonwealth)?(?: of)?\s*(?:,|;|\.(?:\s|$)|\bwithout\b)|\bleyes de(?:l)?\s*(?:,|;|\.(?:\s|$))", re.IGNORECASE)),
    ("a value", re.compile(r"\b(?:and|of|to|with|for|on|by|between|as of|from|is|are|at|in|pays?|y|de|con|por|entre)\s*\(\s*(?:the|an?|la|el|hereinafter)?\s*[\"“]", re.IGNORECASE)),
    ("an amount", re.compile(rf"\b(?:of|is|pay|de|es|pagará|abonará)[ \t]{{2,}}(?:{_CURRENCY})\b|(?<!\bones\s)(?<!\bón\s)\b(?:canon|renta|precio|salario|importe|cantidad|rent|fee|price)(?:\s\w+)?\s(?:of|de)\s(?:{_CURRENCY})\b", re.IGNORECASE)),
    # What is numbered and has no number, what lies somewhere and has no address.
    ("a number", re.compile(r"(?<!\()\b(?:NIT|NIF|N\.I\.F\.?+|CIF|C\.I\.F\.?+|RUT|RUC|RFC|CUIT|DNI|D\.N\.I\.?+|C\.C\.|CLABE|IBAN|VIN|EIN)(?:[ \t]+(?:n[úu]mero|number|n[.º°o]{1,2}))?+(?=[ \t]*(?:[,;)]|\.(?:\s|$)|[ \t](?:y|and|con|with)\b|$))", re.MULTILINE)),
    ("a number", re.compile(r"\b(?:(?:company|registration|registered|identification|passport|tax|account|licen[cs]e|policy) (?:number|no\.?)|(?:identificad|inscrit|registrad)[oa]s? con (?:el )?(?:n[úu]mero|c[ée]dula|documento)|n[úu]mero de (?:cuenta|registro|pasaporte))[ \t]*(?:[,;)](?=\s+(?:whose|with|having|of|con|y|domiciliad|a|and)\b)|[ \t](?:and whose|whose|with its|having its|y domiciliad|con domicilio)\b)", re.IGNORECASE)),
    ("a value", re.compile(r"\b(?:of|at|is|in|on|to|by|for|from|de|del|en|con|por|al|es)[ \t]+[,.;](?=\s|$)|\b(?:en|de|del|con|por|al)[,;](?=\s|$)|\b(?:office|address|place of business|residing|located|domicilio|sede|registered office)(?: is)?(?: at| in| en)\s*(?:[,.;)](?:\s|$)|\()")),
    ("a value", re.compile(r"(?<=[a-záéíóúñ])[ \t](?:of|at|on|in|is|for|to|de|en|con|del|al|el|la|es)[ ]{2}(?=[a-záéíóúñ(])")),
    ("a value", re.compile(r"\(\s*\)|“\s*”|(?<![\w,.;])\"\s*\"(?!\w)|,\s*,|\(\s*the\s*\)|:\s*;")),
)  # fmt: skip


def placeholders(document: Document) -> Iterator[Finding]:
    """Text that stands for text that should be there."""
    text = document.text
    taken: list[tuple[int, int]] = []
    for pattern in _PLACEHOLDERS:
        for match in pattern.finditer(text):
            taken.append(match.span())
            yield document.finding(f"{match.group().strip()!r} is a placeholder", match.start(), match.end())
    for match in _BRACKETS.finditer(text):
        inside = match[1].strip()
        after = text[match.end() : match.end() + 1]
        if _NO_PLACEHOLDER.fullmatch(inside) or (len(inside) <= 2 and after.isalpha()):
            continue
        if any(start <= match.start() < end for start, end in taken):
            continue
        yield document.finding(f"{match.group()!r} is a placeholder", match.start(), match.end())
    for match in _LINE.finditer(text):
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if match.start() >= document.signing or _SIGNED.match(line) or (not line.strip() and match.start() > len(text) // 2):
            continue
        yield document.finding("a blank was left to fill in", match.start(), match.end())


def holes(document: Document) -> Iterator[Finding]:
    """Sentences that lack a value, and labels with nothing after them."""
    body = document.body
    found: list[tuple[int, int]] = []
    for what, pattern in _HOLES:
        for match in pattern.finditer(body):
            if any(start < match.end() and match.start() < end for start, end in found):
                continue
            found.append(match.span())
            words = " ".join(match.group().split())
            yield document.finding(f"{what} is missing after {words!r}", match.start(), match.end())
    roles = "|".join(re.escape(party.role) for party in find_parties(document) if party.role)
    for match in (
        re.finditer(
            rf"\b(?:pays?|owes?|pagará|paga)\s+(?:to\s+)?(?:the|a la|al)\s+(?:{roles})\s+\(\s*(?:the|el|la)\s+[\"“]", body
        )
        if roles
        else ()
    ):
        yield document.finding(f"a value is missing after {match.group().split('(')[0].strip()!r}", match.start(), match.end())
    yield from _empty_labels(document)


def _empty_labels(document: Document) -> Iterator[Finding]:
    """Labels of a form with nothing after them: those that stand among labels with values, and those before another label."""
    lines = document.body.split("\n")
    at = 0
    for number, line in enumerate(lines):
        start, at = at, at + len(line) + 1
        match = _LABEL.fullmatch(line)
        if match is None or _SIGNED.match(match["label"]) or _OPENING.search(match["label"]) or len(match["label"].split()) > 6:
            continue
        before = lines[number - 1] if number else ""
        after = next((other for other in lines[number + 1 :] if other.strip()), "")
        beside = lines[number + 1] if number + 1 < len(lines) else ""
        # A label right above a line to sign on names who signs.
        open_end = not after and document.signing >= len(document.text)
        if _FILLED.fullmatch(after) or open_end or (_FILLED.fullmatch(before) and not beside.strip()):
            yield document.finding(f"{match['label'].strip()!r} has no value", start, start + len(line.rstrip()))


def required(
    document: Document, kind: DocumentType | None, values: Mapping[str, Any] | None, jurisdiction: str
) -> Iterator[Finding]:
    """Fields that a draft does not have; of a text that was sent, kinds of values that its type needs and that it lacks."""
    if kind is not None and values is not None:
        filling = Filling(kind, values, jurisdiction)
        for field in kind.fields:
            if field.required and field.name not in values and filling.counts(field):
                yield Finding(f"{field.label} is not given", field=field.name)
        return
    yield from holes(document)
    if kind is None:
        return
    needed = {field.kind: field for field in reversed(kind.fields) if field.required}
    body = document.body
    parties = [field for field in kind.fields if field.required and field.kind is Kind.PARTY]
    if len(find_parties(document)) < len(parties):
        yield Finding(f"{len(parties)} parties are needed and not all are named", field=parties[-1].name)
    present = {
        Kind.DATE: bool(dates_in(body)),
        Kind.MONEY: bool(MONEY.search(body)),
        Kind.DURATION: bool(DURATION.search(body)),
    }
    for wanted, there in present.items():
        if wanted in needed and not there:
            yield Finding(f"{needed[wanted].label} is not given: the text holds no {wanted.value}", field=needed[wanted].name)
    if any(clause.key == "governing-law" for clause in kind.clauses) and not named_in(body):
        yield Finding("no place is named whose law governs")

# ruff: noqa: E501  # a pattern is read in one line
"""Review: what a careful reader would remark. Nothing here makes a document invalid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rapidfuzz import fuzz

from hexar.agents.legal.citations.support import content_words, sentences
from hexar.agents.legal.messages.state import Check, Finding, Section, Severity
from hexar.agents.legal.templates.model import Clause, DocumentType
from hexar.agents.legal.templates.rendering import Filling
from hexar.agents.legal.validation.checks import ran
from hexar.agents.legal.validation.parties import find_parties
from hexar.agents.legal.validation.terms import unused
from hexar.agents.legal.validation.text import Document

REVIEW_CHECKS = ("clauses", "balance", "unused_terms", "ambiguity", "readability")
#: Share of a clause's words that a document must hold for the clause to be there under another heading.
PRESENT = 0.55
#: Words of a sentence that is hard to read.
LONG = 90
_VAGUE = re.compile(
    r"\b(?:reasonable efforts|best efforts|as soon as (?:possible|practicable)|from time to time|and/or|etc\.|substantially|promptly|"
    r"in due course|as appropriate|to the extent possible|satisfactory|mejores esfuerzos|y/o|en su caso|a la mayor brevedad)\b",
    re.IGNORECASE,
)
_SOLE = re.compile(
    r"\b(?:sole (?:and absolute )?discretion|without (?:any )?(?:liability|notice|cause)|waives? (?:all|any) (?:rights?|claims?)|a su (?:entera )?discreción)\b",
    re.IGNORECASE,
)
_RIGHTS = ("may terminate", "shall indemnify", "shall not be liable", "may assign", "may amend", "waives", "shall pay")


def review(sections: Sequence[Section], kind: DocumentType, jurisdiction: str) -> list[Check]:
    """The checks of a draft."""
    return _run(Document.of_sections(sections, kind.language), kind, jurisdiction)


def review_text(text: str, kind: DocumentType | None, jurisdiction: str) -> list[Check]:
    """The checks of a text that was sent."""
    return _run(Document.of_text(text), kind, jurisdiction)


def _run(document: Document, kind: DocumentType | None, jurisdiction: str) -> list[Check]:
    return [
        ran("clauses", lambda: _clauses(document, kind, jurisdiction))
        if kind
        else Check.not_run("clauses", "no document type was given"),
        ran("balance", lambda: _balance(document)),
        ran("unused_terms", lambda: unused(document)),
        ran("ambiguity", lambda: _ambiguity(document)),
        ran("readability", lambda: _readability(document)),
    ]


def _clauses(document: Document, kind: DocumentType, jurisdiction: str) -> Iterator[Finding]:
    """Clauses of the library that the document lacks, and sections that the library does not know."""
    titles = [heading.title for heading in document.headings if heading.title]
    held = {word.stem for word in content_words(document.text, document.language)}
    clauses = Filling(kind, {}, jurisdiction).clauses if jurisdiction else list(kind.clauses)
    for clause in clauses:
        if clause.core and clause.heading and not _titled(clause.heading, titles) and not _said(clause, held, document):
            yield Finding(f"no clause on {clause.heading!r}", Severity.WARNING, suggestion=_plain(clause.text))
    for heading in document.headings:
        if (
            heading.title
            and heading.number
            and "." not in heading.number
            and not _titled(heading.title, [c.heading for c in kind.clauses])
        ):
            end = heading.start + len(heading.title)
            yield document.finding(
                f"{heading.title!r} is unusual for this document", heading.start, end, severity=Severity.INFO
            )


def _titled(title: str, titles: Sequence[str]) -> bool:
    return any(fuzz.token_set_ratio(title.casefold(), other.casefold()) >= 80 for other in titles)


def _said(clause: Clause, held: set[str], document: Document) -> bool:
    words = {word.stem for word in content_words(_plain(clause.text), document.language)}
    return (
        bool(words) and len(words & held) >= PRESENT * len(words) and len(words) > 12 and len(words & held) / len(words) > 0.8
    )


def _plain(text: str) -> str:
    """A clause's text with its marks as open fields."""
    text = re.sub(r"\{%.*?%\}", "", text)
    return re.sub(r"\{\{\s*ref\([^)]*\)\s*\}\}", "[number]", re.sub(r"\{\{\s*(\w+)[^}]*\}\}", r"[\1]", text)).strip()


def _balance(document: Document) -> Iterator[Finding]:
    """Terms that serve one side only."""
    for match in _SOLE.finditer(document.body):
        yield document.finding(f"{match.group()!r} serves one side", match.start(), match.end(), severity=Severity.WARNING)
    roles = list(dict.fromkeys(party.role or party.name for party in find_parties(document)))
    if len(roles) != 2:
        return
    for right in _RIGHTS[:5]:
        places = {role: re.search(rf"(?<!\w){re.escape(role)}\s+(?:also\s+)?{right}", document.body) for role in roles}
        for role, other in (roles, roles[::-1]):
            place = places[role]
            if (
                place is not None
                and places[other] is None
                and not re.search(rf"\b(?:each|either) party\s+{right}", document.body, re.IGNORECASE)
            ):
                message = f"only the {role} {right}".replace("only the the", "only the")
                yield document.finding(message, place.start(), place.end(), severity=Severity.INFO)


def _ambiguity(document: Document) -> Iterator[Finding]:
    for match in _VAGUE.finditer(document.body):
        yield document.finding(
            f"{match.group()!r} leaves open what is meant", match.start(), match.end(), severity=Severity.INFO
        )


def _readability(document: Document) -> Iterator[Finding]:
    for start, end in sentences(document.body):
        count = len(document.body[start:end].split())
        if count > LONG:
            yield document.finding(f"a sentence of {count} words", start, end, severity=Severity.INFO)

"""Validation: each check runs alone, and one that cannot run says so and never counts as passed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from hexar.agents.legal.messages.state import Check, Finding, Section
from hexar.agents.legal.templates.model import DocumentType
from hexar.agents.legal.validation.blanks import placeholders, required
from hexar.agents.legal.validation.figures import amounts, dates
from hexar.agents.legal.validation.governing import governing_law, missing_law, place_rules
from hexar.agents.legal.validation.parties import parties
from hexar.agents.legal.validation.references import references
from hexar.agents.legal.validation.terms import terms
from hexar.agents.legal.validation.text import Document

log = structlog.get_logger(__name__)

VALIDATION_CHECKS = (
    "required_fields", "placeholders", "parties", "dates", "amounts", "defined_terms", "cross_references", "governing_law",
    "jurisdiction_rules",
)  # fmt: skip
_NO_JURISDICTION = "no jurisdiction was given"


def validate(sections: Sequence[Section], kind: DocumentType, jurisdiction: str, values: Mapping[str, Any]) -> list[Check]:
    """The checks of a draft."""
    return _run(Document.of_sections(sections, kind.language), kind, jurisdiction, values)


def validate_text(text: str, kind: DocumentType | None, jurisdiction: str) -> list[Check]:
    """The checks of a text that was sent; ``kind`` None and ``jurisdiction`` empty where they were not named."""
    return _run(Document.of_text(text), kind, jurisdiction, None)


def _run(document: Document, kind: DocumentType | None, jurisdiction: str, values: Mapping[str, Any] | None) -> list[Check]:
    return [
        ran("required_fields", lambda: required(document, kind, values, jurisdiction)),
        ran("placeholders", lambda: placeholders(document)),
        ran("parties", lambda: parties(document)),
        ran("dates", lambda: dates(document)),
        ran("amounts", lambda: amounts(document)),
        ran("defined_terms", lambda: terms(document)),
        ran("cross_references", lambda: references(document)),
        _governing(document, kind, jurisdiction),
        ran("jurisdiction_rules", lambda: place_rules(document, jurisdiction, kind))
        if jurisdiction
        else Check.not_run("jurisdiction_rules", _NO_JURISDICTION),
    ]


def _governing(document: Document, kind: DocumentType | None, jurisdiction: str) -> Check:
    """Whether the law that governs is that of the place; without a place, only clashes are found, and no pass is given."""
    found = ran("governing_law", lambda: [*governing_law(document, jurisdiction), *missing_law(document, kind)])
    if jurisdiction or found.findings:
        return found
    return Check.not_run("governing_law", _NO_JURISDICTION)


def ran(name: str, check: Callable[[], Iterable[Finding]]) -> Check:
    """The check's result; NOT_RUN where it failed."""
    try:
        return Check.ended(name, check())
    except Exception as error:
        log.exception("check failed", check=name, error=type(error).__name__)
        return Check.not_run(name, "the check failed")

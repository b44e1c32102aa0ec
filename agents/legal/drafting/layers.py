"""The five layers as plain functions: blocking, without gRPC, without an event loop. The pipeline gives them threads and time.

Replacing one, as tests and benchmarks do, is giving :class:`Layers` another function of the same shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hexar.agents.legal.citations.recognise import recognise
from hexar.agents.legal.citations.resolving import resolver_of, without
from hexar.agents.legal.citations.support import cite as cite_text
from hexar.agents.legal.corpus.index import Hit
from hexar.agents.legal.messages.state import Check, Citation, Removed, Section, State
from hexar.agents.legal.request.plan import DraftPlan
from hexar.agents.legal.templates.model import Clause
from hexar.agents.legal.templates.rendering import Filling, Rendered
from hexar.agents.legal.validation.checks import validate as validate_document
from hexar.agents.legal.validation.review import review as review_document

#: Authorities of one clause, and of the request as a whole.
OF_CLAUSE, OF_REQUEST = 4, 10
#: Clauses without a question of their own that are researched by their words, and how many of these.
BY_WORDS, CLAUSE_WORDS = 40, 60
#: Said of a citation that the document's own template makes: its words stay.
OF_TEMPLATE = "; it stands in the text of the document type"
_MARKS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\[[^\]\n]*\]")


@dataclass(frozen=True, slots=True)
class Cited:
    """What the last layer found."""

    citations: tuple[Citation, ...] = ()
    removed: tuple[Removed, ...] = ()


@dataclass(frozen=True, slots=True)
class Layers:
    """One function a layer."""

    research: Callable[[DraftPlan], list[Hit]]
    draft: Callable[[DraftPlan], list[Section]]
    review: Callable[[DraftPlan, Sequence[Section]], list[Check]]
    validate: Callable[[DraftPlan, Sequence[Section]], list[Check]]
    cite: Callable[[DraftPlan, State], Cited]


def research(plan: DraftPlan) -> list[Hit]:
    """Authorities for the request and for each clause, each once, those of the request first."""
    if plan.index is None:
        return []
    clauses = Filling(plan.kind, plan.values, plan.jurisdiction).clauses
    wanted = [(clause.research, OF_CLAUSE) for clause in clauses if clause.research]
    if not wanted:
        # A type that was imported says nothing of research: its clauses are looked up by their own words.
        wanted = [(words_of(clause), OF_CLAUSE) for clause in clauses if clause.text.strip()][:BY_WORDS]
    words = f"{plan.kind.title} {plan.request.request}"[:2000]
    found: dict[str, Hit] = {}
    for text, limit in [(words, OF_REQUEST), *wanted]:
        for hit in plan.index.search(text, plan.jurisdiction, plan.as_of, limit):
            found.setdefault(hit.passage.id, hit)
    return list(found.values())


def words_of(clause: Clause) -> str:
    """The heading of a clause and its first words, without the marks of the template."""
    return " ".join(_MARKS.sub(" ", f"{clause.heading} {clause.text}").split()[:CLAUSE_WORDS])


def draft(plan: DraftPlan) -> list[Section]:
    """The sections of the filled template."""
    filling = Filling(plan.kind, plan.values, plan.jurisdiction)
    return [section_of(filling.render(clause)) for clause in filling.clauses]


def section_of(rendered: Rendered) -> Section:
    """A rendered clause as a section."""
    return Section(rendered.clause.key, rendered.number, rendered.heading, rendered.text, rendered.open_fields)


def review(plan: DraftPlan, sections: Sequence[Section]) -> list[Check]:
    """The checks of review."""
    return review_document(sections, plan.kind, plan.jurisdiction)


def validate(plan: DraftPlan, sections: Sequence[Section]) -> list[Check]:
    """The checks of validation."""
    return validate_document(sections, plan.kind, plan.jurisdiction, plan.values)


def cite(plan: DraftPlan, state: State) -> Cited:
    """Citations from the authorities that research found, and what in the request is no authority."""
    index = plan.index
    asked = resolver_of(index).resolve(plan.request.request, plan.jurisdiction, plan.as_of) if plan.request.request else []
    removed = [Removed(-1, entry.at.text, entry.reason, entry.at.start, entry.at.end) for entry in asked if entry.reason]
    passages = [index.by_id[found] for found in state.authorities if found in index.by_id] if index is not None else []
    # What research found applies; it is looked at once more, because nothing else may ever be shown as support.
    passages = [passage for passage in passages if passage.supports(plan.jurisdiction, plan.as_of)]
    found: list[Citation] = []
    for at, section in enumerate(state.sections):
        found += cite_text(at, section.text, passages, plan.kind.language)
        if index is not None and recognise(section.text):
            own = resolver_of(index).resolve(section.text, plan.jurisdiction, plan.as_of)
            removed += [Removed(at, entry.at.text, f"{entry.reason}{OF_TEMPLATE}") for entry in own if entry.reason]
    found.sort(key=lambda entry: (entry.section, entry.end))
    return Cited(tuple(replace(entry, number=at) for at, entry in enumerate(found, 1)), tuple(removed))


def checked_text(plan: DraftPlan, section: int, text: str) -> tuple[str, list[Removed]]:
    """A model's text without citations that resolve to nothing that may be cited."""
    if not recognise(text):
        return text, []
    bad = [entry for entry in resolver_of(plan.index).resolve(text, plan.jurisdiction, plan.as_of) if entry.reason]
    removed = [Removed(section, entry.at.text, entry.reason) for entry in bad]
    return without(text, [entry.at for entry in bad]) if bad else text, removed


LAYERS = Layers(research, draft, review, validate, cite)

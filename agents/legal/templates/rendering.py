"""Clauses filled in a sandbox: Jinja2 without access to anything but the fields.

A template sees its fields, ``jurisdiction``, ``governing_place`` and ``ref("clause key")``, the number of a clause. Which
clauses a document has, and so their numbers, is settled before any is rendered, so that references forward resolve too.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hexar.agents.legal.corpus.jurisdictions import display
from hexar.agents.legal.templates.model import BadType, Clause, DocumentType, Field
from hexar.agents.legal.templates.values import Open, Raw, shown

#: Characters of one rendered clause.
MAX_CLAUSE = 400_000


class BadTemplate(BadType):
    """A template cannot be rendered; the message names the clause."""


class _Missing(Undefined):
    """A name that is no field: a fault of the template, never of a caller."""

    def _fail(self, *_: Any, **__: Any) -> Any:
        raise TemplateError(f"{self._undefined_name!r} is no field")

    __str__ = __iter__ = __len__ = __bool__ = __getattr__ = __call__ = _fail


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with nothing of its globals."""


def _environment() -> _Sandbox:
    environment = _Sandbox(
        undefined=_Missing, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in ("upper", "lower", "capitalize", "title", "length")}
    environment.filters["in_words"] = _in_words
    return environment


def _in_words(value: Any) -> str:
    if isinstance(value, Open):
        return str(value)
    return str(getattr(value, "in_words", value))


_ENVIRONMENT = _environment()


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template:
    return _ENVIRONMENT.from_string(text)


@lru_cache(maxsize=4096)
def _condition(text: str) -> Any:
    return _ENVIRONMENT.compile_expression(text, undefined_to_none=False)


@dataclass(frozen=True, slots=True)
class Rendered:
    """One section: its place in the numbering (empty: none), its text, and the fields that stand open in it."""

    clause: Clause
    number: str
    heading: str
    text: str
    open_fields: tuple[str, ...]


class Filling:
    """One document type filled with values for one jurisdiction."""

    def __init__(self, kind: DocumentType, values: Mapping[str, Raw], jurisdiction: str) -> None:
        self.kind = kind
        self._opened: list[str] = []
        self._context: dict[str, Any] = {
            field.name: shown(field, values.get(field.name), kind.language, self._opened.append) for field in kind.fields
        }
        self._context |= {
            "jurisdiction": jurisdiction,
            "governing_place": display(jurisdiction, kind.language) if jurisdiction else "",
        }
        self.clauses = [clause for clause in kind.clauses if self._holds(clause.when, clause.key)]
        counter = itertools.count(1)
        self._numbers = {clause.key: str(next(counter)) for clause in self.clauses if clause.number}
        self._context["ref"] = self._reference
        self._keys = {clause.key for clause in kind.clauses}

    def counts(self, field: Field) -> bool:
        """Whether the field counts with these values."""
        return self._holds(field.when, field.name)

    def render(self, clause: Clause) -> Rendered:
        """A clause of :attr:`clauses`, filled. Raises BadTemplate."""
        text = next((entry.text for entry in clause.alternatives if self._holds(entry.when, clause.key)), clause.text)
        self._opened.clear()
        try:
            filled = _tidy(_compiled(text).render(self._context))
            heading = _compiled(clause.heading).render(self._context)
        except (TemplateError, ValueError, TypeError, AttributeError, OverflowError, MemoryError) as error:
            raise BadTemplate(f"clause {clause.key!r}: {error}") from error
        if len(filled) > MAX_CLAUSE:
            raise BadTemplate(f"clause {clause.key!r}: more than {MAX_CLAUSE} characters")
        opened = tuple(dict.fromkeys(self._opened))
        return Rendered(clause, self._numbers.get(clause.key, ""), heading, filled, opened)

    def _holds(self, condition: str, where: str) -> bool:
        if not condition:
            return True
        try:
            return bool(_condition(condition)(**self._context))
        except (TemplateError, ValueError, TypeError) as error:
            raise BadTemplate(f"{where!r}: its condition cannot be read: {error}") from error

    def _reference(self, key: str) -> str:
        number = self._numbers.get(key)
        if number is None:
            reason = "is not in this document" if key in self._keys else "is no clause"
            raise TemplateError(f"ref({key!r}) {reason}")
        return number


def _tidy(text: str) -> str:
    """Paragraphs separated by one blank line; no blanks at the ends of lines."""
    lines = [line.rstrip() for line in text.strip().split("\n")]
    kept = [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]
    return "\n".join(kept)


def check_type(kind: DocumentType) -> None:
    """Compile every template of a type. Raises BadTemplate."""
    for clause in kind.clauses:
        for text in (clause.text, clause.heading, *(entry.text for entry in clause.alternatives)):
            try:
                _compiled(text)
            except TemplateError as error:
                raise BadTemplate(f"clause {clause.key!r}: {error}") from None
        for condition in (clause.when, *(entry.when for entry in clause.alternatives)):
            if condition:
                try:
                    _condition(condition)
                except TemplateError as error:
                    raise BadTemplate(f"clause {clause.key!r}: {error}") from None

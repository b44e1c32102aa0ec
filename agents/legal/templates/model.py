"""Document types: what may be drafted, with which fields, from which clauses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The kind of a field's value."""

    TEXT = "text"
    DATE = "date"
    MONEY = "money"
    DURATION = "duration"
    PARTY = "party"
    CHOICE = "choice"
    LIST = "list"
    FLAG = "flag"
    NUMBER = "number"


class BadType(ValueError):
    """A document type cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Field:
    """One typed field. ``when`` is an expression over the other fields: the field counts only where it holds."""

    name: str
    label: str
    kind: Kind = Kind.TEXT
    required: bool = True
    description: str = ""
    default: str | None = None
    choices: tuple[str, ...] = ()
    items: tuple[Field, ...] = ()
    when: str = ""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A wording of a clause for where ``when`` holds."""

    when: str
    text: str


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of the library.

    ``number`` is False for what stands outside the numbering: preamble, signatures. ``research`` are words that its authorities
    are looked for by; empty: none are. ``free`` text may be phrased by a model. ``core`` clauses are missed where they lack.
    """

    key: str
    heading: str
    text: str
    when: str = ""
    alternatives: tuple[Alternative, ...] = ()
    number: bool = True
    core: bool = True
    free: bool = False
    research: str = ""


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A kind of document in one language. ``jurisdictions`` empty: for any."""

    name: str
    language: str
    title: str
    fields: tuple[Field, ...]
    clauses: tuple[Clause, ...]
    jurisdictions: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    license: str = ""

    def field(self, name: str) -> Field | None:
        """The field of that name."""
        return next((field for field in self.fields if field.name == name), None)


def read_type(row: Any) -> DocumentType:
    """A document type from the mapping that its YAML file holds. Raises BadType naming what is wrong."""
    if not isinstance(row, dict):
        raise BadType("a document type is a mapping")
    name = _word(row, "name")
    fields = tuple(_field(key, value) for key, value in _mapping(row.get("fields", {}), "fields").items())
    clauses = tuple(_clause(entry, at) for at, entry in enumerate(_list(row.get("clauses"), "clauses")))
    if not clauses:
        raise BadType("clauses: a document type has at least one")
    keys = [clause.key for clause in clauses]
    if len(set(keys)) < len(keys):
        raise BadType(f"clauses: {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return DocumentType(
        name=name,
        language=str(row.get("language", "en")),
        title=_word(row, "title"),
        fields=fields,
        clauses=clauses,
        jurisdictions=tuple(map(str, _list(row.get("jurisdictions", []), "jurisdictions"))),
        aliases=tuple(map(str, _list(row.get("aliases", []), "aliases"))),
        license=str(row.get("license", "")),
    )


def _word(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadType(f"{key} is missing")
    return value.strip()


def _mapping(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadType(f"{key} must be a mapping")
    return value


def _list(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadType(f"{key} must be a list")
    return value


def label_of(name: str) -> str:
    """A label for a field without one: "Start Date" for start_date."""
    return name.replace("_", " ").replace(".", " ").title()


def _field(name: str, row: Any) -> Field:
    values = _mapping(row or {}, f"fields.{name}")
    try:
        kind = Kind(values.get("kind", "text"))
    except ValueError:
        raise BadType(f"fields.{name}.kind: {values['kind']!r} is none of {', '.join(Kind)}") from None
    default = values.get("default")
    return Field(
        name=name,
        label=str(values.get("label") or label_of(name)),
        kind=kind,
        required=bool(values.get("required", default is None)),
        description=str(values.get("description", "")),
        default=None if default is None else str(default),
        choices=tuple(map(str, _list(values.get("choices", []), f"fields.{name}.choices"))),
        items=tuple(_field(key, value) for key, value in _mapping(values.get("items", {}), f"fields.{name}.items").items()),
        when=str(values.get("when", "")),
    )


def _clause(row: Any, at: int) -> Clause:
    values = _mapping(row, f"clauses[{at}]")
    return Clause(
        key=_word(values, "key"),
        heading=str(values.get("heading", "")),
        text=str(values.get("text", "")).strip("\n"),
        when=str(values.get("when", "")),
        alternatives=tuple(
            Alternative(str(entry.get("when", "")), str(entry.get("text", "")).strip("\n"))
            for entry in _list(values.get("alternatives", []), f"clauses[{at}].alternatives")
        ),
        number=bool(values.get("number", True)),
        core=bool(values.get("core", True)),
        free=bool(values.get("free", False)),
        research=str(values.get("research", "")),
    )


def to_row(kind: DocumentType) -> dict[str, Any]:
    """The mapping that :func:`read_type` reads."""
    return {
        "name": kind.name,
        "language": kind.language,
        "title": kind.title,
        "license": kind.license,
        "jurisdictions": list(kind.jurisdictions),
        "aliases": list(kind.aliases),
        "fields": _field_rows(kind.fields),
        "clauses": [
            {
                "key": clause.key, "heading": clause.heading, "text": clause.text, "when": clause.when,
                "alternatives": [{"when": entry.when, "text": entry.text} for entry in clause.alternatives],
                "number": clause.number, "core": clause.core, "free": clause.free, "research": clause.research,
            }
            for clause in kind.clauses
        ],
    }  # fmt: skip


def _field_rows(fields: Iterable[Field]) -> dict[str, Any]:
    return {
        field.name: {
            "label": field.label, "kind": field.kind.value, "required": field.required, "description": field.description,
            "default": field.default, "choices": list(field.choices), "items": _field_rows(field.items), "when": field.when,
        }
        for field in fields
    }  # fmt: skip

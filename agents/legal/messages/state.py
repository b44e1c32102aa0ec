"""What goes from layer to layer, and is kept of a draft: values, sections, checks, citations. Small: authorities stay ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from hexar.agents.legal.corpus.passages import CorpusKey


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Section:
    """A section as it stands in the document; ``text`` is plain text."""

    clause: str
    number: str
    heading: str
    text: str
    open_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. ``section`` -1: the whole document. Positions are code points of the section's text."""

    message: str
    severity: Severity = Severity.ERROR
    section: int = -1
    start: int = 0
    end: int = 0
    suggestion: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One check with what it found."""

    name: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    reason: str = ""

    @classmethod
    def ended(cls, name: str, findings: Iterable[Finding]) -> Check:
        """A check that ran: it passed where nothing of weight was found."""
        found = tuple(findings)
        failed = any(finding.severity is not Severity.INFO for finding in found)
        return cls(name, Outcome.FAILED if failed else Outcome.PASSED, found)

    @classmethod
    def not_run(cls, name: str, reason: str) -> Check:
        """A check that could not run."""
        return cls(name, Outcome.NOT_RUN, (), reason)


@dataclass(frozen=True, slots=True)
class Citation:
    """An authority at a sentence: ``quote`` is ``authority.quote[quote_start:quote_end]``."""

    section: int
    start: int
    end: int
    authority: str
    quote: str
    quote_start: int
    quote_end: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Removed:
    """A citation that is no support, and why. ``section`` -1: it stood in the request."""

    section: int
    text: str
    reason: str
    start: int = 0
    end: int = 0


@dataclass(slots=True)
class State:
    """One document while it forms."""

    kind: str
    language: str
    jurisdiction: str
    title: str
    values: dict[str, Any]
    corpus: CorpusKey | None = None
    as_of: str = ""
    authorities: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)

    def dump(self) -> bytes:
        """As it is kept."""
        return orjson.dumps(asdict(self))

    @property
    def open_fields(self) -> list[str]:
        """Fields that stand open in the text, each once, in the order of the document."""
        return list(dict.fromkeys(name for section in self.sections for name in section.open_fields))

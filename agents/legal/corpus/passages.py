"""A passage of a corpus: what is found, quoted and cited."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from hexar.agents.legal.corpus.jurisdictions import applies


@dataclass(frozen=True, slots=True)
class Passage:
    """One text of an authority. ``quote`` is verbatim; positions in it are code points. Empty: the corpus does not say."""

    id: str
    quote: str
    title: str = ""
    citation: str = ""
    jurisdictions: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    court_or_source: str = ""
    url: str = ""
    valid_from: date | None = None
    valid_until: date | None = None
    superseded_by: str = ""

    def in_force(self, day: date) -> bool:
        """Whether it is valid on ``day``, as far as the corpus says.

        A text that was superseded is in force up to its last day; where the corpus names none, it is in force no more.
        """
        if self.valid_from is not None and day < self.valid_from:
            return False
        if self.valid_until is not None:
            return day <= self.valid_until
        return not self.superseded_by

    def supports(self, jurisdiction: str, day: date) -> bool:
        """Whether it may support a sentence of ``jurisdiction`` on ``day``."""
        return applies(self.jurisdictions, jurisdiction) and self.in_force(day)


@dataclass(frozen=True, slots=True)
class CorpusKey:
    """One version of a corpus. ``tenant`` is empty where it belongs to the server."""

    tenant: str
    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a version of a corpus holds: passages and topics by jurisdiction."""

    passages: int = 0
    jurisdictions: dict[str, int] = field(default_factory=dict)
    topics: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, passages: list[Passage]) -> Coverage:
        """Counted from passages; those without a jurisdiction count under the empty one."""
        counts: dict[str, int] = {}
        topics: dict[str, set[str]] = {}
        for passage in passages:
            for path in passage.jurisdictions or ("",):
                counts[path] = counts.get(path, 0) + 1
                topics.setdefault(path, set()).update(passage.topics)
        return cls(len(passages), dict(sorted(counts.items())), {path: tuple(sorted(topics[path])) for path in sorted(topics)})

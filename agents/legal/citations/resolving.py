"""Citations that stand in a text: which authority of the corpus each one is, and why one is no support."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from weakref import WeakKeyDictionary

from hexar.agents.legal.citations.recognise import Recognised, names_same, normalised, recognise
from hexar.agents.legal.corpus.index import CorpusIndex
from hexar.agents.legal.corpus.passages import Passage


@dataclass(frozen=True, slots=True)
class Resolved:
    """A citation in a text: the passages that support by it, or the reason why none does."""

    at: Recognised
    passages: tuple[Passage, ...]
    reason: str = ""


class Resolver:
    """Resolves citations against one version of a corpus; None: no corpus, so nothing resolves."""

    def __init__(self, index: CorpusIndex | None) -> None:
        self._names: list[tuple[str, Passage]] = []
        self._by_word: dict[str, list[int]] = {}
        for passage in index.passages if index is not None else ():
            for name in dict.fromkeys((normalised(passage.citation), normalised(passage.title))):
                if name:
                    for word in set(name.split()):
                        self._by_word.setdefault(word, []).append(len(self._names))
                    self._names.append((name, passage))

    def named(self, citation: Recognised) -> list[Passage]:
        """The passages that a citation names, whether they apply or not.

        The parties of a case are written in many ways: where the volume, reporter and page are those of an authority, one
        name of its parties is enough. Without any, it is another case at an invented place.
        """
        found = self._named(normalised(citation.text))
        if found or not citation.parties:
            return found
        place = normalised(citation.text.replace(citation.parties, " "))
        names = {word for word in normalised(citation.parties).split() if len(word) > 2}
        held = self._named(place)
        return [passage for passage in held if names & set(normalised(f"{passage.citation} {passage.title}").split())]

    def _named(self, wanted: str) -> list[Passage]:
        words = wanted.split()
        if not words:
            return []
        rarest = min((self._by_word.get(word, []) for word in words), key=len)
        candidates = set(rarest)
        for word in words:
            if any(char.isdigit() for char in word):
                candidates.update(self._by_word.get(word, ()))
        found = [self._names[at] for at in sorted(candidates)]
        return list({passage.id: passage for name, passage in found if names_same(wanted, name)}.values())

    def resolve(self, text: str, jurisdiction: str, day: date) -> list[Resolved]:
        """Every citation of a text in order."""
        return [self._one(citation, jurisdiction, day) for citation in recognise(text)]

    def _one(self, citation: Recognised, jurisdiction: str, day: date) -> Resolved:
        named = self.named(citation)
        if not named:
            return Resolved(citation, (), "is not in the corpus")
        fitting = tuple(passage for passage in named if passage.supports(jurisdiction, day))
        if fitting:
            return Resolved(citation, fitting)
        return Resolved(citation, (), _reason(named, jurisdiction, day))


_resolvers: WeakKeyDictionary[CorpusIndex, Resolver] = WeakKeyDictionary()


def resolver_of(index: CorpusIndex | None) -> Resolver:
    """The resolver of a version of a corpus, made once."""
    if index is None:
        return Resolver(None)
    found = _resolvers.get(index)
    if found is None:
        found = _resolvers[index] = Resolver(index)
    return found


def _reason(named: Sequence[Passage], jurisdiction: str, day: date) -> str:
    first = next((passage for passage in named if passage.in_force(day)), named[0])
    if not first.in_force(day):
        if first.superseded_by:
            return f"was superseded by {first.superseded_by}"
        return f"is not in force on {day.isoformat()}"
    where = ", ".join(first.jurisdictions) or "no named jurisdiction"
    return f"belongs to {where}, not to {jurisdiction}"


def without(text: str, citations: Sequence[Recognised]) -> str:
    """``text`` without these citations and the brackets, signals and blanks that only served them."""
    for citation in sorted(citations, reverse=True):
        before, after = text[: citation.start], text[citation.end :]
        before = re.sub(
            r"(?:\(?\b(?:[Ss]ee|[Cc]f\.|[Uu]nder|[Pp]ursuant to|[Aa]s held in|[Aa]ccording to|[Ii]n)\s*|[(\[]\s*)$", "", before
        )
        after = (
            re.sub(r"^\s*[)\]]", "", after)
            if before.count("(") + before.count("[") < text[: citation.start].count("(") + text[: citation.start].count("[")
            else after
        )
        text = before.rstrip() + ("" if re.match(r"[\s.,;:)]|$", after) else " ") + after
    return re.sub(r"[ \t]{2,}", " ", re.sub(r"\s+([.,;:])", r"\1", text)).strip()

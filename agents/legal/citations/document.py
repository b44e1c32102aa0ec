"""A finished text: authorities for its sentences, and what becomes of the citations that stand in it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

from hexar.agents.legal.citations.resolving import Resolved, resolver_of
from hexar.agents.legal.citations.support import cite as cite_text
from hexar.agents.legal.citations.support import content_words, sentences
from hexar.agents.legal.corpus.index import CorpusIndex
from hexar.agents.legal.corpus.passages import Passage
from hexar.agents.legal.messages import contract
from hexar.agents.legal.messages.state import Citation, Removed
from hexar.v1 import legal_pb2 as pb

#: Passages that are compared with one sentence, and sentences that are looked up; a longer text is cited at its start.
OF_SENTENCE, MAX_SENTENCES = 3, 400
#: Words of a sentence that is looked up.
MIN_WORDS = 6
_QUOTED = re.compile(r"[\"“]([^\"”]{12,2000})[\"”]")


def cite_document(text: str, index: CorpusIndex | None, jurisdiction: str, day: date) -> pb.CiteResponse:
    """The authorities of a text. CPU only: some milliseconds a sentence."""
    resolved = resolver_of(index).resolve(text, jurisdiction, day)
    unresolved = [Removed(0, entry.at.text, entry.reason, entry.at.start, entry.at.end) for entry in resolved if entry.reason]
    unresolved += altered_quotes(text, resolved)
    unresolved.sort(key=lambda entry: entry.start)
    response = pb.CiteResponse(unresolved=[contract.removed(entry) for entry in unresolved])
    if index is None:
        return response
    response.corpus.CopyFrom(contract.corpus_ref(index.key))
    found: list[Citation] = []
    for start, end in list(sentences(text))[:MAX_SENTENCES]:
        sentence = text[start:end]
        if len(content_words(sentence)) < MIN_WORDS:
            continue
        passages = [hit.passage for hit in index.search(sentence, jurisdiction, day, OF_SENTENCE)]
        found += [
            replace(entry, start=entry.start + start, end=entry.end + start) for entry in cite_text(0, sentence, passages)
        ]
    numbered = [replace(entry, number=at) for at, entry in enumerate(found, 1)]
    cited = list(dict.fromkeys(entry.authority for entry in numbered))
    response.authorities.extend(contract.authority(index.by_id[name], index) for name in cited)
    response.citations.extend(contract.citation(entry) for entry in numbered)
    return response


def altered_quotes(text: str, resolved: list[Resolved]) -> list[Removed]:
    """Quotes beside a citation whose words do not stand in what it cites."""
    found: list[Removed] = []
    for quote in _QUOTED.finditer(text):
        near = [entry for entry in resolved if entry.passages and -4 <= entry.at.start - quote.end() <= 40]
        if near and not any(_holds(passage, quote[1]) for entry in near for passage in entry.passages):
            reason = f"does not stand in {near[0].at.text} as the corpus has it"
            found.append(Removed(0, quote[1], reason, quote.start(1), quote.end(1)))
    return found


def _holds(passage: Passage, quote: str) -> bool:
    """Whether a quote stands in a passage, whatever its blanks and quotation marks, and a final stop."""
    return _plain(quote).rstrip(" .,;") in _plain(passage.quote)


def _plain(text: str) -> str:
    return " ".join(text.translate(str.maketrans("‘’“”", "''\"\"")).split())

"""Which passage supports which sentence: shared wording, quoted at its span.

A sentence is supported where it restates the passage: most of its rare words stand in one stretch of the passage, and a run of
them in the same order. That misses what is only said in other words, and invents nothing. The quote is cut out of the passage
at the sentences that hold the stretch, and is never written anew.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hexar.agents.legal.corpus.passages import Passage
from hexar.agents.legal.messages.state import Citation
from hexar.core.text.terms import LANGUAGES, STOPWORDS, detect, stem
from hexar.core.text.words import fold

#: Words of a sentence that is looked at, without function words.
MIN_WORDS = 5
#: Share of a sentence's words that the passage must hold, and the length of the run that must stand there in order.
MIN_SHARE, MIN_RUN = 0.6, 4
#: Characters of a quote; a longer passage is quoted by the sentences that support.
MAX_QUOTE = 600
#: Citations at one sentence.
MAX_CITATIONS = 2

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SENTENCE = re.compile(r"(?<=[.;:!?])[\"”’)]*\s+|\n+")
#: What ends in a full stop without ending a sentence.
_ABBREVIATION = re.compile(r"(?:\b(?:[A-Z]|Inc|Ltd|Co|Corp|No|Art|Sec|St|Mr|Ms|Mrs|Dr|v|vs|U\.S|e\.g|i\.e|cf|al))\.$")


@dataclass(frozen=True, slots=True)
class Word:
    """A content word with its place."""

    stem: str
    start: int
    end: int


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the sentences of ``text``, without blanks at the ends."""
    start = 0
    for gap in _SENTENCE.finditer(text):
        if "\n" not in gap.group() and _ABBREVIATION.search(text[start : gap.start()]):
            continue
        if text[start : gap.start()].strip():
            yield _trimmed(text, start, gap.start() + len(gap.group().rstrip()))
        start = gap.end()
    if text[start:].strip():
        yield _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))


def content_words(text: str, language: str = "") -> list[Word]:
    """The stems of a text's words without function words, with their places."""
    spoken = language if language in LANGUAGES else detect(text) or "en"
    stop = STOPWORDS[spoken]
    words = []
    for found in _TOKEN.finditer(text):
        folded = fold(found.group().lower().replace("’", "'"))
        if folded not in stop:
            words.append(Word(stem(folded, spoken), found.start(), found.end()))
    return words


def cite(section: int, text: str, passages: Sequence[Passage], language: str = "") -> list[Citation]:
    """The citations of a section's text from passages that may support it; numbers are given later."""
    held = [(passage, content_words(passage.quote, language)) for passage in passages]
    found: list[Citation] = []
    for start, end in sentences(text):
        words = content_words(text[start:end], language)
        if len({word.stem for word in words}) < MIN_WORDS:
            continue
        scored: list[tuple[float, int, Citation]] = []
        for at, (passage, theirs) in enumerate(held):
            span = _stretch(words, theirs)
            if span is not None:
                share, first, last = span
                quote_start, quote_end = _whole(passage.quote, theirs[first].start, theirs[last].end)
                quote = passage.quote[quote_start:quote_end]
                scored.append((-share, at, Citation(section, start, end, passage.id, quote, quote_start, quote_end)))
        found += [citation for _, _, citation in sorted(scored, key=lambda row: row[:2])[:MAX_CITATIONS]]
    return found


def _stretch(sentence: Sequence[Word], passage: Sequence[Word]) -> tuple[float, int, int] | None:
    """(share, first word, last word) of the stretch of the passage that restates the sentence; None where none does."""
    wanted = Counter(word.stem for word in sentence)
    places: dict[str, list[int]] = {}
    for at, word in enumerate(passage):
        places.setdefault(word.stem, []).append(at)
    shared = sum(1 for word in wanted if word in places)
    if shared < MIN_SHARE * len(wanted) or shared < MIN_RUN:
        return None
    run = _longest_run([word.stem for word in sentence], [word.stem for word in passage], places)
    if run[0] < MIN_RUN:
        return None
    # The stretch grows from the run to both sides while it gains words, within the sentence's length and half again.
    _, begin, end = run
    reach = max(len(sentence), 2 * MIN_RUN)
    first, last = begin, end
    for at in range(begin - 1, max(-1, begin - reach), -1):
        if passage[at].stem in wanted:
            first = at
    for at in range(end + 1, min(len(passage), end + reach)):
        if passage[at].stem in wanted:
            last = at
    held = {word.stem for word in passage[first : last + 1]}
    share = sum(1 for word in wanted if word in held) / len(wanted)
    return (share, first, last) if share >= MIN_SHARE else None


def _longest_run(ours: Sequence[str], theirs: Sequence[str], places: dict[str, list[int]]) -> tuple[int, int, int]:
    """(length, first, last in ``theirs``) of the longest run of words that both have in the same order."""
    best = (0, 0, 0)
    before: dict[int, int] = {}
    for word in ours:
        now: dict[int, int] = {}
        for at in places.get(word, ()):
            now[at] = before.get(at - 1, 0) + 1
            if now[at] > best[0]:
                best = (now[at], at - now[at] + 1, at)
        before = now
    return best


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """The span grown to whole sentences, where the quote then stays short enough; a short text is quoted as a whole."""
    if len(text) <= MAX_QUOTE:
        return _trimmed(text, 0, len(text))
    first, last = start, end
    for begin, stop in sentences(text):
        if begin <= start < stop:
            first = begin
        if begin < end <= stop:
            last = stop
    return (first, last) if last - first <= MAX_QUOTE else (start, end)

"""Which words of a question are said by which unit, and how surely.

The same stem is certain; a concept in common, a common beginning, or near vectors are less so. A word that the unit does not
say itself may stand in its surroundings: in the heading or the line above it, in its neighbours, elsewhere in its section.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

from hexar.agents.answers.reading.questions import Question, Term
from hexar.agents.answers.reading.units import Kind, Unit
from hexar.agents.answers.reading.vocabulary import Word, read_words
from hexar.core.memo import remembered

#: How surely two words say the same: in concept, in beginning; near vectors count their cosine, of at least the floor.
CONCEPT, BEGINNING, COSINE_FLOOR, COSINE_SHARE = 0.9, 0.7, 0.55, 0.9
#: A name with one letter wrong, missing or out of place, of at least so many letters.
MISSPELT, MISSPELT_LETTERS = 0.85, 6
#: Letters that two words must begin with alike, and the share of the longer one.
BEGINNING_LETTERS, BEGINNING_SHARE = 5, 0.65
#: What a word counts that stands above the unit, beside it, elsewhere in its section, or in the document's title.
ABOVE, BESIDE, SECTION, PASSAGE = 0.9, 0.6, 0.45, 0.2
#: What it counts as if the unit said it.
ABOVE_SHARE = 0.8
#: What a name counts that the sentence before says: the sentence goes on about it.
CARRIED = 0.85
#: What any word counts that the sentence before says, where a sentence begins with what stands for it.
GOES_ON = 0.6
#: What counts as said at all: a word somewhere in the unit's passage.
LEAST_NAMED = 0.15
_PRONOUNS = ("it its he his she her they their these this", "el ella ellos ellas esto esta este estos estas su sus")
_GO_ON = frozenset(word for words in _PRONOUNS for word in words.split())


class Vectors(Protocol):
    """Word vectors that are at hand."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit rows, one a text."""
        ...


class Passage(Protocol):
    """A retrieved text: the number of its citation, and the document's title with the headings above it, `` › `` between."""

    @property
    def marker(self) -> int: ...

    @property
    def text(self) -> str: ...

    @property
    def title(self) -> str: ...


@dataclass(slots=True)
class Read:
    """A unit with its words. ``own[i]`` and ``all[i]`` say how surely term i is said by it, and with its surroundings.

    ``other``: it is a row or an item of another name than the question's, which stands beside it.
    """

    unit: Unit
    marker: int
    order: int
    language: str
    words: tuple[Word, ...]
    above: tuple[Word, ...]
    own: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)
    above_said: list[float] = field(default_factory=list)
    sure: float = 0.0
    said: float = 0.0
    score: float = 0.0
    support: float = 0.0
    other: bool = False


@remembered("answers.words")
def words_of(text: str, language: str) -> tuple[Word, ...]:
    """The words of a unit."""
    return tuple(read_words(text, language))


class Lexicon:
    """Says of every word of the units which terms it stands for."""

    def __init__(self, terms: Sequence[Term], vocabulary: Mapping[str, Word], embeddings: Vectors | None) -> None:
        self._found: dict[str, list[tuple[int, float]]] = {}
        certain: set[int] = set()
        for key, word in vocabulary.items():
            for number, term in enumerate(terms):
                sure = _sure(term, word)
                if sure > 0.0:
                    self._found.setdefault(key, []).append((number, sure))
                    if sure == 1.0:
                        certain.add(number)
        self._misspelt([n for n, term in enumerate(terms) if n not in certain and term.named], terms, vocabulary)
        if embeddings is not None:
            open_terms = [
                n for n, term in enumerate(terms) if n not in certain and not term.named and term.word.folded.isalpha()
            ]
            self._near(open_terms, terms, [key for key, word in vocabulary.items() if word.content], embeddings)

    def _misspelt(self, open_terms: Sequence[int], terms: Sequence[Term], vocabulary: Mapping[str, Word]) -> None:
        """Names that no text holds as they are asked for, against what is written like a name there."""
        for number in open_terms:
            asked = terms[number].word.folded
            if len(asked) < MISSPELT_LETTERS or not asked.isalpha():
                continue
            for key, word in vocabulary.items():
                near = word.raw[:1].isupper() and word.folded[:1] == asked[0] and word.folded.isalpha()
                if near and OSA.distance(asked, word.folded, score_cutoff=1) == 1:
                    self._found.setdefault(key, []).append((number, MISSPELT))

    def _near(self, open_terms: Sequence[int], terms: Sequence[Term], vocabulary: Sequence[str], embeddings: Vectors) -> None:
        if not open_terms or not vocabulary:
            return
        asked = embeddings.embed([terms[n].word.folded for n in open_terms])
        said = embeddings.embed(vocabulary)
        cosines = asked @ said.T
        for row, column in zip(*np.nonzero(cosines >= COSINE_FLOOR), strict=True):
            sure = COSINE_SHARE * float(cosines[row, column])
            self._found.setdefault(vocabulary[column], []).append((open_terms[row], sure))

    def said(self, words: Iterable[Word], count: int) -> list[float]:
        """How surely each of ``count`` terms is said by ``words``."""
        best = [0.0] * count
        for word in words:
            for number, sure in self._found.get(word.key, ()):
                if sure > best[number]:
                    best[number] = sure
        return best


def _sure(term: Term, word: Word) -> float:
    if len(term.word.raw) == 1 and term.word.raw.isalpha():
        return float(term.word.raw == word.raw)
    if term.word.stems & word.stems:
        return 1.0
    if not word.content or term.named:
        return 0.0
    if term.word.concepts & word.concepts:
        return CONCEPT
    ours, theirs = term.word.folded, word.folded
    least = max(BEGINNING_LETTERS, BEGINNING_SHARE * max(len(ours), len(theirs)))
    if min(len(ours), len(theirs)) >= least and ours[:BEGINNING_LETTERS] == theirs[:BEGINNING_LETTERS]:
        same = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
        return BEGINNING if same >= least else 0.0
    return 0.0


def match(question: Question, reads: Sequence[Read], embeddings: Vectors | None) -> list[float]:
    """Fill ``own`` and ``all`` of every unit; the weight of each term, by its rarity among the units."""
    vocabulary: dict[str, Word] = {}
    for read in reads:
        for word in (*read.words, *read.above):
            vocabulary.setdefault(word.key, word)
    count = len(question.terms)
    lexicon = Lexicon(question.terms, vocabulary, embeddings)
    above_of: dict[tuple[tuple[str, ...], str, str], list[float]] = {}
    for read in reads:
        read.own = lexicon.said(read.words, count)
        key = (read.unit.path, read.unit.lead, read.language)
        if key not in above_of:
            above_of[key] = lexicon.said(read.above, count)
    named = [term.named for term in question.terms]
    _carry(reads, named)
    _surroundings(reads, above_of)
    held = [sum(1 for read in reads if read.own[i] >= BEGINNING) for i in range(count)]
    total = len(reads)
    return [term.weight * math.log(1 + (total - held[i] + 0.5) / (held[i] + 0.5)) for i, term in enumerate(question.terms)]


def _carry(reads: Sequence[Read], named: Sequence[bool]) -> None:
    """Names go on from sentence to sentence of a paragraph."""
    before: Read | None = None
    for read in reads:
        beside = before is not None and (before.marker, before.unit.group) == (read.marker, read.unit.group)
        if before is not None and beside and read.unit.kind is Kind.SENTENCE:
            goes_on = bool(read.words) and read.words[0].folded in _GO_ON
            read.own = [
                max(own, CARRIED * earlier) if name else max(own, GOES_ON * earlier) if goes_on else own
                for own, earlier, name in zip(read.own, before.own, named, strict=True)
            ]
        before = read


def _surroundings(reads: Sequence[Read], above_of: Mapping[tuple[tuple[str, ...], str, str], list[float]]) -> None:
    sections: dict[tuple[int, int], list[float]] = {}
    passages: dict[int, list[float]] = {}
    for read in reads:
        place = (read.marker, read.unit.section)
        sections[place] = list(map(max, sections.get(place, read.own), read.own))
        passages[read.marker] = list(map(max, passages.get(read.marker, read.own), read.own))
    for at, read in enumerate(reads):
        best = list(read.own)
        above = above_of[read.unit.path, read.unit.lead, read.language]
        read.above_said = [ABOVE_SHARE * sure for sure in above]
        beside = [
            other.own
            for other in (*reads[max(0, at - 1) : at], *reads[at + 1 : at + 2])
            if other.marker == read.marker and other.unit.group == read.unit.group and read.unit.kind is Kind.SENTENCE
        ]
        section = sections[read.marker, read.unit.section] if read.unit.kind is Kind.SENTENCE else ()
        for share, others in (
            (ABOVE, [above]),
            (BESIDE, beside),
            (SECTION, [section] if section else []),
            (PASSAGE, [passages[read.marker]]),
        ):
            for other in others:
                best = [max(mine, share * theirs) for mine, theirs in zip(best, other, strict=True)]
        read.all = best

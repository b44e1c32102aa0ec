"""The last order of the few passages that fusion put in front.

Reciprocal rank fusion knows places, not by how much one passage is better. On its head four scores are weighed, each made
comparable by its mean and spread over the candidates:

- BM25 over the whole passage;
- late interaction: for each word of the query the best cosine to any word of the passage, weighed by the word's rarity,
  which credits inflected and related words that BM25 does not match;
- the cosine of query and passage;
- the rarity of the query words that stand together in two neighbouring sentences.

The weights lie on a plateau: halving or doubling any one changes recall@1 by less than a percentage point.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hexar.agents.llm.embeddings import StaticEmbeddings
from hexar.agents.text.queries import Query
from hexar.core.search.fusion import combine
from hexar.core.search.similarity import WordTokens
from hexar.core.text.terms import words

#: BM25 parameters, as SQLite has them.
K1, B = 1.2, 0.75
#: Cosines of words below this say nothing.
WORD_FLOOR = 0.35
#: Of BM25, window, cosine and words.
_WEIGHTS = (1.0, 1.0, 0.3, 0.5)


@dataclass(frozen=True, slots=True)
class Features:
    """What reranking reads of a chunk: its index terms by sentence and by count, and the tokens of its words."""

    lines: tuple[frozenset[str], ...]
    counts: Mapping[str, int]
    term_count: int
    tokens: WordTokens | None


@dataclass(frozen=True, slots=True)
class ChunkMatch:
    """A chunk that may answer, and its cosine to the query."""

    features: Features
    similarity: float


@dataclass(frozen=True, slots=True)
class Corpus:
    """What BM25 needs to know of the portfolio: how many chunks, and how long they are on average in terms."""

    total: int
    average: float


class Reranker:
    """Orders candidates. ``words`` are static word vectors; without them late interaction is left out.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, words: StaticEmbeddings | None) -> None:
        self._words = words

    def features(self, terms: str, term_count: int, text: str) -> Features:
        """The features of a chunk from its index terms (one line a sentence) and its text with headings."""
        lines = tuple([frozenset(line.split()) for line in terms.split("\n") if line])
        return Features(lines, Counter(terms.split()), term_count, self.tokens(text))

    def tokens(self, text: str) -> WordTokens | None:
        """The tokens of the distinct words of ``text``; None where there are none."""
        if self._words is None:
            return None
        distinct = list(dict.fromkeys(words(text)))
        return self._words.encode(distinct) if distinct else None

    def scores(
        self, query: Query, candidates: Sequence[ChunkMatch], frequencies: Mapping[str, int], corpus: Corpus
    ) -> list[float]:
        """One score a candidate; higher is better. ``frequencies`` counts the chunks that hold each query term."""
        if not candidates:
            return []
        rarity = [
            inverse_frequency(max((frequencies.get(term, 0) for term in group), default=0), corpus.total)
            for group in query.groups
        ]
        lexical, window = self._lexical(query, candidates, rarity, corpus)
        similarities = [candidate.similarity for candidate in candidates]
        tokens = [candidate.features.tokens for candidate in candidates]
        return self.combined(query, lexical, window, similarities, tokens, rarity)

    def combined(
        self,
        query: Query,
        lexical: Sequence[float],
        window: Sequence[float],
        similarities: Sequence[float],
        tokens: Sequence[WordTokens | None],
        rarity: Sequence[float],
    ) -> list[float]:
        """One score a candidate from its BM25, its best window, its cosine and its words; ``rarity`` is of each word group.

        Words past the last that has a rarity are left out of late interaction.
        """
        rows = [lexical, window, similarities]
        if self._words is not None and rarity:
            rows.append(self._words.late_interaction(self._words.encode(query.surface), tokens, rarity, WORD_FLOOR))
        return combine(rows, _WEIGHTS[: len(rows)])

    @staticmethod
    def _lexical(
        query: Query, candidates: Sequence[ChunkMatch], rarity: Sequence[float], corpus: Corpus
    ) -> tuple[list[float], list[float]]:
        group_of = {term: i for i, group in enumerate(query.groups) for term in group}
        wanted = frozenset(group_of)
        lexical: list[float] = []
        window: list[float] = []
        for candidate in candidates:
            features = candidate.features
            counts: dict[int, int] = {}
            for term in wanted.intersection(features.counts):
                counts[group_of[term]] = counts.get(group_of[term], 0) + features.counts[term]
            length = K1 * (1 - B + B * features.term_count / max(corpus.average, 1.0))
            lexical.append(sum([rarity[i] * count * (K1 + 1) / (count + length) for i, count in counts.items()], 0.0))
            before: frozenset[str] = frozenset()
            most = 0.0
            for line in features.lines if counts else ():
                here = wanted & line
                if here:
                    most = max(most, sum([rarity[i] for i in {group_of[term] for term in before | here}]))
                before = here
            window.append(most)
        return lexical, window


def inverse_frequency(frequency: int, total: int) -> float:
    """BM25's weight of a term that ``frequency`` of ``total`` chunks hold; never negative."""
    return math.log(1.0 + (total - frequency + 0.5) / (frequency + 0.5))

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

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from hexar.agents.answers.vocabulary import translations
from hexar.agents.llm.embeddings import StaticEmbeddings
from hexar.agents.portfolio.language import LANGUAGES, STOPWORDS, respelled, stem, words
from hexar.agents.portfolio.retrieval.lexical import inverse_frequency
from hexar.core.search.fusion import combine
from hexar.core.search.similarity import WordTokens
from hexar.core.text.words import fold

#: BM25 parameters, as SQLite has them.
K1, B = 1.2, 0.75
#: Cosines of words below this say nothing.
WORD_FLOOR = 0.35
#: Of BM25, window, cosine and words.
_WEIGHTS = (1.0, 1.0, 0.3, 0.5)
#: Stop words in whichever language a text is.
_STOPWORDS_OF_ALL = STOPWORDS["en"] & STOPWORDS["es"]


class Query(NamedTuple):
    """A query as words: ``groups[i]`` are the index terms that word ``surface[i]`` may stand as, one a language."""

    text: str
    language: str
    surface: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]

    @property
    def terms(self) -> list[str]:
        """All index terms, each once."""
        return list(dict.fromkeys(chain.from_iterable(self.groups)))


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


def parse_query(text: str, language: str, languages: Sequence[str]) -> Query:
    """The words of a query without the stop words of its language, stemmed for every one of ``languages``."""
    standing = _standing(language if language in LANGUAGES else "", tuple(languages))
    surface: list[str] = []
    groups: list[tuple[str, ...]] = []
    for word in dict.fromkeys(words(text)):
        if word.isalnum():
            group = standing(word)
            if not group:
                continue
        else:
            parts = [fold(part) for part in word.replace("-", ".").replace("/", ".").split(".") if part]
            group = ("_".join(parts),)
            for part in parts:
                if part not in surface:
                    surface.append(part)
                    groups.append((part,))
        surface.append(word)
        groups.append(group)
    return Query(text, language, tuple(surface), tuple(groups))


def widened(query: Query, languages: Sequence[str], frequency: Callable[[str], int]) -> Query:
    """``query`` with other spellings, else with words of the portfolio's other language, for the words that it does not hold.

    ``frequency`` counts the chunks that hold a term.
    """
    groups: list[tuple[str, ...]] = []
    for word, group in zip(query.surface, query.groups, strict=True):
        found: tuple[str, ...] = ()
        if not any(map(frequency, group)):
            found = tuple(filter(frequency, respelled(word))) if "es" in languages else ()
            if not found and query.language in LANGUAGES:
                others = [each for each in languages if each != query.language]
                found = tuple(term for each in others for term in translations(word, query.language, each) if frequency(term))
        groups.append((*group, *found))
    return query._replace(groups=tuple(groups))


@lru_cache(maxsize=8)
def _standing(language: str, languages: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """What gives the index terms that a word of letters and digits may stand as; none for a stop word.

    It remembers words for these languages alone, so that the word is the whole key.
    """
    stop = STOPWORDS.get(language, _STOPWORDS_OF_ALL)
    stemmed = [each for each in languages if each in LANGUAGES] or [language]

    @lru_cache(maxsize=20_000)
    def standing(word: str) -> tuple[str, ...]:
        folded = fold(word)
        if folded in stop:
            return ()
        stems = [stem(word, each) for each in stemmed]
        return tuple(dict.fromkeys((*stems, folded) if len(stems) > 1 else stems))

    return standing


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

"""One version of a corpus in memory: jurisdiction and day as hard filters, then words, vectors and topics.

The filter comes first: what does not apply is never scored. Then three scores, each made comparable by its mean and spread
over what applies, are added: BM25, the cosine of query and passage, and how well the passage's topics fit the question. The
last is read from the whole corpus: a question that names a jurisdiction with few texts is asked, in other words, of all the
others, and what these are about is what it is about.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from hexar.agents.legal.corpus.jurisdictions import display, lineage
from hexar.agents.legal.corpus.passages import CorpusKey, Coverage, Passage
from hexar.agents.llm.embeddings import StaticEmbeddings
from hexar.agents.text.queries import Query, parse_query
from hexar.core.search.fusion import combine
from hexar.core.search.postings import GROUPS, Postings
from hexar.core.text.terms import detect, terms, words
from hexar.core.text.words import fold

#: Passages that are scored one by one; of more that apply, those that words or vectors put in front.
SCORED = 2000
#: Postings that one search of words scores at most.
POSTINGS = 300_000
#: Passages of the whole corpus whose topics tell what a question is about.
TOPIC_SAMPLE = 50
#: The constant of reciprocal rank fusion.
FUSION = 60.0
#: Of BM25, cosine and topic. Between half and twice the topic's weight changes recall@10 by two points.
WEIGHTS = (1.0, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage and its score; higher fits better, within one search only."""

    passage: Passage
    score: float


class CorpusIndex:
    """A searchable version of a corpus.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, key: CorpusKey, imported_at: float, passages: Sequence[Passage], words: StaticEmbeddings | None) -> None:
        self.key = key
        self.imported_at = imported_at
        self.passages = tuple(passages)
        self.by_id = {passage.id: passage for passage in self.passages}
        self.coverage = Coverage.of(list(passages))
        self._embeddings = words
        self._lock = threading.Lock()
        self._postings = Postings()
        languages: set[str] = set()
        for number, passage in enumerate(self.passages):
            spoken = detect(passage.quote) or "en"
            languages.add(spoken)
            self._postings.add(number, " ".join(terms(passage.quote, spoken)))
        self._languages = tuple(sorted(languages))
        self._vectors = words.embed([passage.quote for passage in self.passages]) if words and passages else None
        self._topics = sorted({topic for passage in self.passages for topic in passage.topics})
        self._topic_of = self._topic_matrix()
        self._places: dict[str, list[int]] = {}
        for number, passage in enumerate(self.passages):
            for path in passage.jurisdictions:
                self._places.setdefault(path, []).append(number)

    @property
    def jurisdictions(self) -> tuple[str, ...]:
        """The paths that passages belong to."""
        return tuple(sorted(self._places))

    def covers(self, jurisdiction: str) -> bool:
        """Whether any passage applies there, on whatever day."""
        return any(path in self._places for path in lineage(jurisdiction))

    def applicable(self, jurisdiction: str, day: date, topic: str = "") -> list[int]:
        """The passages that apply in ``jurisdiction`` (empty: anywhere) on ``day``, ascending."""
        if jurisdiction:
            numbers = sorted({number for path in lineage(jurisdiction) for number in self._places.get(path, ())})
        else:
            numbers = list(range(len(self.passages)))
        held = self.passages
        return [n for n in numbers if held[n].in_force(day) and (not topic or topic in held[n].topics)]

    def search(self, text: str, jurisdiction: str, day: date, limit: int, topic: str = "") -> list[Hit]:
        """The ``limit`` best passages that apply, best first; ties by their order in the corpus."""
        numbers = self.applicable(jurisdiction, day, topic)
        if not numbers:
            return []
        query = parse_query(_unplaced(text, jurisdiction), detect(text), self._languages)
        vector = self._vector(query.text)
        numbers = self._shortened(numbers, query, vector)
        rows = [self._lexical(numbers, query)]
        if vector is not None and self._vectors is not None:
            rows.append((self._vectors[numbers] @ vector).tolist())
            rows.append(self._topical(numbers, query, vector))
        scores = combine(rows, WEIGHTS[: len(rows)])
        order = sorted(range(len(numbers)), key=lambda at: (-scores[at], numbers[at]))[:limit]
        return [Hit(self.passages[numbers[at]], scores[at]) for at in order]

    def _vector(self, text: str) -> NDArray[np.float32] | None:
        if self._embeddings is None or self._vectors is None:
            return None
        row: NDArray[np.float32] = self._embeddings.embed([text])[0]
        return row if row.any() else None

    def _lexical(self, numbers: list[int], query: Query) -> list[float]:
        if not query.groups:
            return [0.0] * len(numbers)
        with self._lock:
            return self._postings.weigh(numbers, query.groups[:GROUPS])[0]

    def _front(self, query: Query, vector: NDArray[np.float32] | None, count: int) -> list[tuple[int, float]]:
        """The passages of the whole corpus that words and vectors put in front, with their fused weights."""
        with self._lock:
            by_words = self._postings.search(query.terms, count, POSTINGS).keys if query.terms else []
        fused: dict[int, float] = {}
        for place, number in enumerate(by_words, 1):
            fused[number] = fused.get(number, 0.0) + 1.0 / (FUSION + place)
        if vector is not None and self._vectors is not None:
            products = self._vectors @ vector
            width = min(count, len(products))
            nearest = np.argpartition(-products, width - 1)[:width]
            for place, number in enumerate(nearest[np.lexsort((nearest, -products[nearest]))].tolist(), 1):
                fused[number] = fused.get(number, 0.0) + 1.0 / (FUSION + place)
        return sorted(fused.items(), key=lambda item: (-item[1], item[0]))

    def _shortened(self, numbers: list[int], query: Query, vector: NDArray[np.float32] | None) -> list[int]:
        if len(numbers) <= SCORED:
            return numbers
        wanted = set(numbers)
        front = [number for number, _ in self._front(query, vector, len(self.passages)) if number in wanted][:SCORED]
        return sorted(front) or numbers[:SCORED]

    def _topic_matrix(self) -> NDArray[np.float64]:
        matrix = np.zeros((len(self.passages), len(self._topics)))
        at = {topic: column for column, topic in enumerate(self._topics)}
        for number, passage in enumerate(self.passages):
            for topic in passage.topics:
                matrix[number, at[topic]] = 1.0
        return matrix

    def _topical(self, numbers: list[int], query: Query, vector: NDArray[np.float32] | None) -> list[float]:
        if not self._topics:
            return [0.0] * len(numbers)
        front = self._front(query, vector, 2 * TOPIC_SAMPLE)[:TOPIC_SAMPLE]
        if not front:
            return [0.0] * len(numbers)
        found = [number for number, _ in front]
        weights = np.asarray([weight for _, weight in front])
        # A topic that much of the corpus has says less.
        prior = (self._topic_of[found].T @ weights) / np.sqrt(np.maximum(self._topic_of.mean(0), 1e-9))
        total = prior.sum()
        scores: list[float] = (self._topic_of[numbers] @ (prior / total if total else prior)).tolist()
        return scores


def _unplaced(text: str, jurisdiction: str) -> str:
    """``text`` without the name of the place that it is asked of: the filter has said that already."""
    if not jurisdiction:
        return text
    named = {fold(word) for word in words(display(jurisdiction))}
    kept = [word for word in text.split() if not named.issuperset(fold(part) for part in words(word)) or not words(word)]
    return " ".join(kept) or text

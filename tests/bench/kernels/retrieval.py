"""The kernels of one search in memory, each against the same work in NumPy or plain Python.

A portfolio of 2,000 chunks of 120 words over a vocabulary of 5,000, words drawn by Zipf's law, and vectors of 256 numbers; 100
questions of 8 words. ``bm25_vs_numpy`` peers with posting lists as arrays, ``bincount`` and ``argpartition``;
``nearest_vs_numpy`` with a matrix product and ``argpartition``; ``fuse_vs_dict`` with dictionaries and ``sorted``. All give the
best 50. ``bm25_us`` is one question.

Run: ``python tests/bench/kernels/retrieval.py [--quick]``.
"""

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from hexar.core.search.fusion import combine, fuse
from hexar.core.search.hits import Hits
from hexar.core.search.postings import Postings
from hexar.core.search.similarity import nearest
from tests.bench.harness import options, paired, report, seconds
from tests.core.search import oracle_fusion

CHUNKS, WORDS, VOCABULARY, WIDTH, BEST, QUESTIONS = 2_000, 120, 5_000, 256, 50, 100
K1, B, CONSTANT, BUDGET = 1.2, 0.75, 60.0, 100_000

Lists = dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]


class Portfolio:
    """Chunks and questions, the same in each run."""

    def __init__(self, chunks: int) -> None:
        random = np.random.default_rng(5)
        ranks = np.minimum(random.zipf(1.2, (chunks, WORDS)), VOCABULARY)
        self.texts = [[f"w{rank}" for rank in row] for row in ranks]
        asked = random.integers(5, VOCABULARY // 10, (QUESTIONS, 8))
        self.questions = [[f"w{rank}" for rank in row] for row in asked]
        rows = random.standard_normal((chunks, WIDTH), np.float32)
        self.matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        self.keys = np.arange(chunks, dtype=np.int64)
        self.vectors = self.matrix[:QUESTIONS] + 0.1 * self.matrix[::-1][:QUESTIONS]
        self.postings = Postings()
        for key, words in enumerate(self.texts):
            self.postings.add(key, " ".join(words))
        self.lists = self._lists()

    def _lists(self) -> Lists:
        """For each word the chunks that hold it, and what it adds to the score of each."""
        found: dict[str, dict[int, int]] = {}
        for key, words in enumerate(self.texts):
            for word in words:
                counts = found.setdefault(word, {})
                counts[key] = counts.get(key, 0) + 1
        lists: Lists = {}
        for word, counts in found.items():
            count = np.array(list(counts.values()), dtype=np.float64)
            rarity = np.log(1.0 + (len(self.texts) - len(counts) + 0.5) / (len(counts) + 0.5))
            # All chunks have the same length, so that the length's share is 1.
            lists[word] = np.array(list(counts), dtype=np.int64), rarity * count * (K1 + 1) / (count + K1)
        return lists

    def numpy_bm25(self, question: list[str]) -> list[int]:
        """The best chunks by words."""
        held = [self.lists[word] for word in dict.fromkeys(question) if word in self.lists]
        rows, weights = (np.concatenate(each) for each in zip(*held, strict=True))
        scores = np.bincount(rows, weights, len(self.texts))
        best = np.argpartition(scores, -BEST)[-BEST:]
        return [int(key) for key in best[np.lexsort((best, -scores[best]))]]

    def numpy_nearest(self, vector: NDArray[np.float32]) -> list[int]:
        """The best chunks by vectors."""
        scores = self.matrix @ vector
        best = np.argpartition(scores, -BEST)[-BEST:]
        return [int(key) for key in best[np.lexsort((best, -scores[best]))]]

    def bm25(self, question: list[str]) -> Hits:
        """As `numpy_bm25`, in the kernel."""
        return self.postings.search(question, BEST, BUDGET)

    def nearest(self, vector: NDArray[np.float32]) -> Hits:
        """As `numpy_nearest`, in the kernel."""
        return nearest(self.matrix, self.keys, vector, BEST)


@cache
def small() -> Portfolio:
    """Made once: what is counted is the search."""
    return Portfolio(400)


def workload() -> None:
    """A fixed amount of work whose instructions are counted."""
    portfolio = small()
    for question, vector in zip(portfolio.questions, portfolio.vectors, strict=True):
        words, near = portfolio.bm25(question), portfolio.nearest(vector)
        head = fuse(words, near, CONSTANT, 20)
        lexical, window, _ = portfolio.postings.weigh(head.keys, [[word] for word in question])
        head.best(combine([lexical, window], [0.6, 0.4]), 5)


def main() -> None:
    portfolio = Portfolio(400 if options(__doc__ or "").quick else CHUNKS)
    questions, vectors = portfolio.questions, list(portfolio.vectors)
    by_words = [portfolio.bm25(question) for question in questions]
    by_vectors = [portfolio.nearest(vector) for vector in vectors]
    # Where scores differ by a rounding the order of the last places may: the first ones must be equal.
    assert [hits.keys[:10] for hits in by_words] == [portfolio.numpy_bm25(question)[:10] for question in questions]
    assert [hits.keys[:10] for hits in by_vectors] == [portfolio.numpy_nearest(vector)[:10] for vector in vectors]
    pairs = list(zip(by_words, by_vectors, strict=True))
    lists = [(words.keys, near.keys) for words, near in pairs]
    expected = [[key for key, _, _ in oracle_fusion.fuse(*pair, CONSTANT, BEST)] for pair in lists]
    assert [fuse(*pair, CONSTANT, BEST).keys for pair in pairs] == expected

    def ratio(ours: Callable[[], object], peer: Callable[[], object]) -> float:
        mine, theirs = paired(ours, peer)
        return theirs / mine

    report(
        "retrieval",
        {
            "bm25_vs_numpy": ratio(
                lambda: [portfolio.bm25(each) for each in questions], lambda: [portfolio.numpy_bm25(each) for each in questions]
            ),
            "nearest_vs_numpy": ratio(
                lambda: [portfolio.nearest(each) for each in vectors],
                lambda: [portfolio.numpy_nearest(each) for each in vectors],
            ),
            "fuse_vs_dict": ratio(
                lambda: [fuse(*pair, CONSTANT, BEST).keys for pair in pairs],
                lambda: [oracle_fusion.fuse(*pair, CONSTANT, BEST) for pair in lists],
            ),
            "bm25_us": seconds(lambda: portfolio.bm25(questions[0]), number=50) * 1e6,
            "chunks": len(portfolio.texts),
        },
    )


if __name__ == "__main__":
    main()

"""Similarity: products and late interaction against the oracle, and what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexar.core.similarity import WordSimilarity, nearest
from tests.core import oracle_similarity as oracle
from tests.core.oracle_similarity import Words

# Halves are exact in float32, so that equal products are ties here and there.
halves = st.integers(-6, 6).map(lambda value: value / 2)


@given(rows=st.integers(0, 40), columns=st.integers(1, 40), count=st.integers(0, 50), seed=st.integers(0, 2**32))
@settings(max_examples=100)
def test_nearest_equals_the_oracle(rows: int, columns: int, count: int, seed: int) -> None:
    """The same keys with the same products in the same order, ties by key, for columns that fill no vector register too."""
    random = np.random.default_rng(seed)
    matrix = (random.integers(-4, 5, (rows, columns)) / 2).astype(np.float32)
    query = (random.integers(-4, 5, columns) / 2).astype(np.float32)
    keys = random.permutation(rows * 3)[:rows].astype(np.int64)
    found = nearest(matrix, keys, query, count)
    assert list(zip(*found, strict=True)) == oracle.nearest(matrix, keys, query)[:count]


@st.composite
def words(draw: st.DrawFn, tokens: int, least: int = 0) -> Words:
    """Words of one to three tokens, some of none."""
    lengths = draw(st.lists(st.integers(0, 3), min_size=least, max_size=6))
    numbers = draw(st.lists(st.integers(0, tokens - 1), min_size=sum(lengths), max_size=sum(lengths)))
    norms = draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=len(lengths), max_size=len(lengths)))
    starts = np.concatenate(([0], np.cumsum(lengths)))[: len(lengths)]
    return np.array(numbers, np.uint16), starts.astype(np.int64), np.array(norms, np.float32)


@given(data=st.data(), columns=st.integers(1, 36))
@settings(max_examples=100)
def test_late_interaction_equals_the_oracle(data: st.DataObject, columns: int) -> None:
    """Words of several tokens, tokens that repeat over documents, no document, and two queries one after the other."""
    table = np.array(
        data.draw(st.lists(st.lists(halves, min_size=columns, max_size=columns), min_size=4, max_size=4)), np.float32
    )
    similarity = WordSimilarity(table)
    for _ in range(2):
        query = data.draw(words(4, least=1))
        documents = data.draw(st.lists(st.none() | words(4), max_size=5))
        weights = data.draw(st.lists(st.floats(0, 5), max_size=len(query[1])))
        expected = oracle.scores(table, query, documents, weights, 0.25)
        if len(query[0]):
            assert similarity.scores(query, documents, weights, 0.25) == pytest.approx(expected, abs=1e-4)
        else:
            assert similarity.scores(query, documents, weights, 0.25) == [0.0] * len(documents)


WORD: Words = (np.array([0, 1], np.uint16), np.array([0], np.int64), np.array([1.0], np.float32))


@pytest.mark.parametrize(
    ("query", "document", "weights"),
    [
        (WORD, (np.array([9], np.uint16), np.array([0], np.int64), np.array([1.0], np.float32)), [1.0]),
        (WORD, (np.array([0], np.uint16), np.array([5], np.int64), np.array([1.0], np.float32)), [1.0]),
        (WORD, (np.array([0, 0], np.uint16), np.array([1, 0], np.int64), np.array([1.0, 1.0], np.float32)), [1.0]),
        (WORD, (np.array([0], np.uint16), np.array([-1], np.int64), np.array([1.0], np.float32)), [1.0]),
        (WORD, (np.array([0], np.uint16), np.array([0], np.int64), np.zeros(0, np.float32)), [1.0]),
        ((np.array([7], np.uint16), np.array([0], np.int64), np.array([1.0], np.float32)), WORD, [1.0]),
        (WORD, WORD, [1.0, 1.0]),
        (WORD, (np.array([0], np.int64), np.array([0], np.int64), np.array([1.0], np.float32)), [1.0]),
    ],
)
def test_words_outside_the_table_are_refused(query: Any, document: Any, weights: list[float]) -> None:
    """Nothing is read past the arrays, whatever is given."""
    similarity = WordSimilarity(np.eye(4, dtype=np.float32))
    with pytest.raises(ValueError):
        similarity.scores(query, [document], weights, 0.0)
    assert similarity.scores(WORD, [WORD], [1.0], 0.0) == pytest.approx([2.0])


def test_shapes_that_do_not_match_are_refused() -> None:
    """A key a row, a column a number of the query, no negative count, no empty table."""
    matrix, keys, query = np.eye(3, dtype=np.float32), np.arange(3), np.ones(3, np.float32)
    for arguments in ((matrix, keys[:2], query, 1), (matrix, keys, query[:2], 1), (matrix, keys, query, -1)):
        with pytest.raises(ValueError):
            nearest(*arguments)
    with pytest.raises(ValueError):
        WordSimilarity(np.zeros((0, 3), np.float32))

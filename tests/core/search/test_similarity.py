"""Similarity: products and late interaction against the oracle, and what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.search.similarity import WordSimilarity, WordTokens, _dot, nearest
from tests.core.search import oracle_similarity as oracle
from tests.core.search.oracle_similarity import Words

# Halves are exact in float32, so that equal products are ties here and there.
halves = st.integers(-6, 6).map(lambda value: value / 2)


@given(size=st.integers(0, 300), seed=st.integers(0, 2**32))
def test_registers_of_any_width_give_one_product(size: int, seed: int) -> None:
    """Bit by bit the same with and without special instructions, and right, also for what fills no register."""
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((2, size)).astype(np.float32)
    assert _dot(a, b) == _dot(a, b, portable=True)
    assert _dot(a, b) == pytest.approx(float(a.astype(np.float64) @ b.astype(np.float64)), abs=1e-4)


@given(rows=st.integers(0, 40), columns=st.integers(1, 40), count=st.integers(0, 50), seed=st.integers(0, 2**32))
def test_nearest_equals_the_oracle(rows: int, columns: int, count: int, seed: int) -> None:
    """The same keys with the same products in the same order, ties by key, for columns that fill no vector register too."""
    random = np.random.default_rng(seed)
    matrix = (random.integers(-4, 5, (rows, columns)) / 2).astype(np.float32)
    query = (random.integers(-4, 5, columns) / 2).astype(np.float32)
    keys = random.permutation(rows * 3)[:rows].astype(np.int64)
    assert list(nearest(matrix, keys, query, count)) == oracle.nearest(matrix, keys, query)[:count]


def test_a_product_that_is_no_number_comes_last() -> None:
    """A row that is not finite is behind all others and breaks no order."""
    rows = 40
    matrix = np.ones((rows, 2), np.float32)
    matrix[::2] = np.nan
    found = nearest(matrix, np.arange(rows), np.ones(2, np.float32), rows)
    assert found.keys == [*range(1, rows, 2), *range(0, rows, 2)]
    assert found.scores == [2.0] * (rows // 2) + [-np.inf] * (rows // 2)
    assert nearest(matrix, np.arange(rows), np.ones(2, np.float32), 25).keys == found.keys[:25]


@given(
    products=st.lists(st.sampled_from([0.0, 1.0, 1e-45]) | st.floats(width=32, allow_nan=False), max_size=80),
    count=st.integers(0, 80),
)
def test_the_best_are_chosen_however_products_are_spread(products: list[float], count: int) -> None:
    """Equal products, products next to each other, far from all others, and infinite ones."""
    matrix = np.array(products, np.float32).reshape(-1, 1)
    found = nearest(matrix, np.arange(len(products)), np.ones(1, np.float32), count)
    assert list(found) == oracle.nearest(matrix, np.arange(len(products)), np.ones(1, np.float32))[:count]


def words(tokens: int, least: int = 0) -> st.SearchStrategy[Words]:
    """Words of up to three tokens, some of none; more of them than are summed side by side."""
    word = st.tuples(st.lists(st.integers(0, tokens - 1), max_size=3), st.sampled_from([0.5, 1.0, 2.0]))
    return st.lists(word, min_size=least, max_size=18)


@given(data=st.data(), columns=st.integers(1, 36))
def test_late_interaction_equals_the_oracle(data: st.DataObject, columns: int) -> None:
    """Words of several tokens, tokens that repeat over documents, no document, and two queries one after the other."""
    table = np.array(
        data.draw(st.lists(st.lists(halves, min_size=columns, max_size=columns), min_size=4, max_size=4)), np.float32
    )
    similarity = WordSimilarity(table)
    for _ in range(2):
        query = data.draw(words(4, least=1))
        documents = data.draw(st.lists(st.none() | words(4), max_size=5))
        weights = data.draw(st.lists(st.floats(0, 5), max_size=len(query)))
        expected = oracle.scores(table, query, documents, weights, 0.25)
        held = [WordTokens(document) if document is not None else None for document in documents]
        assert similarity.scores(WordTokens(query), held, weights, 0.25) == pytest.approx(expected, abs=1e-4)


def test_words_outside_the_table_are_refused() -> None:
    """Nothing is read past the table, in the query or in a document, and no weight past the words."""
    similarity = WordSimilarity(np.eye(4, dtype=np.float32))
    word, outside = WordTokens([((0, 1), 1.0)]), WordTokens([((3,), 1.0), ((4, 0), 1.0)])
    for query, document, weights in ((word, outside, [1.0]), (outside, word, [1.0]), (word, word, [1.0, 1.0])):
        with pytest.raises(ValueError):
            similarity.scores(query, [document], weights, 0.0)
    assert similarity.scores(word, [word], [1.0], 0.0) == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("made", "error"),
    [
        ([((-1,), 1.0)], OverflowError),
        ([((1 << 16,), 1.0)], OverflowError),
        ([(("a",), 1.0)], TypeError),
        ([((1,), 0.0)], ValueError),
        ([((1,), float("nan"))], ValueError),
        ([((1,), 1.0, 2)], ValueError),
        ([7], TypeError),
    ],
)
def test_words_that_are_none_are_refused(made: Any, error: type[Exception]) -> None:
    """Tokens are unsigned 16-bit numbers, lengths are positive, and a word is two things."""
    with pytest.raises(error):
        WordTokens(made)


def test_only_words_are_compared() -> None:
    """What is no WordTokens is refused by its type, not read."""
    similarity: Any = WordSimilarity(np.eye(4, dtype=np.float32))
    word = WordTokens([((0, 1), 1.0)])
    for query, documents in ((None, [word]), ([((0,), 1.0)], [word]), (word, [[((0,), 1.0)]])):
        with pytest.raises(TypeError):
            similarity.scores(query, documents, [1.0], 0.0)
    assert len(word) == 1 and 0 < word.nbytes < WordTokens([((0, 1), 1.0)] * 100).nbytes


def test_shapes_that_do_not_match_are_refused() -> None:
    """A key a row, a column a number of the query, no negative count, no empty table."""
    matrix, keys, query = np.eye(3, dtype=np.float32), np.arange(3), np.ones(3, np.float32)
    for arguments in ((matrix, keys[:2], query, 1), (matrix, keys, query[:2], 1), (matrix, keys, query, -1)):
        with pytest.raises(ValueError):
            nearest(*arguments)
    with pytest.raises(ValueError):
        WordSimilarity(np.zeros((0, 3), np.float32))


@given(rows=st.integers(1, 20), columns=st.integers(1, 40), count=st.integers(0, 12), seed=st.integers(0, 2**32))
def test_unit_sum_equals_the_oracle(rows: int, columns: int, count: int, seed: int) -> None:
    """A row of length one, whatever stood there before, and the length of the sum; no token is a row of zeros."""
    random = np.random.default_rng(seed)
    table = (random.integers(-4, 5, (rows, columns)) / 2).astype(np.float32)
    tokens = random.integers(0, rows, count).tolist()
    row = random.random(columns, np.float32)
    length = WordSimilarity(table).unit_sum(tokens, row)
    expected, expected_length = oracle.unit_sum(table, tokens)
    assert length == pytest.approx(expected_length, rel=1e-5)
    assert row == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("tokens", "row"),
    [
        ([4], np.zeros(4, np.float32)),
        ([0, -1], np.zeros(4, np.float32)),
        ([1 << 40], np.zeros(4, np.float32)),
        ([0], np.zeros(3, np.float32)),
        ([0], np.zeros(0, np.float32)),
        ([0], np.zeros(4, np.float64)),
        ([0], np.zeros(8, np.float32)[::2]),
        ([0], np.zeros((1, 4), np.float32)),
    ],
)
def test_sums_outside_the_table_are_refused(tokens: list[int], row: Any) -> None:
    """Nothing is read or written past the arrays, whatever is given."""
    with pytest.raises(ValueError):
        WordSimilarity(np.eye(4, dtype=np.float32)).unit_sum(tokens, row)

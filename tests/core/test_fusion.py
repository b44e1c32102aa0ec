"""Fusion: the order of two lists and the sum of standard scores against the oracle, and what is refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexar.core.fusion import combine, fuse
from tests.core import oracle_fusion as oracle

keys = st.lists(st.integers(-5, 12) | st.integers(-(2**63), 2**63 - 1), max_size=30)


@given(first=keys, second=keys, constant=st.sampled_from([0.0, 1.0, 60.0]), limit=st.integers(0, 70))
@settings(max_examples=300)
def test_fused_orders_equal_the_oracle(first: list[int], second: list[int], constant: float, limit: int) -> None:
    """The same keys with the same places in the same order; a key that a list repeats counts where it stands first."""
    assert fuse(first, second, constant, limit) == oracle.fuse(first, second, constant, limit)


def test_ties_go_to_the_first_list_then_to_the_lower_key() -> None:
    """A key that only the first list has stands before one that only the second has at the same place."""
    assert fuse([7], [3], 60.0, 2) == [(7, 1, 0), (3, 0, 1)]
    assert fuse([], [3, 2], 60.0, 2) == [(3, 0, 1), (2, 0, 2)]
    assert fuse([1, 2], [2, 1], 60.0, 2) == [(1, 1, 2), (2, 2, 1)]


scores = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(data=st.data(), documents=st.integers(0, 25), rows=st.integers(0, 5))
@settings(max_examples=200)
def test_combined_scores_equal_the_oracle(data: st.DataObject, documents: int, rows: int) -> None:
    """The weighed standard scores of every document; rows without spread count nothing."""
    row = st.lists(scores, min_size=documents, max_size=documents) | st.just([1.5] * documents)
    given_rows = [data.draw(row) for _ in range(rows)]
    weights = [data.draw(st.floats(0, 2)) for _ in range(rows)]
    assert combine(given_rows, weights) == pytest.approx(oracle.combine(given_rows, weights), abs=1e-6)


def test_equal_documents_have_equal_scores() -> None:
    """A score depends on the document's own scores, not on its place: ties stay ties."""
    row = [0.1, 0.7, 0.3] * 7
    combined = combine([row, [value * 3.3 for value in row]], [1.0, 0.3])
    assert combined == combined[:3] * 7


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: fuse([1], [2], -1.0, 1), ValueError),
        (lambda: fuse([1], [2], float("nan"), 1), ValueError),
        (lambda: fuse([1], [2], 60.0, -1), ValueError),
        (lambda: fuse([2**63], [2], 60.0, 1), OverflowError),
        (lambda: fuse(["a"], [2], 60.0, 1), TypeError),
        (lambda: fuse(None, [2], 60.0, 1), TypeError),
        (lambda: combine([[1.0], [1.0, 2.0]], [1.0, 1.0]), ValueError),
        (lambda: combine([[1.0]], []), ValueError),
        (lambda: combine([["a"]], [1.0]), TypeError),
        (lambda: combine([[1.0]], ["a"]), TypeError),
    ],
)
def test_hostile_input_is_refused(call: Any, error: type[Exception]) -> None:
    """Wrong shapes, numbers out of range and other types raise; nothing is read past a list."""
    with pytest.raises(error):
        call()

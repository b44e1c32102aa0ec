"""Fusion: the order of two lists and the sum of standard scores against the oracle, and what is refused."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.search.fusion import Fused, combine, fuse
from hexar.core.search.hits import Hits
from tests.core.search import oracle_fusion as oracle

keys = st.lists(st.integers(-5, 12) | st.integers(-(2**63), 2**63 - 1), max_size=30)


def placed(fused: Fused) -> list[tuple[int, int, int]]:
    """Each key with its places."""
    return [(key, *places) for key, places in zip(fused.keys, fused.places, strict=True)]


@given(first=keys, second=keys, constant=st.sampled_from([0.0, 1.0, 60.0]), limit=st.integers(0, 70))
def test_fused_orders_equal_the_oracle(first: list[int], second: list[int], constant: float, limit: int) -> None:
    """The same keys with the same places in the same order; a key that a list repeats counts where it stands first."""
    fused = fuse(Hits(first), Hits(second, [at / 2 for at in range(len(second))]), constant, limit)
    assert placed(fused) == oracle.fuse(first, second, constant, limit)
    assert len(fused) == len(fused.keys)
    assert fused.second_scores == [(place - 1) / 2 if place else 0.0 for _, place in fused.places]
    assert fused.lacking == [key for key, _, place in placed(fused) if not place]
    held = frozenset(first[::2])
    assert placed(fused.only(held)) == [each for each in placed(fused) if each[0] in held]


@given(data=st.data(), first=keys, second=keys, limit=st.integers(0, 30), count=st.integers(0, 40))
def test_the_best_equal_the_oracle(data: st.DataObject, first: list[int], second: list[int], limit: int, count: int) -> None:
    """Keys with a score in its order, ties by key, then the others as they were fused; scores fall."""
    fused = fuse(Hits(first), Hits(second), 60.0, limit)
    given_scores = data.draw(st.lists(st.sampled_from([-2.5, 0.0, 0.25, 7.0]), max_size=len(fused)))
    found = fused.best(given_scores, count)
    assert found == oracle.best(placed(fused), given_scores, 60.0, count)
    falling = [score for _, score, _, _ in found]
    assert falling == sorted(falling, reverse=True)


def test_a_score_that_is_no_number_breaks_no_order() -> None:
    """Every key is there once, whatever the scores are."""
    fused = fuse(Hits(list(range(30))), Hits(), 60.0, 30)
    for scores in ([float("nan")] * 30, [1.0, float("nan"), 3.0] * 10, [float("inf"), -float("inf")] * 10):
        assert sorted(at for at, _, _, _ in fused.best(scores, 30)) == list(range(30))


def test_ties_go_to_the_first_list_then_to_the_lower_key() -> None:
    """A key that only the first list has stands before one that only the second has at the same place."""
    assert placed(fuse(Hits([7]), Hits([3]), 60.0, 2)) == [(7, 1, 0), (3, 0, 1)]
    assert placed(fuse(Hits(), Hits([3, 2]), 60.0, 2)) == [(3, 0, 1), (2, 0, 2)]
    assert placed(fuse(Hits([1, 2]), Hits([2, 1]), 60.0, 2)) == [(1, 1, 2), (2, 2, 1)]


def test_hits_are_what_they_were_made_of() -> None:
    """Keys and scores in their order; without scores all are 0."""
    hits = Hits([3, -(2**63), 3], [0.5, 2.0, -1.0])
    assert (hits.keys, hits.scores, len(hits)) == ([3, -(2**63), 3], [0.5, 2.0, -1.0], 3)
    assert list(hits) == [(3, 0.5), (-(2**63), 2.0), (3, -1.0)]
    assert list(Hits([4])) == [(4, 0.0)]
    assert list(Hits()) == []


scores = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(data=st.data(), documents=st.integers(0, 25), rows=st.integers(0, 5))
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
        (lambda: fuse(Hits([1]), Hits([2]), -1.0, 1), ValueError),
        (lambda: fuse(Hits([1]), Hits([2]), float("nan"), 1), ValueError),
        (lambda: fuse(Hits([1]), Hits([2]), 60.0, -1), ValueError),
        (lambda: fuse(Hits([1]), Hits([2]), 60.0, 2).best([1.0] * 3, 1), ValueError),
        (lambda: fuse(Hits([1]), Hits([2]), 60.0, 2).best([1.0], -1), ValueError),
        (lambda: fuse(Hits([1]), Hits([2]), 60.0, 2).best(["a"], 1), TypeError),
        (lambda: fuse(Hits([1]), Hits([2]), 60.0, 2).only(None), TypeError),
        (lambda: Hits([2**63]), OverflowError),
        (lambda: Hits([1, 2], [0.5]), ValueError),
        (lambda: Hits(["a"]), TypeError),
        (lambda: Hits([1], ["a"]), TypeError),
        (lambda: fuse(cast("Any", [1]), Hits([2]), 60.0, 1), TypeError),
        (lambda: fuse(cast("Any", None), Hits([2]), 60.0, 1), TypeError),
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

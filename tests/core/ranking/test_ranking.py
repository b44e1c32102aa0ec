"""Ranking: the best rows of a table, in a stable order, with contributions that explain each score."""

import array
import gc
import math
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hexar.core.ranking import Ranking, top_k
from tests.core.ranking import oracle_ranking as oracle

Floats = NDArray[np.float64]

# Few distinct values give many ties and cancellations; the others give every kind of rounding.
values = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1e-300]) | st.floats(-1e6, 1e6)
cells = values | st.just(math.nan)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of ``top_k``: the shape and a palette of cells are drawn, the table is filled from a drawn seed."""
    rows = draw(st.integers(0, 40) | st.sampled_from([127, 128, 129, 300]))
    columns = draw(st.integers(0, 17) | st.just(8))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    palette = np.array(draw(st.lists(cells, min_size=1, max_size=8)))
    features = random.choice(palette, (rows, columns)) if draw(st.booleans()) else random.normal(0, 10, (rows, columns))
    mask_type = draw(st.sampled_from([None, np.bool_, np.uint8]))
    return {
        "features": features,
        "weights": random.choice(draw(st.lists(values, min_size=1, max_size=8)), columns).tolist(),
        "k": draw(st.integers(1, 50) | st.just(10**30)),
        "mask": None if mask_type is None else (random.random(rows) < 0.5).astype(mask_type),
        "missing": draw(st.sampled_from([None, random.normal(0, 1, columns).tolist()])),
    }


def same(found: Ranking, expected: list[tuple[int, float, list[float], list[bool]]]) -> None:
    assert found.indices.tolist() == [entry[0] for entry in expected]
    assert found.scores.tolist() == [entry[1] for entry in expected]
    assert found.contributions.tolist() == [entry[2] for entry in expected]
    assert found.missing.tolist() == [entry[3] for entry in expected]
    assert len(found) == len(expected)


@pytest.mark.parametrize("portable", [False, True], ids=["vector", "portable"])
@given(table=tables())
def test_ranking_equals_the_oracle(table: dict[str, Any], portable: bool) -> None:
    """Indices, scores, contributions and missing flags are the oracle's, to the last bit, on both paths."""
    found = top_k(**table, _portable=portable)
    mask = None if table["mask"] is None else table["mask"].tolist()
    same(found, oracle.top_k(table["features"].tolist(), table["weights"], table["k"], mask, table["missing"]))


@given(table=tables())
def test_contributions_add_up_to_the_score(table: dict[str, Any]) -> None:
    """However a reader adds the contributions, the sum is the score within 1e-12 of their size."""
    found = top_k(**table)
    for score, parts in zip(found.scores.tolist(), found.contributions.tolist(), strict=True):
        size = max(1.0, math.fsum(map(abs, parts)))
        assert abs(math.fsum(parts) - score) <= 1e-12 * size
        assert abs(sum(parts) - score) <= 1e-12 * size


@pytest.fixture(scope="module")
def table() -> Floats:
    """A table of 20,011 rows and 8 columns in 0..1, one value in ten missing."""
    random = np.random.default_rng(7)
    features = random.random((20_011, 8))
    features[random.random(features.shape) < 0.1] = np.nan
    return features


WEIGHTS = [0.3, 0.2, -0.1, 0.15, 0.05, 0.1, -0.2, 0.12]


@pytest.mark.parametrize("k", [1, 2, 20, 127, 128, 129, 5_000, 20_011, 30_000])
def test_a_large_table_is_ranked_as_by_sorting(table: Floats, k: int) -> None:
    """On a table much larger than the room for candidates the result is the head of a full stable sort."""
    found = top_k(table, WEIGHTS, k)
    same(found, oracle.top_k(table.tolist(), WEIGHTS, k))
    sums = found.contributions.sum(axis=1)
    assert np.abs(sums - found.scores).max() <= 1e-12


@pytest.mark.parametrize("order", ["ascending", "descending", "equal", "two values"])
@pytest.mark.parametrize("columns", [1, 8])
def test_any_order_of_rows(order: str, columns: int) -> None:
    """Rows that come best last, best first, all equal or in two levels are ranked right, ties by index."""
    rows = 3_000
    level = {
        "ascending": np.arange(rows),
        "descending": -np.arange(rows),
        "equal": np.zeros(rows),
        "two values": np.arange(rows) % 2,
    }[order]
    features = np.repeat(level[:, None], columns, axis=1).astype(np.float64)
    for k in (1, 10, 200):
        same(top_k(features, [1.0] * columns, k), oracle.top_k(features.tolist(), [1.0] * columns, k))


def test_ties_are_broken_by_index() -> None:
    """Equal scores keep the order of their rows, also where more rows are equal than are wanted."""
    features = np.ones((1_000, 8))
    features[500] = 2.0
    assert top_k(features, [1.0] * 8, 4).indices.tolist() == [500, 0, 1, 2]


def test_negative_zero_ties_with_zero() -> None:
    """-0.0 and 0.0 are one score."""
    assert top_k(np.array([[-0.0], [0.0], [-0.0]]), [1.0], 3).indices.tolist() == [0, 1, 2]


def test_a_missing_value_is_not_zero_but_neutral() -> None:
    """A row without a rating is ranked by the column's neutral value, and the result says that it was assumed."""
    features = np.array([[1.0, 2.0], [1.0, math.nan], [1.0, 4.0]])
    found = top_k(features, [1.0, 1.0], 3, missing=[0.0, 3.0])
    assert found.indices.tolist() == [2, 1, 0]
    assert found.contributions.tolist() == [[1.0, 4.0], [1.0, 3.0], [1.0, 2.0]]
    assert found.missing.tolist() == [[False, False], [False, True], [False, False]]


def test_a_missing_value_contributes_nothing_by_default() -> None:
    """Without neutral values a row of only missing values scores 0: above a bad row, below a good one."""
    features = np.array([[-1.0, -1.0], [math.nan, math.nan], [1.0, 1.0]])
    found = top_k(features, [1.0, 1.0], 3)
    assert found.indices.tolist() == [2, 1, 0]
    assert found.scores.tolist() == [2.0, 0.0, -2.0]
    assert not np.isnan(found.contributions).any()


MASKS = [list, np.array, lambda items: np.array(items, np.uint8), bytearray, lambda items: array.array("B", items)]


@pytest.mark.parametrize("make", MASKS, ids=["list", "bool", "uint8", "bytearray", "array"])
def test_masks_of_every_form(make: Callable[[list[bool]], Any]) -> None:
    """A mask may be a list, an array of bool or uint8, or any buffer of bytes; any byte but 0 lets a row through."""
    features = np.arange(10.0).reshape(10, 1)
    mask = [index % 3 == 1 for index in range(10)]
    assert top_k(features, [1.0], 10, mask=make(mask)).indices.tolist() == [7, 4, 1]
    assert top_k(features, [1.0], 10, mask=np.array(mask, np.uint8) * 200).indices.tolist() == [7, 4, 1]
    assert top_k(features, [1.0], 10, mask=np.repeat(np.array(mask), 2)[::2]).indices.tolist() == [7, 4, 1]


def test_a_mask_that_lets_nothing_through() -> None:
    """No row left gives an empty ranking with arrays of the right shape and type."""
    found = top_k(np.ones((9, 3)), [1.0] * 3, 5, mask=np.zeros(9, np.bool_))
    arrays = (found.indices, found.scores, found.contributions, found.missing)
    assert [part.shape for part in arrays] == [(0,), (0,), (0, 3), (0, 3)]
    assert [part.dtype for part in arrays] == [np.int64, np.float64, np.float64, np.bool_]


@pytest.mark.parametrize("shape", [(0, 0), (0, 8), (5, 0)])
def test_empty_tables(shape: tuple[int, int]) -> None:
    """A table without rows ranks nothing; one without columns ranks its rows by index."""
    found = top_k(np.empty(shape), [1.0] * shape[1], 3)
    assert found.indices.tolist() == list(range(min(3, shape[0])))
    assert found.contributions.shape == (min(3, shape[0]), shape[1])


def test_any_buffer_of_doubles() -> None:
    """The features may be any C-contiguous float64 buffer of two dimensions, also a read-only one."""
    view = memoryview(array.array("d", [1.0, 2.0, 3.0, 4.0])).cast("B").cast("d", (2, 2)).toreadonly()
    assert top_k(view, [1.0, 1.0], 1).indices.tolist() == [1]


def test_the_result_is_read_only() -> None:
    """Nobody changes a ranking after it is made."""
    found = top_k(np.ones((3, 2)), [1.0, 1.0], 2)
    for part in (found.indices, found.scores, found.contributions, found.missing):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 0
    with pytest.raises(AttributeError):
        found.scores = np.zeros(2)  # type: ignore[misc]
    assert repr(found) == "Ranking(indices=[0, 1], scores=[2.0, 2.0])"


ONES = np.ones((4, 2))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"features": np.ones(4)}, ValueError, "features must be"),
        ({"features": np.ones((2, 2, 2))}, ValueError, "features must be"),
        ({"features": ONES.astype(np.float32)}, ValueError, "features must be"),
        ({"features": ONES.astype(np.int64)}, ValueError, "features must be"),
        ({"features": ONES.astype(">f8")}, ValueError, "features must be"),
        ({"features": np.asfortranarray(np.ones((4, 3)))[:, :2]}, ValueError, "features must be"),
        ({"features": np.ones((4, 4))[:, ::2]}, ValueError, "features must be"),
        ({"features": [[1.0, 2.0]]}, TypeError, "features must be an array, not list"),
        ({"features": None}, TypeError, "features must be an array, not NoneType"),
        ({"weights": [1.0]}, ValueError, "weights must have the shape"),
        ({"weights": [[1.0, 1.0]]}, ValueError, "weights must have the shape"),
        ({"weights": [1.0, math.nan]}, ValueError, "weights must be finite"),
        ({"weights": [1.0, math.inf]}, ValueError, "weights must be finite"),
        ({"weights": ["x", 1.0]}, ValueError, "weights must be numbers"),
        ({"weights": [1.0, [2.0]]}, ValueError, "weights must be numbers"),
        ({"weights": None}, ValueError, "weights must"),
        ({"missing": [1.0]}, ValueError, "missing must have the shape"),
        ({"missing": [1.0, math.nan]}, ValueError, "missing must be finite"),
        ({"k": 0}, ValueError, "k must be at least 1"),
        ({"k": -3}, ValueError, "k must be at least 1"),
        ({"k": 1.5}, TypeError, "k must be an integer, not float"),
        ({"k": None}, TypeError, "k must be an integer, not NoneType"),
        ({"mask": [True] * 3}, ValueError, "mask must be"),
        ({"mask": np.ones((4, 1), np.bool_)}, ValueError, "mask must be"),
        ({"mask": np.ones(4)}, ValueError, "mask must be"),
        ({"mask": "abcd"}, ValueError, "mask must be"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """A wrong argument is refused, and the message begins with its name."""
    with pytest.raises(error, match=message):
        top_k(**{"features": ONES, "weights": [1.0, 1.0], "k": 1, **arguments})


@pytest.mark.parametrize("bad", [math.inf, -math.inf, 1e308])
@pytest.mark.parametrize("row", [0, 5, 1_000, 1_002])
@pytest.mark.parametrize("columns", [3, 8])
def test_scores_that_are_not_finite_are_refused(bad: float, row: int, columns: int) -> None:
    """An infinite value, or a sum beyond the largest double, is refused with its row, wherever it stands."""
    features = np.ones((1_003, columns))
    features[row] = bad
    with pytest.raises(ValueError, match=f"features: the score of row {row} is not finite"):
        top_k(features, [10.0] * columns, 3)


def test_infinities_that_cancel_are_refused() -> None:
    """Plus and minus infinity in one row are no missing value."""
    features = np.ones((8, 2))
    features[3] = [math.inf, -math.inf]
    with pytest.raises(ValueError, match="row 3"):
        top_k(features, [1.0, 1.0], 1)


def test_rows_outside_the_mask_may_hold_anything() -> None:
    """A row that the mask leaves out is not looked at."""
    features = np.ones((11, 8))
    features[[2, 5, 10]] = math.inf
    mask = np.array([index not in (2, 5, 10) for index in range(11)])
    assert top_k(features, [1.0] * 8, 20, mask=mask).indices.tolist() == [0, 1, 3, 4, 6, 7, 8, 9]


def test_the_gil_is_released() -> None:
    """While one thread scans a large table another one runs Python code."""
    features = np.random.default_rng(0).random((400_000, 8))

    def overlaps() -> bool:
        begun, done = threading.Event(), threading.Event()

        def rank() -> None:
            begun.set()
            top_k(features, WEIGHTS, 5)
            done.set()

        thread = threading.Thread(target=rank)
        thread.start()
        begun.wait()
        overlap = not done.is_set()
        thread.join()
        return overlap

    interval = sys.getswitchinterval()
    sys.setswitchinterval(30)  # a thread that does not release the GIL keeps it to the end of its call
    try:
        assert any(overlaps() for _ in range(50))
    finally:
        sys.setswitchinterval(interval)


def test_memory_is_returned(table: Floats) -> None:
    """Neither a ranking nor a refusal keeps its inputs alive."""
    before = sys.getrefcount(table)
    mask = np.ones(len(table), np.bool_)
    for _ in range(20):
        top_k(table, WEIGHTS, 10, mask=mask)
        with pytest.raises(ValueError):
            top_k(table, [math.nan] * 8, 10)
    gc.collect()
    assert sys.getrefcount(table) == before


@given(
    st.one_of(st.none(), st.integers(), st.binary(), st.lists(st.floats(), max_size=3), st.text()),
    st.one_of(st.none(), st.lists(st.floats() | st.text() | st.none(), max_size=5), st.text(), st.binary()),
    st.one_of(st.none(), st.integers(), st.floats(), st.text()),
    st.one_of(st.none(), st.lists(st.booleans() | st.floats() | st.text(), max_size=6), st.binary(), st.text()),
)
def test_fuzz_any_object(features: Any, weights: Any, k: Any, mask: Any) -> None:
    """Whatever stands in for an argument, the answer is a ranking or a refusal that names an argument."""
    good = np.ones((4, 2))
    for arguments in (
        {"features": features, "weights": [1.0, 1.0], "k": 1},
        {"features": good, "weights": weights, "k": 1},
        {"features": good, "weights": [1.0, 1.0], "k": k},
        {"features": good, "weights": [1.0, 1.0], "k": 1, "mask": mask},
        {"features": good, "weights": [1.0, 1.0], "k": 1, "missing": weights},
    ):
        refusal = ""
        try:
            assert isinstance(top_k(**arguments), Ranking)
        except (TypeError, ValueError) as error:
            refusal = str(error)
        assert not refusal or refusal.startswith(("features", "weights", "k ", "mask", "missing"))


@given(st.lists(st.floats(), min_size=1, max_size=60), st.integers(1, 9), st.integers(1, 5))
def test_fuzz_any_double(numbers: list[float], columns: int, k: int) -> None:
    """Any doubles at all, infinities and the largest ones too, give a finite ranking or a ValueError."""
    rows = len(numbers) // columns
    features = np.array(numbers[: rows * columns]).reshape(rows, columns)
    weights = [1.0 + column / 7 for column in range(columns)]
    expected = oracle.top_k(features.tolist(), weights, rows or 1)
    if all(math.isfinite(entry[1]) for entry in expected):
        same(top_k(features, weights, k), expected[:k])
    else:
        with pytest.raises(ValueError, match="not finite"):
            top_k(features, weights, k)

"""Postings: BM25 in memory against the oracle, through any order of additions, replacements and removals."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.search.postings import GROUPS, Postings
from tests.core.search import oracle_postings as oracle

# Few words make many ties, shared words and replaced documents; the odd ones check that only blanks and line ends part words.
words = st.sampled_from(["valve", "pump", "filtro", "ñandú", "r_200", "漢", "a.b", "\u00a0", "x"])
lines = st.lists(st.lists(words, max_size=6).map(" ".join), max_size=4).map("\n".join)
changes = st.lists(st.tuples(st.sampled_from(["add", "add", "remove"]), st.integers(-3, 12), lines), max_size=40)
groups = st.lists(st.lists(words, max_size=3), max_size=6)


def built(steps: list[tuple[str, int, str]]) -> tuple[Postings, oracle.Postings]:
    """The kernel and the oracle after the same steps, which give the same answers on the way."""
    ours, theirs = Postings(), oracle.Postings()
    for step, key, text in steps:
        if step == "add":
            ours.add(key, text)
            theirs.add(key, text)
        else:
            assert ours.remove(key) == theirs.remove(key)
    return ours, theirs


@given(steps=changes, asked=st.lists(words, max_size=6), limit=st.integers(0, 8))
def test_search_equals_the_oracle(steps: list[tuple[str, int, str]], asked: list[str], limit: int) -> None:
    """The same documents with the same scores in the same order, ties by key."""
    ours, theirs = built(steps)
    hits = ours.search(asked, limit, 10**9)
    expected = theirs.search(asked, limit, 10**9)
    assert hits.scores == pytest.approx([score for _, score in expected[:limit]])
    of = dict(expected)
    assert [of[key] for key in hits.keys] == pytest.approx(hits.scores)
    found = list(hits)
    assert found == sorted(found, key=lambda hit: (-hit[1], hit[0]))


@given(steps=changes, asked=groups)
def test_weighing_equals_the_oracle(steps: list[tuple[str, int, str]], asked: list[list[str]]) -> None:
    """BM25 over groups, the best window of two lines, and the rarities; a key that is not held weighs nothing."""
    ours, theirs = built(steps)
    keys = [*theirs.documents, 99]
    lexical, window, rarity = ours.weigh(keys, asked)
    expected = [theirs.weigh(key, asked) for key in keys]
    assert lexical == pytest.approx([score for score, _ in expected])
    assert window == pytest.approx([score for _, score in expected])
    assert rarity == pytest.approx(theirs.rarities(asked))


@given(steps=changes)
def test_what_is_removed_leaves_nothing(steps: list[tuple[str, int, str]]) -> None:
    """Counts follow every change, and an index that was emptied takes what a new one takes for the same documents."""
    ours, theirs = built(steps)
    assert len(ours) == len(theirs.documents)
    assert ours.average == pytest.approx(theirs.average)
    assert {word: ours.frequency(word) for word in theirs.distinct()} == theirs.distinct()
    for key in list(theirs.documents):
        assert key in ours
        ours.remove(key)
    assert len(ours) == 0
    assert len(ours.search(["valve", "pump"], 5, 100)) == 0


def test_a_budget_leaves_the_common_words_out() -> None:
    """The rarest word is always asked for; a word that does not fit any more is not."""
    index = Postings()
    for key in range(100):
        index.add(key, "common rare" if key == 42 else "common")
    assert index.search(["common", "rare"], 10, 50).keys == [42]
    assert len(index.search(["common"], 200, 50)) == 100
    assert index.search(["common", "rare"], 200, 101).keys[0] == 42


def test_ten_thousand_changes_do_not_grow_the_index() -> None:
    """Replacing documents with words of their own gives the room of the old words back."""
    chance = random.Random(5)
    index = Postings()
    sizes = []
    for step in range(10_000):
        index.add(step % 50, " ".join(f"w{chance.randrange(10**6)}" for _ in range(20)))
        if step in (200, 9_999):
            sizes.append(index.nbytes)
    assert len(index) == 50
    assert sizes[1] < sizes[0] * 1.5


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda index: index.search(["a"], -1, 1), ValueError),
        (lambda index: index.search(["a"], 1, -1), ValueError),
        (lambda index: index.search([b"a"], 1, 1), TypeError),
        (lambda index: index.search(["\ud800"], 1, 1), UnicodeEncodeError),
        (lambda index: index.weigh([1], [["a"]] * (GROUPS + 1)), ValueError),
        (lambda index: index.weigh([1], [[1]]), TypeError),
        (lambda index: index.add(2**63, "a"), OverflowError),
        (lambda index: index.add(1, None), TypeError),
    ],
)
def test_wrong_arguments_are_refused(call: Any, error: type[Exception]) -> None:
    """Each raises an error of Python and leaves the index as it was."""
    index = Postings()
    index.add(1, "a b\nc")
    with pytest.raises(error):
        call(index)
    assert index.search(["a"], 5, 10).keys == [1]

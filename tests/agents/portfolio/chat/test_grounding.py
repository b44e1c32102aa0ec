"""Citation markers: checked against the passages, however the tokens cut them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.portfolio.chat.grounding import Grounding


def run(text: str, sources: int, cuts: list[int]) -> tuple[str, Grounding]:
    """Feed ``text`` cut at ``cuts``."""
    grounding = Grounding(sources)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    out = [grounding.feed(text[a:b])[0] for a, b in itertools.pairwise(places)]
    out.append(grounding.finish()[0])
    return "".join(out), grounding


@pytest.mark.parametrize(
    ("text", "expected", "markers", "removed"),
    [
        ("It holds [1].", "It holds [1].", [1], 0),
        ("It holds [9].", "It holds.", [], 1),
        ("Both [1, 3].", "Both [1][3].", [1, 3], 0),
        ("One [2,7] left.", "One [2] left.", [2], 1),
        ("No [note] here [", "No [note] here [", [], 0),
        ("Call `items[7]` and [3].", "Call `items[7]` and [3].", [3], 0),
        ("[0] is none", " is none", [], 1),
        ("A lone ` and [9] or [2]", "A lone ` and or [2]", [2], 1),
        ("A lone ` and\n`items` [9]", "A lone ` and\n`items`", [], 1),
        ("As code: `[9]`.", "As code: ``.", [], 1),
        ("`a[9]` ``b[8]`` `x = [7, 8]`", "`a[9]` ``b[8]`` `x = [7, 8]`", [], 0),
        ("```\n[9]\nx = [7]\nreturn [8]\ny[6] [5]\n``` [4] [1]", "```\n\nx = [7]\nreturn [8]\ny[6]\n``` [1]", [1], 3),
        ("years ``` [9] [1]", "years ``` [1]", [1], 1),
        ("wide 【2】 ［9］ [\u200b9] [１]", "wide [2] [1]", [2, 1], 2),
    ],
)
def test_markers_point_to_passages_or_are_removed(text: str, expected: str, markers: list[int], removed: int) -> None:
    """A good marker stays and is cited, a bad one goes with its blank and is counted."""
    sent, grounding = run(text, 3, [])
    assert sent == expected
    assert [each.marker for each in grounding.cited] == markers
    assert grounding.removed == removed


@given(
    st.lists(
        st.sampled_from(["text ", "[1]", "[2, 3]", "[12]", "[", "]", " ", "[x]", "`", "``", "```", "\n", "【9】", "=", "4 "]),
        max_size=30,
    ).map("".join),
    st.lists(st.integers(0, 120), max_size=20),
)
def test_the_result_does_not_depend_on_how_tokens_cut_the_text(text: str, cuts: list[int]) -> None:
    """Whatever the pieces, text, citations and positions are those of the whole."""
    whole, one = run(text, 3, [])
    pieces, many = run(text, 3, cuts)
    assert pieces == whole
    assert many.cited == one.cited
    assert many.removed == one.removed
    for each in one.cited:
        assert whole[each.position :].startswith(f"[{each.marker}]")

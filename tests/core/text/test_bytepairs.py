"""Byte-pair encoding: the kernel against an oracle that makes one merge at a time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.text.bytepairs import BytePairs
from tests.core.text import oracle_words as oracle

OCTETS = [f"<0x{octet:02X}>" for octet in range(256)]
LETTERS = "abñ▁"


@st.composite
def vocabularies(draw: st.DrawFn) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Merges of letters and of what earlier merges made."""
    pieces = list(LETTERS)
    merges: list[tuple[str, str]] = []
    for _ in range(draw(st.integers(0, 10))):
        pair = (draw(st.sampled_from(pieces)), draw(st.sampled_from(pieces)))
        if pair not in merges:
            merges.append(pair)
            pieces.append("".join(pair))
    return {piece: number for number, piece in enumerate(dict.fromkeys([*OCTETS, *pieces]))}, merges


@given(model=vocabularies(), word=st.text(LETTERS + "xé😀", max_size=12))
def test_encode_equals_the_oracle(model: tuple[dict[str, int], list[tuple[str, str]]], word: str) -> None:
    """Earlier merges go first, the leftmost of equals; a character without a token becomes its bytes."""
    vocabulary, merges = model
    assert list(BytePairs(vocabulary, merges).encode(word)) == oracle.encode(vocabulary, merges, word)


@pytest.mark.parametrize(
    ("vocabulary", "merges"),
    [
        ({"a": 0}, []),
        (dict.fromkeys([*OCTETS, "a", "b"], 1), [("a", "b")]),
        (dict.fromkeys([*OCTETS, "a", "ab"], 1), [("a", "b")]),
    ],
)
def test_a_vocabulary_with_gaps_is_refused(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> None:
    """Every byte, both sides of a merge and what it makes are tokens."""
    with pytest.raises(KeyError):
        BytePairs(vocabulary, merges)


def test_numbers_that_are_none_are_refused() -> None:
    """A token's number is not negative and has 32 bits."""
    with pytest.raises(ValueError, match="negative"):
        BytePairs(dict.fromkeys([*OCTETS, "a"], -1), [])
    with pytest.raises(OverflowError):
        BytePairs(dict.fromkeys([*OCTETS, "a"], 1 << 31), [])


def test_what_cannot_be_encoded_is_refused() -> None:
    """A lone surrogate has no bytes, and what is no text has no characters."""
    encode: Any = BytePairs(dict.fromkeys(OCTETS, 0), []).encode
    with pytest.raises(UnicodeEncodeError):
        encode("\ud800")
    with pytest.raises(TypeError):
        encode(None)

"""Words of a text: the kernels against the regular expressions that they stand for, in every alphabet."""

import sys
from collections.abc import Callable
from re import Pattern
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.text.words import alphabetic, alphanumeric, coded, fold
from tests.core.text import oracle_words as oracle

PATTERNS = [
    (alphanumeric, oracle.ALPHANUMERIC),
    (alphabetic, oracle.ALPHABETIC),
    (coded, oracle.CODED),
]

# What parts words, what joins them, and what looks like either: digits that are no decimals, marks, letters of two cases.
marks = st.sampled_from(list("aB7_ .-/'’´`?²½ªñÑéİßΣς\u0301\u0660\u200b\u00a0…€😀\ud800"))
texts = st.lists(marks | st.sampled_from(["AB-12", "4.5", "it's", "l’été", "¿Cómo"]) | st.text(max_size=3), max_size=12).map(
    "".join
)


@pytest.mark.parametrize(("kernel", "pattern"), PATTERNS)
@given(text=texts)
def test_words_are_what_the_pattern_finds(kernel: Callable[[str], list[str]], pattern: Pattern[str], text: str) -> None:
    """The same words in the same order."""
    assert kernel(text) == pattern.findall(text)


@pytest.mark.parametrize(("kernel", "pattern"), PATTERNS)
def test_every_character_is_of_the_class_that_the_pattern_gives_it(
    kernel: Callable[[str], list[str]], pattern: Pattern[str]
) -> None:
    """Of all of Unicode, alone, behind a letter and behind a decimal mark."""
    for character in map(chr, range(sys.maxunicode + 1)):
        text = f"{character} a{character} b.{character}"
        assert kernel(text) == pattern.findall(text), hex(ord(character))


@given(text=texts)
def test_fold_equals_the_oracle(text: str) -> None:
    """Case and accents fold away, whether the text is ASCII, Latin or neither."""
    assert fold(text) == oracle.fold(text)


def test_every_character_folds_as_in_the_oracle() -> None:
    """Of all of Unicode: letters that become several, and marks that vanish."""
    for character in map(chr, range(sys.maxunicode + 1)):
        assert fold(character) == oracle.fold(character), hex(ord(character))


@pytest.mark.parametrize("function", [fold, alphanumeric, alphabetic, coded])
@pytest.mark.parametrize("text", [None, b"bytes", 7])
def test_only_text_is_read(function: Callable[[Any], object], text: object) -> None:
    """What is no str is refused."""
    with pytest.raises(TypeError):
        function(text)

"""Folding of text: spellings that a reader calls equal become equal, once and for all."""

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core import cachekey
from hexar.core.text.normalization import MAX_MARKS, normalize_text
from tests.core.hostile_texts import HOSTILE, PATIENCE
from tests.core.text import oracle_normalization as oracle


def test_cache_keys_offer_it_too() -> None:
    """Who makes a key finds the folding of its text in the same place."""
    assert cachekey.normalize_text is normalize_text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", ""),
        ("plain", "plain"),
        ("  Beginner\t\n SNOWBOARD   under $400 ", "beginner snowboard under $400"),
        ("\x1c a \x1f\x0b b\x0c", "a b"),
        ("a\x00b\x7f", "a\x00b\x7f"),
        ("Ｆｕｌｌ\u3000Ｗｉｄｔｈ", "full width"),
        ("Straße", "strasse"),
        ("ÉCRAN", "écran"),
        ("e\u200b\u0301cran", "écran"),
        ("soft\u00adware \u200bze\u200dro\ufeff", "software zero"),
        ("\u200e\u202eא\u200f", "א"),
        ("½ ﬁne №5", "1⁄2 fine no5"),
        ("❤\ufe0f", "❤"),
        ("İstanbul", "i̇stanbul"),
        ("\u0345", "ι"),
        ("a\u00a0\u2003b", "a b"),
    ],
)
def test_text_is_folded(text: str, folded: str) -> None:
    """Case, width, compatibility forms, white space and invisible characters do not distinguish two queries."""
    assert normalize_text(text) == folded


interacting = st.text("aA \u0301\u0345\u200bßİ\u1fb3\u00a8ǰ\u0f73ﾞ\u00ad\x1c")


@given(st.text() | st.text(st.characters(max_codepoint=127)) | interacting)
def test_folding_equals_the_oracle_and_is_idempotent(text: str) -> None:
    """The fast and the plain folding agree, and folding twice changes nothing."""
    folded = normalize_text(text)
    assert folded == oracle.normalize_text(text)
    assert normalize_text(folded) == folded


def test_folding_of_every_character() -> None:
    """Each character of Unicode, alone and between letters and marks, folds idempotently and as the oracle says."""
    for code in range(sys.maxunicode + 1):
        if code % 50 and code > 0x30000 and not 0xE0000 <= code <= 0xE1000:
            continue
        character = chr(code)
        for text in (character, f"A{character}\u0301", f"α\u0345{character}b"):
            folded = normalize_text(text)
            assert normalize_text(folded) == folded, hex(code)
        assert normalize_text(character) == oracle.normalize_text(character), hex(code)


def test_every_mark_counts_as_one() -> None:
    """Every character whose decomposition begins with a combining mark counts in the run that is limited."""
    for code in range(0x300, sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.combining(unicodedata.normalize("NFKD", character)[0]):
            with pytest.raises(ValueError, match="combining marks"):
                normalize_text("a" + character * 5 * MAX_MARKS)


@pytest.mark.parametrize("text", [None, b"x", 1])
def test_only_text_is_folded(text: object) -> None:
    """Anything but a str is a TypeError."""
    with pytest.raises(TypeError, match="text must be a str"):
        normalize_text(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_neither_stalls_nor_crashes(name: str) -> None:
    """Long, invisible, composed, broken: a text is folded for good or refused with a ValueError, and soon."""
    text, refusal = HOSTILE[name], "combining marks"
    start = time.process_time()
    try:
        folded = normalize_text(text)
        assert normalize_text(folded) == folded
    except ValueError as error:
        refusal = str(error)
    assert time.process_time() - start < PATIENCE
    assert "combining marks" in refusal

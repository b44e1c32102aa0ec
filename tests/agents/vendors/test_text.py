"""Hygiene of vendor text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.vendors.text import bounded, clean, decode, gtin, plain, year


def test_markup_becomes_plain_text() -> None:
    """Tags go, words stay apart where blocks end and together where they do not, scripts vanish."""
    assert plain("<p>Mega<b>drive</b></p><p>two<br>lines</p><script>alert(1)</script>") == "Megadrive two lines"


def test_entities_are_decoded_even_twice() -> None:
    """Templates escape twice; text that only looks like markup stays."""
    assert clean("A &amp;amp; B &#8211; C") == "A & B – C"
    assert clean("5 < 6 > 3") == "5 < 6 > 3"
    assert clean("&lt;b&gt;bold&lt;/b&gt;") == "bold"


def test_dangerous_characters_are_removed() -> None:
    """Control characters, bidirectional overrides, zero-width marks and lone surrogates never pass."""
    assert clean("a\x00b\u202ec\u200bd\ufeffe\ud800f\x1b[31m") == "abcdef[31m"


@given(st.text())
def test_clean_text_is_bounded_and_stable(text: str) -> None:
    """Whatever comes in, what goes out is short, has no control characters, and encodes as UTF-8."""
    cleaned = clean(text, 50)
    assert len(cleaned) <= 50
    assert not any(ord(letter) < 32 or letter in "\u202e\u2066\u200f" for letter in cleaned)
    cleaned.encode("utf-8")


def test_long_text_is_cut_between_words() -> None:
    """The cut falls on a space where there is one."""
    assert bounded("alpha beta gamma", 12) == "alpha beta"
    assert bounded("a" * 20, 5) == "aaaaa"


@pytest.mark.parametrize("value", [None, True, [], {}, object()])
def test_what_is_not_text_is_empty(value: object) -> None:
    """Only strings and numbers are text."""
    assert clean(value) == ""


@pytest.mark.parametrize("piece", ["<div>", "<b><p>", "&lt;", "&", "<", "<!--", "<script>", "&amp;lt;div&amp;gt;"])
def test_hostile_markup_costs_little(piece: str) -> None:
    """Text made to be slow (deep nesting, endless entities) is cleaned in a moment, and what follows it survives or is cut."""
    begun = time.process_time()
    for _ in range(5):
        assert len(plain(piece * 30_000 + "end")) <= 20_000
    assert time.process_time() - begun < 10.0


def test_gtins_are_checked() -> None:
    """A GTIN with a wrong check digit, a wrong length or only zeros is no identity."""
    assert gtin("9010510757166") == "9010510757166"
    assert gtin(193177918060) == "193177918060"
    assert gtin(" 9010-510757166 ") == "9010510757166"
    for wrong in ("9010510757167", "123456789", "00000000", "abc", "", None):
        assert gtin(wrong) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Drift Snowboard 2026", 2026),
        ("Drift 2025/26", 2026),
        ("Drift 2025-2026", 2026),
        ("Drift 25/26", 2026),
        ("Board 2020 x 150", 2020),
        ("save $2025", None),
        ("Boots 26/28", None),
        ("DryRide 2000.5", None),
        ("Tarn 2", None),
    ],
)
def test_model_years(text: str, expected: int | None) -> None:
    """A year or a season is read; a price, a size run or a bare number is not one."""
    assert year(text) == expected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("grün €".encode(), "text/html; charset=utf-8"),
        ("grün €".encode("cp1252"), "text/html; charset=iso-8859-1"),
        (b"\xef\xbb\xbf" + "grün €".encode(), "text/html; charset=latin-1"),
        ('<meta charset="windows-1252">grün €'.encode("cp1252"), "text/html"),
        ("grün €".encode("utf-16"), ""),
        ("grün €".encode(), "text/html; charset=no-such-thing"),
    ],
)
def test_pages_are_decoded(body: bytes, kind: str) -> None:
    """BOM, header and meta decide, in this order; an unknown charset does no harm."""
    assert decode(body, kind).endswith("grün €")

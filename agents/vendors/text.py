"""Hygiene for text that vendors wrote. It is data: it is cleaned, bounded, and never interpreted."""

from __future__ import annotations

import codecs
import html
import re
import unicodedata
from typing import Any

from selectolax.lexbor import LexborHTMLParser

#: Longest values kept, characters.
MAX_NAME = 300
MAX_LINE = 500
MAX_TEXT = 20_000
MAX_URL = 2048
#: Tags in one value up to which it is parsed as markup.
MAX_TAGS = 2000

_BLOCK = re.compile(
    r"<(?=/?(?:p|div|br|li|ul|ol|dl|dt|dd|tr|td|th|table|h[1-6]|section|article|header|footer|blockquote|hr|pre)\b)", re.I
)
# Control characters, bidirectional overrides and isolates, zero-width marks, soft hyphens, lone surrogates, noncharacters. Zero
# width joiners stay: several scripts and emoji are misspelt without them.
_REMOVED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufdd0-\ufdef\ufeff"
    "\ufff9-\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_SPACE = re.compile(r"\s+")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.I)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{2,40})", re.I)
_GTIN = re.compile(r"^\d{8}$|^\d{12,14}$")
_YEAR = re.compile(r"(?<![\d.$€£-])(?:(19[89]\d|20[0-4]\d)(?:\s?[/-]\s?(?:20)?(\d\d))?|(?:^|\s)(\d\d)/(\d\d))(?![\d.%])")


def words(listed: str) -> tuple[str, ...]:
    """The words of a table that is written as text."""
    return tuple(listed.split())


def clean(value: Any, limit: int = MAX_LINE) -> str:
    """One line of plain text: entities decoded, tags dropped, harmful characters removed, spaces collapsed, bounded.

    Strings and numbers are text; everything else (None, booleans, containers) is empty.
    """
    if value == "" or isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = str(value)[: limit * 8 + 4096]
    if text.isascii() and text.isprintable() and "<" not in text and "&" not in text and "  " not in text:
        return bounded(text.strip(), limit)
    if "<" in text and _TAG.search(text):
        text = _markup_to_text(text)
    for _ in range(2):
        # Templates escape twice more often than one would think.
        if "&" not in text or not _ENTITY.search(text):
            break
        text = html.unescape(text)
        if "<" in text and _TAG.search(text):
            text = _markup_to_text(text)
    text = unicodedata.normalize("NFC", _REMOVED.sub("", text))
    return bounded(_SPACE.sub(" ", text).strip(), limit)


def plain(value: Any, limit: int = MAX_TEXT) -> str:
    """As :func:`clean`, for descriptions and reviews."""
    return clean(value, limit)


def bounded(text: str, limit: int) -> str:
    """``text``, cut at a word boundary when it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    head, _, _ = text[:limit].rpartition(" ")
    return (head or text[:limit]).rstrip()


def decode(body: bytes, content_type: str = "") -> str:
    """The text of an HTML, XML or TSV answer: BOM, then the header's charset, then the document's own, then UTF-8."""
    for mark, name in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    declared = re.search(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{2,40})", content_type, re.I)
    names = [declared.group(1)] if declared else []
    inside = _META_CHARSET.search(body, 0, 4096) or _XML_ENCODING.search(body, 0, 512)
    if inside:
        names.append(inside.group(1).decode("ascii"))
    for name in names:
        try:
            # "latin1" pages are windows-1252 in practice, as every browser reads them.
            found = codecs.lookup(name).name
            return body.decode("cp1252" if found in ("iso8859-1", "ascii") else found, "replace")
        except (LookupError, ValueError):
            continue
    return body.decode("utf-8", "replace")


def gtin(value: Any) -> str:
    """A GTIN-8, 12, 13 or 14 with a right check digit, digits only; else empty."""
    if not value:
        return ""
    digits = re.sub(r"[\s-]", "", clean(value, 40))
    if not _GTIN.match(digits) or not digits.isascii() or not digits.strip("0"):
        return ""
    total = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits[:-1])))
    return digits if (10 - total % 10) % 10 == int(digits[-1]) else ""


def year(*texts: str) -> int | None:
    """The model year that a text states: 2026, or the later one of a season (2025/26, 25/26). None where none is stated."""
    for text in texts:
        match = _YEAR.search(text)
        if match is None:
            continue
        if match.group(1):
            first = int(match.group(1))
            last = match.group(2)
            return first + 1 if last and int(last) == (first + 1) % 100 else first
        if int(match.group(4)) == (int(match.group(3)) + 1) % 100:
            return 2000 + int(match.group(4))
    return None


def _markup_to_text(text: str) -> str:
    if text.count("<") > MAX_TAGS:
        # A parser takes quadratic time for absurd nesting; the plain way is good enough for such text.
        return _TAG.sub(" ", text)
    tree = LexborHTMLParser(_BLOCK.sub("\n<", text))
    tree.strip_tags(["script", "style", "template", "noscript", "svg"])
    return tree.body.text(deep=True, separator="") if tree.body is not None else ""

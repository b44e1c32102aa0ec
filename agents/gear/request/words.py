"""Words of queries and listings: folding, light stemming, and concepts that join English and Spanish words.

The concept table (data/concepts.json) maps phrases to one token, so "tabla de snowboard" and "snowboards" are the same
word to everything above. A *type* is a concept that names a thing one can buy; :func:`head` finds what a text is about:
"snowboard boots" and "botas de snowboard" are boots.

Thread-safety: the tables are read-only after import; all functions are pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import orjson
from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

_WORD = re.compile(r"[^\W_]+")
#: What ends the noun phrase that says what a thing is.
_BREAK_MARKS = re.compile(r"[(\[,;+|]|\s[-–—]\s")
_BREAK_WORDS = frozenset(
    ("de", "del", "para", "con", "with", "for", "of", "in", "by", "from", "w", "sin", "without", "y", "and", "und", "e")
)
_LONGEST_PHRASE = 4
#: A word of a query is read as a word of the table when at least this similar to it (1 - distance / length).
_CORRECTION = 0.84


def table(name: str) -> dict[str, Any]:
    """The data table ``data/<name>.json``."""
    data: dict[str, Any] = orjson.loads(resources.files("hexar.agents.gear.data").joinpath(f"{name}.json").read_bytes())
    return data


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """``text`` in NFKC, case-folded, without accents and invisible format characters."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char) and unicodedata.category(char) != "Cf")


def words(text: str) -> list[str]:
    """The folded words of ``text``; an apostrophe joins ("men's" is "mens")."""
    return _WORD.findall(fold(text).replace("'", "").replace("’", ""))


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """``word`` without its plural ending, in English and Spanish. Numbers and short words stay as they are."""
    if len(word) <= 3 or not word.isalpha() or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "ciones", "siones", "lones", "tones")) and len(word) > 5:
        return word[:-2]
    return word[:-1]


class Token(NamedTuple):
    """One meaning in a text."""

    text: str
    #: It names a thing one can buy.
    is_type: bool
    #: "en", "es" or "" where both languages share the word, or neither table has it.
    language: str


def _load_concepts() -> dict[tuple[str, ...], Token]:
    data = table("concepts")
    found: dict[tuple[str, ...], Token] = {}
    for kind, is_type in (("types", True), ("words", False)):
        for row in data[kind]:
            for language in ("en", "es"):
                for surface in row[language]:
                    key = tuple(stem(word) for word in words(surface))
                    other = found.get(key)
                    shared = other is not None and other.text == row["concept"] and other.language != language
                    found[key] = Token(row["concept"], is_type, "" if shared else language)
    return found


_CONCEPTS = _load_concepts()
#: Words that begin a phrase of more than one word: only there is a longer match worth trying.
_OPENERS = frozenset(key[0] for key in _CONCEPTS if len(key) > 1)
_SINGLE_SURFACES: tuple[str, ...] = tuple(sorted({key[0] for key in _CONCEPTS if len(key) == 1 and len(key[0]) > 3}))


@lru_cache(maxsize=16384)
def tokens(text: str) -> tuple[Token, ...]:
    """The meanings of ``text`` in order; a phrase of the concept table is one token."""
    return _join([stem(word) for word in words(text)])


def _join(stems: Sequence[str]) -> tuple[Token, ...]:
    found: list[Token] = []
    position = 0
    while position < len(stems):
        longest = _LONGEST_PHRASE if stems[position] in _OPENERS else 1
        for length in range(min(longest, len(stems) - position), 0, -1):
            concept = _CONCEPTS.get(tuple(stems[position : position + length]))
            if concept is not None:
                found.append(concept)
                position += length
                break
        else:
            found.append(Token(stems[position], False, ""))
            position += 1
    return tuple(found)


def corrected(text: str, known: frozenset[str] = frozenset()) -> str:
    """``text`` with misspelt words of the concept table put right ("snwboard"); words in ``known`` (stems) stay."""
    result = []
    for word in words(text):
        stemmed = stem(word)
        if len(stemmed) < 5 or not stemmed.isalpha() or stemmed in known or (stemmed,) in _CONCEPTS:
            result.append(word)
            continue
        match = process.extractOne(
            stemmed, _SINGLE_SURFACES, scorer=DamerauLevenshtein.normalized_similarity, score_cutoff=_CORRECTION
        )
        # The first letter is the one people rarely get wrong; without it "noard" would be a board and "coot" a boot.
        result.append(match[0] if match is not None and match[0][0] == stemmed[0] else word)
    return " ".join(result)


@lru_cache(maxsize=16384)
def head(text: str) -> str:
    """The concept of the thing that ``text`` names; empty where the table does not know it.

    The head of a compound is its last noun in English ("snowboard boots") and its first in Spanish ("botas snowboard");
    what follows a preposition or a parenthesis only describes it.
    """
    for part in _BREAK_MARKS.split(text):
        stems = [stem(word) for word in words(part)]
        segment: list[str] = []
        for segment in _segments(stems):
            types = [token for token in _join(segment) if token.is_type]
            if types:
                return types[0].text if types[0].language == "es" else types[-1].text
    return ""


def _segments(stems: Sequence[str]) -> list[list[str]]:
    """``stems`` cut at prepositions, but not inside a phrase of the concept table ("tabla de snowboard")."""
    found: list[list[str]] = [[]]
    position = 0
    while position < len(stems):
        for length in range(min(_LONGEST_PHRASE, len(stems) - position), 1, -1):
            if tuple(stems[position : position + length]) in _CONCEPTS:
                found[-1].extend(stems[position : position + length])
                position += length
                break
        else:
            if stems[position] in _BREAK_WORDS:
                found.append([])
            else:
                found[-1].append(stems[position])
            position += 1
    return found


def category_head(category: str) -> str:
    """The concept of the last part of a category path ("Winter > Snowboard > Boots" is about boots)."""
    parts = [part for part in re.split(r"[>/|»]", category) if part.strip()]
    return head(parts[-1]) if parts else ""

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
from importlib import resources
from typing import Any, NamedTuple

import orjson

from hexar.core.memo import remembered

_WORD = re.compile(r"[^\W_]+")
#: What ends the noun phrase that says what a thing is.
_BREAK_MARKS = re.compile(r"[(\[,;+|]|\s[-–—]\s")
_BREAK_WORDS = frozenset(
    ("de", "del", "para", "con", "with", "for", "of", "in", "by", "from", "w", "sin", "without", "y", "and", "und", "e")
)
_LONGEST_PHRASE = 4


def table(name: str) -> dict[str, Any]:
    """The data table ``data/<name>.json``."""
    data: dict[str, Any] = orjson.loads(resources.files("hexar.agents.gear.data").joinpath(f"{name}.json").read_bytes())
    return data


@remembered("gear.fold")
def fold(text: str) -> str:
    """``text`` in NFKC, case-folded, without accents and invisible format characters."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char) and unicodedata.category(char) != "Cf")


def words(text: str) -> list[str]:
    """The folded words of ``text``; an apostrophe joins ("men's" is "mens")."""
    return _WORD.findall(fold(text).replace("'", "").replace("’", ""))


@remembered("gear.stem")
def stem(word: str) -> str:
    """``word`` without its plural ending, in English and Spanish. Numbers and short words stay as they are."""
    if len(word) <= 3 or not word.isalpha() or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "ciones", "siones", "lones", "tones")) and len(word) > 5:
        return word[:-2]
    return word[:-1]


def is_concept(word: str) -> bool:
    """True where the concept table knows the word."""
    return stem(word) in CONCEPT_WORDS


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
#: The words of all concepts.
CONCEPT_WORDS = frozenset(word for key in _CONCEPTS for word in key if len(word) > 3)
#: Those that only Spanish has.
SPANISH_WORDS = frozenset(
    word for key, token in _CONCEPTS.items() if token.language == "es" for word in key if len(word) > 3
) - {word for key, token in _CONCEPTS.items() if token.language != "es" for word in key}


@remembered("gear.tokens")
def tokens(text: str) -> tuple[Token, ...]:
    """The meanings of ``text`` in order; a phrase of the concept table is one token."""
    return _join([stem(word) for word in words(text)])


@remembered("gear.named")
def named(text: str) -> str:
    """A request's ``text`` with "board" and "tabla" as the snowboard that they are, where no other board is named."""
    found = tokens(text)
    if not any(token.text in _BOARD_STEMS for token in found) or any(token.text in _OTHER_BOARDS for token in found):
        return text
    return " ".join(_BOARDS["concept"] if stem(word) in _BOARD_STEMS else word for word in text.split())


_BOARDS: dict[str, Any] = table("concepts")["boards"]
_BOARD_STEMS = frozenset(stem(word) for word in _BOARDS["words"])
_OTHER_BOARDS = frozenset(_BOARDS["unless"])


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


@remembered("gear.head")
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


_COORDINATING = re.compile(r"\s(?:and|or|plus|y|e|o|u)\s|[,/+&]")
_DESCRIBING = re.compile(r"(?:^|\s)(?:with|con|without|sin|for|para|of|de|del)(?=\s)")
_SPORTS = frozenset(table("concepts")["sports"])


@remembered("gear.heads")
def heads(text: str) -> tuple[str, ...]:
    """The concepts of all the things that a request names: "boots and bindings" are two, "a helmet for ski and snowboard" one.

    What a preposition leads to only describes: things behind "with", and sports behind any.
    """
    found: dict[str, None] = {}
    described = ""
    for part in _COORDINATING.split(fold(text)):
        thing = head(part)
        if thing and not (found and (described in ("with", "con", "without", "sin") or (described and thing in _SPORTS))):
            found[thing] = None
        leading = [match[0].strip() for match in _DESCRIBING.finditer(" ".join(_without_phrases(part)))]
        described = leading[-1] if leading else described
    return tuple(found)


def _without_phrases(part: str) -> list[str]:
    """The words of ``part`` without the prepositions inside of a concept's phrase ("tabla de snowboard")."""
    return [word for segment in _segments([stem(one) for one in words(part)], keep=True) for word in segment]


def _segments(stems: Sequence[str], *, keep: bool = False) -> list[list[str]]:
    """``stems`` cut at prepositions, but not inside a phrase of the concept table ("tabla de snowboard").

    ``keep`` begins each part with its preposition, and makes one word of each phrase.
    """
    found: list[list[str]] = [[]]
    position = 0
    while position < len(stems):
        for length in range(min(_LONGEST_PHRASE, len(stems) - position), 1, -1):
            if tuple(stems[position : position + length]) in _CONCEPTS:
                phrase = stems[position : position + length]
                found[-1].extend(["_".join(phrase)] if keep else phrase)
                position += length
                break
        else:
            if stems[position] in _BREAK_WORDS:
                found.append([stems[position]] if keep else [])
            else:
                found[-1].append(stems[position])
            position += 1
    return found


def category_head(category: str) -> str:
    """The concept of the last part of a category path ("Winter > Snowboard > Boots" is about boots)."""
    parts = [part for part in re.split(r"[>/|»]", category) if part.strip()]
    return head(parts[-1]) if parts else ""

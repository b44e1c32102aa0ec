"""Which words are nouns that contracts define."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import yaml


class Nouns(NamedTuple):
    """The nouns of a language, lower case, and how others like them end."""

    words: frozenset[str]
    endings: tuple[str, ...]


@lru_cache(maxsize=4)
def nouns(language: str) -> Nouns:
    """The nouns of English or Spanish; those of English for any other."""
    rows = yaml.safe_load(Path(__file__).with_name("nouns.yaml").read_text("utf-8"))
    known = language if language in ("en", "es") else "en"
    return Nouns(frozenset(rows[known].split()), tuple(rows["endings"][known]))


def is_noun(word: str, language: str) -> bool:
    """Whether a word, in the singular or plural, is one that terms are made of."""
    known, folded = nouns(language), word.casefold()
    forms = {folded, folded.removesuffix("s"), folded.removesuffix("es")}
    if folded.endswith("ies"):
        forms.add(folded[:-3] + "y")
    return bool(forms & known.words) or (len(folded) > 6 and folded.endswith(known.endings))


class Habits(NamedTuple):
    """What is capitalised by habit: words, whole phrases, words of institutions' names and of addresses. Lower case."""

    general: frozenset[str]
    phrases: frozenset[str]
    institutions: frozenset[str]
    addresses: frozenset[str]


@lru_cache(maxsize=1)
def habits() -> Habits:
    """What is capitalised by habit in either language."""
    rows = yaml.safe_load(Path(__file__).with_name("nouns.yaml").read_text("utf-8"))
    general, institutions, addresses = (frozenset(rows[name].split()) for name in ("general", "institutions", "addresses"))
    return Habits(general, frozenset(rows["phrases"]), institutions, addresses)

"""Words as keys: two words that share a key say the same, in inflection, in synonym, or across English and Spanish."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from hexar.agents.answers.data import DATA
from hexar.core.memo import remembered
from hexar.core.text.stems import LANGUAGES, STOPWORDS, respelled, stem
from hexar.core.text.words import fold

#: Words of a phrase of the concept table at most.
PHRASE_WORDS = 3

_WORD = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W_]+(?:[-/.&]\w*\d\w*|['’][^\W\d_]+)*|[%€$£]")
_POSSESSIVE = re.compile(r"['’]s?$|n['’]t$")


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text: as written, folded, its stems (first the plain one), and its concepts' numbers.

    ``rest``: it goes on a phrase whose concept its first word has, as "up" does "back up".
    """

    raw: str
    folded: str
    stems: frozenset[str]
    concepts: frozenset[int]
    content: bool
    rest: bool = False

    @property
    def key(self) -> str:
        """What tells it from other words: a single capital letter is a code, a small one is not."""
        return self.folded if len(self.raw) > 1 else self.raw


@cache
def _irregular(language: str) -> dict[str, str]:
    """Folded form → base form."""
    lines = tomllib.loads((DATA / "irregular.toml").read_text("utf-8"))[language]
    rows = (line.split() for line in lines.strip().splitlines())
    return {form: row[0] for row in rows for form in row}


@cache
def _concepts() -> dict[str, dict[tuple[str, ...], frozenset[int]]]:
    """For each language: a word, or the words of a phrase, as stems → the numbers of its concepts."""
    lines = tomllib.loads((DATA / "concepts.toml").read_text("utf-8"))["concepts"].strip().splitlines()
    found: dict[str, dict[tuple[str, ...], frozenset[int]]] = {language: {} for language in LANGUAGES}
    for number, line in enumerate(lines):
        for language, names in zip(LANGUAGES, line.split("|"), strict=True):
            for name in names.split():
                key = tuple(_base(part, language) for part in name.split("_"))
                found[language][key] = found[language].get(key, frozenset()) | {number}
    return found


@remembered("answers.base")
def _base(folded: str, language: str) -> str:
    return fold(stem(_irregular(language).get(folded, folded), language))


@remembered("answers.stems")
def stems(raw: str, language: str) -> frozenset[str]:
    """The stems of a lower-case word and of its base form; in both languages where ``language`` is neither."""
    plain = fold(raw)
    spoken = (language,) if language in LANGUAGES else LANGUAGES
    spelled = respelled(raw) if "es" in spoken and len(plain) > 5 else ()
    parts = [part for part in plain.split("-") if part] if "-" in plain else []
    return frozenset((plain, *spelled, *parts, *(key for each in spoken for key in (stem(raw, each), _base(plain, each)))))


def _concepts_of(folded: str, language: str) -> frozenset[int]:
    tables = _concepts()
    spoken = (language,) if language in LANGUAGES else LANGUAGES
    return frozenset().union(*(tables[each].get((_base(folded, each),), frozenset()) for each in spoken))


def raw_words(text: str) -> list[str]:
    """The words of a text as they are written, without the possessive ending; figures and codes stay whole."""
    return [_POSSESSIVE.sub("", found) or found for found in _WORD.findall(text)]


@remembered("answers.word")
def _word(raw: str, language: str) -> Word:
    stop = STOPWORDS.get(language) or STOPWORDS["en"] & STOPWORDS["es"]
    lower = raw.lower()
    folded = fold(lower)
    return Word(raw, folded, stems(lower, language), _concepts_of(folded, language), folded not in stop)


def read_words(text: str, language: str) -> list[Word]:
    """The words of ``text`` in order. ``language`` other than English and Spanish: each word may be of either."""
    return _with_phrases([_word(raw, language) for raw in raw_words(text)], language)


def _with_phrases(words: list[Word], language: str) -> list[Word]:
    spoken = (language,) if language in LANGUAGES else LANGUAGES
    for each in spoken:
        phrases = _phrases(each)
        bases = [_base(word.folded, each) for word in words]
        for at in range(len(words)):
            for size in range(PHRASE_WORDS, 1, -1):
                key = tuple(bases[at : at + size])
                if len(key) == size and key in phrases:
                    first = words[at]
                    words[at] = replace(first, concepts=first.concepts | phrases[key], content=True)
                    words[at + 1 : at + size] = [replace(word, rest=True) for word in words[at + 1 : at + size]]
                    break
    return words


@cache
def _phrases(language: str) -> dict[tuple[str, ...], frozenset[int]]:
    return {key: numbers for key, numbers in _concepts()[language].items() if len(key) > 1}


def names_in(words: Sequence[Word], text: str) -> list[str]:
    """The folded words of ``text`` that are written like names: a capital inside a sentence, or a code with digits."""
    found: list[str] = []
    end = 0
    for place, word in enumerate(words):
        start = text.find(word.raw, end)
        before = text[:start].rstrip()[-1:] if start >= 0 else ""
        end = max(end, start + len(word.raw))
        inside = place > 0 and before not in (".", "?", "!", "¿", "¡", ":", "")
        capital = word.raw[:1].isupper() and word.raw != "I" and (inside or (word.raw.isupper() and len(word.raw) > 1))
        if capital or (word.raw[0].isalpha() and any(c.isdigit() for c in word.raw)):
            found.append(word.folded)
    return found


@cache
def _contraries() -> dict[int, frozenset[int]]:
    """Concept → concepts that say the contrary."""
    lines = tomllib.loads((DATA / "concepts.toml").read_text("utf-8"))["contraries"].strip().splitlines()
    found: dict[int, frozenset[int]] = {}
    for line in lines:
        sides = [frozenset().union(*(_concepts_of(word, "en") for word in side.split())) for side in line.split("|")]
        for side, other in (sides, sides[::-1]):
            for concept in side:
                found[concept] = found.get(concept, frozenset()) | (other - side)
    return found


def with_contraries(word: Word) -> Word:
    """``word`` with the concepts of its contraries: what is excluded tells whether it is included."""
    table = _contraries()
    return replace(word, concepts=word.concepts.union(*(table.get(concept, frozenset()) for concept in word.concepts)))


@remembered("answers.translations")
def translations(word: str, language: str, other: str) -> tuple[str, ...]:
    """The stems of the single words of ``other`` that share a concept with a lower-case word of ``language``."""
    numbers = _concepts_of(fold(word), language)
    return (
        tuple(sorted({key[0] for key, held in _concepts()[other].items() if len(key) == 1 and held & numbers}))
        if numbers
        else ()
    )

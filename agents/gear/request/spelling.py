"""Misspelt words of a request, put right before anything is read and before a vendor is asked.

Only words that nothing here knows are touched, only where one known word is by far the nearest, and each correction is told.
The first letter is the one people rarely get wrong; without it "noard" would be a board and "coot" a boot.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rapidfuzz import process
from rapidfuzz.distance import OSA, DamerauLevenshtein

from hexar.agents.gear.request.reading import ALL_STOPWORDS
from hexar.agents.gear.request.words import CONCEPT_WORDS, SPANISH_WORDS, fold, is_concept, stem, table
from hexar.core.memo import remembered

_TABLE = table("understanding")
_WORD = re.compile(r"[^\W\d_]{5,}")
#: A word this long may miss two letters.
LONG = 8


def _phrase_words() -> frozenset[str]:
    """The words of all phrases that this package reads."""
    found: set[str] = set()
    stack: list[object] = [value for key, value in _TABLE.items() if key != "about"]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.values())
            found.update(word for key in value for word in re.findall(r"[^\W\d_]+", fold(key)))
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, str):
            found.update(re.findall(r"[^\W\d_]+", fold(value)))
    return frozenset(found)


_PHRASES = _phrase_words()
_TARGETS = tuple(sorted({word for word in (*CONCEPT_WORDS, *_PHRASES) if len(word) >= 5}))


def _sound(word: str) -> str:
    """How a Spanish reader says a folded word: b and v, c, k and qu, s and z, ll and y are one, h is mute."""
    word = re.sub(r"qu(?=[ei])|c(?=[^eihzs]|$)|ck|q", "k", word)
    word = re.sub(r"ch", "č", word).replace("h", "").replace("v", "b").replace("ll", "y").replace("z", "s")
    word = re.sub(r"c(?=[ei])", "s", word)
    word = re.sub(r"g(?=[ei])", "j", word)
    return re.sub(r"([^r])\1+", r"\1", word)


def _sounds() -> dict[str, str]:
    """Sound → the one Spanish word for a thing with that sound; a sound that two words share is nobody's."""
    found: dict[str, str] = {}
    native = (word for word in SPANISH_WORDS if word.isascii() and not {"k", "w"} & set(word))  # "kite" is no sound of "quite"
    for word in sorted(native):
        sound = _sound(word)
        found[sound] = word if found.get(sound, word) == word else ""
    return {sound: word for sound, word in found.items() if word}


_SOUNDS = _sounds()


def spelled(text: str, known: Callable[[str], bool]) -> tuple[str, list[tuple[str, str]]]:
    """``text`` with its misspelt words put right, and what was changed: (as written, as read).

    ``known`` tells the words that are right as they are: brands, and what vendors call their products.
    """
    changes: list[tuple[str, str]] = []

    def right(match: re.Match[str]) -> str:
        written = match[0]
        word = fold(written)
        if not word.isascii() or word in _PHRASES or word in ALL_STOPWORDS or is_concept(word) or known(word):
            return written
        read = _nearest(word)
        if not read or len(changes) >= 8:
            return written
        changes.append((written, read))
        return read

    return _WORD.sub(right, text), changes


@remembered("gear.spelling")
def _nearest(word: str) -> str:
    """The one known word that ``word`` is a misspelling of; empty where there is none, or several."""
    if heard := _SOUNDS.get(_sound(word)) or _SOUNDS.get(_sound(stem(word))):
        return heard
    limit = 2 if len(word) >= LONG else 1
    matches = process.extract(word, _TARGETS, scorer=OSA.distance, score_cutoff=limit, limit=8)
    found = [(distance, name) for name, distance, _ in matches if name[0] == word[0] and _plausible(word, name, int(distance))]
    if not found:
        stemmed = stem(word)
        return "" if stemmed == word or len(stemmed) < 5 else _nearest(stemmed)
    found.sort()
    best = found[0]
    others = {stem(name) for distance, name in found if distance == best[0]} - {stem(best[1])}
    return best[1] if not others else ""


def _plausible(word: str, name: str, distance: int) -> bool:
    """Short words differ from other words by one letter as well: there only a letter that is missing is a slip.

    Two slips are believed of the same letters only ("begginer"): "mexicano" is no "mediano".
    """
    if distance > 1:
        return set(word) == set(name)
    if len(word) >= 7:
        return True
    if len(word) == 6:
        return distance == 1 and DamerauLevenshtein.normalized_similarity(word, name) > 0.8
    return distance == 1 and len(name) == len(word) + 1

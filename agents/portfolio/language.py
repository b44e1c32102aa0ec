"""Words of English and Spanish text: folding, stop words, stems and which of the two languages a text is in.

The same functions serve indexing and querying; a term that is stemmed differently at the two sides is never found.
"""

import re
import threading
import tomllib
from functools import lru_cache
from pathlib import Path

import snowballstemmer  # type: ignore[import-untyped]

from hexar.core.text import language
from hexar.core.text.words import coded, fold

#: The languages that are told apart and stemmed. Text in any other language is indexed by its folded words.
LANGUAGES = ("en", "es")

_LISTS = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))

#: Function words by language, folded.
STOPWORDS: dict[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in _LISTS["stop"].items()}

# A Snowball stemmer keeps its state in the object: each thread has its own.
_local = threading.local()


@lru_cache(maxsize=200_000)
def stem(word: str, spoken: str) -> str:
    """The folded Snowball stem of one lower-case word; words with digits, and other languages, are only folded."""
    if spoken not in LANGUAGES or not word.isalpha():
        return fold(word)
    stemmers = getattr(_local, "stemmers", None)
    if stemmers is None:
        stemmers = _local.stemmers = {
            "en": snowballstemmer.stemmer("english"),
            "es": snowballstemmer.stemmer("spanish"),
        }
    return fold(stemmers[spoken].stemWord(word))


def words(text: str) -> list[str]:
    """The words of ``text`` in lower case and order; codes such as ``AB-12`` and ``4.5`` stay whole."""
    return coded(text.lower())


def terms(text: str, spoken: str) -> list[str]:
    """Index terms in order: stems without stop words. A compound code gives itself and its parts."""
    stop = STOPWORDS.get(spoken, frozenset())
    found: list[str] = []
    for word in words(text):
        if word.isalnum():
            if fold(word) not in stop:
                found.append(stem(word, spoken))
            continue
        found.append("_".join(re.findall(r"\w+", fold(word))))
        found.extend(stem(part, spoken) for part in re.findall(r"\w+", word))
    return found


def detect(text: str) -> str:
    """``"en"``, ``"es"`` or ``""`` where neither shows.

    Empty is an honest answer for a name, a code or another language; callers then search in every language.
    """
    found = language.detect(text)
    return found if found in LANGUAGES else ""

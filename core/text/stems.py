"""Stems and stop words of English and Spanish.

The same functions serve whatever is compared: a word that is stemmed differently at two sides is never found.
"""

import threading
import tomllib
from pathlib import Path

import Stemmer  # type: ignore[import-not-found]

from hexar.core.memo import remembered
from hexar.core.text.words import fold

#: The languages that are told apart and stemmed. Words of any other language are only folded.
LANGUAGES = ("en", "es")

_LISTS = tomllib.loads(Path(__file__).with_name("stopwords.toml").read_text("utf-8"))

#: Function words by language, folded.
STOPWORDS: dict[str, frozenset[str]] = {name: frozenset(words.split()) for name, words in _LISTS["stop"].items()}

# A Snowball stemmer keeps its state in the object: each thread has its own.
_local = threading.local()


@remembered("text.stem")
def stem(word: str, spoken: str) -> str:
    """The folded Snowball stem of one lower-case word; words with digits, and other languages, are only folded."""
    if spoken not in LANGUAGES or not word.isalpha():
        return fold(word)
    stemmers = getattr(_local, "stemmers", None)
    if stemmers is None:
        # The stems are remembered here; a second memory inside each stemmer would only cost.
        stemmers = _local.stemmers = {"en": Stemmer.Stemmer("english", 0), "es": Stemmer.Stemmer("spanish", 0)}
    return fold(stemmers[spoken].stemWord(word))


def respelled(word: str) -> tuple[str, ...]:
    """The stems of a Spanish word that is written without the accents it should have, or with them where others leave them out.

    An accent tells endings apart ("batería" loses its "ía", "bateria" does not), and people who search leave accents out.
    """
    bare = fold(word)
    accented = (f"{bare[: -len(ending)]}í{ending[1:]}" for ending in ("ia", "ias") if bare.endswith(ending))
    return tuple(dict.fromkeys(stem(form, "es") for form in (bare, *accented)))

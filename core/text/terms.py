"""Words and index terms of English and Spanish text, and which of the two languages a text is in.

The same functions serve indexing and querying; a term that is made differently at the two sides is never found.
"""

import re

from hexar.core.text import language
from hexar.core.text.stems import LANGUAGES, STOPWORDS, respelled, stem
from hexar.core.text.words import coded, fold

__all__ = ["LANGUAGES", "STOPWORDS", "detect", "respelled", "stem", "terms", "words"]


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

"""A query as words: the index terms that each may stand as, in every language of what is searched."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from hexar.agents.answers.reading.vocabulary import translations
from hexar.core.memo import remembered
from hexar.core.text.terms import LANGUAGES, STOPWORDS, respelled, stem, words
from hexar.core.text.words import fold

#: Stop words in whichever language a text is.
_STOPWORDS_OF_ALL = STOPWORDS["en"] & STOPWORDS["es"]


class Query(NamedTuple):
    """A query as words: ``groups[i]`` are the index terms that word ``surface[i]`` may stand as, one a language."""

    text: str
    language: str
    surface: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]

    @property
    def terms(self) -> list[str]:
        """All index terms, each once."""
        return list(dict.fromkeys(chain.from_iterable(self.groups)))


def parse_query(text: str, language: str, languages: Sequence[str]) -> Query:
    """The words of a query without the stop words of its language, stemmed for every one of ``languages``."""
    standing = _standing(language if language in LANGUAGES else "", tuple(languages))
    surface: list[str] = []
    groups: list[tuple[str, ...]] = []
    for word in dict.fromkeys(words(text)):
        if word.isalnum():
            group = standing(word)
            if not group:
                continue
        else:
            parts = [fold(part) for part in word.replace("-", ".").replace("/", ".").split(".") if part]
            group = ("_".join(parts),)
            for part in parts:
                if part not in surface:
                    surface.append(part)
                    groups.append((part,))
        surface.append(word)
        groups.append(group)
    return Query(text, language, tuple(surface), tuple(groups))


def widened(query: Query, languages: Sequence[str], frequency: Callable[[str], int]) -> Query:
    """``query`` with other spellings, else with words of the portfolio's other language, for the words that it does not hold.

    ``frequency`` counts the chunks that hold a term.
    """
    groups: list[tuple[str, ...]] = []
    for word, group in zip(query.surface, query.groups, strict=True):
        found: tuple[str, ...] = ()
        if not any(map(frequency, group)):
            found = tuple(filter(frequency, respelled(word))) if "es" in languages else ()
            if not found and query.language in LANGUAGES:
                others = [each for each in languages if each != query.language]
                found = tuple(term for each in others for term in translations(word, query.language, each) if frequency(term))
        groups.append((*group, *found))
    return query._replace(groups=tuple(groups))


@lru_cache(maxsize=8)
def _standing(language: str, languages: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """What gives the index terms that a word of letters and digits may stand as; none for a stop word.

    It remembers words for these languages alone, so that the word is the whole key.
    """
    stop = STOPWORDS.get(language, _STOPWORDS_OF_ALL)
    stemmed = [each for each in languages if each in LANGUAGES] or [language]

    @remembered("text.standing")
    def standing(word: str) -> tuple[str, ...]:
        folded = fold(word)
        if folded in stop:
            return ()
        stems = [stem(word, each) for each in stemmed]
        return tuple(dict.fromkeys((*stems, folded) if len(stems) > 1 else stems))

    return standing

"""Words and index terms under the name by which they were known: :mod:`hexar.core.text.terms`."""

from hexar.core.text.terms import LANGUAGES, STOPWORDS, detect, respelled, stem, terms, words

__all__ = ["LANGUAGES", "STOPWORDS", "detect", "respelled", "stem", "terms", "words"]

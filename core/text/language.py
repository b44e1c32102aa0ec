"""Which language a short text is written in: English, Spanish, or unknown. Small, own, and without a model.

Function words carry most of the evidence, endings and letter groups the rest, so that three content words are enough
more often than not. Words of French, Portuguese, Italian and German are counter-evidence: such a text is ``"und"``
and not the nearer of the two languages (``und`` is ISO 639-2 for undetermined).
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from hexar.core.memo import remembered
from hexar.core.text.words import alphabetic

#: At most this many words are weighed; a language does not change after them.
MAX_WORDS = 200
#: The evidence of so many words of at most so many letters is remembered.
SEEN_WORDS = 10_000
SEEN_LETTERS = 40

_WORDS = tomllib.loads(Path(__file__).with_name("language.toml").read_text("utf-8"))
_ENGLISH = frozenset(_WORDS["english"].split())
_SPANISH = frozenset(_WORDS["spanish"].split())
_OTHER = frozenset(_WORDS["other"].split())

_ENGLISH_SHAPES = re.compile(
    r"(?:th|wh|sh|ck|gh|wn|kn|ee|oo|[aeiou]w|[^aeiou]y$|ing$|tion$|ed$|ness$|ful$|ly$|ment$|[^aeious]s$|[bdfgkmptvhw]$)"
)
_SPANISH_SHAPES = re.compile(
    r"(?:[ñáéíóú]|ción|sión|[^s]ll[aeo]|rr[aeiou]|qu[ei]|gü|ue[nrs]|ie[nr]|[aei]r$|[ai]do$|[ai]da$|mente$|dad$"
    r"|[ao]s$|[^aeiou][ao]$|ncia$|[aeo]n$|z$)"
)
_OTHER_LETTERS = frozenset("çãõàèìòùâêîôûäöß")
#: What :func:`_evidence` said of words as they were written; words of equal evidence share one object.
_seen: dict[str, tuple[float, float, float]] = {}
_shared: dict[tuple[float, float, float], tuple[float, float, float]] = {}


def function_words(language: str) -> frozenset[str]:
    """The function words of ``"en"`` or ``"es"``, with their accents; of both for any other language."""
    return {"en": _ENGLISH, "es": _SPANISH}.get(language, _ENGLISH | _SPANISH)


@remembered("text.language")
def detect(text: str) -> str:
    """``"en"``, ``"es"`` or ``"und"`` for ``text``. Deterministic; reads at most :data:`MAX_WORDS` words of it."""
    return detect_words(alphabetic(text[: MAX_WORDS * 20]), inverted="¿" in text[:2000] or "¡" in text[:2000])


def detect_words(words: Sequence[str], *, inverted: bool = False) -> str:
    """As :func:`detect`, for words with their accents; ``inverted`` says that ``¿`` or ``¡`` was seen."""
    english = spanish = other = 0.0
    if inverted:
        spanish += 2.0
    for word in words[:MAX_WORDS]:
        for_english, for_spanish, for_other = _seen.get(word) or _evidence(word)
        english += for_english
        spanish += for_spanish
        other += for_other
    best = max(english, spanish)
    # One ending is no evidence; a tie, or more foreign function words than own ones, is none either.
    if best < 0.5 or other > best or abs(english - spanish) < 0.15 * best:
        return "und"
    return "en" if english > spanish else "es"


def _evidence(raw: str) -> tuple[float, float, float]:
    """How much one word speaks for English, for Spanish, and for another language; from now on in ``_seen``."""
    word = raw.lower().replace("’", "'")
    english, spanish, other = float(word in _ENGLISH), float(word in _SPANISH), 0.0
    if word in _OTHER:
        other = 0.5 if english or spanish else 1.0
    elif not (english or spanish) and len(word) > 2:
        english = 0.3 * bool(_ENGLISH_SHAPES.search(word))
        spanish = 0.3 * bool(_SPANISH_SHAPES.search(word))
        other = float(not _OTHER_LETTERS.isdisjoint(word))
    # The few objects stay in the processor's cache.
    evidence = _shared.setdefault((english, spanish, other), (english, spanish, other))
    if len(raw) <= SEEN_LETTERS:
        if len(_seen) >= SEEN_WORDS:
            _seen.clear()
        _seen[raw] = evidence
    return evidence

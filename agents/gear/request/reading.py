"""A request's text while it is read: what was consumed of it, what a negation reaches, and what is left.

Everything works on the folded text, with a map back to the characters as they were written. What is consumed becomes a gap, so
that no later phrase reaches across it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from hexar.agents.gear.request.words import fold, table, tokens

_TABLE = table("understanding")
LANGUAGES = ("en", "es")
STOPWORDS = {language: frozenset(fold(word) for word in _TABLE["stopwords"][language]) for language in LANGUAGES}
ALL_STOPWORDS = STOPWORDS["en"] | STOPWORDS["es"]
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
#: A character that unfolds into more letters than this is no letter ("U+FDFA" is eighteen): it would only cost time.
_LONGEST_PIECE = 4
#: Conditions of one kind that one text may name; a text that names more is not a question.
MAX_FOUND = 16
#: Characters before a name that are looked at, and words that a negation may reach over.
BEFORE = 48
MAX_REACH = 8
#: What a consumed part of the text becomes.
GAP = "\0"


def alternation(phrases: Iterable[str]) -> str:
    """A pattern of ``phrases``, the longest first; blanks stand for blanks and hyphens."""
    ordered = sorted({fold(phrase) for phrase in phrases}, key=len, reverse=True)
    return "|".join(r"[\s-]+".join(re.escape(word) for word in phrase.split()) for phrase in ordered)


@lru_cache(maxsize=64)
def phrase_pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern of whole phrases."""
    return re.compile(rf"(?<!\w)(?:{alternation(phrases)})(?!\w)")


_WORD_BEFORE = re.compile(r"([\w']+)[\s,-]*$")
_NEGATORS = phrase_pattern(tuple(_TABLE["negators"]))
_NEGATOR_AT_END = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['negators'])})\s*$")
_NEUTRAL = re.compile(rf"(?<!\w)(?:{alternation(_TABLE['negations_of_nothing'])})\s*$")
FILLERS = frozenset(fold(word) for word in _TABLE["negation_fillers"])
LINKS = frozenset(fold(word) for word in _TABLE["negation_links"])


@dataclass(frozen=True, slots=True)
class Taken:
    """A consumed part of the text: where it was written, whether it became a filter, and whether it was negated."""

    start: int
    end: int
    as_filter: bool
    negated: bool = False


@dataclass(slots=True)
class TextReading:
    """A text, its folded form with a map back to the characters as they were written, and what was consumed of it."""

    text: str
    folded: str = ""
    origin: list[int] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    not_applied: list[tuple[str, str]] = field(default_factory=list)
    _spans: list[tuple[int, int, bool]] = field(default_factory=list)
    votes: dict[str, int] = field(default_factory=lambda: {"en": 0, "es": 0})

    def __post_init__(self) -> None:
        pieces: list[str] = []
        for position, char in enumerate(self.text):
            # The ordinal mark is typed for the sign of degrees.
            piece = "°" if char == "º" else char if char in "\u00a0\u202f\u2009" else fold(char).translate(_DASHES)
            if len(piece) > _LONGEST_PIECE:
                piece = " "
            piece = "\u00a0" if char in "\u202f\u2009" else piece.replace("’", "'")
            pieces.append(piece)
            self.origin.extend([position] * len(piece))
        self.folded = "".join(pieces)
        self.origin.append(len(self.text))

    def take(self, start: int, end: int, *, as_filter: bool, negated: bool = False, reason: str = "") -> None:
        """Consume ``folded[start:end]``. ``reason`` says why a condition that was read there is not applied."""
        if negated:
            start = self._negation_start(start)
        first, last = self.origin[start], self.origin[end - 1] + 1
        self.taken.append(Taken(first, last, as_filter, negated))
        self._spans.append((start, end, negated))
        if reason:
            self.not_applied.append((self.text[first:last], reason))
        self.folded = self.folded[:start] + GAP * (end - start) + self.folded[end:]

    def negated(self, start: int) -> bool:
        """True where a negation before ``start`` reaches it: over filling words ("not for a"), and on from a negated part."""
        return self._negation(start) is not None

    def is_open(self, start: int) -> bool:
        """True where what begins at ``start`` is neither asked for nor excluded ("not only for beginners")."""
        return bool(_NEUTRAL.search(self.folded, max(0, start - BEFORE), self._over_fillers(start)))

    def _over_fillers(self, start: int) -> int:
        """Where the filling words before ``start`` begin."""
        at = start
        for _ in range(MAX_REACH):
            word = _WORD_BEFORE.search(self.folded, max(0, at - BEFORE), at)
            if word is None or word[1] not in FILLERS:
                return at
            at = word.start()
        return at

    def _negation(self, start: int) -> int | None:
        """Where the negation that reaches ``start`` begins; None without one."""
        at = start
        for _ in range(MAX_REACH):
            low = max(0, at - BEFORE)
            if _NEUTRAL.search(self.folded, low, at):
                return None
            negator = _NEGATOR_AT_END.search(self.folded, low, at)
            if negator is not None:
                return negator.start()
            word = _WORD_BEFORE.search(self.folded, low, at)
            if word is None:
                return None
            if word[1] in LINKS and self._follows_negated(word.start()):
                return word.start()
            if word[1] not in FILLERS:
                return None
            at = word.start()
        return None

    def _follows_negated(self, start: int) -> bool:
        """True where a negated part ends right before ``start``."""
        end = len(self.folded[:start].rstrip(" ,"))
        return any(stop == end and negated for _, stop, negated in self._spans)

    def _negation_start(self, start: int) -> int:
        found = self._negation(start)
        return start if found is None else found

    def negations(self) -> list[tuple[int, int]]:
        """The negations that are left, as (start, end)."""
        return [match.span() for match in _NEGATORS.finditer(self.folded)]

    def phrases(self) -> tuple[str, ...]:
        """The consumed parts that became filters, as they were written."""
        return tuple(self.text[one.start : one.end] for one in sorted(self.taken, key=lambda one: one.start) if one.as_filter)

    def left(self) -> str:
        """The text without what was consumed."""
        kept = list(self.text)
        for one in self.taken:
            kept[one.start : one.end] = " " * (one.end - one.start)
        return "".join(kept)

    def terms(self) -> str:
        """What is left, normalised, without the stopwords at its ends."""
        kept = self.left()
        plain = unicodedata.normalize("NFKC", kept).casefold()[: len(kept)]
        left = [stripped for word in plain.split() if (stripped := word.strip(" \t.,;:!?¿¡()[]{}\"'“”«»<>=+-–—/|*#&"))]
        while left and fold(left[0]) in ALL_STOPWORDS:
            left.pop(0)
        while left and fold(left[-1]) in ALL_STOPWORDS:
            left.pop()
        return " ".join(left)

    def language(self) -> str:
        """ "en", "es", or "und" where the words do not decide it."""
        votes = dict(self.votes)
        for word in re.findall(r"[^\W\d_]+", fold(self.text)):
            for language, other in (("en", "es"), ("es", "en")):
                if word in STOPWORDS[language] and word not in STOPWORDS[other]:
                    votes[language] += 2
        for token in tokens(self.text):
            if token.language:
                votes[token.language] += 1
        votes["es"] += 2 * sum(self.text.count(mark) for mark in "¿¡ñÑ")
        if votes["en"] == votes["es"]:
            return "und"
        return "en" if votes["en"] > votes["es"] else "es"


def find_phrases(reading: TextReading, table_part: Mapping[str, Iterable[str]]) -> list[tuple[int, int, str]]:
    """The places of a table's phrases: (start, end, language), leftmost and longest first."""
    found: list[tuple[int, int, str]] = []
    for language in LANGUAGES:
        pattern = phrase_pattern(tuple(table_part[language]))
        found.extend((match.start(), match.end(), language) for match in pattern.finditer(reading.folded))
    found.sort(key=lambda row: (row[0], row[0] - row[1]))
    return found

"""How much work a message asks for: five levels, and the retrieval and answer sizes that go with them.

=============  ======  ===========  ==============================================================================
level          top_k   max_tokens   asked for
=============  ======  ===========  ==============================================================================
TRIVIAL             0          500  small talk only: a greeting, thanks, a goodbye, yes, no, an acknowledgement
SIMPLE              3         2000  one fact
MEDIUM              8         4000  an explanation, a list, a longer question
COMPLEX            10         5000  a comparison, an analysis, several questions at once
COMPREHENSIVE      15         6000  a comparison, analysis or summary over everything
=============  ======  ===========  ==============================================================================

The highest level whose cue is met wins, except that small talk must cover *all* words. Cues are whole words or
sequences of words, in English and Spanish, without regard to case and accents; they are data (``complexity.toml``).
Time is bounded: at most :data:`MAX_CHARACTERS` of a message are read.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hexar.core.text.language import detect
from hexar.core.text.small_talk import fold, grammar
from hexar.core.text.words import alphanumeric

#: Characters of a message that are read; what is longer is at least COMPLEX by its length.
MAX_CHARACTERS = 4000

#: More words than this make a question MEDIUM, and COMPLEX.
MEDIUM_WORDS = 18
COMPLEX_WORDS = 50


class Level(IntEnum):
    """How much work a message asks for; ordered."""

    TRIVIAL = 0
    SIMPLE = 1
    MEDIUM = 2
    COMPLEX = 3
    COMPREHENSIVE = 4


#: (chunks to retrieve, tokens of the answer at most) for each level.
SIZES: Mapping[Level, tuple[int, int]] = {
    Level.TRIVIAL: (0, 500),
    Level.SIMPLE: (3, 2000),
    Level.MEDIUM: (8, 4000),
    Level.COMPLEX: (10, 5000),
    Level.COMPREHENSIVE: (15, 6000),
}


class Complexity(NamedTuple):
    """What a message asks for.

    ``top_k`` is the number of chunks to retrieve, ``max_tokens`` bounds the answer, ``language`` is ``"en"``,
    ``"es"`` or ``"und"``, and ``reasons`` are short sentences for a reader.
    """

    level: Level
    top_k: int
    max_tokens: int
    language: str
    reasons: tuple[str, ...]


#: A sequence of words and its group.
_Cue = tuple[tuple[str, ...], str]


class _Cues:
    """Sequences of words, found in one pass. Longer sequences win over their beginnings."""

    def __init__(self, lexicon: Mapping[str, object]) -> None:
        by_first: dict[str, list[_Cue]] = {}
        for table in ("scope", "work"):
            groups = lexicon[table]
            if not isinstance(groups, dict):
                raise ValueError(f"complexity lexicon: {table} is a table")
            for name, rows in groups.items():
                for row in rows:
                    words = tuple(row.split())
                    by_first.setdefault(words[0], []).append((words, f"{table}.{name}"))
        #: For each first word: the cues of that word alone, and those that may be met where a second word follows.
        self._by_first: dict[str, tuple[list[_Cue], dict[str, list[_Cue]]]] = {}
        for first, entries in by_first.items():
            entries.sort(key=lambda entry: -len(entry[0]))
            seconds = {words[1] for words, _ in entries if len(words) > 1}
            self._by_first[first] = (
                [entry for entry in entries if len(entry[0]) == 1],
                {second: [entry for entry in entries if entry[0][1:2] in ((), (second,))] for second in seconds},
            )

    def find(self, words: Sequence[str]) -> dict[str, list[str]]:
        """The sequences of ``words`` that are cues, by group."""
        found: dict[str, list[str]] = {}
        taken_scope = -1
        for index, word in enumerate(words):
            beginning = self._by_first.get(word)
            if beginning is None:
                continue
            alone, by_second = beginning
            longest: dict[str, int] = {}
            for sequence, group in by_second.get(words[index + 1], alone) if index + 1 < len(words) else alone:
                length = len(sequence)
                if length > 2 and tuple(words[index : index + length]) != sequence:
                    continue
                if length < longest.get(group, 0) or (group == "scope.all" and index <= taken_scope):
                    continue
                # "How many" hides "how".
                if group == "work.explain" and length < longest.get("work.fact", 0):
                    continue
                longest[group] = length
                if group == "scope.none":
                    taken_scope = max(taken_scope, index + length - 1)
                else:
                    found.setdefault(group, []).append(" ".join(sequence))
        return found


@cache
def _cues() -> _Cues:
    return _Cues(tomllib.loads(Path(__file__).with_name("complexity.toml").read_text("utf-8")))


def _complexity(level: Level, language: str, reasons: Iterable[str]) -> Complexity:
    top_k, max_tokens = SIZES[level]
    return Complexity(level, top_k, max_tokens, language, tuple(reasons))


def classify(text: str) -> Complexity:
    """Class ``text`` by the work that it asks for. Deterministic; never raises."""
    head = text[:MAX_CHARACTERS]
    words = alphanumeric(fold(head))
    whole = len(text) <= MAX_CHARACTERS
    if not words:
        if whole:
            return _complexity(Level.TRIVIAL, "und", ("the message holds no word",))
        return _complexity(Level.COMPLEX, "und", (f"the message is longer than {MAX_CHARACTERS} characters",))
    if whole:
        small_talk = grammar().recognise(words, asks=head.rstrip().endswith("?"))
        if small_talk is not None:
            return _complexity(Level.TRIVIAL, small_talk.language, (f"only small talk: {', '.join(small_talk.kinds)}",))
    language = detect(head)
    level, reasons = _level(words, head, _cues().find(words))
    if not whole and level < Level.COMPLEX:
        level, reasons = Level.COMPLEX, [f"the message is longer than {MAX_CHARACTERS} characters"]
    return _complexity(level, language, reasons)


def _level(words: Sequence[str], text: str, cues: Mapping[str, Sequence[str]]) -> tuple[Level, list[str]]:
    """The level of a message that is not small talk, and why."""
    scope, compare = cues.get("scope.all", ()), cues.get("work.compare", ())
    analyse, gather = cues.get("work.analyse", ()), cues.get("work.gather", ())
    total = cues.get("work.total", ())
    if total:
        return Level.COMPREHENSIVE, [f"asks for all there is ({_quote(total)})"]
    if scope and compare:
        return Level.COMPREHENSIVE, [f"a comparison ({_quote(compare)}) over everything ({_quote(scope)})"]
    if scope and (analyse or gather):
        return Level.COMPREHENSIVE, [f"an overview or analysis ({_quote(analyse or gather)}) over everything ({_quote(scope)})"]
    reasons = []
    if compare:
        reasons.append(f"a comparison ({_quote(compare)})")
    if analyse:
        reasons.append(f"an analysis ({_quote(analyse)})")
    if text.count("?") >= 2:
        reasons.append("several questions")
    if len(words) > COMPLEX_WORDS:
        reasons.append(f"more than {COMPLEX_WORDS} words")
    if reasons:
        return Level.COMPLEX, reasons
    explain, fact = cues.get("work.explain", ()), cues.get("work.fact", ())
    if explain:
        reasons.append(f"an explanation ({_quote(explain)})")
    if scope:
        reasons.append(f"a question over everything ({_quote(scope)})")
    if len(words) > MEDIUM_WORDS:
        reasons.append(f"more than {MEDIUM_WORDS} words")
    if reasons:
        return Level.MEDIUM, reasons
    return Level.SIMPLE, [f"one fact ({_quote(fact)})" if fact else "a short message"]


def _quote(found: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(found[:3]))

"""Recognises messages that are small talk and nothing else: greetings, thanks, goodbyes, yes, no, acknowledgements.

The phrases of ``complexity.toml`` are compiled into one automaton over *words*. A message is small talk where a path of
phrases and fillers covers every one of its words, so a single content word ("thanks, and the price?") makes it a
question. Runs are simulated over sets of states, without backtracking: the time is bounded by words x states.

Spelling is forgiven before the automaton sees a word: lengthened letters ("hellooo", "graciasss") and one slip in a
word of five letters or more ("thnaks").

Thread-safety: a :class:`Grammar` never changes after it is built.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from hexar.core.text.words import fold as without_accents

#: What words of at most so many letters stand for is remembered.
SEEN_LETTERS = 40

_TOKEN = re.compile(r"<\w+>|[^\s<>()|?*+]+|[()|?*+]")
_RUN = re.compile(r"(.)\1+")


@dataclass(frozen=True, slots=True)
class SmallTalk:
    """What covered a message: the ``kinds`` of its phrases in the order of the lexicon, and their ``language``."""

    kinds: tuple[str, ...]
    language: str


def fold(text: str) -> str:
    """Lower case without accents (``ñ`` becomes ``n``) and without apostrophes."""
    plain = without_accents(text)
    if not plain.isascii():
        plain = plain.replace("’", "").replace("ʼ", "").replace("‘", "")
    return plain.replace("'", "").replace("`", "")


#: Cost, bits of the kinds, words under a question after well-being (a bit each), where the phrase began.
_Path = tuple[int, int, int, int]


class _Automaton:
    """A nondeterministic automaton under construction: word edges and empty edges between numbered states."""

    def __init__(self) -> None:
        self.words: list[dict[str, set[int]]] = []
        self.empty: list[set[int]] = []

    def state(self) -> int:
        self.words.append({})
        self.empty.append(set())
        return len(self.words) - 1


class _Parser:
    """Reads one phrase into an automaton, by recursive descent.

    Outside of parentheses ``|`` joins words (``a|b c`` is ``(a|b) c``), inside it joins sequences (``(a|b c)``).
    """

    def __init__(self, automaton: _Automaton, classes: Mapping[str, Sequence[str]], phrase: str) -> None:
        self._automaton = automaton
        self._classes = classes
        self._phrase = phrase
        self._tokens = _TOKEN.findall(phrase)
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def phrase(self, start: int) -> int:
        """Add the whole phrase after ``start``; return its last state."""
        at = start
        while self._peek():
            at = self._tight(at)
        return at

    def _tight(self, start: int) -> int:
        """``a|b|<c>`` and its postfix."""
        left, right = self._automaton.state(), self._automaton.state()
        self._automaton.empty[start].add(left)
        while True:
            self._atom(left, right)
            if self._peek() != "|":
                break
            self._next()
        return self._postfix(left, right)

    def _atom(self, left: int, right: int) -> None:
        token = self._next()
        if token == "(":
            while True:
                at = self._automaton.state()
                self._automaton.empty[left].add(at)
                while self._peek() not in ("|", ")", ""):
                    at = self._element(at)
                self._automaton.empty[at].add(right)
                if self._next() != "|":
                    break
            return
        if not token or token in ")|?*+":
            raise ValueError(f"small talk phrase {self._phrase!r} is not well formed")
        names: Iterable[str] = self._classes[token[1:-1]] if token[0] == "<" else (token,)
        for name in names:
            self._automaton.words[left].setdefault(name, set()).add(right)

    def _element(self, start: int) -> int:
        """One atom of a sequence inside parentheses, and its postfix."""
        left, right = self._automaton.state(), self._automaton.state()
        self._automaton.empty[start].add(left)
        self._atom(left, right)
        return self._postfix(left, right)

    def _postfix(self, left: int, right: int) -> int:
        end = self._automaton.state()
        self._automaton.empty[right].add(end)
        mark = self._peek()
        if mark and mark in "?*+":
            self._next()
            if mark in "?*":
                self._automaton.empty[left].add(end)
            if mark in "*+":
                self._automaton.empty[right].add(left)
        return end


class Grammar:
    """The compiled lexicon. Build it once (:func:`grammar`)."""

    def __init__(self, lexicon: Mapping[str, object]) -> None:
        raw_classes = lexicon["words"]
        fillers = lexicon["fillers"]
        small_talk = lexicon["small_talk"]
        limit = lexicon["max_words"]
        questions = lexicon["questions"]
        if not (isinstance(raw_classes, dict) and isinstance(fillers, dict) and isinstance(small_talk, dict)):
            raise ValueError("small talk lexicon: words, fillers and small talk are tables")
        if not (isinstance(limit, int) and isinstance(questions, list)):
            raise ValueError("small talk lexicon: max_words is a number and questions a list")
        self.max_words = limit
        # Small talk repeats: "thanks" is run once. Only known words get here, so an entry is small.
        self._covered = lru_cache(maxsize=4096)(self._run)
        self._seen = lru_cache(maxsize=4096)(self._correction)
        self._question = re.compile(
            "|".join(rf"(?:(?<!\S)(?:{row})(?!\S))" if row[0] != "^" else f"(?:{row})" for row in questions)
        )
        classes = {name: words.split() for name, words in raw_classes.items()}
        self._kinds = tuple(small_talk)
        self._wellbeing = 1 << self._kinds.index("wellbeing")
        automaton = _Automaton()
        self._start = automaton.state()
        #: For each state that ends a phrase: the bit of its kind (0: a filler).
        self._ends: dict[int, int] = {}
        used: dict[str, set[str]] = {}
        for language in ("en", "es"):
            first = len(automaton.words)
            groups = [
                (0, fillers[language]),
                *((1 << bit, small_talk[kind][language]) for bit, kind in enumerate(self._kinds)),
            ]
            for bit, phrases in groups:
                for phrase in phrases:
                    end = _Parser(automaton, classes, phrase).phrase(self._start)
                    self._ends[end] = bit
            used[language] = {word for edges in automaton.words[first:] for word in edges}
        self._edges = _without_empty(automaton, self._start, set(self._ends))
        self._english = frozenset(used["en"] - used["es"])
        self._spanish = frozenset(used["es"] - used["en"])
        words = used["en"] | used["es"]
        self._vocabulary = frozenset(words)
        self._collapsed: dict[str, list[str]] = {}
        self._slips: dict[str, str] = {}
        for word in sorted(words):
            self._collapsed.setdefault(_RUN.sub(r"\1", word), []).append(word)
            if len(word) >= 5:
                for form in _deletions(word):
                    self._slips.setdefault(form, word)

    def recognise(self, words: Sequence[str], *, asks: bool = False) -> SmallTalk | None:
        """The small talk that covers all of ``words`` (folded, see :func:`fold`), or None.

        ``asks`` says that the message ends with a question mark: only a question after one's well-being is small talk
        then.
        """
        if not 0 < len(words) <= self.max_words:
            return None
        known: list[str] = []
        slips = 0
        for word in words:
            if word in self._vocabulary:
                known.append(word)
                continue
            # One word that cannot be meant so is enough: many a question ends with its second or third.
            correction = (self._seen if len(word) <= SEEN_LETTERS else self._correction)(word)
            if correction is None:
                return None
            known.append(correction[0])
            slips += correction[1]
        return self._covered(tuple(known), asks) if slips <= (len(words) + 2) // 3 else None

    def _correction(self, word: str) -> tuple[str, bool] | None:
        """The known word that an unknown ``word`` stands for, and whether by a slip; None where there is none."""
        known = self._lengthened(word)
        if known is not None:
            return known, False
        # A short word, such as a number or an abbreviation, is no slip.
        known = self._slip(word) if 5 <= len(word) <= 20 and word.isalpha() else None
        return (known, True) if known is not None else None

    def _lengthened(self, word: str) -> str | None:
        """The known word of which ``word`` is a lengthened form, for every run of letters is at least as long."""
        if _RUN.search(word) is None:
            return None
        short = _RUN.sub(r"\1", word)
        return next((known for known in self._collapsed.get(short, ()) if _stretches(known, word)), None)

    def _slip(self, word: str) -> str | None:
        """The known word that one slip (a missing, doubled, wrong or swapped letter) turns into ``word`` (5 to 20 letters)."""
        for form in (word, *_deletions(word)):
            known = form if len(form) >= 5 and form in self._vocabulary else self._slips.get(form)
            if known is not None and known[0] == word[0] and abs(len(known) - len(word)) <= 1 and _near(known, word):
                return known
        return None

    def _run(self, words: tuple[str, ...], asks: bool) -> SmallTalk | None:
        """Keep, for each state, the path of least cost; ``asked`` marks the words under a question after well-being."""
        active: dict[int, _Path] = {self._start: (0, 0, 0, 0)}
        for index, word in enumerate(words):
            following: dict[int, _Path] = {}
            for state, path in active.items():
                for target in self._edges[state].get(word, ()):
                    if target not in following or path < following[target]:
                        following[target] = path
            best: _Path | None = None
            for state, (cost, kinds, asked, begun) in following.items():
                bit = self._ends.get(state)
                if bit is None:
                    continue
                length = index + 1 - begun
                wellbeing = bit == self._wellbeing
                path = (
                    # A filler costs a little more than a phrase, so that words are explained by what they mean.
                    cost + (3 if wellbeing else 4 if bit else 5),
                    kinds | bit,
                    asked | (((1 << length) - 1) << begun if wellbeing else 0),
                    index + 1,
                )
                if best is None or path < best:
                    best = path
            if best is not None:
                following[self._start] = best
            if not following:
                return None
            active = following
        final = active.get(self._start)
        if final is None or not final[1]:
            return None
        _, found, asked, _ = final
        if asks and not found & self._wellbeing:
            return None
        if self._question.search(" ".join("_" if asked >> i & 1 else word for i, word in enumerate(words))):
            return None
        kinds_found = tuple(kind for bit, kind in enumerate(self._kinds) if found & (1 << bit))
        english = sum(word in self._english for word in words)
        spanish = sum(word in self._spanish for word in words)
        return SmallTalk(kinds_found, "und" if english == spanish else "en" if english > spanish else "es")


def _without_empty(automaton: _Automaton, start: int, ends: set[int]) -> list[dict[str, tuple[int, ...]]]:
    """Word edges that lead straight to states with word edges of their own, or to an end of a phrase."""

    @cache
    def reachable(state: int) -> frozenset[int]:
        seen, stack = {state}, [state]
        while stack:
            for following in automaton.empty[stack.pop()]:
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        return frozenset(seen)

    def useful(state: int) -> bool:
        return bool(automaton.words[state]) or state in ends

    def word_edges(states: Iterable[int]) -> dict[str, tuple[int, ...]]:
        merged: dict[str, set[int]] = {}
        for state in states:
            for word, targets in automaton.words[state].items():
                for target in targets:
                    merged.setdefault(word, set()).update(s for s in reachable(target) if useful(s))
        return {word: tuple(sorted(targets)) for word, targets in merged.items()}

    return [word_edges(reachable(state) if state == start else (state,)) for state in range(len(automaton.words))]


def _deletions(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(1, len(word))]


def _near(left: str, right: str) -> bool:
    """True where one insertion, deletion, substitution or swap of neighbours parts the two."""
    if left == right:
        return True
    if len(left) > len(right):
        left, right = right, left
    i = 0
    while i < len(left) and left[i] == right[i]:
        i += 1
    if len(left) < len(right):
        return left[i:] == right[i + 1 :]
    return left[i + 1 :] == right[i + 1 :] or (left[i + 2 :] == right[i + 2 :] and left[i : i + 2] == right[i : i + 2][::-1])


def _stretches(known: str, word: str) -> bool:
    """True where every run of equal letters in ``word`` is at least as long as in ``known``."""
    i = 0
    for letter in known:
        if i < len(word) and word[i] == letter:
            i += 1
            continue
        while 0 < i < len(word) and word[i] == word[i - 1]:
            i += 1
        if i == len(word) or word[i] != letter:
            return False
        i += 1
    return set(word[i:]) <= {known[-1]}


@cache
def grammar() -> Grammar:
    """The grammar of the lexicon that ships with the engine."""
    return Grammar(tomllib.loads(Path(__file__).parents[1].joinpath("complexity.toml").read_text("utf-8")))

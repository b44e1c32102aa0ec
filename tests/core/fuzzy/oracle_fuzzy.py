"""The fuzzy scorer in plain Python: slow, obvious, and written from the definition in hexar.core.fuzzy's docstring.

It shares no code with the kernel. Edit distances come from RapidFuzz. Sums are integers here too, so scores are compared
with ``==``.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rapidfuzz.distance import OSA

from hexar.core.fuzzy import default_tables

ONE = 65536
GLUED = ONE * 95 // 100
KIN = ONE * 90 // 100

Words = tuple[str, ...]


def fold(text: str) -> str:
    """NFKC, case-folded, without accents and invisible characters; what separates is a space or an ASCII mark."""
    text = unicodedata.normalize("NFKC", text).casefold()
    out = []
    for char in unicodedata.normalize("NFKD", text):
        accent = "\u0300" <= char <= "\u036f" or "\ufe00" <= char <= "\ufe0f"
        if accent or unicodedata.category(char) == "Cf":
            continue
        if char in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212":
            char = "-"
        keep = char.isascii() or char.isalnum() or unicodedata.category(char)[0] == "M"
        out.append(char if keep else " ")
    return unicodedata.normalize("NFKC", "".join(out))


class Fragment(str):
    """Letters that belong to a code: no table applies to them."""

    __slots__ = ()


def tokenize(text: str) -> list[str]:
    """Runs of letters and digits; two to four single ASCII letters in a row are one token."""
    folded = fold(text)
    matches = list(re.finditer(r"[0-9a-z\u0080-\U0010ffff]+", folded))
    raw = [match.group() for match in matches]
    for at, (a, b) in enumerate(pairwise(matches)):
        digits = [re.search("[0-9]", match.group()) is not None for match in (a, b)]
        if folded[a.end() : b.start()] in tuple("-._") and any(digits) and not all(digits):
            at += digits[0]
            raw[at] = Fragment(raw[at])
    tokens: list[str] = []
    run: list[str] = []
    for token in [*raw, ""]:
        if re.fullmatch("[a-z]", token):
            run.append(token)
            continue
        tokens.extend(["".join(run)] if 2 <= len(run) <= 4 else run)
        run = []
        tokens.append(token)
    return tokens[:-1]


def rewrite(tokens: Sequence[str], rules: Mapping[Words, tuple[Words, frozenset[str]]]) -> tuple[list[str], set[str]]:
    """Replace phrases from left to right, the longest first; also what the rules mean."""
    out: list[str] = []
    meant: set[str] = set()
    at = 0
    while at < len(tokens):
        for size in range(len(tokens) - at, 0, -1):
            phrase = tokens[at : at + size]
            rule = rules.get(tuple(phrase))
            if rule is not None and not any(isinstance(token, Fragment) for token in phrase):
                out.extend(rule[0])
                meant |= rule[1]
                at += size
                break
        else:
            out.append(tokens[at])
            at += 1
    return out, meant


def is_word(token: str) -> bool:
    return re.fullmatch("[a-z]+", token) is not None


def abbreviates(small: str, large: str) -> bool:
    if not (is_word(small) and is_word(large) and 3 <= len(small) < len(large) <= 3 * len(small)):
        return False
    letters = iter(large)
    in_order = all(letter in letters for letter in small)
    skeleton = re.search("[aeiou]", small[1:]) is None
    return large.startswith(small) or (small[0] == large[0] and skeleton and in_order and len(large) <= 2 * len(small))


def edit_closeness(a: str, b: str, most: int = 2) -> int:
    """Closeness by typing mistakes only; 0 when there are too many."""
    longer = max(len(a), len(b))
    if min(len(a), len(b)) < 3 or longer > 64 or ":" in a + b:
        return 0
    distance = OSA.distance(a, b)
    if distance > min(most, 1 if longer < 7 else 2):
        return 0
    return similarity(a, b)


def similarity(a: str, b: str) -> int:
    """Fixed-point normalised OSA similarity, whatever the distance."""
    longer = max(len(a), len(b))
    return (ONE * (longer - OSA.distance(a, b)) + longer // 2) // longer


@dataclass
class Oracle:
    """``FuzzyIndex`` by brute force: every name is scored from its tokens."""

    names: Sequence[str]
    synonyms: Mapping[str, str | Sequence[str]] | None = None
    constraints: Mapping[str, Mapping[str, Sequence[str]]] | None = None
    rewritings: dict[Words, tuple[Words, frozenset[str]]] = field(default_factory=dict)
    rules: dict[Words, tuple[Words, frozenset[str]]] = field(default_factory=dict)
    kin: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.synonyms = default_tables()["synonyms"] if self.synonyms is None else self.synonyms
        self.constraints = default_tables()["constraints"] if self.constraints is None else self.constraints
        for phrase, meaning in self.synonyms.items():
            pattern = tuple(tokenize(phrase))
            if isinstance(meaning, str):
                self.rewritings.setdefault(pattern, (tuple(tokenize(meaning)), frozenset()))
                continue
            for word in (word for text in meaning for word in tokenize(text)):
                if word != pattern[0]:
                    self.kin.setdefault(word, set()).add(pattern[0])
                    self.kin.setdefault(pattern[0], set()).add(word)
        spelled: dict[Words, list[str]] = {}
        for group, values in self.constraints.items():
            for value, phrases in values.items():
                for phrase in phrases:
                    spelled.setdefault(tuple(tokenize(phrase)), []).extend([f"{group}:{value}"] if value else [])
        for pattern, meant in spelled.items():
            self.rules[pattern] = (tuple(meant) or pattern, frozenset(meant))
        for pattern, meant in spelled.items():
            self.rules.setdefault(tuple(rewrite(pattern, self.rewritings)[0]), (tuple(meant) or pattern, frozenset(meant)))
        read = [self.read(name) for name in self.names]
        self.sequences = [tokens for tokens, _ in read]
        self.meant = [meant for _, meant in read]
        self.sets = [frozenset(tokens) for tokens in self.sequences]
        self.holders: dict[str, int] = {}
        for tokens in self.sets:
            for token in tokens:
                self.holders[token] = self.holders.get(token, 0) + 1
        self.mass = {token: self.mass_of(count) for token, count in self.holders.items()}
        self.cuts: dict[str, int] = {}
        for sequence in self.sequences:
            for a, b in pairwise(sequence):
                if is_word(a) and is_word(b) and min(len(a), len(b)) >= 3 and len(a + b) <= 64 and a + b in self.mass:
                    cuts = [len(a), self.cuts.get(a + b, len(a))]
                    self.cuts[a + b] = min((-self.support(a + b, cut), cut) for cut in cuts)[1]

    def mass_of(self, holders: int) -> int:
        return max(1, round(math.log(1.0 + len(self.names) / holders) * ONE))

    def support(self, word: str, cut: int) -> int:
        return min(self.holders.get(word[:cut], 0), self.holders.get(word[cut:], 0))

    def read(self, text: str) -> tuple[list[str], set[str]]:
        return rewrite(rewrite(tokenize(text), self.rewritings)[0], self.rules)

    def read_query(self, text: str) -> tuple[list[str], set[str]]:
        """As a name is read, and mistyped or glued constraint words are put right."""
        tokens, meant = self.read(text)
        out: list[str] = []
        for token in tokens:
            for words, values in self.correct(token):
                out.extend(words)
                meant |= values
        return out, meant

    def correct(self, token: str) -> list[tuple[Words, frozenset[str]]]:
        unchanged: list[tuple[Words, frozenset[str]]] = [((token,), frozenset())]
        if isinstance(token, Fragment) or len(token) < 4 or not is_word(token) or token in self.mass:
            return unchanged
        sides = {pattern[0]: rule for pattern, rule in self.rules.items() if len(pattern) == 1}
        slips = {
            word: rule
            for word, rule in sides.items()
            if rule[1] and is_word(word) and len(word) >= 4 and word[0] == token[0]
            if OSA.distance(word, token) <= (1 if len(word) < 8 else 2)
            if len(word) != len(token) or len(word) >= 6 or sorted(word) == sorted(token)
        }
        if len({rule[1] for rule in slips.values()}) == 1:
            longer = [word for word in self.mass if abbreviates(token, word)]
            best = max(similarity(token, word) for word in slips)
            if not 1 <= len(longer) <= 64 and all(edit_closeness(token, word) < best for word in self.mass):
                return [list(slips.values())[-1]]

        def read_rest(rest: str) -> tuple[Words, frozenset[str]] | None:
            return sides.get(rest, ((rest,), frozenset()) if rest in self.mass else None)

        for size in range(len(token) - 3, 3, -1):
            rest = read_rest(token[size:])
            if rest and sides.get(token[:size], ((), ()))[1]:
                return [sides[token[:size]], rest]
        for size in range(len(token) - 3, 3, -1):
            rest = read_rest(token[:-size])
            if rest and sides.get(token[-size:], ((), ()))[1]:
                return [rest, sides[token[-size:]]]
        return unchanged

    def close_tokens(self, text: str) -> dict[str, int]:
        """Every token of the names that is close to ``text``, and how close."""
        close = {word: KIN for word in self.kin.get(text, ()) if word in self.mass}
        longer = [word for word in self.mass if abbreviates(text, word)]
        shorter = [word for word in self.mass if abbreviates(word, text)]
        for words in (longer, shorter):
            for word in words if len(words) <= 64 else ():
                small, large = sorted((len(word), len(text)))
                close[word] = max(close.get(word, 0), ONE // 2 + ONE // 2 * small // large)
        for word in self.mass:
            closeness = ONE if word == text else edit_closeness(text, word)
            if closeness:
                close[word] = max(close.get(word, 0), closeness)
        return close

    def cut(self, token: str) -> int:
        """Where a token of the query falls into two units; 0 where it stays whole."""
        if token in self.mass:
            return self.cuts.get(token, 0)
        if not token.isascii() or ":" in token or not 6 <= len(token) <= 32:
            return 0
        if any(edit_closeness(token, word) for word in self.mass):
            return 0
        cuts = [at for at in range(3, len(token) - 2) if any({token[:at], token[at:]} <= held for held in self.sets)]
        if cuts:
            return min(cuts, key=lambda at: (-self.support(token, at), at))

        def mistyped(part: str) -> bool:
            return part not in self.mass and any(edit_closeness(part, word) for word in self.mass)

        for known in range(len(token) - 4, 3, -1):
            if token[:known] in self.mass and mistyped(token[known:]):
                return known
            if token[-known:] in self.mass and mistyped(token[:-known]):
                return len(token) - known
        return 0

    def plan(self, tokens: Sequence[str]) -> tuple[dict[str, int], dict[str, dict[str, tuple[int, int]]]]:
        """The mass of each unit; for each token of the names, its closeness to units and the mass it covers for them."""
        units: dict[str, None] = {}
        entries: dict[tuple[str, str], tuple[int, int]] = {}  # (token, unit): closeness, minus the units it stands for

        def attach(close: Mapping[str, int], span: Sequence[str]) -> None:
            for token, closeness in close.items():
                for unit in span:
                    entries[token, unit] = max(entries.get((token, unit), (0, 0)), (closeness, -len(span)))

        spans: dict[str, tuple[str, ...]] = {}
        for token in tokens:
            if token in spans:
                continue
            at = self.cut(token)
            halves = (token[:at], token[at:])
            if at == 0 or halves[0] == halves[1] or any(half in units or half in tokens for half in halves):
                spans[token] = (token,)
            else:
                spans[token] = halves
                attach(self.close_tokens(token), halves)
            units.update(dict.fromkeys(spans[token]))
        for unit in units:
            attach(self.close_tokens(unit), (unit,))
        for a, b in pairwise(tokens):
            if ":" in a + b:
                continue
            span = tuple(dict.fromkeys(spans[a] + spans[b]))
            if a + b in self.mass:
                attach({a + b: GLUED}, span)
            if a not in self.mass or b not in self.mass:
                edits = min(len(a), len(b)) // 3
                near = {word: edit_closeness(a + b, word, edits) for word in self.mass if word != a + b}
                attach({word: closeness * GLUED // ONE for word, closeness in near.items() if closeness}, span)
        masses: dict[str, int] = {}
        for unit in units:
            options = [
                (-closeness, max(1, self.mass[token] // -share))
                for (token, other), (closeness, share) in entries.items()
                if other == unit
            ]
            masses[unit] = self.mass.get(unit) or (min(options)[1] if options else self.mass_of(1))
        close: dict[str, dict[str, tuple[int, int]]] = {}
        for (token, unit), (closeness, share) in entries.items():
            worth = self.mass[token] if closeness == ONE else min(self.mass[token], masses[unit] * -share)
            close.setdefault(token, {})[unit] = (closeness, worth * closeness)
        return masses, close

    def compatible(self, a: Iterable[str], b: Iterable[str]) -> bool:
        for group in self.constraints or ():
            mine = {value for value in a if value.startswith(f"{group}:")}
            theirs = {value for value in b if value.startswith(f"{group}:")}
            if mine and theirs and not mine & theirs:
                return False
        return True

    def score(self, name: int, masses: Mapping[str, int], close: Mapping[str, Mapping[str, tuple[int, int]]]) -> float:
        taken: dict[str, int] = {}
        query_cover = 0
        for unit, mass in masses.items():
            options = [(*close[token][unit], token) for token in self.sets[name] if unit in close.get(token, ())]
            if not options:
                continue
            closeness, gain, token = min(options, key=lambda option: (-option[0], -option[1], len(option[2]), option[2]))
            query_cover += mass * closeness
            taken[token] = max(taken.get(token, 0), gain)
        if not query_cover:
            return 0.0
        name_cover = sum(taken.values())
        query_mass = float(sum(masses.values())) * ONE
        name_mass = float(sum(self.mass[token] for token in self.sets[name])) * ONE
        return math.sqrt((query_cover / query_mass) * (name_cover / name_mass))

    def search(self, query: str, limit: int = 10, min_score: float = 0.0) -> list[tuple[int, float]]:
        tokens, meant = self.read_query(query)
        masses, close = self.plan(tokens)
        scored = (
            (name, self.score(name, masses, close))
            for name in range(len(self.names))
            if self.compatible(meant, self.meant[name])
        )
        found = [(name, score) for name, score in scored if score > 0.0 and score >= min_score]
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:limit]

"""What a component's text says: its side, its position, and the words that are left.

Sides and positions come from a table (``data/sides.yaml``) and are exact facts, never a matter of likeness: they are read
first and taken out, so that matching by likeness never sees "left" beside "right". A slip of the pen in a long word of
the table is forgiven where the word is not itself a word of parts.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from rapidfuzz.distance import OSA

from hexar.agents.parts.catalogue.records import Position, Side
from hexar.agents.parts.data import load
from hexar.core.memo import remembered

_TOKEN = re.compile(r"[a-z0-9]+(?:[/.'&\-][a-z0-9]+)*")
_JOINERS = re.compile(r"[/.'&\-]")

#: Longest phrase of the table, words.
MAX_PHRASE = 4


@dataclass(frozen=True, slots=True)
class ComponentPhrase:
    """``words`` are folded, without sides and noise; a position stays among them as "front" or "rear"."""

    words: tuple[str, ...]
    side: Side
    position: Position
    ambiguous: bool

    @property
    def text(self) -> str:
        """The words as one text."""
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class _Meaning:
    side: Side = Side.UNSPECIFIED
    position: Position = Position.UNSPECIFIED
    words: tuple[str, ...] = ()
    ambiguous: bool = False


def fold(text: str) -> str:
    """Lower case without accents, compatibility forms, control and format characters."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(
        " " if unicodedata.category(char)[0] == "C" and char.isspace() else char
        for char in decomposed
        if unicodedata.category(char) not in ("Mn", "Cf", "Cs", "Cc") or char.isspace()
    )


def singular(word: str) -> str:
    """A word without a plural ending, English or Spanish; only for comparison, it need not be a word."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith(("shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("ces") and len(word) > 5 and not word.endswith(("nces", "ices")):
        return word[:-3] + "z" if word.endswith("uces") else word[:-1]
    if len(word) > 6 and word.endswith(("ores", "ones", "ales")):
        return word[:-2]
    return word[:-1]


@cache
def _phrases() -> dict[tuple[str, ...], _Meaning]:
    table = load("sides.yaml")
    found: dict[tuple[str, ...], _Meaning] = {}
    for phrase, replacement in table["protected"].items():
        found[tuple(phrase.split())] = _Meaning(words=tuple(replacement.split()))
    for phrase in table["ambiguous"]:
        found[tuple(phrase.split())] = _Meaning(ambiguous=True)
    for name, phrases in table["sides"].items():
        for phrase in phrases:
            found[tuple(phrase.split())] = _Meaning(side=Side[name.upper()])
    for name, phrases in table["positions"].items():
        for phrase in phrases:
            found[tuple(phrase.split())] = _Meaning(position=Position[name.upper()])
    for name, phrases in table["combined"].items():
        side, position = name.split()
        for phrase in phrases:
            found[tuple(phrase.split())] = _Meaning(Side[side.upper()], Position[position.upper()])
    return found


@cache
def _long_words() -> tuple[str, ...]:
    """Single words of the table that a slip is forgiven in."""
    return tuple(
        phrase[0]
        for phrase, meaning in _phrases().items()
        if len(phrase) == 1
        and len(phrase[0]) >= 4
        and (meaning.side or meaning.position)
        and not (phrase[0].endswith("side") and len(phrase[0]) < 7)
    )


@cache
def _phrase_words() -> frozenset[str]:
    return frozenset(word for phrase in _phrases() for word in phrase)


@cache
def _tables() -> tuple[frozenset[str], frozenset[str], dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    words = load("words.yaml")
    noise = frozenset(fold(str(word)) for word in words["noise"])
    damage = frozenset(fold(str(word)) for word in words["damage"])
    same = {singular(word): tuple(str(value).split()) for word, value in words["same"].items()}
    spanish = {singular(word): tuple(str(value).split()) for word, value in words["spanish"].items()}
    return noise, damage, same, spanish


#: A single letter that is set apart: "mirror (R)", "door, l", "faro (D)", "wing - L".
_APART = re.compile(r"\(\s*([a-z])\s*\)|(?<=\w)\s*(?:,|;|\s[-–])\s*([a-z])\.?(?=\s*(?:$|[,;)]))")
_LETTERS = {"l": "left", "r": "right", "i": "left", "d": "right", "f": "front"}


def _set_apart(match: re.Match[str]) -> str:
    return f" {_LETTERS.get(match[1] or match[2], match[0])} "


def _tokens(text: str) -> list[str]:
    """Folded tokens; "n/s/f" becomes one where the table knows it joined, else it is cut."""
    phrases = _phrases()
    tokens: list[str] = []
    for raw in _TOKEN.findall(_APART.sub(_set_apart, fold(text))):
        joined = _JOINERS.sub("", raw)
        if joined == raw or (joined,) in phrases or joined in _tables()[2]:
            tokens.append(joined)
        elif re.fullmatch(r"[a-z](?:[/.'&\-][a-z])+", raw):
            # Single letters with joiners that no table knows: "a/c", "c.v." are one word.
            tokens.append(joined)
        else:
            tokens.extend(part for part in _JOINERS.split(raw) if part)
    return tokens


def _slip(word: str, protected: Collection[str]) -> str:
    """The table's word that ``word`` misspells, or ``word``."""
    if len(word) < 4 or word.isdigit() or word in _phrase_words() or word in protected or singular(word) in protected:
        return word
    for known in _long_words():
        if abs(len(known) - len(word)) > 1:
            continue
        # A changed letter makes another short word ("light", "right"); a swapped, missing or doubled one rarely does.
        if len(known) < 7 and len(known) == len(word) and sorted(known) != sorted(word):
            continue
        if OSA.distance(known, word, score_cutoff=1) <= 1:
            return known
    return word


def _same(word: str, protected: Collection[str]) -> tuple[str, ...]:
    """The words that stand for ``word``; a slip in a long word of the table is forgiven where it is no word of parts."""
    _, _, same, _ = _tables()
    meaning = same.get(word)
    if meaning is None and len(word) >= 6 and protected and word not in protected:
        limit = 2 if len(word) >= 9 else 1
        for known, value in same.items():
            if len(known) >= 6 and OSA.distance(known, word, score_cutoff=limit) <= limit:
                return value
    return meaning if meaning is not None else (word,)


def read(text: str, protected: Collection[str] = ()) -> ComponentPhrase:
    """Read a component's text. ``protected`` are words of parts (singular), which are never taken for a misspelt side.

    Without them nothing is taken for misspelt: so catalogues and aliases are read.
    """
    phrases = _phrases()
    noise, damage, _, _ = _tables()
    tokens = _tokens(text)
    if protected:
        tokens = [token if (token,) in phrases else _slip(token, protected) for token in tokens]
    words: list[str] = []
    sides: set[Side] = set()
    positions: set[Position] = set()
    ambiguous = False
    place = 0
    while place < len(tokens):
        meaning = None
        for length in range(min(MAX_PHRASE, len(tokens) - place), 0, -1):
            spoken = tuple(tokens[place : place + length])
            # "Back plates" are one thing as "back plate" is; of words alone the plural is no side.
            meaning = phrases.get(spoken) or (phrases.get((*spoken[:-1], singular(spoken[-1]))) if length > 1 else None)
            if meaning is not None:
                break
        if meaning is None:
            token = tokens[place]
            place += 1
            # "del." at the end is the Spanish abbreviation of "delantero"; elsewhere it is "of the".
            if token == "del" and place == len(tokens) and words:
                positions.add(Position.FRONT)
                words.append("front")
            elif token not in noise and not (protected and token in damage and singular(token) not in protected):
                words.extend(_same(singular(token), protected))
            continue
        if meaning.ambiguous and tokens[place : place + length] == ["r"] and (place + 1 == len(tokens) or positions):
            # "headlight R", "front R": who means the rear says so, or writes it first.
            meaning = _Meaning(side=Side.RIGHT)
        place += length
        ambiguous = ambiguous or meaning.ambiguous
        words.extend(meaning.words)
        if meaning.side:
            sides.add(meaning.side)
        if meaning.position:
            positions.add(meaning.position)
            words.extend(_position_words(meaning.position))
    return ComponentPhrase(tuple(dict.fromkeys(words)), _one_side(sides), _one_position(positions), ambiguous)


def _position_words(position: Position) -> tuple[str, ...]:
    return {Position.FRONT: ("front",), Position.REAR: ("rear",)}.get(position, ())


def _one_side(sides: set[Side]) -> Side:
    if Side.BOTH in sides or {Side.LEFT, Side.RIGHT} <= sides:
        return Side.BOTH
    for side in (Side.LEFT, Side.RIGHT, Side.DRIVER, Side.PASSENGER):
        if side in sides:
            return side
    return Side.UNSPECIFIED


def _one_position(positions: set[Position]) -> Position:
    if len(positions) > 1 or Position.BOTH in positions:
        return Position.BOTH
    return next(iter(positions), Position.UNSPECIFIED)


@remembered("parts.names")
def canonical(text: str) -> tuple[str, Position]:
    """A catalogue name or an alias as matching sees it, and the position that it names."""
    reading = read(text)
    return reading.text, reading.position


def translate(words: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    """Spanish words replaced by English ones; a word of ``known`` (the index's vocabulary) that is not Spanish stays."""
    _, _, same, spanish = _tables()
    result: list[str] = []
    for word in words:
        meaning = spanish.get(word)
        if meaning is None and word not in known and len(word) >= 5:
            limit = 2 if len(word) >= 8 else 1
            near = min(spanish, key=lambda entry: OSA.distance(entry, word, score_cutoff=limit))
            if OSA.distance(near, word, score_cutoff=limit) <= limit:
                meaning = spanish[near]
        result.extend(meaning if meaning is not None else (word,))
    return tuple(dict.fromkeys(same.get(singular(word), (singular(word),))[0] for word in result))

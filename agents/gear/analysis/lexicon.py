"""The analyst's tables (data/aspects.json, data/polarity.json) as one dictionary from phrases to what they mean.

Phrases are kept as tuples of folded stems, so that plurals, case and accents do not matter; the longest match at a place
wins. Read-only after import.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hexar.agents.gear.request.words import stem, table, words


class Role(StrEnum):
    """What a phrase does in a sentence."""

    ASPECT = "aspect"
    JUDGEMENT = "judgement"
    #: A whole phrase that is good as it stands ("no problems"): no negation turns it, in Spanish it even asks for one.
    RELIEF = "relief"
    NEGATOR = "negator"
    #: Denies what follows it at once, and nothing else.
    WITHOUT = "without"
    #: Beside NEGATOR: before a comparison it denies every higher degree ("could not be more …", "never such …").
    UTMOST = "utmost"
    MORE = "more"
    AS = "as"
    LESS = "less"
    #: Weather, ground and use: what is said of them is not said of the product.
    CONDITION = "condition"
    HARMLESS = "harmless"
    CONTRAST = "contrast"
    WISH = "wish"
    LIMIT = "limit"
    UNREAL = "unreal"
    OFF_TOPIC = "off_topic"
    AUDIENCE = "audience"
    SUITS = "suits"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One meaning of a phrase. ``sign`` is +1 (good), -1 (bad) or 0; ``aspect`` is empty where the phrase names none."""

    role: Role
    aspect: str = ""
    sign: int = 0


@dataclass(frozen=True, slots=True)
class Spot:
    """A phrase found at tokens ``start`` to ``end`` (exclusive)."""

    start: int
    end: int
    meanings: tuple[Meaning, ...]

    def has(self, role: Role) -> bool:
        """True where the phrase has this role."""
        return any(meaning.role is role for meaning in self.meanings)


def _rows() -> Iterator[tuple[str, Meaning]]:
    aspects, polarity = table("aspects"), table("polarity")
    for row in aspects["aspects"]:
        for sign, column in ((0, "names"), (1, "good"), (-1, "bad")):
            for phrase in row[column]:
                yield phrase, Meaning(Role.ASPECT, row["aspect"], sign)
    for row in aspects["audiences"]:
        for phrase in row["words"]:
            yield phrase, Meaning(Role.AUDIENCE, row["aspect"])
    for phrase in aspects["suits_before"]:
        yield phrase, Meaning(Role.SUITS)
    for sign, column in ((1, "good"), (-1, "bad")):
        for phrase in polarity[column]:
            yield phrase, Meaning(Role.JUDGEMENT, sign=sign)
    for column, role in (
        ("relief", Role.RELIEF),
        ("negators", Role.NEGATOR),
        ("utmost", Role.NEGATOR),
        ("utmost", Role.UTMOST),
        ("without", Role.WITHOUT),
        ("more", Role.MORE),
        ("as", Role.AS),
        ("less", Role.LESS),
        ("conditions", Role.CONDITION),
        ("not_negators", Role.HARMLESS),
        ("contrast", Role.CONTRAST),
        ("wishes", Role.WISH),
        ("limits", Role.LIMIT),
        ("unreal", Role.UNREAL),
        ("off_topic", Role.OFF_TOPIC),
    ):
        for phrase in polarity[column]:
            yield phrase, Meaning(role)


def _load() -> tuple[dict[tuple[str, ...], tuple[Meaning, ...]], dict[str, int]]:
    found: dict[tuple[str, ...], tuple[Meaning, ...]] = {}
    longest: dict[str, int] = {}
    for phrase, meaning in _rows():
        key = tuple(stem(word) for word in words(phrase))
        if meaning not in found.get(key, ()):
            found[key] = (*found.get(key, ()), meaning)
        longest[key[0]] = max(longest.get(key[0], 0), len(key))
    return found, longest


_PHRASES, _LONGEST = _load()


def spots(stems: Sequence[str]) -> list[Spot]:
    """The phrases of the tables in ``stems``, leftmost and longest, none overlapping."""
    found: list[Spot] = []
    position = 0
    while position < len(stems):
        for length in range(min(_LONGEST.get(stems[position], 0), len(stems) - position), 0, -1):
            meanings = _PHRASES.get(tuple(stems[position : position + length]))
            if meanings is not None:
                found.append(Spot(position, position + length, meanings))
                position += length
                break
        else:
            position += 1
    return found

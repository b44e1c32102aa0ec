"""The extractive analyst: what reviews say for and against a product, and whom it suits, in their own sentences.

It writes nothing. A sentence is cut into clauses at contrasts ("but", "aunque"); in each clause an aspect ("edge hold") is
joined to the judgement nearest to it; a negation before the judgement turns it, a wish or a limit ("too stiff") makes it
bad; questions, conditions, the weather and talk of the delivery say nothing. What is left is a :class:`Mention`: an aspect, a
side, and the whole sentence, verbatim, with its review and vendor; of a sentence that praises one thing and blames another, the
part that does. :func:`summarise` groups mentions; where there are none there is
no claim.

After aspect-based opinion mining with lexicons (Hu and Liu, "Mining and Summarizing Customer Reviews", KDD 2004).
All functions are pure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from hexar.agents.gear.analysis.lexicon import Role, Spot, spots
from hexar.agents.gear.candidates import states_level, states_terrain
from hexar.agents.gear.request.conditions import stated_levels, stated_terrain
from hexar.agents.gear.request.words import fold, stem
from hexar.agents.vendors.model import Listing, Review
from hexar.v1 import query_pb2

#: Who made an analysis, as the contract names it.
METHOD = "extractive"
#: Claims of one kind, sentences of one claim, characters of one sentence.
MAX_CLAIMS, MAX_EVIDENCE, MAX_SENTENCE = 6, 5, 400
#: Sentences read of one review: a hostile review must not hold a worker.
MAX_SENTENCES = 200
#: A judgement this many words away from an aspect no longer speaks of it; a comma counts as some words.
REACH, COMMA = 7, 3
#: How many words a negation reaches over ("not the most comfortable").
NEGATION_REACH = 4
#: "Without" denies only what follows it at once: "without tools it is easy to adjust" is no complaint.
WITHOUT_REACH = 2

_SENTENCE = re.compile(r"[^.!?…\n]+(?:[.](?=\w)[^.!?…\n]*)*[.!?…]*")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[,;:()]|\s[-–—]+\s")
_JOINTS = frozenset({"and", "y", "e", "&"})
_LEVELS = {1: "beginners", 2: "intermediate riders", 3: "advanced riders", 4: "experts"}


@dataclass(frozen=True, slots=True)
class Mention:
    """One sentence that speaks of one aspect. ``kind`` is "pro", "con" or "suits"; ``source`` as in the contract's Evidence.

    ``subjects`` is the number of things that the sentence speaks of: the fewer, the plainer it says each.
    """

    kind: str
    aspect: str
    source: str
    vendor: str
    ref: str
    quote: str
    subjects: int = 1

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Statement:
    """What one sentence says: a kind, an aspect, and the words that say it, verbatim."""

    kind: str
    aspect: str
    quote: str


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The words of a sentence as stems, their places in it, and the positions before which commas and conjunctions stand."""

    sentence: str
    stems: list[str]
    places: list[tuple[int, int]]
    commas: list[int]
    joints: list[int]

    def text(self, start: int, end: int) -> str:
        """The words from ``start`` to before ``end``, as they stand, without a conjunction at their begin."""
        if start in self.joints and start + 1 < end:
            start += 1
        last = len(self.sentence) if end == len(self.stems) else self.places[end - 1][1]
        return self.sentence[self.places[start][0] : last].strip()


@dataclass(frozen=True, slots=True)
class _Clause:
    """The phrases between words ``start`` and ``end`` (exclusive)."""

    start: int
    end: int
    spots: list[Spot]


@dataclass(frozen=True, slots=True)
class _Judged:
    """An aspect, how it is judged, and the words from and to which that is said."""

    spot: Spot
    aspect: str
    sign: int
    part: tuple[int, int] = (0, 0)


def read(listing: Listing) -> tuple[Mention, ...]:
    """Everything that one vendor's reviews and specifications say of the product."""
    found = list(specification_mentions(listing))
    for review in listing.reviews:
        found.extend(review_mentions(listing.vendor, review))
    return tuple(found)


def specification_mentions(listing: Listing) -> Iterator[Mention]:
    """Whom and what it suits, as the attributes state it; the quote is the attribute's value."""
    for name, value in listing.attributes.items():
        if states_level(name):
            for level in stated_levels(value):
                yield Mention("suits", _LEVELS[level], "specification", listing.vendor, name, value)
        if states_terrain(name):
            for terrain in stated_terrain(value):
                yield Mention("suits", terrain, "specification", listing.vendor, name, value)


def review_mentions(vendor: str, review: Review) -> Iterator[Mention]:
    """What one review says; each aspect at most once a side, with the first sentence that says it."""
    said: set[tuple[str, str]] = set()
    for sentence in sentences(review.text):
        found = statements(sentence)
        for one in found:
            if (one.kind, one.aspect) not in said:
                said.add((one.kind, one.aspect))
                yield Mention(one.kind, one.aspect, "review", vendor, review.id, one.quote, len(found))


def sentences(text: str) -> list[str]:
    """The sentences of ``text``, verbatim, without the white space around them. Overlong ones are left out."""
    found = []
    for match in _SENTENCE.finditer(text):
        sentence = match[0].strip()
        if 3 <= len(sentence) <= MAX_SENTENCE:
            found.append(sentence)
        if len(found) == MAX_SENTENCES:
            break
    return found


def opinions(sentence: str) -> list[tuple[str, str]]:
    """(kind, aspect) pairs that one sentence supports, in order, none twice."""
    return [(one.kind, one.aspect) for one in statements(sentence)]


def statements(sentence: str) -> list[Statement]:
    """What one sentence says, in order, no kind of an aspect twice.

    No words are quoted both for and against a product: where a sentence does both, each side is quoted by its own part, cut at
    a contrast, a comma or an "and"; where the sides cannot be told apart so, the sentence says neither. What it says of one
    aspect for and against says nothing.
    """
    if sentence.endswith("?"):
        return []
    tokens = _tokens(sentence)
    judged: list[_Judged] = []
    suited: list[str] = []
    for clause in _clauses(spots(tokens.stems), tokens):
        if any(spot.has(Role.UNREAL) or spot.has(Role.OFF_TOPIC) for spot in clause.spots):
            continue
        found = sorted((one for one in _judged(clause.spots, tokens.commas) if one.sign), key=lambda one: one.spot.start)
        judged += _parted(found, clause, tokens)
        suited += _suited(clause.spots)
    sides: defaultdict[str, set[int]] = defaultdict(set)
    for one in judged:
        sides[one.aspect].add(one.sign)
    judged = [one for one in judged if len(sides[one.aspect]) == 1]
    mixed = len({one.sign for one in judged}) > 1
    result: dict[tuple[str, str], Statement] = {}
    for one in judged:
        quote = tokens.text(*one.part) if mixed else sentence
        kind = "pro" if one.sign > 0 else "con"
        result.setdefault((kind, one.aspect), Statement(kind, one.aspect, quote))
    for audience in suited:
        result.setdefault(("suits", audience), Statement("suits", audience, sentence))
    return list(result.values())


def _parted(found: Sequence[_Judged], clause: _Clause, tokens: _Tokens) -> list[_Judged]:
    """The judgements of one clause, each with the part that says it; none where two sides share a part."""
    cuts = [clause.start]
    for left, right in pairwise(found):
        if left.sign != right.sign:
            between = range(left.spot.end, right.spot.start + 1)
            cut = next((at for at in between if at in tokens.commas or at in tokens.joints), None)
            if cut is None:
                return []
            cuts.append(cut)
    cuts.append(clause.end)
    parts = list(pairwise(cuts))
    return [replace(one, part=next(part for part in reversed(parts) if part[0] <= one.spot.start)) for one in found]


def _tokens(sentence: str) -> _Tokens:
    """The words of a sentence, where they stand, and where commas and conjunctions part them."""
    stems: list[str] = []
    places: list[tuple[int, int]] = []
    commas: list[int] = []
    joints: list[int] = []
    for match in _WORD.finditer(sentence):
        if match[0][0].isalnum():
            if match[0].lower() in _JOINTS:
                joints.append(len(stems))
            stems.append(stem(fold(match[0]).replace("'", "").replace("’", "")))
            places.append(match.span())
        else:
            commas.append(len(stems))
    return _Tokens(sentence, stems, places, commas, joints)


def _clauses(found: Sequence[Spot], tokens: _Tokens) -> Iterator[_Clause]:
    """Phrases by clause: a contrast opens one; a clause that a contrast opened before any other word ends at its comma."""
    clause: list[Spot] = []
    begin, until, count = 0, -1, len(tokens.stems)
    for spot in found:
        if 0 <= until <= spot.start:
            yield _Clause(begin, until, clause)
            clause, begin, until = [], until, -1
        if spot.has(Role.CONTRAST):
            yield _Clause(begin, spot.start, clause)
            clause, begin = [], spot.end
            leading = spot.start == 0
            until = next((comma for comma in tokens.commas if comma > spot.start), -1) if leading else -1
        elif spot.has(Role.UNREAL) and not clause:
            # "If you want comfort, these are light": the condition ends at its comma.
            clause = [spot]
            until = next((comma for comma in tokens.commas if comma >= spot.end), -1)
        else:
            clause.append(spot)
    yield _Clause(begin, count, clause)


def _judged(clause: Sequence[Spot], commas: Sequence[int]) -> Iterator[_Judged]:
    """The aspects of a clause that are judged; sign 0: it is not certain how."""
    wish = next((spot.start for spot in clause if spot.has(Role.WISH)), None)
    judgements = [
        (spot, 1 if spot.has(Role.RELIEF) else _sign(clause, spot, commas))
        for spot in clause
        if spot.has(Role.JUDGEMENT) or spot.has(Role.RELIEF)
    ]
    for number, spot in enumerate(clause):
        aspects = [meaning for meaning in spot.meanings if meaning.role is Role.ASPECT]
        names = {meaning.aspect for meaning in aspects if not meaning.sign}
        near = _nearest(spot, judgements, commas) if names else 0
        for meaning in aspects:
            if meaning.sign and (_of_conditions(clause, number) or (near and meaning.aspect in names)):
                # "The edge hold is poor": the name of an aspect may also be a good word for it ("the edges hold").
                continue
            if wish is not None and spot.start > wish:
                yield _Judged(spot, meaning.aspect, -1)
            elif meaning.sign:
                yield _Judged(spot, meaning.aspect, _turned(clause, spot, meaning.sign, commas))
            elif _limited(clause, spot):
                yield _Judged(spot, meaning.aspect, _turned(clause, spot, -1, commas))
            else:
                yield _Judged(spot, meaning.aspect, near)


def _nearest(spot: Spot, judgements: Sequence[tuple[Spot, int]], commas: Sequence[int]) -> int:
    """The sign of the judgement nearest to an aspect; 0 where none is near."""
    near = [
        (_distance(spot, other, commas), place, sign)
        for place, (other, sign) in enumerate(judgements)
        if sign and other is not spot
    ]
    return min(near)[2] if near and min(near)[0] <= REACH else 0


def _of_conditions(clause: Sequence[Spot], number: int) -> bool:
    """True where the word speaks of the weather or the ground, not of the product ("heavy rain", "lluvia ligera")."""
    spot = clause[number]
    after = number + 1 < len(clause) and clause[number + 1]
    before = number > 0 and clause[number - 1]
    return bool(
        (after and after.start == spot.end and after.has(Role.CONDITION))
        or (before and before.end == spot.start and before.has(Role.CONDITION))
    )


def _sign(clause: Sequence[Spot], spot: Spot, commas: Sequence[int]) -> int:
    sign = next(meaning.sign for meaning in spot.meanings if meaning.role is Role.JUDGEMENT)
    return _turned(clause, spot, sign, commas)


def _turned(clause: Sequence[Spot], spot: Spot, sign: int, commas: Sequence[int]) -> int:
    """``sign`` after a limit, a comparison and a negation before the phrase; 0 where they leave it open.

    "Could not be more comfortable" and "never had such bad grip" deny every higher degree, which confirms the word; "is not
    more comfortable" says nothing certain.
    """
    if _limited(clause, spot):
        sign = -1
    compared: Spot | None = None
    negator: Spot | None = None
    negated = False
    for other in clause:
        if other.start >= spot.start:
            break
        if other.has(Role.MORE) or other.has(Role.AS) or other.has(Role.LESS):
            compared = other if spot.start - other.end <= 1 else None
        elif other.has(Role.NEGATOR) or other.has(Role.WITHOUT):
            reach = WITHOUT_REACH if other.has(Role.WITHOUT) else NEGATION_REACH
            near = spot.start - other.end < reach and not _comma_between(other, spot, commas)
            negated = near and not negated
            negator = other if negated else None
        elif any(meaning.sign for meaning in other.meanings):
            # "It never leaks and is light": the negation was for the other judgement.
            negated, negator = False, None
    if compared is not None and compared.has(Role.LESS):
        sign = -sign
    if negator is not None and compared is not None and compared.start >= negator.end:
        if negator.has(Role.UTMOST):
            return sign
        if compared.has(Role.MORE) or compared.has(Role.LESS):
            return 0
    return -sign if negated else sign


def _limited(clause: Sequence[Spot], spot: Spot) -> bool:
    return any(other.has(Role.LIMIT) and 0 <= spot.start - other.end <= 1 for other in clause)


def _comma_between(left: Spot, right: Spot, commas: Sequence[int]) -> bool:
    return any(left.end <= comma <= right.start for comma in commas)


def _distance(aspect: Spot, judgement: Spot, commas: Sequence[int]) -> int:
    first, last = sorted((aspect, judgement), key=lambda spot: spot.start)
    return last.start - first.end + COMMA * sum(first.end <= comma <= last.start for comma in commas)


def _suited(clause: Sequence[Spot]) -> Iterator[str]:
    """The audiences after "perfect for" and its like, unless it is negated."""
    for number, spot in enumerate(clause):
        if not spot.has(Role.SUITS):
            continue
        before = clause[:number]
        if any(other.has(Role.NEGATOR) and spot.start - other.end < NEGATION_REACH for other in before):
            continue
        for other in clause[number + 1 :]:
            if other.has(Role.NEGATOR) or other.start - spot.end > REACH:
                break
            yield from (meaning.aspect for meaning in other.meanings if meaning.role is Role.AUDIENCE)


def summarise(mentions: Iterable[Mention], analysed_at: float, method: str = METHOD) -> query_pb2.Analysis | None:
    """The claims that ``mentions`` support, the most supported first; None where there are none.

    A sentence that two vendors publish counts once. The result does not depend on the order of ``mentions``.
    """
    groups: defaultdict[tuple[str, str], dict[str, Mention]] = defaultdict(dict)
    for mention in sorted(mentions, key=lambda one: (one.vendor, one.ref, one.quote)):
        same = fold(mention.quote) if mention.source == "review" else f"{mention.ref}\0{fold(mention.quote)}"
        groups[mention.kind, mention.aspect].setdefault(same, mention)
    if not groups:
        return None
    analysis = query_pb2.Analysis(method=method)
    analysis.analysed_at.FromNanoseconds(int(analysed_at * 1e9))
    for kind, claims in (("pro", analysis.pros), ("con", analysis.cons), ("suits", analysis.suits)):
        found = [(aspect, list(group.values())) for (one, aspect), group in groups.items() if one == kind]
        found.sort(key=lambda row: (-len(row[1]), row[0]))
        for aspect, group in found[:MAX_CLAIMS]:
            group.sort(key=_plainness)
            claims.add(
                aspect=aspect,
                text=group[0].quote,
                evidence=[
                    query_pb2.Evidence(source=one.source, vendor=one.vendor, ref=one.ref, quote=one.quote)
                    for one in group[:MAX_EVIDENCE]
                ],
            )
    return analysis


def _plainness(mention: Mention) -> tuple[int, int, str, str, str]:
    """What says it best first: a sentence that speaks of little else, of a readable length."""
    return mention.subjects, abs(len(mention.quote) - 80), mention.vendor, mention.ref, mention.quote

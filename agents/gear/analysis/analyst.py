"""The extractive analyst: what reviews say for and against a product, and whom it suits, in their own sentences.

It writes nothing. A sentence is cut into clauses at contrasts ("but", "aunque"); in each clause an aspect ("edge hold") is
joined to the judgement nearest to it; a negation before the judgement turns it, a wish or a limit ("too stiff") makes it
bad; questions, conditions and talk of the delivery say nothing. What is left is a :class:`Mention`: an aspect, a side, and
the whole sentence, verbatim, with its review and vendor. :func:`summarise` groups mentions; where there are none there is
no claim.

After aspect-based opinion mining with lexicons (Hu and Liu, "Mining and Summarizing Customer Reviews", KDD 2004).
All functions are pure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hexar.agents.gear.analysis.lexicon import Role, Spot, spots
from hexar.agents.gear.products.candidates import states_level, states_terrain
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

_SENTENCE = re.compile(r"[^.!?…\n]+(?:[.](?=\w)[^.!?…\n]*)*[.!?…]*")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[,;:()]|\s[-–—]+\s")
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
        found = opinions(sentence)
        for kind, aspect in found:
            if (kind, aspect) not in said:
                said.add((kind, aspect))
                yield Mention(kind, aspect, "review", vendor, review.id, sentence, len(found))


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
    if sentence.endswith("?"):
        return []
    stems, commas = _tokens(sentence)
    found = spots(stems)
    result: dict[tuple[str, str], None] = {}
    for clause in _clauses(found, commas):
        if any(spot.has(Role.UNREAL) or spot.has(Role.OFF_TOPIC) for spot in clause):
            continue
        for aspect, sign in _judged(clause, commas):
            result[("pro" if sign > 0 else "con", aspect)] = None
        for audience in _suited(clause):
            result[("suits", audience)] = None
    return list(result)


def _tokens(sentence: str) -> tuple[list[str], list[int]]:
    """The stems of a sentence, and the positions before which a comma or its like stands."""
    stems: list[str] = []
    commas: list[int] = []
    for match in _WORD.findall(sentence):
        if match[0].isalnum():
            stems.append(stem(fold(match).replace("'", "").replace("’", "")))
        else:
            commas.append(len(stems))
    return stems, commas


def _clauses(found: Sequence[Spot], commas: Sequence[int]) -> Iterator[list[Spot]]:
    """Phrases by clause: a contrast opens one; a clause that a contrast opened before any other word ends at its comma."""
    clause: list[Spot] = []
    until = -1
    for spot in found:
        if 0 <= until <= spot.start:
            yield clause
            clause, until = [], -1
        if spot.has(Role.CONTRAST):
            yield clause
            clause = []
            leading = spot.start == 0
            until = next((comma for comma in commas if comma > spot.start), -1) if leading else -1
        elif spot.has(Role.UNREAL) and not clause:
            # "If you want comfort, these are light": the condition ends at its comma.
            clause = [spot]
            until = next((comma for comma in commas if comma >= spot.end), -1)
        else:
            clause.append(spot)
    yield clause


def _judged(clause: Sequence[Spot], commas: Sequence[int]) -> Iterator[tuple[str, int]]:
    """(aspect, sign) for each aspect of the clause that is judged."""
    wish = next((spot.start for spot in clause if spot.has(Role.WISH)), None)
    judgements = [
        (spot, 1 if spot.has(Role.RELIEF) else _sign(clause, spot, commas))
        for spot in clause
        if spot.has(Role.JUDGEMENT) or spot.has(Role.RELIEF)
    ]
    for spot in clause:
        for meaning in spot.meanings:
            if meaning.role is not Role.ASPECT:
                continue
            if wish is not None and spot.start > wish:
                yield meaning.aspect, -1
            elif meaning.sign:
                yield meaning.aspect, _turned(clause, spot, meaning.sign, commas)
            elif _limited(clause, spot):
                yield meaning.aspect, _turned(clause, spot, -1, commas)
            else:
                near = [
                    (_distance(spot, other, commas), number, sign)
                    for number, (other, sign) in enumerate(judgements)
                    if sign and other is not spot
                ]
                if near and min(near)[0] <= REACH:
                    yield meaning.aspect, min(near)[2]


def _sign(clause: Sequence[Spot], spot: Spot, commas: Sequence[int]) -> int:
    sign = next(meaning.sign for meaning in spot.meanings if meaning.role is Role.JUDGEMENT)
    return _turned(clause, spot, sign, commas)


def _turned(clause: Sequence[Spot], spot: Spot, sign: int, commas: Sequence[int]) -> int:
    """``sign`` after a limit and a negation before the phrase."""
    if _limited(clause, spot):
        sign = -1
    negated = False
    for other in clause:
        if other.start >= spot.start:
            break
        if other.has(Role.NEGATOR):
            near = spot.start - other.end < NEGATION_REACH and not _comma_between(other, spot, commas)
            negated = near and not negated
        elif any(meaning.sign for meaning in other.meanings):
            # "It never leaks and is light": the negation was for the other judgement.
            negated = False
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

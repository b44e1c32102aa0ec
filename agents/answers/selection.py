"""Which units are quoted."""

import re
from collections.abc import Sequence
from itertools import pairwise

from hexar.agents.answers.evidence import STRICT, finer, holds
from hexar.agents.answers.matching import BEGINNING, LEAST_NAMED, Passage, Read, Vectors, match, words_of
from hexar.agents.answers.reading.injections import orders
from hexar.agents.answers.reading.questions import PRICE, Asks, Question, is_code
from hexar.agents.answers.reading.units import Kind, Unit, units_of
from hexar.core.text.language import detect
from hexar.core.text.words import fold

#: What a unit's own words count beside all that its surroundings say too.
OWN_SHARE = 0.6
#: What the kind of answer counts: the factor without any evidence of it, and with all.
WITHOUT, WITH = 0.75, 1.15
#: What the cosine of question and unit counts in the order of units.
NEAR = 0.3
#: What a unit counts for each passage that was found before its own.
BEHIND = 0.88
#: What two words that stand together in question and unit add, as a share of all pairs.
PAIRS = 0.25
#: What the support loses where "how many" is asked of something that the unit does not name.
UNCOUNTED = 0.3
#: What a name or figure of the question counts that no passage holds, as a multiple: the documents are about another.
UNKNOWN = 1.5
#: What each word of the question adds to the support: the longer a question is, the less of it a text must say.
LENGTH = 0.03

_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_BRACKETS = re.compile(r"[()\[\]]")
#: An amount with two decimals.
_AMOUNT = re.compile(r"\d{1,3}(?:[., ]?\d{3})*[.,]\d{2}")


def read_passages(passages: Sequence[Passage]) -> list[Read]:
    """The units of all passages in order, each text once, without those that give orders to a model."""
    found: list[Read] = []
    seen: set[tuple[str, ...]] = set()
    for passage in passages:
        language = detect(passage.text)
        for unit in orders(units_of(passage.text, passage.title)):
            key = (fold(unit.text.lower()), *(unit.path[-1:] if unit.kind is not Kind.SENTENCE else ()))
            if key in seen:
                continue
            seen.add(key)
            head = ". ".join((*unit.path, unit.lead, *(header for header, _ in unit.cells)))
            words = words_of(unit.text, language)
            if unit.cells:
                words += words_of(" ".join(header for header, _ in unit.cells), language)
            found.append(Read(unit, passage.marker, len(found), language, words, words_of(head, language)))
    return found


def score(question: Question, reads: Sequence[Read], embeddings: Vectors | None) -> None:
    """Fill ``score``, by which units are ordered, and ``support``, by which one is quoted at all."""
    weights = match(question, reads, embeddings)
    everything = sum(weights) or 1.0
    plain = [
        UNKNOWN * term.weight if term.named and not any(read.all[at] >= LEAST_NAMED for read in reads) else term.weight
        for at, term in enumerate(question.terms)
    ]
    total = sum(plain) or 1.0
    terms = question.terms
    pairs = [(a.word.stems, b.word.stems) for a, b in pairwise(terms) if b.weight >= 0.3]
    known, closer = question.known, finer(question.text)
    strict = question.asks in STRICT or (closer is not None and closer.strict)
    for read in reads:
        sure = holds(question.asks, _evident(read.unit), known, closer) if any(read.all) or strict else 0.0
        if not sure and question.asks is Asks.MONEY and _priced(read.unit):
            sure = 1.0
        if sure > 0.5 and question.asks not in (Asks.WHAT, Asks.YES_NO):
            read.own = [max(own, sure) if term.stands else own for own, term in zip(read.own, terms, strict=True)]
            read.all = list(map(max, read.all, read.own))
        own = _share(weights, list(map(max, read.own, read.above_said))) / everything
        whole = _share(weights, read.all) / everything
        covered = OWN_SHARE * own + (1 - OWN_SHARE) * whole + PAIRS * _together(pairs, read) * own
        read.sure = sure
        read.score = covered * (WITHOUT + (WITH - WITHOUT) * sure) * BEHIND ** (read.marker - 1)
        read.said = _share(plain, read.all) / total
        read.support = read.said + read.score + LENGTH * min(len(plain), 10)
        if question.counted is not None and read.own[question.counted] < BEGINNING:
            read.support -= UNCOUNTED
        if strict and not sure:
            read.score = read.support = 0.0
    _mark_others(question, reads)
    if embeddings is not None:
        _nearness(question, reads, embeddings)


def _evident(unit: Unit) -> str:
    """What of a unit is looked at for a kind of answer: a figure in a cell may have its unit in the header ("Days")."""
    units = [f"{cell} {_BRACKETS.sub(' ', header)}" for header, cell in unit.cells if header and cell[:1].isdigit()]
    return ", ".join((unit.text, *units))


def _priced(unit: Unit) -> bool:
    """Whether a cell of a row is an amount of money whose currency stands elsewhere: "14.00", or a figure below "fee"."""
    return any(
        _AMOUNT.fullmatch(cell) or (cell[:1].isdigit() and PRICE.search(fold(header.lower())))
        for header, cell in unit.cells[1:]
    )


def _mark_others(question: Question, reads: Sequence[Read]) -> None:
    """Mark the units that tell of another name, code, number or year than the question's."""
    names = [at for at, term in enumerate(question.terms) if term.named or is_code(term)]
    held: dict[tuple[int, int, int], float] = {}
    for read in reads if names else ():
        for at in names:
            key = (read.marker, read.unit.group, at)
            held[key] = max(held.get(key, 0.0), read.own[at])
    numbered = _numbered(question)
    years = frozenset(term.word.folded for term in question.terms if _YEAR.fullmatch(term.word.folded))
    for read in reads:
        if read.unit.kind is not Kind.SENTENCE:
            read.other = any(read.own[at] < LEAST_NAMED and held[read.marker, read.unit.group, at] >= BEGINNING for at in names)
        read.other = read.other or any(_of_another_number(read, *pair) for pair in numbered) or _of_another_year(read, years)


def _numbered(question: Question) -> list[tuple[frozenset[str], str]]:
    """What the question numbers: "bus 9", "version 4"; the stems of the word and the number."""
    return [
        (a.word.stems, b.word.folded)
        for a, b in pairwise(question.terms)
        if a.weight >= 0.5
        and a.word.folded.isalpha()
        and b.word.folded.isdecimal()
        and f"{a.word.raw} {b.word.raw}" in question.text
    ]


def _of_another_number(read: Read, stems: frozenset[str], number: str) -> bool:
    """Whether a unit numbers the same word otherwise, and not so."""
    found = {b.folded for a, b in pairwise(read.words) if a.stems & stems and b.folded.isdecimal()}
    return bool(found) and number not in found


def _of_another_year(read: Read, years: frozenset[str]) -> bool:
    """Whether a unit dates what it says, and none of the dates is of a year that is asked for."""
    said = {word.folded for word in read.words if _YEAR.fullmatch(word.folded)}
    return bool(years and said) and not years & (said | {word.folded for word in read.above})


def _nearness(question: Question, reads: Sequence[Read], embeddings: Vectors) -> None:
    """What the whole sentence is about orders units that say equally much."""
    rows = embeddings.embed([question.text, *(read.unit.text for read in reads)])
    for read, cosine in zip(reads, (rows[1:] @ rows[0]).tolist(), strict=True):
        if read.score > 0.0:
            read.score += NEAR * cosine


def _share(weights: Sequence[float], said: Sequence[float]) -> float:
    return sum(weight * sure for weight, sure in zip(weights, said, strict=True))


def _together(pairs: Sequence[tuple[frozenset[str], frozenset[str]]], read: Read) -> float:
    if not pairs:
        return 0.0
    near = 0
    for first, second in pairs:
        places = [at for at, word in enumerate(read.words) if word.stems & first]
        near += any(word.stems & second for at in places for word in read.words[max(0, at - 3) : at + 4])
    return near / len(pairs)

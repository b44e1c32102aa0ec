"""Which units are quoted."""

from collections.abc import Sequence
from itertools import pairwise

from hexar.agents.answers.evidence import STRICT, finer, holds
from hexar.agents.answers.matching import BEGINNING, Passage, Read, Vectors, match, words_of
from hexar.agents.answers.reading.injections import orders
from hexar.agents.answers.reading.questions import Asks, Question
from hexar.agents.answers.reading.units import Kind, units_of
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
#: What each word of the question adds to the support: the longer a question is, the less of it a text must say.
LENGTH = 0.03


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
    plain = [term.weight for term in question.terms]
    total = sum(plain) or 1.0
    terms = question.terms
    pairs = [(a.word.stems, b.word.stems) for a, b in pairwise(terms) if b.weight >= 0.3]
    known, closer = question.known, finer(question.text)
    for read in reads:
        sure = holds(question.asks, read.unit.text, known, closer) if any(read.all) or question.asks in STRICT else 0.0
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
        if question.asks in STRICT and not sure:
            read.score = read.support = 0.0
    if embeddings is not None:
        _nearness(question, reads, embeddings)


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

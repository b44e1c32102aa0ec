"""The whole answer: what the passages say to a question, word for word, with their citations, or that they say nothing."""

import math
from collections.abc import Sequence
from dataclasses import replace

from hexar.agents.answers.evidence import gives_cause
from hexar.agents.answers.lists import MAX_ITEMS, columns_of, whole_list
from hexar.agents.answers.matching import BEGINNING, Passage, Read, Vectors, words_of
from hexar.agents.answers.reading.questions import Asks, Question, follow, read_question
from hexar.agents.answers.reading.units import Kind
from hexar.agents.answers.reading.vocabulary import raw_words
from hexar.agents.answers.selection import read_passages, score
from hexar.agents.answers.support import answered, supported
from hexar.agents.answers.wording import PHRASES, written
from hexar.core.text.language import detect
from hexar.core.text.small_talk import fold, grammar

#: Quotes of an answer at most, and per thousand tokens that are asked for.
MAX_QUOTES = 8
QUOTES_PER_THOUSAND = 1.0
#: The share of the best unit's score that a further one needs.
KEEP_SHARE = 0.4
#: What an item of a list must say of the question, as a share of what the best unit elsewhere says.
LIST_SHARE = 0.8
#: Units behind the one that tells what happened, among which its cause is looked for.
CAUSE_WITHIN = 5


def compose(
    question: str,
    passages: Sequence[Passage],
    *,
    language: str = "und",
    max_tokens: int = 2000,
    before: str = "",
    vectors: Vectors | None = None,
) -> str:
    """The whole answer. ``before`` is the question that was asked before this one; ``vectors`` bring synonyms together."""
    spoken = language if language in PHRASES else detect(question)
    phrases = PHRASES.get(spoken, PHRASES["en"])
    if not passages:
        talk = grammar().recognise([fold(word) for word in raw_words(question)], asks=question.rstrip().endswith("?"))
        return phrases[talk.kinds[-1] if talk is not None else "nothing"]
    wanted = max(1, min(MAX_QUOTES, math.ceil(max_tokens / 1000 * QUOTES_PER_THOUSAND)))
    chosen = choose(question, passages, wanted, spoken, before=before, vectors=vectors)
    if not chosen:
        return phrases["nothing"]
    lines = [f"{text} [{marker}]" for text, marker in chosen]
    return f"{phrases['intro']}\n\n" + "\n\n".join(lines) + f"\n\n{phrases['note']}"


def choose(
    question: str,
    passages: Sequence[Passage],
    wanted: int,
    language: str = "und",
    *,
    before: str = "",
    vectors: Vectors | None = None,
) -> list[tuple[str, int]]:
    """Up to ``wanted`` quotes that answer ``question``, with their markers, the best first; a list is quoted whole, in its
    document's order. Nothing where no passage supports an answer."""
    asked = read_question(question, language)
    if before:
        asked = follow(asked, read_question(before, language))
    reads = read_passages(passages)
    if not reads:
        return []
    if not asked.terms:
        return _openings(reads, wanted) if asked.asks is Asks.WHAT else []
    score(asked, reads, vectors)
    if asked.sides and (both := _both_sides(asked, reads, vectors)):
        return both
    if asked.lists or asked.asks is Asks.METHOD:
        items = whole_list(asked, reads)
        best = max(reads, key=_order)
        if items and (best in items or best.unit.text.endswith(":") or (asked.lists and _says_more(items, best))):
            return [(written(item.unit, columns_of(asked, item, lists=True)), item.marker) for item in items]
    best = max(reads, key=_order)
    if asked.asks is Asks.WHAT and (items := _headed(asked, best, reads)):
        return [(written(item.unit, columns_of(asked, item, lists=True)), item.marker) for item in items]
    if not answered(asked, best):
        return []
    further = (read for read in reads if read is best or (supported(asked, read) and not _less_than(read, best)))
    able = sorted(further, key=_order, reverse=True)[:wanted]
    kept = [read for read in able if read.score >= KEEP_SHARE * able[0].score]
    if asked.asks is Asks.REASON and (cause := _cause(reads, best)) is not None:
        kept = [best, cause, *(read for read in kept[1:] if read is not cause)][:wanted]
    return [_quote(asked, read) for read in kept]


def _headed(question: Question, best: Read, reads: Sequence[Read]) -> list[Read]:
    """The whole list that ``best`` introduces, or is of where the line or heading above it says all that is asked."""
    beside = [read for read in reads if read.marker == best.marker and read.unit.kind is Kind.ITEM]
    if best.unit.text.endswith(":"):
        return [read for read in beside if read.unit.lead == best.unit.text][:MAX_ITEMS] if answered(question, best) else []
    head = words_of(best.unit.lead or (best.unit.path[-1] if best.unit.path else ""), best.language)
    carrying = [term for term in question.terms if term.weight >= 0.5]
    says = carrying and all(any(term.word.stems & word.stems for word in head) for term in carrying)
    return [read for read in beside if read.unit.group == best.unit.group][:MAX_ITEMS] if says and best in beside else []


def _says_more(items: Sequence[Read], best: Read) -> bool:
    """Whether an item of a list says, with what stands above it, about as much of the question as the best unit elsewhere."""
    return max(item.said for item in items) >= LIST_SHARE * best.said


def _less_than(read: Read, best: Read) -> bool:
    """Whether a row lacks a word of the question that the best row of its table says: it is of something else."""
    beside = best.unit.kind is Kind.ROW and (read.marker, read.unit.group) == (best.marker, best.unit.group)
    return beside and any(mine < 0.5 * its for mine, its in zip(read.own, best.own, strict=True))


def _cause(reads: Sequence[Read], best: Read) -> Read | None:
    """The nearest sentence behind ``best`` in its passage that gives a cause by name, where ``best`` itself gives none."""
    if gives_cause(best.unit.text):
        return None
    behind = (read for read in reads[best.order + 1 : best.order + 1 + CAUSE_WITHIN] if read.marker == best.marker)
    return next((read for read in behind if gives_cause(read.unit.text)), None)


def _order(read: Read) -> tuple[float, int]:
    return read.score, -read.order


def _quote(question: Question, read: Read) -> tuple[str, int]:
    unit = read.unit
    if unit.kind is Kind.ROW:
        return written(unit, columns_of(question, read)), read.marker
    return written(unit, above=unit.kind is Kind.ITEM or _leans(question, read)), read.marker


def _leans(question: Question, read: Read) -> bool:
    """Whether the line or heading right above a unit says a word of the question that the unit does not."""
    head = words_of(read.unit.lead or (read.unit.path[-1] if read.unit.path else ""), read.language)
    return any(
        own < BEGINNING and any(term.word.stems & word.stems for word in head)
        for term, own in zip(question.terms, read.own, strict=True)
    )


def _both_sides(question: Question, reads: Sequence[Read], vectors: Vectors | None) -> list[tuple[str, int]]:
    """The best unit for each of the two things that are compared, where both are there."""
    chosen: dict[int, tuple[str, int]] = {}
    for side, other in (question.sides, question.sides[::-1]):
        left_out = {term.word.folded for term in other} - {term.word.folded for term in side}
        terms = tuple(term for term in question.terms if term.word.folded not in left_out)
        part = replace(question, terms=terms, sides=(), counted=None)
        fresh = [replace(read) for read in reads]
        score(part, fresh, vectors)
        places = [at for at, term in enumerate(terms) if any(term.word.folded == own.word.folded for own in side)]
        able = [
            read for read in fresh if all(read.all[at] >= 0.6 for at in places) and any(read.own[at] >= 0.6 for at in places)
        ]
        if not able:
            return []
        best = max(able, key=_order)
        if not answered(part, best):
            return []
        chosen.setdefault(best.order, _quote(part, best))
    return list(chosen.values())


def _openings(reads: Sequence[Read], wanted: int) -> list[tuple[str, int]]:
    """The first sentence of each passage: the best guess at a question of function words alone ("what is it about?")."""
    first: dict[int, Read] = {}
    for read in reads:
        first.setdefault(read.marker, read)
    return [(read.unit.text, read.marker) for read in list(first.values())[:wanted]]

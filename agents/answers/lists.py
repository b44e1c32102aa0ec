"""Whole lists: every item or row of the one that a question asks for, in the document's order."""

from collections.abc import Sequence

from hexar.agents.answers.matching import BEGINNING, Read, words_of
from hexar.agents.answers.reading.questions import Asks, Question
from hexar.agents.answers.reading.units import Kind

#: Items of a list that are quoted at most.
MAX_ITEMS = 60
#: What the words above a list must say of the question, its items aside, where the items say little of it themselves.
LEAST_ABOVE = 0.45
#: Of the items of a list, those that must be supported by themselves where nothing above them is.
LEAST_ITEMS = 0.6


def groups_of(reads: Sequence[Read]) -> list[list[Read]]:
    """The lists and tables of at least two items or rows."""
    found: dict[tuple[int, int], list[Read]] = {}
    for read in reads:
        if read.unit.kind is not Kind.SENTENCE:
            found.setdefault((read.marker, read.unit.group), []).append(read)
    return [group for group in found.values() if len(group) > 1]


def whole_list(question: Question, reads: Sequence[Read]) -> list[Read]:
    """The list that is asked for, or nothing where none is."""
    weights = [term.weight for term in question.terms]
    total = sum(weights) or 1.0

    def covered(said: Sequence[float]) -> float:
        return sum(weight * sure for weight, sure in zip(weights, said, strict=True)) / total

    best: tuple[float, list[Read]] = (0.0, [])
    for group in groups_of(reads):
        union = [max(read.all[i] for read in group) for i in range(len(weights))]
        # A word that only one of many items says is not what the list is about.
        about = [
            max(_above(read, i) for read in group)
            if sum(read.own[i] >= BEGINNING for read in group) * 2 < len(group)
            else union[i]
            for i in range(len(weights))
        ]
        worth = covered(about)
        if worth > best[0]:
            best = (worth, group)
    return best[1][:MAX_ITEMS] if best[0] >= LEAST_ABOVE else []


def _above(read: Read, term: int) -> float:
    return read.all[term] if read.own[term] < read.all[term] else 0.0


def columns_of(question: Question, read: Read, *, lists: bool = False) -> tuple[int, ...]:
    """The cells of a row that were asked for; none where all of them may be."""
    cells = read.unit.cells
    if len(cells) < 2 or (len(cells) < 3 and not lists):
        return ()
    found: list[tuple[float, int]] = []
    key = {stem for word in words_of(cells[0][1], read.language) for stem in word.stems}
    asked = [term for term in question.terms if not term.word.stems & key]
    for at, (header, _) in enumerate(cells):
        words = words_of(header, read.language)
        worth = sum(
            term.weight * (1.0 if term.word.stems & word.stems else 0.7 if term.word.concepts & word.concepts else 0.0)
            for term in asked
            for word in words
        )
        if worth and at:
            found.append((worth, at))
    if not found and lists and question.asks is not Asks.MONEY:
        return (0,)
    most = max((worth for worth, _ in found), default=0.0)
    return tuple(at for worth, at in found if worth >= 0.8 * most)

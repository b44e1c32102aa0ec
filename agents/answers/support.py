"""Whether the best unit answers a question at all, or the answer is silence.

A question of few words is answered by a unit that says nearly all of them. Of a long one no text says every word: there four
kinds of evidence are weighed together. The weights were fitted by logistic regression to half of XQuAD's articles in both
languages: their questions, asked of all paragraphs, of all but their own article's, and of all but their own.
"""

from collections.abc import Sequence

from hexar.agents.answers.matching import Read
from hexar.agents.answers.reading.questions import Asks, Question
from hexar.agents.answers.reading.units import Kind

#: The support that a unit needs to be quoted.
LEAST_SUPPORT = 0.8
#: What a unit and its surroundings must say of a question, by the number of its words that carry weight: a sum of weights of 4
#: and more is long.
LEAST_SAID = (0.75, 0.75, 0.75, 0.68)
#: The same of a question for a yes or no: a sentence about most of its words confirms nothing.
LEAST_CONFIRMED = 0.7
#: The share of a question for a yes or no that the unit must say itself.
LEAST_OWN = 0.4
#: What counts as a name that is said.
LEAST_NAMED = 0.3
#: The log-odds that a long question is answered: a constant; for the support of the best unit; for what it and its
#: surroundings say; for how much nearer to the question it is than units on average; for the words that no unit says.
CONSTANT, SUPPORT, SAID, NEARER, UNSAID = -6.7, 2.9, 5.0, 5.4, -2.8
#: The least log-odds with which it is quoted.
LEAST_ODDS = -2.9
#: How much nearer it is where that is not known, without vectors: the mean of what was fitted to.
USUALLY_NEARER = 0.2


def supported(question: Question, read: Read) -> bool:
    """Whether a unit may be quoted for itself."""
    if _of_another(question, read):
        return False
    return read.support >= LEAST_SUPPORT and (_carrying(question) >= len(LEAST_SAID) or read.said >= _least(question))


def _of_another(question: Question, read: Read) -> bool:
    """A row is about its key: of a name that neither it nor anything above it says, it tells nothing."""
    return read.unit.kind is Kind.ROW and any(
        term.named and term.word.folded.isalpha() and said < LEAST_NAMED
        for term, said in zip(question.terms, read.all, strict=True)
    )


def _confirms(question: Question, read: Read) -> bool:
    """Whether a unit itself, not only what stands around it, says enough of what is to be confirmed or denied."""
    total = sum(term.weight for term in question.terms)
    own = sum(term.weight * said for term, said in zip(question.terms, read.own, strict=True))
    return read.said >= _least(question) and own >= LEAST_OWN * total


def answered(question: Question, reads: Sequence[Read], best: Read) -> bool:
    """Whether ``best``, the first of ``reads`` in order, answers the question."""
    if _of_another(question, best):
        return False
    if question.asks is Asks.YES_NO:
        return supported(question, best) and _confirms(question, best)
    if _carrying(question) < len(LEAST_SAID):
        return supported(question, best)
    return odds(question, reads, best) >= LEAST_ODDS and best.score > 0.0


def odds(question: Question, reads: Sequence[Read], best: Read) -> float:
    """The log-odds that ``best`` answers a long question."""
    total = sum(term.weight for term in question.terms)
    unsaid = sum(
        term.weight * (1.0 - max(max(read.own[at], read.above_said[at]) for read in reads))
        for at, term in enumerate(question.terms)
    )
    cosines = [read.near for read in reads if read.near is not None]
    nearer = best.near - sum(cosines) / len(cosines) if best.near is not None else USUALLY_NEARER
    return CONSTANT + SUPPORT * best.support + SAID * best.said + NEARER * nearer + UNSAID * unsaid / total


def _carrying(question: Question) -> int:
    return round(sum(min(term.weight, 1.0) for term in question.terms))


def _least(question: Question) -> float:
    least = LEAST_SAID[min(_carrying(question), len(LEAST_SAID) - 1)]
    return max(least, LEAST_CONFIRMED) if question.asks is Asks.YES_NO else least

"""Whether the best unit answers a question at all, or the answer is silence.

A question of few words is answered by a unit that says nearly all of them; of a long one no text says every word, so the more
words it has, the smaller the share that must be said.
"""

from hexar.agents.answers.matching import Read
from hexar.agents.answers.reading.questions import Asks, Question
from hexar.agents.answers.reading.units import Kind

#: The support that a unit needs to be quoted.
LEAST_SUPPORT = 0.8
#: What a unit and its surroundings must say of a question, by the number of its words that carry weight.
LEAST_SAID = (0.75, 0.75, 0.75, 0.68, 0.43, 0.34, 0.28, 0.22)
#: The same of a question for a yes or no: a sentence about most of its words confirms nothing.
LEAST_CONFIRMED = 0.7
#: The share of a question for a yes or no that the unit must say itself.
LEAST_OWN = 0.4
#: What counts as a name that is said.
LEAST_NAMED = 0.3


def supported(question: Question, read: Read) -> bool:
    """Whether a unit may be quoted for itself."""
    if _of_another(question, read):
        return False
    return read.support >= LEAST_SUPPORT and read.said >= _least(question)


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


def answered(question: Question, best: Read) -> bool:
    """Whether ``best``, the best unit of all, answers the question."""
    return supported(question, best) and (question.asks is not Asks.YES_NO or _confirms(question, best))


def _least(question: Question) -> float:
    carrying = round(sum(min(term.weight, 1.0) for term in question.terms))
    least = LEAST_SAID[min(carrying, len(LEAST_SAID) - 1)]
    return max(least, LEAST_CONFIRMED) if question.asks is Asks.YES_NO else least

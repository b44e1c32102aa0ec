"""Whether the best unit answers a question at all, or the answer is silence.

A question of few words is answered by a unit that says nearly all of them; of a long one no text says every word, so the more
words it has, the smaller the share that must be said.
"""

from hexar.agents.answers.matching import LEAST_NAMED, Read
from hexar.agents.answers.reading.questions import Asks, Question, is_code
from hexar.agents.answers.reading.units import Kind

#: The support that a unit needs to be quoted.
LEAST_SUPPORT = 0.8
#: What a unit and its surroundings must say of a question, by the number of its words that carry weight.
LEAST_SAID = (0.75, 0.75, 0.75, 0.68, 0.43, 0.34, 0.28, 0.22)
#: The same of a question for a yes or no: a sentence about most of its words confirms nothing.
LEAST_CONFIRMED = 0.7
#: How surely one word beside the names must be said for it, where both are in one language: a concept is too wide.
LEAST_WORD = 0.91
#: The share of a question for a yes or no that the unit must say itself.
LEAST_OWN = 0.4


def supported(question: Question, read: Read) -> bool:
    """Whether a unit may be quoted for itself."""
    if read.other or _of_another(question, read) or not _tells(question, read):
        return False
    return read.support >= LEAST_SUPPORT and read.said >= _least(question)


def _of_another(question: Question, read: Read) -> bool:
    """A row is about its key: of a name or code that neither it nor anything above it says, it tells nothing. So is an item of
    its code."""
    if read.unit.kind is Kind.SENTENCE:
        return False
    return any(
        term.named and said < LEAST_NAMED and (is_code(term) or (read.unit.kind is Kind.ROW and term.word.folded.isalpha()))
        for term, said in zip(question.terms, read.all, strict=True)
    )


def _tells(question: Question, read: Read) -> bool:
    """Whether a unit that is to say who did something to a named thing says any of what was done."""
    if question.asks is not Asks.PERSON:
        return True
    said = zip(question.terms, read.all, strict=True)
    asked = [sure for term, sure in said if not term.named and not term.stands and term.weight >= 0.5]
    return not asked or max(asked) >= LEAST_NAMED


def _confirms(question: Question, read: Read) -> bool:
    """Whether a unit itself, not only what stands around it, says enough of what is to be confirmed or denied."""
    total = sum(term.weight for term in question.terms)
    own = sum(term.weight * said for term, said in zip(question.terms, read.own, strict=True))
    other = [said for term, said in zip(question.terms, read.all, strict=True) if not term.named]
    if other and question.language == read.language and max(other) < LEAST_WORD:
        return False
    return read.said >= _least(question) and own >= LEAST_OWN * total


def answered(question: Question, best: Read) -> bool:
    """Whether ``best``, the best unit of all, answers the question."""
    return supported(question, best) and (question.asks is not Asks.YES_NO or _confirms(question, best))


def _least(question: Question) -> float:
    carrying = round(sum(min(term.weight, 1.0) for term in question.terms))
    least = LEAST_SAID[min(carrying, len(LEAST_SAID) - 1)]
    return max(least, LEAST_CONFIRMED) if question.asks is Asks.YES_NO else least

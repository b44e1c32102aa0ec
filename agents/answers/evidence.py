"""Which kinds of answer a text holds: a date, an amount, a name, a reason, …

Each kind is a pattern over the text as written. What the question itself says does not count: "in 1998" does not answer a
question about 1998.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from hexar.agents.answers.reading.patterns import alternatives, tables
from hexar.agents.answers.reading.questions import Asks
from hexar.core.text.words import fold

_TABLES = tables("evidence")
_HOLDS = {name: alternatives(lines) for name, lines in _TABLES["holds"].items()}


class Closer(NamedTuple):
    """What an answer must look like where a question says more than its kind; ``strict``: else it is none at all."""

    held: re.Pattern[str]
    strict: bool


_CLOSER = tuple(
    (alternatives(row["asked"]), Closer(alternatives(row["held"]), row.get("strict", False))) for row in _TABLES["closer"]
)
_FIGURE = re.compile(r"\d[\d.,]*")
#: Times of day are figures that count nothing.
_CLOCK = re.compile(r"\b\d{1,2}[:.h]\d{2}\b(?! ?[%€$£]| ?(?:eur|usd|gbp|km|kg|m|cm|l)\b)")
_NAME = re.compile(r"\b[A-ZÁÉÍÓÚÑ][\w'’-]*[^\W\d_]\b\.?|\b[A-Z]\.")
#: So are years that date something.
_YEAR = re.compile(r"\b(?:in|since|until|from|en|desde|hasta) (?:the year |el ano )?(?:1[5-9]|20)\d\d\b")
#: Words that are written with a capital and name no person or body.
_NOT_NAMES = frozenset(_TABLES["capitals"]["words"].split())
_BETWEEN = frozenset(("", "de", "del", "de la", "of", "the", "van", "von"))


def persons(text: str, said: frozenset[str] = frozenset()) -> list[str]:
    """Words written like names of persons or bodies: capitals inside a sentence, or two in a row at its begin; without those
    that stand next to a name in ``said``, whose other part they are."""
    found: list[str] = []
    end, last = -1, False
    words = list(_NAME.finditer(text))
    for at, match in enumerate(words):
        word = fold(match.group().lower().rstrip("."))
        if word in _NOT_NAMES:
            continue
        next_to = last and text[end : match.start()].strip() in _BETWEEN
        end, last = match.end(), word in said or next_to
        if last:
            continue
        first = match.start() == 0 or text[: match.start()].rstrip()[-1:] in ".?!"
        following = at + 1 < len(words) and text[match.end() : words[at + 1].start()].strip() in (
            "",
            "de",
            "del",
            "of",
            "the",
            "van",
            "von",
        )
        if not first or following:
            found.append(word)
    return found


#: How sure a text is that holds the kind, but not what was asked more closely.
COARSE = 0.4
#: Kinds without which a unit does not answer at all.
STRICT = frozenset((Asks.PHONE, Asks.EMAIL, Asks.LINK, Asks.MONEY, Asks.PERCENT, Asks.AMOUNT, Asks.DURATION))


def gives_cause(text: str) -> bool:
    """Whether ``text`` names a cause as such."""
    return _HOLDS["cause"].search(fold(text.lower())) is not None


def finer(question: str) -> Closer | None:
    """What the answer of a question must look like where that says more than its kind; for :func:`holds`."""
    plain = fold(question.lower())
    return next((held for asked, held in _CLOSER if asked.search(plain)), None)


def holds(asks: Asks, text: str, known: Iterable[str] = (), closer: Closer | None = None) -> float:
    """How sure it is that ``text`` holds what is asked for, from 0 to 1; 0.5 where that cannot be seen. ``known`` are the
    question's folded words, ``closer`` is what :func:`finer` says of it."""
    plain = fold(text.lower())
    said = frozenset(known)
    sure = _holds(asks, text, plain, said)
    if closer is None or closer.held.search(plain):
        # "Every second week" says how often without a figure.
        return 1.0 if closer is not None and closer.strict and asks is Asks.AMOUNT else sure
    return 0.0 if closer.strict else COARSE * sure


def _holds(asks: Asks, text: str, plain: str, said: frozenset[str]) -> float:
    if asks in (Asks.YES_NO, Asks.WHAT):
        return 0.5
    if asks is Asks.PERSON:
        if persons(text, said):
            return 1.0
        return 0.6 if any(role not in said for role in _HOLDS["role"].findall(plain)) else 0.0
    found = _HOLDS[asks.name.lower()]
    if asks is Asks.PLACE:
        named, beside = bool(persons(text, said)), found.search(plain) is not None
        return 1.0 if named and beside else 0.7 if beside else 0.4 if named else 0.0
    if asks is Asks.AMOUNT:
        plain = _YEAR.sub("", _CLOCK.sub("", plain))
        figures = any(figure not in said for figure in _FIGURE.findall(plain))
        return float(figures or found.search(_FIGURE.sub("", plain)) is not None)
    if asks is Asks.TIME:
        return float(any(match.group().strip() not in said for match in found.finditer(plain)))
    return float(found.search(plain) is not None)

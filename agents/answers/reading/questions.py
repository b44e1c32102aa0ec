"""What a question asks for, and the words that tell what it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from itertools import pairwise

from hexar.agents.answers.reading.patterns import alternatives, tables
from hexar.agents.answers.reading.vocabulary import Word, names_in, read_words, stems, with_contraries
from hexar.core.text.words import fold


class Asks(Enum):
    """What kind of thing answers a question."""

    PERSON = "person"
    PLACE = "place"
    TIME = "time"
    DURATION = "duration"
    MONEY = "money"
    AMOUNT = "amount"
    PERCENT = "percent"
    REASON = "reason"
    METHOD = "method"
    PHONE = "phone"
    EMAIL = "email"
    LINK = "link"
    YES_NO = "yes or no"
    WHAT = "what"


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question. ``weight`` is 1 for what it is about, less for what only shapes it, more for names and figures.

    ``stands``: the kind of answer says it too, as an amount of money says "cost".
    """

    word: Word
    weight: float
    named: bool = False
    stands: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is matched. ``sides`` are the two things that a comparison names, else empty. ``counted`` is
    the place among ``terms`` of what "how many" asks of."""

    text: str
    language: str
    asks: Asks
    terms: tuple[Term, ...]
    lists: bool = False
    sides: tuple[tuple[Term, ...], ...] = ()
    counted: int | None = None

    @property
    def known(self) -> frozenset[str]:
        """Its folded words: what repeats them tells nothing that was asked for."""
        return frozenset(term.word.folded for term in self.terms)


_TABLES = tables("questions")
_SHAPES = {name: alternatives(lines) for name, lines in _TABLES["shape"].items()}
_WH, _AUXILIARY, PRICE = _SHAPES["word"], _SHAPES["auxiliary"], _SHAPES["price"]
_LISTS, _OR, _COMPARES, _LEANS = _SHAPES["lists"], _SHAPES["joins"], _SHAPES["compares"], _SHAPES["leans"]
_CONDITION = _SHAPES["condition"]
_OR_OTHER = frozenset(("or", "and", "o", "u", "y"))
_OTHER = frozenset(("other", "others", "similar", "otro", "otra", "otros", "otras"))
_MANY = frozenset(("many", "cuantos", "cuantas"))
_CUES = tuple((Asks[name.upper()], alternatives(lines)) for name, lines in _TABLES["asks"].items())
#: What a question is written with, not about. The second group counts a little.
_SHAPE = frozenset(_TABLES["words"]["shape"].split())
_CALENDAR = frozenset(_TABLES["words"]["calendar"].split())
_LIGHT = frozenset(_TABLES["words"]["light"].split())
#: What a question word may be followed by: the answer says the thing, not the class it is of.
_CLASSES = frozenset(_TABLES["words"]["classes"].split())
#: Words of a question that the kind of answer says too: an address need not be called an e-mail address. Base forms.
_STANDS = {Asks[name.upper()]: words for name, words in _TABLES["stands"].items()}


@cache
def _standing(asks: Asks) -> frozenset[str]:
    return frozenset(stem for word in _STANDS.get(asks, "").split() for stem in stems(word, ""))


@cache
def _light() -> frozenset[str]:
    return frozenset(stem for word in _LIGHT for stem in stems(word, ""))


def read_question(text: str, language: str) -> Question:
    """The question that ``text`` asks; see :class:`Question`."""
    plain = " ".join(fold(text.lower().replace("’", "'")).split())
    clause = _main_clause(plain)
    asks = next((asks for asks, cue in _CUES if cue.search(clause)), Asks.WHAT)
    if _AUXILIARY.match(plain) or ("?" in text and not _WH.search(plain) and asks is Asks.WHAT):
        asks = Asks.YES_NO
    if asks is Asks.WHAT and not _WH.search(plain) and PRICE.search(plain):
        asks = Asks.MONEY
    words = read_words(text, language)
    if asks is Asks.YES_NO:
        words = [with_contraries(word) for word in words]
    terms = _terms(words, text, _standing(asks))
    lists = bool(_LISTS.search(plain)) and asks in (
        Asks.WHAT,
        Asks.PERSON,
        Asks.PLACE,
        Asks.METHOD,
        Asks.MONEY,
        Asks.YES_NO,
        Asks.REASON,
    )
    sides = _sides(words, terms) if _COMPARES.search(plain) else ()
    return Question(text, language, asks, terms, lists, sides, _counted(words, terms))


def _main_clause(plain: str) -> str:
    """What of a question asks: "Cuando llueve, ¿qué se hace?" and "When it rains, what is done?" ask what, not when."""
    opened = plain.rsplit("¿", 1)[-1]
    if _WH.search(opened):
        plain = opened
    if _CONDITION.match(plain):
        rest = plain.split(",", 1)[-1]
        if _WH.search(rest):
            return rest
    return plain


def follow(question: Question, before: Question) -> Question:
    """A question that leans on the one before it ("And on Sundays?"): what it lacks is taken from there."""
    leans = _LEANS.search(fold(question.text.lower())) is not None
    if not leans and len(question.terms) > 2:
        return question
    held = {stem for term in question.terms for stem in term.word.stems}
    kept = tuple(replace(term, weight=term.weight * 0.6, named=False) for term in before.terms if not held & term.word.stems)
    # A new question word asks anew; without one, the old question is asked of something else.
    asks = question.asks
    if (asks is Asks.WHAT and not _WH.search(fold(question.text.lower()))) or (
        asks is Asks.YES_NO and not _AUXILIARY.match(fold(question.text.lower()))
    ):
        asks = before.asks
    return replace(question, asks=asks, terms=question.terms + kept)


def _terms(words: Sequence[Word], text: str, standing: frozenset[str]) -> tuple[Term, ...]:
    names = set(names_in(words, text)) - _CALENDAR
    found: list[Term] = []
    seen: set[str] = set()
    asked = False  # between "which" and the verb: the class of what is asked for
    for at, word in enumerate(words):
        named = word.folded in names
        if _WH.fullmatch(word.folded):
            asked = word.folded in ("what", "which", "que", "cual", "cuales")
            continue
        if not word.content and not named:
            asked = False
            continue
        if (
            word.folded in seen
            or (word.folded in _SHAPE and not named)
            or (len(word.raw) < 2 and not named and not word.raw.isdigit())
        ):
            continue
        seen.add(word.folded)
        figure = word.folded[0].isdigit()
        again = at > 0 and not named and bool(word.concepts & words[at - 1].concepts) and bool(found)
        stands = bool(word.stems & standing)
        weight = 1.0
        if word.folded in _CLASSES and (asked or not found):
            weight = 0.15
        elif stands:
            weight = 0.35
        elif word.stems & _light() or again or (word.rest and not named) or _instance(words, at):
            weight = 0.3
        elif asked and not named:
            weight = 0.5
        elif named or figure or word.folded in _CALENDAR:
            weight = 1.4
        found.append(Term(word, weight, named or figure, stands))
    return tuple(found)


def is_code(term: Term) -> bool:
    """Whether a term is a code of letters and digits."""
    folded = term.word.folded
    return not folded.isalpha() and not folded[0].isdigit()


def _instance(words: Sequence[Word], at: int) -> bool:
    """Whether the word at ``at`` only exemplifies what is named behind it: "snakes or other reptiles"."""
    following = [word.folded for word in words[at + 1 : at + 3]]
    return len(following) == 2 and following[0] in _OR_OTHER and following[1] in _OTHER


def _counted(words: Sequence[Word], terms: Sequence[Term]) -> int | None:
    """The term right behind "how many"."""
    for before, word in pairwise(words):
        if before.folded in _MANY:
            return next((at for at, term in enumerate(terms) if term.word is word), None)
    return None


def _sides(words: Sequence[Word], terms: Sequence[Term]) -> tuple[tuple[Term, ...], ...]:
    """The words on both sides of the last "or", "and", "than", …: what stands next to it on the left, and what follows."""
    by_word = {id(term.word): term for term in terms}
    place = next((at for at in range(len(words) - 1, 0, -1) if _OR.fullmatch(words[at].folded)), 0)
    left: list[Term] = []
    for word in reversed(words[:place]):
        term = by_word.get(id(word))
        if term is not None:
            left.append(term)
        elif left and word.folded not in ("the", "a", "an", "el", "la", "los", "las", "un", "una", "de", "of"):
            break
    right: list[Term] = []
    for word in words[place + 1 :]:
        term = by_word.get(id(word))
        if term is not None:
            right.append(term)
        elif right and word.folded not in ("the", "a", "an", "el", "la", "los", "las", "un", "una", "de", "of"):
            break
    # What stands before both belongs to both: "the winter price of berth A and berth B".
    return (tuple(reversed(left[: len(right)])), tuple(right)) if left and right else ()

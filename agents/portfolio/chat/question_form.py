"""Whether two questions ask the same thing: both are brought to one form, and the forms are compared.

A cosine finds questions about the same matter; it does not tell "left" from "right" or "5 kg" from "5 lb". So a question
becomes a sequence of *concepts*: words that change nothing fall away, phrases that mean the same get one name, every other
word is kept as its stem, a number as its value. Two questions are the same where

- the same concepts are in both, each as often (names, codes, prices, units, dates, sides and places are concepts);
- both are negated, or neither is;
- they ask for the same kind of thing (who, when, how many, …), and neither asks of the past what the other asks of today;
- nobody changed roles: the order of names is kept, or turned round together with active and passive voice; what goes "from"
  one goes "from" the other; each of several numbers counts the same thing; words that stand together stay together.

Only articles, auxiliaries, pronouns and words of courtesy fall away, and not where they are nouns ("the IT department", "US
orders", "in May"). Capitals, British and American spelling, and Roman numerals make no difference.

A word that is not known makes the answer "not the same": a wrong hit is worse than a miss.

The file is long since the form and the comparison name the same concepts, and are changed together.
"""

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

from hexar.core.text.terms import stem
from hexar.core.text.words import fold

_TOKEN = re.compile(
    r"[$€£¥]\s?\d[\d.,]*|\d[\d.,]*\d(?=\s?%)|\d+(?:[.,]\d+)*(?:st|nd|rd|th|º|ª)?(?![\w-])|km/h|%"
    r"|\w++(?:(?:[-/.]\w*\d\w*)+|['’]\w+)?"
)
_NUMBER = re.compile(r"\d[\d.,]*")
_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
#: Verbs of the past in the third person: "limpió".
_PRETERITE = re.compile(r"\w{3,}ó\b")
_CONTRACTED = re.compile(r"(\w+)['’](s|m|re|ll|ve|d|t)\b", re.I)

#: A question of fewer concepts says too little to be the same as another.
MIN_CONCEPTS = 2

#: Concepts that say what kind of thing is asked for. WHAT and AMOUNT give way to any other.
_ASKING = (
    "HOW",
    "WHO",
    "WHEN",
    "WHERE",
    "WHY",
    "COUNT",
    "AMOUNT",
    "OFTEN",
    "LONG",
    "FAR",
    "FAST",
    "WHAT",
    "COST",
    "PRICED",
    "PEOPLE",
)
#: Capital letters that are words; any other single capital is a code, such as a size.
_WORD_LETTERS = frozenset("AIOYEU")
#: A capital behind one of these begins a sentence.
_OPENING = frozenset(".?!:¿¡")
_WEAK = frozenset(("WHAT", "AMOUNT", "PRICED"))
#: Of these, those that add nothing to what a question says.
_VAGUE = frozenset(("WHAT", "AMOUNT"))
#: Nouns that ask for a length of time by themselves, as stems.
_PERIODS = frozenset(("period", "plaz", "periodo", "term"))
#: Concepts that stand now before, now after what they are about.
_MODIFIERS = frozenset(("MUST", "PERMIT", "FORBID", "FREE", "BEST", "WORST", "MOST", "LEAST"))
#: They ask only where nothing else asks before them ("what happens when …").
_CONJUNCTIONS = frozenset(("when", "where", "how", "who", "cuando", "donde", "como", "quien"))
#: Pronouns and auxiliaries that are nouns behind an article.
_NOUNS_TOO = frozenset(("it", "us", "can", "will", "may", "might", "must", "am", "being", "show", "need", "want"))
#: Characters of a question whose opening is looked at.
LONGEST = 500
#: Roman numbers that are no words or sizes.
_ROMAN = {
    text: str(value)
    for value, text in enumerate("II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX".split(), 2)  # noqa: SIM905
}
#: The share of words with a capital from which capitals say nothing.
TITLE_SHARE = 0.6
#: Concepts that are written with a capital and yet have several forms.
_CALENDAR = ("DAY", "QUARTER", "EUR", "USD", "GBP")


@dataclass(frozen=True, slots=True)
class _Lexicon:
    light: frozenset[str]
    phrases: dict[str, tuple[tuple[tuple[str, ...], str], ...]]
    numbers: dict[str, str]
    past: frozenset[str]
    future: frozenset[str]
    present: frozenset[str]
    leave: frozenset[str]
    agent: str
    opening: re.Pattern[str]
    determiners: frozenset[str]
    calendar: frozenset[str]
    pronoun_after: frozenset[str]
    directions: frozenset[str]
    endings: tuple[tuple[str, str], ...]
    spelled: dict[str, str]


@dataclass(frozen=True, slots=True)
class Meaning:
    """A question in one form.

    ``concepts`` are in the order of the text, ``names`` those that are proper names or codes. ``words`` are the concepts as
    they are written, empty where a concept stands for several words. ``directions`` are concepts with the "from", "to", "by" or
    "with" before them. ``modal`` is ``must`` or ``may`` where the question asks for a duty or a leave, ``patient`` whether its
    "who" is the one to whom something is done, ``preterite`` whether a Spanish verb form tells of the past.
    """

    concepts: tuple[str, ...]
    asking: frozenset[str]
    negated: bool
    names: tuple[str, ...]
    tense: str
    passive: bool
    words: tuple[str, ...] = ()
    directions: tuple[tuple[str, str], ...] = ()
    modal: str = ""
    patient: bool = False
    preterite: bool = False

    def named_like(self, other: "Meaning") -> "Meaning":
        """This question with those of its words taken for names that the other question writes like names."""
        named = [bool(word) and word in other.names and word not in self.names for word in self.words]
        if not any(named):
            return self
        concepts = tuple(
            word if name else concept for concept, word, name in zip(self.concepts, self.words, named, strict=True)
        )
        names = (*self.names, *(word for word, name in zip(self.words, named, strict=True) if name))
        order = [concept for concept in concepts if concept in names]
        return replace(self, concepts=concepts, names=tuple(order))


@cache
def _lexicon(language: str) -> _Lexicon:
    table = tomllib.loads(Path(__file__).with_name("question_form.toml").read_text("utf-8"))[language]
    phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for line in table["concepts"].strip().splitlines():
        name, _, found = line.partition(":")
        for phrase in found.split(";"):
            words = tuple(phrase.split())
            if words:
                phrases.setdefault(words[0], []).append((words, name))
    return _Lexicon(
        light=frozenset(table["light"].split()) - frozenset(table["sense"].split()),
        phrases={first: tuple(sorted(rows, key=lambda row: -len(row[0]))) for first, rows in phrases.items()},
        numbers={word: str(value if value == 0 else value + 1) for value, word in enumerate(table["numbers"].split())},
        past=frozenset(table["past"].split()),
        future=frozenset(table["future"].split()),
        present=frozenset(table["present"].split()),
        leave=frozenset(table["leave"].split()),
        agent=table["agent"],
        opening=re.compile(
            rf"^\W*(?:(?:{'|'.join(table['opening'].strip().splitlines())})\W+)+(?=(?:{table['asks'].replace(' ', '|')})\b)"
        ),
        determiners=frozenset(table["determiners"].split()),
        calendar=frozenset(table["calendar"].split()),
        pronoun_after=frozenset(table["pronoun_after"].split()),
        directions=frozenset(table["directions"].split()),
        endings=_pairs(table["spelling_endings"]),
        spelled=dict(_pairs(table["spelling_words"])),
    )


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    found = [tuple(pair.split()) for pair in text.split(";") if pair.strip()]
    return tuple((first, second) for first, second in found)


_NUMERAL = re.compile(r"\d+(?:[.,]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:[.,]\d{3})+")


def _number(text: str) -> str:
    """One form for ``1,000``, ``1.000`` and ``1000``; a single separator before one or two digits is a decimal mark."""
    if text.isdecimal():
        return text.lstrip("0") or "0"
    digits = _NUMBER.search(text)
    value = digits.group().strip(".,") if digits else text
    if _GROUPED.fullmatch(value):
        value = value.replace(",", "").replace(".", "")
    value = value.replace(",", ".")
    return value.rstrip("0").rstrip(".") if "." in value else value.lstrip("0") or "0"


def numerals(text: str) -> frozenset[str]:
    """The numbers that ``text`` writes in digits, each in one form."""
    return frozenset(map(_number, _NUMERAL.findall(text)))


def other_numbers(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether two texts with these numerals cannot say the same, whatever else they say.

    Where one has all numerals of the other, the rest may be there in words: then the texts must be read.
    """
    return not (first <= second or second <= first)


def _tokens(text: str, lexicon: _Lexicon) -> list[tuple[str, bool]]:
    """Folded tokens, and whether each is written like a name (a capital inside a sentence, or a code)."""
    if "'" in text or "’" in text:
        text = _CONTRACTED.sub(lambda found: _expanded(found.group(1), found.group(2).lower()), text)
    titled = _is_titled(text)
    tokens: list[tuple[str, bool]] = []
    end = 0
    for found in _TOKEN.finditer(text):
        raw = found.group()
        if raw in _ROMAN and (len(raw) > 1 or tokens) and not text.isupper():
            tokens.append((_ROMAN[raw], False))
            end = found.end()
            continue
        named = not raw.isalpha() and _is_code(raw)
        if raw[0].isupper() and not named and raw not in _WORD_LETTERS:
            named = (raw.isupper() and not text.isupper()) or (
                not titled and end > 0 and text[end : end + 2].lstrip()[:1] not in _OPENING
            )
        tokens.append((fold(raw) if named else _spelled(fold(raw), lexicon), named))
        end = found.end()
    return tokens


def _is_titled(text: str) -> bool:
    """Whether capitals say nothing: most words have one, as in a title."""
    letters = [word for word in text.split() if word.isalpha()]
    return text.isupper() or (len(letters) > 3 and sum(word[0].isupper() for word in letters) > TITLE_SHARE * len(letters))


def _spelled(word: str, lexicon: _Lexicon) -> str:
    """One spelling for the two of English."""
    if word in lexicon.spelled:
        return lexicon.spelled[word]
    if len(word) >= 7:
        for ending, other in lexicon.endings:
            if word.endswith(ending):
                return word[: -len(ending)] + other
    return word


def _is_code(raw: str) -> bool:
    """Whether letters and digits are mixed, and no number begins it."""
    return not raw[0].isdigit() and any(c.isdigit() for c in raw) and any(c.isalpha() for c in raw)


def _expanded(word: str, ending: str) -> str:
    if ending == "t":
        return {"can": "can not", "won": "will not"}.get(
            word.lower(), f"{word[:-1]} not" if word.lower().endswith("n") else word
        )
    if ending in ("m", "re", "ll", "ve", "d"):
        return word
    return f"{word} is" if word.lower() in ("what", "who", "where", "when", "how", "it", "that", "there") else word


def read(text: str, language: str) -> Meaning:
    """The form of a question in English or Spanish (any other language is read as English)."""
    spoken = language if language in ("en", "es") else "en"
    lexicon = _lexicon(spoken)
    past = spoken == "es" and _PRETERITE.search(unicodedata.normalize("NFC", text.lower())) is not None
    return _Reader(lexicon, spoken, _tokens(_without_opening(text, lexicon), lexicon), preterite=past).meaning()


def _of_patient(words: Sequence[str], lexicon: _Lexicon) -> bool:
    """Whether "who" is asked of as the one to whom something is done: "who did Ann pay", "a quién pagó Ana"."""
    for before, word, following in zip(["", *words], words, [*words[1:], ""], strict=False):
        if word in ("who", "whom") and following in ("do", "does", "did"):
            behind = words[words.index(word) + 2 : words.index(word) + 3]
            return bool(behind) and behind[0] not in lexicon.light
        if word in ("quien", "quienes") and before == "a":
            return True
    return False


def _without_opening(text: str, lexicon: _Lexicon) -> str:
    """``text`` without "please tell me" and the like before what is asked."""
    if len(text) > LONGEST:
        return text
    # Folding may change a text's length: the words of the opening are counted, not its characters.
    found = lexicon.opening.match(" ".join(fold(text).replace("'", "").replace("’", "").replace(",", " ").split()))
    return " ".join(text.split()[len(found.group().split()) :]) if found is not None else text


class _Reader:
    """Reads the tokens of one question from left to right."""

    def __init__(self, lexicon: _Lexicon, spoken: str, tokens: list[tuple[str, bool]], *, preterite: bool = False) -> None:
        self._preterite = preterite
        self._lexicon = lexicon
        self._spoken = spoken
        self._tokens = tokens
        self._words = [word for word, _ in tokens]
        self._concepts: list[tuple[str, str]] = []  # with the word as it is written
        self._asking: set[str] = set()
        self._names: list[str] = []
        self._directions: list[tuple[str, str]] = []
        self._direction = ""

    def meaning(self) -> Meaning:
        """The form of the question."""
        at = 0
        while at < len(self._tokens):
            at = self._step(at)
        concepts, asking = self._concepts, self._asking
        negations = sum(concept in ("NOT", "WITHOUT") for concept, _ in concepts)
        held = {concept for concept, _ in concepts}
        modal = "must" if "MUST" in held else "may" if not self._lexicon.leave.isdisjoint(self._words) else ""
        if "LONG" in asking and held & _PERIODS:
            asking = (asking - {"LONG"}) | {"WHAT"}
        priced = "PRICED" in asking
        if "COST" in asking and not asking - {"COST", "WHAT", "AMOUNT"}:
            asking = {"COST"}
        if asking:
            # "Which documents do I need" asks for what "what documents are required" asks; "must I pay" is another matter.
            concepts = [each for each in concepts if each[0] != "MUST"]
        if len(asking) > 1:
            asking = asking - _WEAK
        if priced and not asking:
            asking = {"PRICED"}
        agent = self._lexicon.agent
        pairs = zip(self._words, self._tokens[1:], strict=False)
        passive = any(word == agent and named for word, (_, named) in pairs)
        return Meaning(
            concepts=tuple(concept for concept, _ in concepts),
            asking=frozenset(asking),
            negated=negations % 2 == 1,
            names=tuple(self._names),
            tense=self._tense(),
            passive=passive,
            words=tuple(word for _, word in concepts),
            directions=tuple(self._directions),
            modal=modal,
            patient="WHO" in asking and (passive or _of_patient(self._words, self._lexicon)),
            preterite=self._preterite,
        )

    def _step(self, at: int) -> int:
        """Read what begins at token ``at``; where the next begins."""
        lexicon = self._lexicon
        word, named = self._tokens[at]
        match = _phrase(lexicon, self._words, at) if word in lexicon.phrases else None
        if match is not None and (not named or match[1].startswith(_CALENDAR)):
            length, name = match
            if name == "DROP":
                return at + length
            if name not in _ASKING:
                self._add(name)
            elif not self._asking or word not in _CONJUNCTIONS:
                self._asking.add(name)
            if name in ("COST", "PEOPLE"):
                self._add(name)
            return at + length
        if word[0] in _CURRENCIES:
            self._add(f"#{_number(word)}")
            self._add(_CURRENCIES[word[0]])
        elif word[0].isdigit() and not any(c.isalpha() for c in word.rstrip("stndrhºª")):
            self._add(f"ORD{_number(word)}" if word[-1].isalpha() or word[-1] in "ºª" else f"#{_number(word)}")
        elif word in lexicon.numbers:
            self._add(f"#{lexicon.numbers[word]}")
        elif word in lexicon.directions and not named:
            self._direction = {"al": "a", "del": "de"}.get(word, word)
        elif named or word not in lexicon.light or self._is_noun(at):
            self._add(word if named else stem(word, self._spoken), word)
            if named:
                self._names.append(word)
        return at + 1

    def _add(self, concept: str, word: str = "") -> None:
        if self._direction:
            self._directions.append((concept, self._direction))
            self._direction = ""
        self._concepts.append((concept, word))

    def _is_noun(self, at: int) -> bool:
        """Whether a word that seldom says anything does so here: "the it department", "us orders", "in may"."""
        lexicon = self._lexicon
        word, before = self._words[at], self._words[at - 1] if at else ""
        following = self._words[at + 1] if at + 1 < len(self._words) else ""
        if word in _NOUNS_TOO and before in lexicon.determiners:
            return True
        if word == "may":
            return before in lexicon.calendar or following.isdigit()
        content = bool(following) and following not in lexicon.light and following not in lexicon.directions
        if word == "us":
            return content
        return word == "it" and content and before != "" and before not in lexicon.pronoun_after

    def _tense(self) -> str:
        found = [
            name
            for name, words in (
                ("past", self._lexicon.past),
                ("future", self._lexicon.future),
                ("present", self._lexicon.present),
            )
            if not words.isdisjoint(self._words)
        ]
        return found[0] if len(found) == 1 else ""


def _phrase(lexicon: _Lexicon, words: list[str], at: int) -> tuple[int, str] | None:
    for phrase, name in lexicon.phrases[words[at]]:
        if phrase[-1] == "#":  # only in front of a number
            after = at + len(phrase) - 1
            if tuple(words[at:after]) == phrase[:-1] and words[after : after + 1] and words[after][-1].isdigit():
                return len(phrase) - 1, name
        elif tuple(words[at : at + len(phrase)]) == phrase:
            return len(phrase), name
    return None


def difference(first: Meaning, second: Meaning) -> str:
    """Empty where both ask the same; else the guard that tells them apart, in one word."""
    first, second = first.named_like(second), second.named_like(first)
    if min(len(each.concepts) + bool(each.asking - _VAGUE) for each in (first, second)) < MIN_CONCEPTS:
        return "short"
    if first.negated != second.negated:
        return "negation"
    if {first.modal, second.modal} == {"must", "may"}:
        return "sense"
    ours, theirs = Counter(first.concepts), Counter(second.concepts)
    odd = set(ours) ^ set(theirs)
    if odd and _alike(first, second, odd):
        first, second, odd = _without(first, odd), _without(second, odd), set()
        ours, theirs = Counter(first.concepts), Counter(second.concepts)
    if odd:
        if any(concept.startswith("#") for concept in odd):
            return "number"
        if any(concept.isupper() for concept in odd):
            return "sense"
        return "name" if odd & ({*first.names} | {*second.names}) else "word"
    if first.asking - _WEAK != second.asking - _WEAK or bool(first.asking) != bool(second.asking):
        return "question"
    if first.tense != second.tense and "past" in (first.tense, second.tense) and first.tense and second.tense:
        return "tense"
    if first.preterite != second.preterite and "past" not in (first.tense, second.tense):
        return "tense"
    if any(ours[concept] != theirs[concept] for concept in ours if concept.startswith("#")):
        return "number"
    if first.patient != second.patient:
        return "roles"
    if _other_way(first, second):
        return "roles"
    return "" if _same_roles(first, second) else "roles"


def _alike(first: Meaning, second: Meaning, odd: set[str]) -> bool:
    """Whether a concept that one question lacks is said by its form: "how much is" asks for a cost, "can I" for a leave."""
    lacking = second if odd & {*first.concepts} else first
    if odd == {"PERMIT"}:
        return lacking.modal == "may" and not first.asking and not second.asking
    return odd == {"COST"} and "PRICED" in lacking.asking


def _without(meaning: Meaning, odd: set[str]) -> Meaning:
    """A question without the concepts ``odd``, which its form says."""
    kept = [(concept, word) for concept, word in zip(meaning.concepts, meaning.words, strict=True) if concept not in odd]
    asking = frozenset() if odd == {"COST"} else meaning.asking
    return replace(meaning, concepts=tuple(c for c, _ in kept), words=tuple(w for _, w in kept), asking=asking)


def _other_way(first: Meaning, second: Meaning) -> bool:
    """Whether a concept goes one way in one question and another way in the other: "to" and "from", "by" and "to"."""
    ours, theirs = dict(first.directions), dict(second.directions)
    if any(ours[concept] != theirs[concept] for concept in ours.keys() & theirs.keys()):
        return True
    # "From" is never said for nothing.
    return any(
        way in ("from", "desde") and concept not in other
        for mine, other in ((ours, theirs), (theirs, ours))
        for concept, way in mine.items()
    )


def _same_roles(first: Meaning, second: Meaning) -> bool:
    named = {*first.names, *second.names}
    ours = [concept for concept in first.concepts if concept in named]
    theirs = [concept for concept in second.concepts if concept in named]
    if ours != (theirs if first.passive == second.passive else theirs[::-1]):
        return False
    ours = [concept for concept in first.concepts if concept not in _MODIFIERS]
    theirs = [concept for concept in second.concepts if concept not in _MODIFIERS]
    if len(ours) != len(theirs):
        return True
    if not _same_counts(ours, theirs):
        return False
    if first.passive != second.passive:
        return True
    moved = [i for i, (x, y) in enumerate(zip(ours, theirs, strict=True)) if x != y]
    # Two concepts that changed places while all others stayed: "dogs chase cats", "from A to B", "who reports to Sam".
    # Two alone may do so ("is it waterproof, the jacket"), unless one of them does something to somebody.
    if len(moved) == 2 and (len(ours) > 2 or "WHO" in first.asking):
        return False
    # A phrase that moves as a whole keeps its words together; words that change partners do not.
    kept = set(map(frozenset, pairwise(ours))) & set(map(frozenset, pairwise(theirs)))
    return len(ours) < 4 or 2 * len(kept) >= len(ours) - 2


def _same_counts(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Where a question holds several numbers, each counts the same thing in both: the word behind it, or before it."""
    numbers = [concept for concept in ours if concept.startswith("#")]
    if len(numbers) < 2:
        return True

    def beside(concepts: Sequence[str], number: str) -> set[tuple[str, int]]:
        places = [at for at, concept in enumerate(concepts) if concept == number]
        return {(concepts[at + step], step) for at in places for step in (1, -1) if 0 <= at + step < len(concepts)}

    return all(beside(ours, number) & beside(theirs, number) for number in numbers)

"""Whether two questions ask the same thing: both are brought to one form, and the forms are compared.

A cosine finds questions about the same matter; it does not tell "left" from "right" or "5 kg" from "5 lb". So a question
becomes a sequence of *concepts*: words that change nothing fall away, phrases that mean the same get one name, every other
word is kept as its stem, a number as its value. Two questions are the same where

- the same concepts are in both, each as often (names, codes, prices, units, dates, sides and places are concepts);
- both are negated, or neither is;
- they ask for the same kind of thing (who, when, how many, …), and neither asks of the past what the other asks of today;
- nobody changed roles: the order of names is kept, or turned round together with active and passive voice.

A word that is not known makes the answer "not the same": a wrong hit is worse than a miss.
"""

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from hexar.agents.portfolio.language import stem
from hexar.core.text.words import fold

_TOKEN = re.compile(
    r"[$€£¥]\s?\d[\d.,]*|\d[\d.,]*\d(?=\s?%)|\d+(?:[.,]\d+)*(?:st|nd|rd|th|º|ª)?(?![\w-])|km/h|%"
    r"|\w++(?:(?:[-/.]\w*\d\w*)+|['’]\w+)?"
)
_NUMBER = re.compile(r"\d[\d.,]*")
_CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_CONTRACTED = re.compile(r"(\w+)['’](s|m|re|ll|ve|d|t)\b", re.I)

#: A question of fewer concepts says too little to be the same as another.
MIN_CONCEPTS = 2

#: Concepts that say what kind of thing is asked for. WHAT and AMOUNT give way to any other.
_ASKING = ("HOW", "WHO", "WHEN", "WHERE", "WHY", "COUNT", "AMOUNT", "OFTEN", "LONG", "FAR", "FAST", "WHAT", "COST", "PEOPLE")
#: Capital letters that are words; any other single capital is a code, such as a size.
_WORD_LETTERS = frozenset("AIOYEU")
#: A capital behind one of these begins a sentence.
_OPENING = frozenset(".?!:¿¡")
_WEAK = frozenset(("WHAT", "AMOUNT"))
#: Concepts that stand now before, now after what they are about.
_MODIFIERS = frozenset(("MUST", "PERMIT", "FORBID", "FREE", "BEST", "WORST", "MOST", "LEAST"))
#: They ask only where nothing else asks before them ("what happens when …").
_CONJUNCTIONS = frozenset(("when", "where", "how", "who", "cuando", "donde", "como", "quien"))
#: Concepts that are written with a capital and yet have several forms.
_CALENDAR = ("DAY", "QUARTER", "EUR", "USD", "GBP")


@dataclass(frozen=True, slots=True)
class _Lexicon:
    light: frozenset[str]
    phrases: dict[str, tuple[tuple[tuple[str, ...], str], ...]]
    numbers: dict[str, str]
    past: frozenset[str]
    present: frozenset[str]
    agent: str
    origin: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """A question in one form.

    ``concepts`` are in the order of the text, ``names`` those that are proper names or codes. ``opening`` is the first
    concept and its unstemmed word where that word stands at the begin of the sentence: it may be a name too.
    """

    concepts: tuple[str, ...]
    asking: frozenset[str]
    negated: bool
    names: tuple[str, ...]
    tense: str
    passive: bool
    opening: tuple[str, str] = ("", "")

    def named_like(self, other: "Meaning") -> "Meaning":
        """This question with its opening word taken for a name, where the other question names it."""
        concept, word = self.opening
        if not word or word not in other.names or self.concepts[:1] != (concept,):
            return self
        return replace(self, concepts=(word, *self.concepts[1:]), names=(word, *self.names), opening=("", ""))


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
        present=frozenset(table["present"].split()),
        agent=table["agent"],
        origin=table["origin"],
    )


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


def _tokens(text: str) -> list[tuple[str, bool]]:
    """Folded tokens, and whether each is written like a name (a capital inside a sentence, or a code)."""
    if "'" in text or "’" in text:
        text = _CONTRACTED.sub(lambda found: _expanded(found.group(1), found.group(2).lower()), text)
    tokens: list[tuple[str, bool]] = []
    end = 0
    for found in _TOKEN.finditer(text):
        raw = found.group()
        named = not raw.isalpha() and _is_code(raw)
        if raw[0].isupper() and not named and raw not in _WORD_LETTERS:
            named = raw.isupper() or (end > 0 and text[end : end + 2].lstrip()[:1] not in _OPENING)
        tokens.append((fold(raw), named))
        end = found.end()
    return tokens


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
    tokens = _tokens(text)
    words = [word for word, _ in tokens]
    concepts: list[str] = []
    asking: set[str] = set()
    names: list[str] = []
    opening = ("", "")
    at = 0
    while at < len(tokens):
        word, named = tokens[at]
        match = _phrase(lexicon, words, at) if word in lexicon.phrases else None
        if match is not None and (not named or match[1].startswith(_CALENDAR)):
            length, name = match
            if name not in _ASKING:
                concepts.append(name)
            elif not asking or word not in _CONJUNCTIONS:
                asking.add(name)
            if name in ("COST", "PEOPLE"):
                concepts.append(name)
            at += length
            continue
        at += 1
        if word[0] in _CURRENCIES:
            concepts += [f"#{_number(word)}", _CURRENCIES[word[0]]]
        elif word[0].isdigit() and not any(c.isalpha() for c in word.rstrip("stndrhºª")):
            concepts.append(f"ORD{_number(word)}" if word[-1].isalpha() or word[-1] in "ºª" else f"#{_number(word)}")
        elif word in lexicon.numbers:
            concepts.append(f"#{lexicon.numbers[word]}")
        elif word == lexicon.origin:
            if at < len(tokens) and tokens[at][1]:
                concepts.append("FROM")
        elif named or word not in lexicon.light:
            concept = word if named else stem(word, spoken)
            if at == 1 and not concepts:
                opening = (concept, word)
            concepts.append(concept)
            if named:
                names.append(concept)
    negations = sum(concept in ("NOT", "WITHOUT") for concept in concepts)
    if "COST" in asking and not asking - {"COST", "WHAT", "AMOUNT"}:
        asking = {"COST"}
    if asking:
        # "Which documents do I need" asks for what "what documents are required" asks; "must I pay" is another matter.
        concepts = [concept for concept in concepts if concept != "MUST"]
    if len(asking) > 1:
        asking -= _WEAK
    past = not lexicon.past.isdisjoint(words)
    present = not lexicon.present.isdisjoint(words)
    return Meaning(
        concepts=tuple(concepts),
        asking=frozenset(asking),
        negated=negations % 2 == 1,
        names=tuple(names),
        tense="past" if past and not present else "present" if present and not past else "",
        passive=lexicon.agent in words
        and any(word == lexicon.agent and named for word, (_, named) in zip(words, tokens[1:], strict=False)),
        opening=opening,
    )


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
    if min(len(each.concepts) + bool(each.asking - _WEAK) for each in (first, second)) < MIN_CONCEPTS:
        return "short"
    if first.negated != second.negated:
        return "negation"
    ours, theirs = Counter(first.concepts), Counter(second.concepts)
    if set(ours) != set(theirs):
        odd = set(ours) ^ set(theirs)
        if any(concept.startswith("#") for concept in odd):
            return "number"
        if any(concept.isupper() for concept in odd):
            return "sense"
        return "name" if odd & ({*first.names} | {*second.names}) else "word"
    if first.asking - _WEAK != second.asking - _WEAK or bool(first.asking) != bool(second.asking):
        return "question"
    if first.tense and second.tense and first.tense != second.tense:
        return "tense"
    return "" if _same_roles(first, second) else "roles"


def _same_roles(first: Meaning, second: Meaning) -> bool:
    named = {*first.names, *second.names}
    ours = [concept for concept in first.concepts if concept in named]
    theirs = [concept for concept in second.concepts if concept in named]
    if ours != (theirs if first.passive == second.passive else theirs[::-1]):
        return False
    ours = [concept for concept in first.concepts if concept not in _MODIFIERS]
    theirs = [concept for concept in second.concepts if concept not in _MODIFIERS]
    if first.passive != second.passive or len(ours) != len(theirs):
        return True
    moved = [i for i, (x, y) in enumerate(zip(ours, theirs, strict=True)) if x != y]
    # Two concepts that changed places while all others stayed: "dogs chase cats", "from A to B", "who reports to Sam".
    # Two alone may do so ("is it waterproof, the jacket"), unless one of them does something to somebody.
    return len(moved) != 2 or (len(ours) == 2 and "WHO" not in first.asking)

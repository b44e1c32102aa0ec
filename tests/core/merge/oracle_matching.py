"""The plain-Python oracle of the matching kernels: slow, obvious, not shipped. Same rules, none of the machinery.

One file, although long, so that the rules of the score can be read from top to bottom.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from rapidfuzz.distance import Levenshtein

from hexar.core.merge.lexicon import (
    COMPOUNDS,
    COSTS,
    DEFAULTS,
    DIMENSION_COST,
    DIMENSIONS,
    EVIDENCE,
    GLUED_UNITS,
    GROUPS,
    HEADS,
    PACKS,
    PHRASES,
    RATINGS,
    ROLES,
    SIZES,
    STRICT_UNITS,
    TITLE_ORDER,
    UNITS,
    WORTH,
    WORTH_OF,
)

TEXT_LIMIT = 4096
TOKEN_LIMIT = 64
DESCRIPTION_TOKENS = 128
LENGTH_LIMIT = 48
FIELD_LIMIT = 64
SEASON = 2005

WORD, NUMBER, QUANTITY, CODE = range(4)
THINGS = ("kind", "sport", "part")
WORD_GROUP: dict[str, tuple[str, str]] = {}
for _group, _words in GROUPS.items():
    for _word, _value in _words.items():
        WORD_GROUP.setdefault(_word, (_group, _value))
PUNCTUATION = str.maketrans("’‘´`″”“−–º™℠", 4 * "'" + 3 * '"' + "--°  ")
MARKS = ("(r)", "(tm)", "(c)", "(s)", "( r )", "( tm )", "( c )", "( s )")

# text to tokens --------------------------------------------------------------------------------------------------------


@dataclass
class Token:
    kind: int
    text: str
    group: str = ""
    value: str = ""
    number: float = 0.0
    dimension: str = ""
    factor: float = 0.0
    strong: bool = False
    strict: bool = False

    @property
    def year(self) -> bool:
        return self.kind == NUMBER and is_year(self.text)

    @property
    def season(self) -> bool:
        return self.year and self.number >= SEASON


def fold(text: str) -> str:
    text = text[:TEXT_LIMIT]
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text.translate(PUNCTUATION))[: 2 * TEXT_LIMIT]
    return "".join(c for c in text if not unicodedata.combining(c)).casefold()[: 2 * TEXT_LIMIT]


def is_digits(text: str) -> bool:
    return bool(text) and all("0" <= c <= "9" for c in text)


def is_decimal(text: str) -> bool:
    return bool(text) and all("0" <= c <= "9" or c == "." for c in text)


def is_year(text: str) -> bool:
    return len(text) == 4 and is_digits(text) and 1900 <= int(text) < 2040


def has_digit(text: str) -> bool:
    return any("0" <= c <= "9" for c in text)


def split_digits(text: str) -> tuple[str, str]:
    i = 0
    while i < len(text) and ("0" <= text[i] <= "9" or text[i] == "."):
        i += 1
    return text[:i], text[i:]


class Cutter:
    """Folded text to compounds; a compound is pieces with the joiner before each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.out: list[list[tuple[str, str]]] = []

    def char(self, i: int) -> str:
        return self.text[i] if 0 <= i < len(self.text) else " "

    def cut(self) -> list[list[tuple[str, str]]]:
        while self.at < len(self.text) and len(self.out) < 2 * DESCRIPTION_TOKENS:
            if self.text[self.at].isalnum():
                self.out.append(self.compound())
            else:
                self.symbol()
        return self.out

    def symbol(self) -> None:
        i, c, before, after = self.at, self.text[self.at], self.char(self.at - 1), self.char(self.at + 1)
        self.at += 1
        for mark in MARKS if c == "(" else ():
            if self.text.startswith(mark, i):
                self.at = i + len(mark)
                return
        last = self.out[-1] if self.out else [("", "")]
        number = is_decimal(last[-1][1]) and not (len(last) > 1 and joined_code(last))
        if c in "'\"" and number and not is_digits(after):
            self.out.append([("", '"')])
        elif (
            c == "'"
            and not before.isalnum()
            and is_digits(after)
            and is_digits(self.char(i + 2))
            and not self.char(i + 3).isalnum()
        ):
            self.out.append([("", "20" + self.text[i + 1 : i + 3])])
            self.at = i + 3
        elif c == "'" and before.isalpha() and after == "s" and not self.char(i + 2).isalnum():
            self.at = i + 2
        elif c == "-" and not before.isalnum() and before != "-" and is_digits(after):
            self.out.append([("", "minus")])
        elif (
            c == "+"
            and before.isalnum()
            and not after.isalnum()
            and self.out
            and not number
            and (joined_code(last) or last[-1][1])[:3] not in RATINGS
        ):
            self.out.append([("", "plus")])
        elif c == "°":
            j = i + 2 if after == " " else i + 1
            if self.char(j) in "cf" and not self.char(j + 1).isalnum():
                self.out.append([("", "celsius" if self.char(j) == "c" else "fahrenheit")])
                self.at = j + 1
            else:
                self.out.append([("", "degrees")])

    def compound(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        joiner = "(" if self.text[: self.at].rstrip(" ")[-1:] in ("(", "[") else ""
        while True:
            found.append((joiner, self.run()))
            if self.char(self.at) in "-/_" and self.char(self.at + 1).isalnum() and len(found) < DESCRIPTION_TOKENS:
                joiner = self.text[self.at]
                self.at += 1
                continue
            return found

    def run(self) -> str:
        start, out, initials = self.at, "", False
        while self.at < len(self.text):
            i, c = self.at, self.text[self.at]
            before, after = self.char(i - 1), self.char(i + 1)
            if c.isalnum():
                out += c if len(out) < LENGTH_LIMIT else ""
            elif c in ".," and i > start and is_digits(before) and is_digits(after):
                thousands = self.text[i + 1 : i + 4]
                if c == "," and len(thousands) == 3 and is_digits(thousands) and not is_digits(self.char(i + 4)):
                    self.at += 1
                    continue
                if c == "," and not is_digits(out):
                    break
                out += "." if len(out) < LENGTH_LIMIT else ""
            elif (
                c == "."
                and (len(out) == 1 or initials)
                and before.isalpha()
                and after.isalpha()
                and not self.char(i + 2).isalnum()
            ):
                initials = True
            elif c == "." and i > start and before.isalnum() and after.isalnum() and has_digit(out) and not is_decimal(out):
                pass  # inside of a code: "ecam22.110.b"
            elif c == " " and i > start and after == "." and is_digits(self.char(i + 2)) and is_digits(before):
                out += "." if len(out) < LENGTH_LIMIT else ""
                self.at += 1
            else:
                break
            self.at += 1
        head, point, tail = out.partition(".")
        grouped = (
            1 <= len(head) <= 3 and head[0] in "123456789" and len(tail) == 3 and is_digits(head + tail) and tail[2] == "0"
        )
        return head + tail if point and grouped else out  # "24.000 mAh"


def season(compound: list[tuple[str, str]]) -> int:
    """ "2025/26", "2025-2026" and "25/26" are the year 2026; else 0."""
    if len(compound) != 2:
        return 0
    (_, a), (joiner, b) = compound
    if not is_digits(a) or not is_digits(b) or len(a) > 4 or len(b) > 4:
        return 0
    one, two = int(a), int(b)
    if is_year(a) and ((len(b) == 4 and two == one + 1) or (len(b) == 2 and two == (one + 1) % 100)):
        return one + 1
    return 2000 + two if joiner == "/" and len(a) == len(b) == 2 and 5 <= one < 39 and two == one + 1 else 0


def is_known(text: str) -> bool:
    return len(text) >= 3 and (text in PHRASES or text in WORD_GROUP)


def joined_code(compound: list[tuple[str, str]]) -> str:
    """The compact form of a hyphenated model code, or nothing."""
    texts = [text for _, text in compound]
    if len(texts) < 2 or any(joiner == "/" and len(text) > 2 for joiner, text in compound):
        return ""
    whole = "".join(texts).replace(".", "")
    digits = sum("0" <= c <= "9" for c in whole)
    if digits == len(whole):
        return whole[:LENGTH_LIMIT] if digits >= 7 and not all(is_year(text) for text in texts) else ""
    if digits < 2 or len(whole) < 4:
        return ""
    for place, text in enumerate(texts):
        head, tail = split_digits(text)
        if text.isalpha() and (len(text) > 4 or is_known(text)):
            return ""
        if not place and len(text) == 4 and is_digits(text[3]) and text[:3].isalpha():  # "ddr5-6000"
            return ""
        if place and is_year(text) and int(text) >= SEASON:
            return ""
        if head and tail and tail in UNITS:
            return ""
    if is_decimal(texts[0]) and all(text in UNITS for text in texts[1:]):
        return ""
    if compound[-1][0] == "/" and is_digits(texts[-1]):  # of a market: "hx9911/09"
        texts = texts[:-1]
    return "".join(texts).replace(".", "")[:LENGTH_LIMIT]


def readable(text: str) -> bool:
    return 3 * sum(c in "aeiou" for c in text) >= len(text) + (len(text) == 3)


def parted(text: str) -> list[tuple[str, str]]:
    """A piece, in two where it is a name with a number ("hero12"), in three where it counts ("2x16gb")."""
    k = 0
    while k < len(text) and text[k].isalpha():
        k += 1
    if k >= 3 and len(text) - k <= 2 and is_digits(text[k:]) and readable(text[:k]):
        return [(text[:k], ""), (text[k:], "-")]
    head, tail = split_digits(text)
    if 1 <= len(head) <= 2 and is_digits(head) and len(tail) > 1 and tail[0] == "x":
        digits, unit = split_digits(tail[1:])
        if digits and unit in UNITS:
            return [(head, ""), ("x", "-"), (tail[1:], "-")]
    return [(text, "")]


def compound_words(text: str) -> list[str]:
    for head, word in COMPOUNDS.items():
        if text.startswith(head) and len(text) >= len(head) + 3:
            rest = PHRASES.get(text[len(head) :], ())
            if len(rest) == 1:
                return [word, rest[0]]
    if len(text) >= 7:
        for i in range(3, len(text) - 3):
            if text[i:] in HEADS:
                return [PHRASES[text[i:]][0]]
    return []


def flatten(text: str) -> list[tuple[str, str]]:
    """Pieces with the lexicon's phrases in their one form, and what joins each to the one before. A code begins with NUL."""
    flat: list[tuple[str, str]] = []
    for compound in Cutter(fold(text)).cut():
        year, code = season(compound), joined_code(compound)
        if year:
            flat.append((str(year), ""))
        elif code:
            flat.append(("\0" + code, ""))
        else:
            for joiner, piece in compound:
                parts = parted(piece)
                flat += [(parts[0][0], joiner), *parts[1:]]
    out: list[tuple[str, str]] = []
    i = 0
    while i < len(flat):
        for size in range(min(4, len(flat) - i), 0, -1):
            words = [word for word, _ in flat[i : i + size]]
            if " ".join(words) in PHRASES:
                made: tuple[str, ...] | list[str] = PHRASES[" ".join(words)]
                break
        else:
            size, made = 1, compound_words(flat[i][0]) or [flat[i][0]]
        out += [(word, flat[i][1] if place == 0 else "") for place, word in enumerate(made)]
        i += size
    return out


def plain_number(text: str) -> str:
    head, _, tail = text.partition(".")
    tail = tail.rstrip("0.")
    head = head.lstrip("0") or "0"
    return head + "." + tail if tail else head


def number_value(text: str) -> float:
    head, _, tail = text.partition(".")
    value = 0.0
    for c in head[:15]:
        value = value * 10 + (ord(c) - 48)
    scale = 0.1
    for c in tail[:6]:
        if c == ".":
            break
        value += (ord(c) - 48) * scale
        scale /= 10
    return value


def number_token(text: str, negative: bool) -> Token:
    value = number_value(text)
    return Token(NUMBER, ("-" if negative else "") + plain_number(text), number=-value if negative else value)


def quantity(text: str, unit: str, negative: bool = False) -> Token:
    token = number_token(text, negative)
    token.kind, (token.dimension, token.factor), token.strict = QUANTITY, UNITS[unit], unit in STRICT_UNITS
    token.number = (token.number - (32 if unit == "fahrenheit" else 0)) * token.factor
    return token


def is_measure(text: str) -> bool:
    head, tail = split_digits(text)
    rest = split_digits(tail[1:])
    return bool(head) and tail[:1] == "x" and bool(rest[0]) and len(rest[1]) <= 1


class Tokens:
    """The tokens of a flattened text."""

    def __init__(self, flat: list[tuple[str, str]]) -> None:
        self.flat = flat

    def text(self, i: int) -> str:
        return self.flat[i][0] if i < len(self.flat) else ""

    def unit(self, i: int) -> str:
        """The unit at ``i``; what a bracket sets apart is none of the number before it."""
        return self.text(i) if self.text(i) in UNITS and self.flat[i][1] != "(" else ""

    def counts(self, i: int, number: float, first: bool) -> bool:
        unit = self.unit(i)
        if not unit or UNITS[unit][0] != "count" or "." in self.text(i - 1):
            return False
        if unit == "pack":
            return self.flat[i][1] == "-" or number <= 12
        if unit == "x":
            return number <= 24 and (first or bool(split_digits(self.text(i + 1))[0]))
        return True

    def number(self, i: int, negative: bool) -> tuple[Token, int]:
        text, unit = self.text(i), self.unit(i + 1)
        value = number_value(text)
        if self.counts(i + 1, value, i == 0):
            return quantity(text, "pack"), i + 2
        if unit and unit != "pack" and unit not in GLUED_UNITS and (unit != "w" or value >= 100):
            return quantity(text, unit, negative), i + 2
        if is_digits(text) and len(text) >= 5 and not negative:
            return Token(CODE, text, strong=True), i + 1
        return number_token(text, negative), i + 1

    def read(self, i: int) -> tuple[Token | None, int]:
        text, negative = self.text(i), False
        if text == '"':
            return None, i + 1
        if text == "minus" and is_decimal(self.text(i + 1)):
            negative, i = True, i + 1
            text = self.text(i)
        if text == "v" and is_decimal(self.text(i + 1)):  # "v. 3" is version 3
            return self.number(i + 1, False)
        if text[0] == "\0":
            return Token(CODE, text[1:], strong=True), i + 1
        if is_decimal(text):
            return self.number(i, negative)
        head, tail = split_digits(text)
        if text in PACKS and self.text(i + 1) in GROUPS["stop"] and is_decimal(self.text(i + 2)):
            return quantity(self.text(i + 2), "pack"), i + 3
        if text[0] == "x" and len(text) <= 3 and is_digits(text[1:]):
            return quantity(text[1:], "pack"), i + 1
        if head and tail == "x" and i == 0 and len(text) <= 3:
            return quantity(head, "pack"), i + 1
        if head and tail in UNITS and tail != "x":
            return quantity(head, tail, negative), i + 2 if tail == "er" and self.text(i + 1) == "pack" else i + 1
        if text[0] == "v" and is_decimal(text[1:]):
            return number_token(text[1:], False), i + 1
        if has_digit(text):
            text = text.replace(".", "")
            digits = sum("0" <= c <= "9" for c in text)
            strong = ((len(text) >= 5 and digits >= 2) or (len(text) >= 4 and digits >= 3)) and not is_measure(self.text(i))
            return Token(CODE, text, strong=strong), i + 1
        group, value = WORD_GROUP.get(text, ("", ""))
        return Token(WORD, text, group, value), i + 1


def tokenize(text: str, limit: int = TOKEN_LIMIT) -> list[Token]:
    reader = Tokens(flatten(text))
    tokens: list[Token] = []
    seen: set[tuple[str, str, float]] = set()
    i = 0
    while i < len(reader.flat) and len(tokens) < limit:
        token, i = reader.read(i)
        if token is None or not token.text or (token.dimension == "count" and token.number <= 1):
            continue
        key = (token.text, token.dimension, token.number)
        if key not in seen:
            seen.add(key)
            tokens.append(token)
    return tokens


# comparing tokens ------------------------------------------------------------------------------------------------------


def code_similarity(a: str, b: str) -> float:
    """1 equal; 0.9 one is the other with letters around it (at most 4 behind); else 0."""
    if a == b:
        return 1.0
    if len(a) > len(b):
        a, b = b, a
    if len(a) < 3:
        return 0.0
    for at in range(len(b) - len(a) + 1):
        head, tail = b[:at], b[at + len(a) :]
        if b[at : at + len(a)] == a and not has_digit(head) and not has_digit(tail) and len(tail) <= 4:
            return 0.9
    return 0.0


def word_closeness(t: Token, u: Token) -> float:
    if t.text == u.text:
        return 1.0
    short, long = sorted((t, u), key=lambda token: len(token.text))
    if t.group in THINGS and u.group in THINGS:
        return float(len(short.text) >= 3 and long.text.endswith(short.text))
    if long.text in ("small", "medium", "large"):
        return float(short.text == long.text[0])
    if t.group or u.group or len(short.text) < 4:
        return 0.0
    if long.text == short.text + "s":
        return 1.0
    similarity = Levenshtein.normalized_similarity(t.text, u.text)
    return similarity if len(short.text) >= 7 and similarity >= 0.8 else 0.0


def number_closeness(t: Token, u: Token) -> float:
    if t.dimension == u.dimension:
        if t.factor == u.factor:
            return float(t.number == u.number)
        room = max(0.012 * max(abs(t.number), abs(u.number)), 0.6 if t.dimension == "degrees" else 0.0)
        return float(abs(t.number - u.number) <= room)
    for x, y in ((t, u), (u, t)):  # an ounce is one of weight and one of a fluid
        if x.dimension == "grams" and x.factor == UNITS["oz"][1] and y.dimension == "litres":
            return float(abs(x.number / UNITS["oz"][1] * UNITS["floz"][1] - y.number) <= 0.012 * y.number)
    if (t.dimension and u.dimension) or t.strict or u.strict or "count" in (t.dimension, u.dimension):
        return 0.0
    return float(t.text == u.text)


def closeness(t: Token, u: Token) -> float:
    kinds = {t.kind, u.kind}
    if kinds == {WORD}:
        return word_closeness(t, u)
    if kinds == {CODE}:
        if t.text == u.text or not (t.strong or u.strong):
            return float(t.text == u.text)
        one_letter = abs(len(t.text) - len(u.text)) == 1 and not (t.strong and u.strong)  # "sm58" and "sm58s" are two
        return 0.0 if one_letter else code_similarity(t.text, u.text)
    if kinds <= {NUMBER, QUANTITY}:
        return number_closeness(t, u)
    return float(CODE in kinds and t.text == u.text)


def coverage(left: list[Token], right: list[Token]) -> tuple[list[float], list[float]]:
    """Best closeness of each token of left in right, and of right in left, with glued and split words."""
    cl = [max((closeness(t, u) for u in right), default=0.0) for t in left]
    cr = [max((closeness(u, t) for t in left), default=0.0) for u in right]
    for a, ca, b, cb in ((left, cl, right, cr), (right, cr, left, cl)):
        for size in (2, 3):
            for i in range(len(a) - size + 1):
                whole = "".join(token.text for token in a[i : i + size])
                for j, u in enumerate(b):
                    if u.text == whole:
                        ca[i : i + size] = [1.0] * size
                        cb[j] = 1.0
    for a, ca, b, cb in ((left, cl, right, cr), (right, cr, left, cl)):
        for j, u in enumerate(b):
            head = u.text.rstrip("0123456789")
            if u.kind != CODE or not head.isalpha() or not 2 <= len(head) <= 3:
                continue
            for i in range(len(a) - len(head)):
                words = a[i : i + len(head)]
                initial = all(t.kind == WORD and t.text[0] == c for t, c in zip(words, head, strict=True))
                if initial and a[i + len(head)].text == u.text[len(head) :]:  # "gp5000" is "grand prix 5000"
                    ca[i : i + len(head) + 1] = [1.0] * (len(head) + 1)
                    cb[j] = 1.0
        if (
            b
            and b[0].kind == WORD
            and 2 <= len(b[0].text) <= 4
            and "".join(t.text[0] for t in a[: len(b[0].text)]) == b[0].text
        ):
            ca[: len(b[0].text)] = [1.0] * len(b[0].text)  # "TNF …" is "The North Face …"
            cb[0] = 1.0
    return cl, cr


# records ---------------------------------------------------------------------------------------------------------------


def is_gtin(digits: str) -> bool:
    """GS1 General Specifications 7.9: weights 3 and 1 from the right; in-store numbers (02, 04, 2x) name nothing globally."""
    if len(digits) not in (8, 12, 13, 14) or not is_digits(digits) or not digits.strip("0"):
        return False
    total = sum((ord(c) - 48) * (3 if k % 2 else 1) for k, c in enumerate(reversed(digits)))
    padded = digits.rjust(14, "0")
    return total % 10 == 0 and (len(digits) == 8 or not (padded[1] == "2" or padded[1:3] in ("02", "04")))


def compact(text: str) -> str:
    return "".join(c for c in fold(text) if c.isalnum())[:LENGTH_LIMIT]


def size_name(text: str) -> str:
    name = "".join(c for c in fold(text) if c.isalnum() or c == ".")[:LENGTH_LIMIT].strip(".")
    name = SIZES.get(name, name)
    head, tail = split_digits(name)
    if head and (not tail or tail in UNITS):
        return head.rstrip("0").rstrip(".") if "." in head else head
    return name


def first_number(text: str) -> str:
    """The first number of a text, thousands separators removed; empty when there is none."""
    for i, c in enumerate(text):
        if "0" <= c <= "9":
            out = ""
            while i < len(text) and ("0" <= text[i] <= "9" or text[i] in ".,"):
                c = text[i]
                if c == "," or (c == "." and not (i + 1 < len(text) and is_digits(text[i + 1]))):
                    if not is_digits(text[i + 1 : i + 4]) or len(text[i + 1 : i + 4]) < 3:
                        break
                else:
                    out += c
                i += 1
            return out[:24]
    return ""


@dataclass
class Record:
    filled: bool = False
    gtin: int = 0
    title: list[Token] = field(default_factory=list)
    brand: list[Token] = field(default_factory=list)
    initials: str = ""
    codes: list[Token] = field(default_factory=list)
    described: list[Token] = field(default_factory=list)
    said: set[str] = field(default_factory=set)
    model: str = ""
    mpn: str = ""
    model_tokens: list[Token] = field(default_factory=list)
    size: str = ""
    year: int = 0
    price: float = 0.0
    currency: str = ""
    groups: dict[str, set[str]] = field(default_factory=dict)


def key_name(key: str) -> str:
    return fold(key[:64]).strip().replace(" ", "_").replace("-", "_")


def as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


def is_codelike(t: Token) -> bool:
    return t.kind == CODE or (t.kind == NUMBER and len(t.text) >= 3)


def initials(brand: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in fold(brand)).split()
    return "".join(word[0] for word in words)[:LENGTH_LIMIT] if len(words) > 1 else ""


def read_field(r: Record, role: str, value: str, extra: list[Token]) -> None:
    tokens = tokenize(value, DESCRIPTION_TOKENS if role == "description" else TOKEN_LIMIT)
    if role == "title":
        r.title = tokens
    elif role == "brand":
        if not r.brand:
            r.brand, r.initials = tokens, initials(value)
    elif role == "color":
        extra += [t for t in tokens if t.group == "color"]
    elif role == "sku":
        r.described += [t for t in tokens if is_codelike(t)]
    else:
        r.said |= {t.text for t in tokens}
        if role in ("model", "mpn"):
            extra += tokens
            r.model_tokens = r.model_tokens or tokens
            if not getattr(r, role):
                setattr(r, role, compact(value))
        elif role == "description":
            r.described += [t for t in tokens if is_codelike(t)]


def read_value(r: Record, role: str, value: str) -> None:
    if role == "gtin":
        digits = "".join(c for c in value[:LENGTH_LIMIT] if "0" <= c <= "9")
        if is_gtin(digits) and (not r.gtin or int(digits) < r.gtin):
            r.gtin = int(digits)
    elif role == "price":
        r.price = r.price or number_value(first_number(value[:TEXT_LIMIT]))
    elif role == "currency":
        r.currency = compact(value)
    elif role == "year":
        number = first_number(value[:TEXT_LIMIT]).partition(".")[0]
        r.year = int(number) if is_year(number) else r.year
    elif role == "size":
        r.size = size_name(value)


def prepare(row: Mapping[str, object]) -> Record:
    r = Record()
    named = sorted((key_name(key), as_text(value)) for key, value in row.items() if isinstance(key, str))
    present = {key for key, value in named if value.strip()}
    title_key = next((key for key in TITLE_ORDER if key in present), "")
    extra: list[Token] = []
    for key, value in named[:FIELD_LIMIT]:
        role = "title" if key == title_key else ROLES.get(key, "other")
        if not value.strip() or role == "ignored" or (role == "title" and key != title_key):
            continue
        r.filled = r.filled or role not in ("vendor", "currency")
        if role in ("gtin", "price", "currency", "year", "size"):
            read_value(r, role, value)
        elif role != "vendor":
            read_field(r, role, value, extra)
    r.codes = [t for t in r.title + extra if is_codelike(t)]
    for t in r.title + extra:
        if t.group in EVIDENCE:
            r.groups.setdefault(t.group, set()).add(t.value)
    years = {int(t.number) for t in r.title if t.year}
    if not r.year and len(years) == 1:
        r.year = years.pop()
    return r


# the score -------------------------------------------------------------------------------------------------------------


def has_letter(text: str) -> bool:
    return any(not "0" <= c <= "9" for c in text)


def extend_one(a: str, b: str) -> bool:
    """Whether two codes are one of four characters and more, each with other letters behind it ("fx820r", "fx820p")."""
    same = 0
    while same < min(len(a), len(b)) and a[same] == b[same]:
        same += 1
    tails = a[same:], b[same:]
    return same >= 4 and is_digits(a[same - 1]) and all(tails) and not has_digit(tails[0]) and not has_digit(tails[1])


def best_match(t: Token, right: Record) -> float:
    if t.text in [x.text + y.text for x, y in zip(right.codes, right.codes[1:], strict=False)]:
        return 1.0
    seen = right.codes + [u for u in right.title if u.kind != WORD]
    return max([0.0, *(closeness(t, u) for u in seen), *(0.75 * closeness(t, u) for u in right.described)])


def code_evidence(left: Record, right: Record) -> tuple[float, float, bool]:
    """(evidence, how surely a long code is equal, whether only codes as short as a series' are)."""
    ids = ((left.model, right.model), (left.mpn, right.mpn), (left.model, right.mpn), (left.mpn, right.model))
    if any(x and x == y for x, y in ids):
        return COSTS["same_model"], 1.0, False
    cl = [best_match(t, right) if t.strong else 0.0 for t in left.codes[:TOKEN_LIMIT]]
    cr = [best_match(t, left) if t.strong else 0.0 for t in right.codes[:TOKEN_LIMIT]]
    agree = max([0.0, *cl, *cr])
    cost = 0.0
    alike = left.model and right.model and similarity(left.model_tokens, right.model_tokens) >= 0.75
    if not alike and any(x and y and code_similarity(x, y) < 0.5 for x, y in ids[:2]):
        cost = COSTS["other_model"]
    for t, c in zip(left.codes, cl, strict=False):
        for u, d in zip(right.codes, cr, strict=False):
            if not t.strong or not u.strong:
                continue
            if c >= 0.5 or d >= 0.5:
                if min(c, d) >= 0.5 and max(c, d) < 1 and extend_one(t.text, u.text):
                    cost = max(cost, COSTS["other_code"])
                continue
            lettered = has_letter(t.text) and has_letter(u.text)
            if agree >= 0.5:
                cost = max(cost, COSTS["other_code"] if lettered and t.text[:2] == u.text[:2] else 0.0)
            elif lettered:
                alike = is_digits(t.text[0]) == is_digits(u.text[0])
                cost = max(cost, COSTS["other_code"] if alike else COSTS["other_model"])
            else:
                alike = len(t.text) == len(u.text) and not has_letter(t.text) and not has_letter(u.text)
                cost = max(cost, COSTS["other_number"] if alike else COSTS["other_digits"])
    equal = [t.text for r, closest in ((left, cl), (right, cr)) for t, c in zip(r.codes, closest, strict=False) if c >= 0.9]
    return COSTS["same_code"] * agree - cost, agree, all(len(text) <= 5 and has_letter(text) for text in equal)


def similarity(left: list[Token], right: list[Token]) -> float:
    cl, cr = coverage(left, right)
    return (sum(cl) + sum(cr)) / (len(left) + len(right)) if left and right else 0.0


def worth(t: Token) -> float:
    if t.kind == CODE:
        return WORTH_OF["code"] if t.strong else WORTH_OF["weak_code"]
    if t.kind == NUMBER:
        return WORTH_OF["year"] if t.year else WORTH_OF["number"]
    if t.kind == QUANTITY:
        return WORTH_OF["quantity"]
    return WORTH.get(t.group, 0.0) if t.group else min(WORTH_OF["most"], WORTH_OF["least"] + WORTH_OF["letter"] * len(t.text))


class Side:
    """One title, aligned with the other."""

    def __init__(self, record: Record, other: Record, covered: list[float]) -> None:
        self.record, self.other, self.covered = record, other, covered
        self.title = record.title
        self.brand = [self.is_brand(t) for t in self.title]
        for one in (record, other):
            whole = "".join(t.text for t in one.brand)
            for size in (1, 2, 3):
                for i in range(len(self.title) - size + 1):
                    if whole and "".join(t.text for t in self.title[i : i + size]) == whole:
                        self.brand[i : i + size] = [True] * size
        starts = [i for i, t in enumerate(self.title) if covered[i] >= 0.5 and t.group not in ("stop", "filler")]
        self.led = any(self.brand[: starts[0] if starts else len(self.title)])
        self.first = starts[0] if starts else 0
        self.of_system = self.versions()
        self.left_over = [(i, t) for i, t in enumerate(self.title) if covered[i] < 0.5 and not self.brand[i]]

    def versions(self) -> list[bool]:
        """Which tokens behind a system are its versions: numbers, and words of two letters between ("win 98 me 2000")."""
        found, inside = [], False
        for t in self.title:
            short = t.kind == NUMBER or (t.kind == WORD and len(t.text) <= 2) or t.group == "platform"
            inside = t.group == "platform" or (inside and short)
            found.append(inside and t.group != "platform")
        return found

    def is_brand(self, t: Token) -> bool:
        if t.group in ("kind", "sport"):
            return False
        return any(
            (r.initials and t.text == r.initials) or t.text in [b.text for b in r.brand] for r in (self.record, self.other)
        )

    def named(self) -> list[tuple[Token, float]]:
        return [(t, c) for t, c, brand in zip(self.title, self.covered, self.brand, strict=True) if not brand]

    def word_costs(self, branded: bool, lessons: Mapping[str, int]) -> list[tuple[float, bool]]:
        """What each left-over word costs, and whether it names a variant."""
        costs = []
        counted = any(t.dimension == "count" and c >= 0.5 for t, c in zip(self.title, self.covered, strict=True))
        for i, t in self.left_over:
            if t.kind != WORD or t.group in THINGS or t.group in EVIDENCE or t.group == "stop" or self.of_system[i]:
                continue
            if not t.group and len(t.text) > 1 and i < self.first and not self.led:
                cost = COSTS["leading"]
            elif t.group == "filler" or (counted and t.text in PACKS):
                cost = COSTS["filler"]
            elif t.group in ("describing", "variant"):
                cost = COSTS[t.group]
            elif len(t.text) == 1:
                cost = COSTS["letter"]
            else:
                cost = COSTS["word"] if branded else COSTS["word_unbranded"]
            lesson = lessons.get(t.text, 0)
            cost = max(cost, COSTS["variant"]) if lesson > 0 else min(cost, COSTS["describing"]) if lesson < 0 else cost
            cost *= COSTS["said"] if t.text in self.other.said else 1.0
            costs.append((cost, cost >= COSTS["letter"]))
        return costs


def words_evidence(left: Side, right: Side, branded: bool, shared: float, lessons: Mapping[str, int]) -> float:
    found = [side.word_costs(branded, lessons) for side in (left, right)]
    both = [[cost for cost, _ in costs] for costs in found]
    total = 0.0
    for costs, others, named in zip(both, both[::-1], found, strict=True):
        dear, rest = sum(cost >= 1 for cost in costs), sum(costs) - max(costs, default=0.0)
        cost = max(costs, default=0.0) + COSTS["more"] * min(rest / COSTS["word"], 2.0)
        if not branded and shared >= 2 and dear >= 2 and not any(one >= 1 for one in others):
            cost = max([cost * (COSTS["two"] if dear == 2 else COSTS["three"]), *(one for one, variant in named if variant)])
        total += cost
    return total + (COSTS["replaced"] if all(max(costs, default=0.0) > 1 for costs in both) else 0.0)


def numbers_evidence(left: Side, right: Side, damp: float) -> float:
    cost = counts = 0.0
    versions = [[i for i, t in enumerate(side.title) if t.kind == NUMBER and side.of_system[i]] for side in (left, right)]
    differ = all(versions) and not any(left.covered[i] >= 0.5 for i in versions[0])
    loose = [
        [t for i, t in side.left_over if t.kind == NUMBER and not t.season and (differ or not side.of_system[i])]
        for side in (left, right)
    ]
    if loose[0] and loose[1]:
        cost += COSTS["number"] + COSTS["number_replaced"]
    elif loose[0] or loose[1]:
        alone = left if loose[0] else right
        told = all(t.text in alone.other.said for t in loose[0] or loose[1])
        cost += COSTS["number"] * (0.35 if told else 1.0)
    for dimension in {t.dimension for side in (left, right) for _, t in side.left_over if t.kind == QUANTITY}:
        a, b = ([t for t in side.title if t.kind == QUANTITY and t.dimension == dimension] for side in (left, right))
        if dimension == "count":
            counts += COSTS["quantity"] if a and b else DIMENSIONS["count"]
        elif not a or not b:
            cost += DIMENSIONS.get(dimension, DIMENSION_COST)
        else:
            apart = all(any(t.dimension == dimension for _, t in side.left_over) for side in (left, right))
            same = not apart and any(number_closeness(t, u) == 1.0 for t in a for u in b)
            if dimension == "bytes" and not same:  # a capacity is told apart by no code
                counts += COSTS["quantity"]
            else:
                cost += 0.3 if same else COSTS["quantity"]
    weak = [any(t.kind == CODE and not t.strong for _, t in side.left_over) for side in (left, right)]
    if any(weak):
        cost += COSTS["weak_code"] + (COSTS["number_replaced"] if all(weak) else 0.0)
    return cost * (damp if damp == 1 else COSTS["coded_number"]) + counts


def things_evidence(left: Side, right: Side, damp: float, series: bool) -> float:
    cost = 0.0
    things = [[(t, c) for t, c in side.named() if t.group in THINGS] for side in (left, right)]
    loose = [[t for t, c in found if c < 0.5] for found in things]
    parts = [[t for t in found if t.group == "part"] for found in loose]
    if parts[0] or parts[1]:
        sides = list(zip((left, right), parts, strict=True))
        told = all(t.text in side.other.said for side, found in sides for t in found)
        bound = any(found and any(t.text == "for" for t in side.title) for side, found in sides)
        cost += COSTS["part"] * (0.3 if told else 1.0 if bound else damp)
    if things[0] and things[1]:
        if not any(c >= 0.5 for found in things for _, c in found):
            cost += COSTS["kind"] * (max(damp, COSTS["coded_kind"]) if series else damp)
        elif any(t.group == "kind" for found in loose for t in found):
            cost += COSTS["kind_more"] * damp
    return cost


def title_evidence(left: Record, right: Record, damp: float, series: bool, lessons: Mapping[str, int]) -> float:
    cl, cr = coverage(left.title, right.title)
    one, other = Side(left, right, cl), Side(right, left, cr)
    branded = bool(left.brand and right.brand)
    shared = min(sum(worth(t) * c for t, c in side.named()) for side in (one, other))
    words = min(
        sum(c >= 0.5 and t.kind == WORD and not t.group and len(t.text) > 2 for t, c in side.named()) for side in (one, other)
    )
    if shared <= 0.3:
        evidence = COSTS["nothing"] if any(sum(worth(t) for t, _ in side.named()) > 0.3 for side in (one, other)) else 0.3
    else:
        evidence = COSTS["base"] + COSTS["gain"] * (1 - math.exp(-COSTS["rate"] * shared))
        named = any(variant for side in (one, other) for _, variant in side.word_costs(branded, lessons))
        evidence += 0.0 if branded or named else min(COSTS["long"] * max(0, words - 2), COSTS["long_limit"])
    evidence -= words_evidence(one, other, branded, shared, lessons) * damp
    evidence -= numbers_evidence(one, other, damp)
    evidence -= things_evidence(one, other, damp, series)
    a, b = ({t.number for t in r.title if t.season} for r in (left, right))
    if a and b:
        return evidence - (0.0 if a & b else COSTS["year"])
    return evidence - (COSTS["agrees"] if a or b else 0.0)


def trailing(r: Record, group: str) -> set[str]:
    last = -1
    for i, t in enumerate(r.title):
        if t.kind in (CODE, NUMBER) or (t.kind == WORD and (not t.group or t.group == "variant" or t.group in THINGS)):
            last = i
    return {t.value for t in r.title[last + 1 :] if t.group == group}


def made_for(r: Record) -> bool:
    """Whether a title is of a product for one system: "for Mac", "Mac edition"."""
    return any(
        (t.text == "for" and u.group == "platform") or (t.group == "platform" and u.text in ("edition", "version"))
        for t, u in zip(r.title, r.title[1:], strict=False)
    )


def group_evidence(left: Record, right: Record, damp: float) -> float:
    evidence = 0.0
    for name, (differ, one_sided) in EVIDENCE.items():
        a, b = left.groups.get(name, set()), right.groups.get(name, set())
        if a and b:
            evidence -= differ if not a & b else 0.0
        elif alone := (a | b) - {DEFAULTS.get(name)}:
            cost = COSTS["child"] if name == "person" and alone & {"kids", "baby"} else one_sided
            if name == "color":
                cost = (cost if alone <= trailing(left, name) | trailing(right, name) else COSTS["color_inside"]) * damp
            if name == "platform" and alone == a | b and made_for(left if a else right):
                cost = COSTS["made_for"]
            evidence -= cost
    return evidence


def brands_agree(left: Record, right: Record) -> bool:
    if any(closeness(t, u) >= 0.8 for t in left.brand for u in right.brand) or max(coverage(left.brand, right.brand)[0]) >= 0.8:
        return True
    if (left.initials and [t.text for t in right.brand] == [left.initials]) or (
        right.initials and [t.text for t in left.brand] == [right.initials]
    ):
        return True
    a, b = ("".join(t.text for t in r.brand) for r in (left, right))
    return a.startswith(b) or b.startswith(a)


def field_evidence(left: Record, right: Record) -> float:
    evidence = 0.0
    if left.brand and right.brand:
        inside = any(t.text == u.text for a, b in ((left, right), (right, left)) for t in a.brand for u in b.title)
        agree = brands_agree(left, right)
        evidence += COSTS["agrees"] if agree else -COSTS["brand_inside"] if inside else -COSTS["brand"]
    if left.year and right.year:
        if left.year == right.year:
            evidence += COSTS["agrees"]
        elif not all(any(t.season for t in r.title) for r in (left, right)):
            evidence -= COSTS["year"]
    if left.size and right.size:
        evidence += COSTS["agrees"] if left.size == right.size else -COSTS["size"]
    if left.price > 0 and right.price > 0 and not (left.currency and right.currency and left.currency != right.currency):
        apart = math.log(max(left.price, right.price) / min(left.price, right.price))
        evidence += max(COSTS["price"] - COSTS["price_apart"] * apart**2, -COSTS["price_limit"])
    return evidence


def score(left: Record, right: Record, lessons: Mapping[str, int] | None = None) -> float:
    if not left.filled or not right.filled:
        return 0.0
    if left.gtin and right.gtin:
        return 0.99 if left.gtin == right.gtin else 0.01
    logit, agree, series = code_evidence(left, right)
    damp = COSTS["coded"] if agree >= 0.9 else 1.0
    logit += title_evidence(left, right, damp, series, lessons or {}) if left.title and right.title else -2.0
    logit += group_evidence(left, right, damp) + field_evidence(left, right)
    return 1.0 / (1.0 + math.exp(-min(max(logit, -30.0), 30.0)))


def stated(row: Mapping[str, object]) -> dict[str, str]:
    return {key: as_text(value) for key, value in row.items() if as_text(value).strip()}


def same_product(left: Mapping[str, object], right: Mapping[str, object]) -> float:
    if stated(left) and stated(left) == stated(right):
        return 1.0
    return score(prepare(left), prepare(right))

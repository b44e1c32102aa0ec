"""The plain-Python oracle of ``hexar.core.merge``: slow, obvious, not shipped. Same rules, none of the machinery.

One file, although long, so that the rules of the score can be read from top to bottom.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rapidfuzz.distance import Levenshtein

from hexar.core.merge.lexicon import GROUP_DEFAULTS, GROUP_EVIDENCE, GROUPS, ROLES, SIZES, SYNONYMS, TITLE_ORDER, UNITS, WEIGHTS

TEXT_LIMIT = 4096
TOKEN_LIMIT = 64
DESCRIPTION_TOKENS = 128
LENGTH_LIMIT = 48
FIELD_LIMIT = 64

WORD, NUMBER, QUANTITY, CODE = range(4)
WORD_GROUP = {word: (group, value) for group, words in GROUPS.items() for word, value in words.items()}
OS_WORDS = {"95", "98", "me", "nt", "2000", "xp", "vista", "7", "8", "10", "11"}
GLUED_ONLY = {"m", "g", "l", "x", "st", "nd", "rd", "th", "in", "p", "i", "cu"}


@dataclass
class Token:
    kind: int
    text: str
    weight: float
    group: str = ""
    value: str = ""
    number: float = 0.0
    dimension: str = ""
    strong: bool = False


def fold(text: str) -> str:
    text = text[:TEXT_LIMIT]
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text)[: 2 * TEXT_LIMIT]
    return "".join(c for c in text if not unicodedata.combining(c)).casefold()[: 2 * TEXT_LIMIT]


def is_digits(text: str) -> bool:
    return bool(text) and all("0" <= c <= "9" for c in text)


def is_decimal(text: str) -> bool:
    return bool(text) and all("0" <= c <= "9" or c == "." for c in text)


def pieces(text: str) -> list[list[tuple[str, str]]]:
    """Compounds of pieces; a piece is (joiner before it, text). A quote after a number is a piece of its own."""
    result: list[list[tuple[str, str]]] = []
    i, n = 0, len(text)
    while i < n and len(result) < 2 * DESCRIPTION_TOKENS:
        c = text[i]
        if not c.isalnum():
            if c in "'\"" and result and is_decimal(result[-1][-1][1]):
                result.append([("", '"')])
            i += 1
            continue
        compound: list[tuple[str, str]] = []
        joiner = ""
        while True:
            start = i
            out = ""
            while i < n:
                c = text[i]
                if c.isalnum():
                    if len(out) < LENGTH_LIMIT:
                        out += c
                    i += 1
                elif c in ".," and i > start and is_digits(text[i - 1]) and i + 1 < n and is_digits(text[i + 1]):
                    if c == ".":
                        if len(out) < LENGTH_LIMIT:
                            out += c
                        i += 1
                    elif i + 3 < n and is_digits(text[i + 1 : i + 4]) and not (i + 4 < n and is_digits(text[i + 4])):
                        i += 1
                    else:
                        break
                elif c == " " and i + 2 < n and text[i + 1] == "." and is_digits(text[i + 2]) and is_digits(text[i - 1]):
                    if len(out) < LENGTH_LIMIT:
                        out += "."
                    i += 2
                else:
                    break
            compound.append((joiner, out))
            if i + 1 < n and text[i] in "-/_" and text[i + 1].isalnum() and len(compound) < DESCRIPTION_TOKENS:
                joiner = text[i]
                i += 1
                continue
            break
        result.append(compound)
    return result


def split_digits(text: str) -> tuple[str, str]:
    i = 0
    while i < len(text) and ("0" <= text[i] <= "9" or text[i] == "."):
        i += 1
    return text[:i], text[i:]


def joined_code(compound: list[tuple[str, str]]) -> str:
    """The compact form of a hyphenated model code, or nothing."""
    if len(compound) < 2:
        return ""
    texts = [text for _, text in compound]
    for joiner, text in compound:
        if joiner == "/" and len(text) > 2:
            return ""
    compact = "".join(texts).replace(".", "")
    digits = sum("0" <= c <= "9" for c in compact)
    if digits == len(compact):
        return compact if digits >= 7 and not all(is_year(text) for text in texts) else ""
    if digits < 2 or len(compact) < 4:
        return ""
    for text in texts:
        if len(text) > 4 and text.isalpha():
            return ""
    for text in texts:
        head, tail = split_digits(text)
        if head and tail in UNITS:
            return ""
    if is_decimal(texts[0]) and all(text in UNITS for text in texts[1:]):
        return ""
    return compact[:LENGTH_LIMIT]


def is_year(text: str) -> bool:
    return len(text) == 4 and is_digits(text) and 1900 <= int(text) < 2040


def plain_number(text: str) -> str:
    head, dot, tail = text.partition(".")
    tail = tail.rstrip("0.")
    head = head.lstrip("0") or "0"
    return head + dot + tail if tail else head


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


def tokenize(text: str, limit: int = TOKEN_LIMIT) -> list[Token]:
    flat: list[str] = []
    for compound in pieces(fold(text)):
        code = joined_code(compound)
        if code:
            flat.append("\0" + code)
        else:
            flat.extend(piece for _, piece in compound)
    flat = [SYNONYMS.get(t, t) for t in flat]
    tokens: list[Token] = []
    seen: set[tuple[str, str, float]] = set()
    i = 0
    while i < len(flat) and len(tokens) < limit:
        text = flat[i]
        i += 1
        if text == '"':
            continue
        position = len(tokens)
        decay = 1.0 / (1.0 + position / 16.0)
        token: Token
        if text[0] == "\0":
            token = Token(CODE, text[1:], 3.0 * decay, strong=True)
        elif is_decimal(text):
            following = flat[i] if i < len(flat) else ""
            if following in UNITS and following not in GLUED_ONLY:
                dimension, factor = UNITS[following]
                value = number_value(text) * factor
                token = Token(QUANTITY, plain_number(text), 0.75 * decay, number=value, dimension=dimension)
                i += 1
            elif is_digits(text) and len(text) >= 5:
                token = Token(CODE, text, 2.0 * decay, strong=True)
            else:
                token = Token(NUMBER, plain_number(text), decay, number=number_value(text))
        elif "0" <= text[0] <= "9" and split_digits(text)[1] in UNITS:
            head, tail = split_digits(text)
            dimension, factor = UNITS[tail]
            token = Token(QUANTITY, plain_number(head), 0.75 * decay, number=number_value(head) * factor, dimension=dimension)
        elif text[0] == "v" and is_decimal(text[1:]):
            token = Token(NUMBER, plain_number(text[1:]), decay, number=number_value(text[1:]))
        elif any("0" <= c <= "9" for c in text):
            text = text.replace(".", "")
            digits = sum("0" <= c <= "9" for c in text)
            strong = (len(text) >= 5 and digits >= 2) or (len(text) >= 4 and digits >= 3)
            token = Token(CODE, text, (3.0 if strong else 1.5) * decay, strong=strong)
        else:
            group, meaning = WORD_GROUP.get(text, ("", ""))
            weight = WEIGHTS[group] if group else 0.5 + 0.1 * min(len(text), 10)
            token = Token(WORD, text, weight * decay, group=group, value=meaning)
        key = (token.text, token.dimension, token.number)
        if key in seen:
            continue
        seen.add(key)
        tokens.append(token)
    # a list of systems that a program runs on is not its version
    i = 0
    while i < len(tokens):
        if tokens[i].text == "win":
            j = i + 1
            while j < len(tokens) and tokens[j].text in OS_WORDS:
                j += 1
            if j - i >= 3:
                for token in tokens[i + 1 : j]:
                    token.kind, token.group, token.value, token.weight = WORD, "stop", "stop", 0.1
            i = j
        else:
            i += 1
    return tokens


def has_digit(text: str) -> bool:
    return any("0" <= c <= "9" for c in text)


def code_similarity(a: str, b: str) -> float:
    """1 equal; 0.9 one is the other with letters around it (at most 4 behind); 0.6 the same but for last letters; else 0."""
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
    p = 0
    while p < len(a) and a[p] == b[p]:
        p += 1
    ra, rb = a[p:], b[p:]
    return 0.6 if p >= 5 and len(ra) <= 3 and len(rb) <= 3 and not has_digit(ra + rb) else 0.0


def closeness(t: Token, u: Token) -> float:
    kinds = {t.kind, u.kind}
    if kinds == {WORD}:
        if t.text == u.text:
            return 1.0
        if t.group or u.group or min(len(t.text), len(u.text)) < 4:
            return 0.0
        s = Levenshtein.normalized_similarity(t.text, u.text)
        return s if s >= 0.8 else 0.0
    if kinds == {CODE}:
        return code_similarity(t.text, u.text)
    if kinds <= {NUMBER, QUANTITY}:
        if t.dimension == u.dimension:
            return 1.0 if t.number == u.number else 0.0
        return 1.0 if t.text == u.text and not (t.dimension and u.dimension) else 0.0
    if CODE not in kinds:
        return 0.0
    if t.text == u.text:
        return 1.0
    return 0.9 * code_similarity(t.text, u.text) if NUMBER in kinds else 0.0


def coverage(left: list[Token], right: list[Token]) -> tuple[list[float], list[float]]:
    """Best closeness of each token of left in right, and of right in left, with glued and split words."""
    cl = [max((closeness(t, u) for u in right), default=0.0) for t in left]
    cr = [max((closeness(u, t) for t in left), default=0.0) for u in right]
    for a, ca, b, cb in ((left, cl, right, cr), (right, cr, left, cl)):
        for i in range(len(a) - 1):
            glued = a[i].text + a[i + 1].text
            for j, u in enumerate(b):
                if u.text == glued:
                    ca[i] = ca[i + 1] = cb[j] = 1.0
    return cl, cr


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
class Other:
    name_like: bool
    category: bool
    digits: int
    letters: int
    compact: str
    number: str
    numeric: bool
    tokens: list[Token]


@dataclass
class Record:
    filled: bool = False
    gtin: int = 0
    title: list[Token] = field(default_factory=list)
    brand: list[Token] = field(default_factory=list)
    codes: list[Token] = field(default_factory=list)
    described: list[Token] = field(default_factory=list)
    model: str = ""
    mpn: str = ""
    model_tokens: list[Token] = field(default_factory=list)
    size: str = ""
    year: int = 0
    price: float = 0.0
    currency: str = ""
    vendor: str = ""
    sku: str = ""
    sku_strong: bool = False
    others: dict[str, Other] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)


def key_name(key: str) -> str:
    return fold(key[:64]).strip().replace(" ", "_").replace("-", "_")


def role_of(key: str) -> str:
    if key in ROLES:
        return ROLES[key]
    if any(part in key for part in ("brand", "manufacturer", "factory", "brewery")):
        return "brand"
    return "other"


def as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return ""


def prepare(row: Mapping[str, object]) -> Record:
    r = Record()
    named = sorted((key_name(key), as_text(value)) for key, value in row.items() if isinstance(key, str))
    title = ""
    for wanted in TITLE_ORDER:
        title = next((value for key, value in named if key == wanted and value.strip()), "")
        if title:
            title_key = wanted
            break
    else:
        title_key, title = next(
            ((k, v) for k, v in named if k.endswith(("_name", "_title")) and role_of(k) == "other" and v.strip()), ("", "")
        )
    extra: list[Token] = []
    for key, value in named[:FIELD_LIMIT]:
        if not value.strip():
            continue
        role = role_of(key)
        if key == title_key:
            role = "title"
        elif role == "title":
            continue
        if role == "ignored":
            continue
        r.filled = r.filled or role not in ("vendor", "currency")
        if role == "title":
            r.title = tokenize(value)
        elif role == "brand":
            r.brand = r.brand or tokenize(value)
        elif role in ("model", "mpn"):
            if not getattr(r, role):
                setattr(r, role, compact(value))
            tokens = tokenize(value)
            extra += tokens
            r.model_tokens = r.model_tokens or tokens
        elif role == "sku":
            r.sku = value[:TEXT_LIMIT]
            tokens = tokenize(value)
            r.sku_strong = any(t.strong for t in tokens)
            r.described += [t for t in tokens if is_codelike(t)]
        elif role == "vendor":
            r.vendor = value[:TEXT_LIMIT]
        elif role == "gtin":
            digits = "".join(c for c in value[:LENGTH_LIMIT] if "0" <= c <= "9")
            if is_gtin(digits) and (not r.gtin or int(digits) < r.gtin):
                r.gtin = int(digits)
        elif role == "price":
            r.price = r.price or number_value(first_number(value[:TEXT_LIMIT]))
        elif role == "currency":
            r.currency = compact(value)
        elif role == "year":
            number = first_number(value[:TEXT_LIMIT]).partition(".")[0]
            if is_year(number):
                r.year = int(number)
        elif role == "size":
            r.size = size_name(value)
        elif role == "color":
            extra += [t for t in tokenize(value) if t.group == "color"]
        elif role == "description":
            r.described += [t for t in tokenize(value, DESCRIPTION_TOKENS) if is_codelike(t)]
        else:
            text = compact(value)
            digits_count = sum("0" <= c <= "9" for c in text)
            r.others[key] = Other(
                name_like=key.endswith(("_name", "_title")),
                category=role == "category",
                digits=digits_count,
                letters=len(text) - digits_count,
                compact=text,
                number=(number := first_number(value[:TEXT_LIMIT])),
                numeric=0 < digits_count == len(number.replace(".", "")) and len(text) - digits_count <= 4,
                tokens=tokenize(value),
            )
    r.codes = [t for t in r.title + extra if is_codelike(t)]
    for t in r.title + extra:
        if t.group and t.group not in ("filler", "stop"):
            r.groups.setdefault(t.group, set()).add(t.value)
    if not r.year:
        years = {int(t.number) for t in r.title if t.kind == NUMBER and is_year(t.text)}
        if len(years) == 1:
            r.year = years.pop()
    return r


def is_codelike(t: Token) -> bool:
    return t.kind == CODE or (t.kind == NUMBER and len(t.text) >= 3)


def weights(tokens: list[Token], brand: set[str]) -> list[float]:
    return [t.weight * (0.25 if t.text in brand else 1.0) for t in tokens]


def text_similarity(left: list[Token], right: list[Token]) -> tuple[float, float]:
    """The share of both texts that is covered, and the weight that both have."""
    cl, cr = coverage(left, right)
    total = sum(t.weight for t in left) + sum(t.weight for t in right)
    ml = sum(t.weight * c for t, c in zip(left, cl, strict=True))
    mr = sum(t.weight * c for t, c in zip(right, cr, strict=True))
    return (ml + mr) / total if total > 0 else 0.0, min(ml, mr)


def title_evidence(left: Record, right: Record) -> float:
    brand = {t.text for t in left.brand + right.brand}
    cl, cr = coverage(left.title, right.title)
    wl, wr = weights(left.title, brand), weights(right.title, brand)
    ml, mr = sum(w * c for w, c in zip(wl, cl, strict=True)), sum(w * c for w, c in zip(wr, cr, strict=True))
    tl, tr = sum(wl), sum(wr)
    high, low = max(ml / tl, mr / tr), min(ml / tl, mr / tr)
    evidence = -3.5 + 4.0 * high + 2.0 * low + 0.5 * math.log1p(min(ml, mr)) - 0.5 * min(tl - ml, tr - mr, 4.0)
    for years in (True, False):
        a = {t.number for t in left.title if t.kind == NUMBER and is_year(t.text) == years}
        b = {t.number for t in right.title if t.kind == NUMBER and is_year(t.text) == years}
        if a and b and not a & b:
            evidence -= 2.0 if years else 1.0
    conflicts = 0
    for dimension in {t.dimension for t in left.title if t.kind == QUANTITY}:
        a = {t.number for t in left.title if t.kind == QUANTITY and t.dimension == dimension}
        b = {t.number for t in right.title if t.kind == QUANTITY and t.dimension == dimension}
        if b and not a & b:
            conflicts += 1
    return evidence - min(conflicts, 2)


def code_evidence(left: Record, right: Record) -> float:
    best = 0.0
    for a, b in ((left, right), (right, left)):
        for t in a.codes:
            if t.strong:
                glued = [x.text + y.text for x, y in zip(b.codes, b.codes[1:], strict=False)]
                best = max(
                    [
                        best,
                        float(t.text in glued),
                        *(closeness(t, u) for u in b.codes),
                        *(0.75 * closeness(t, u) for u in b.described),
                    ]
                )
    if left.sku_strong and left.sku == right.sku:
        best = max(best, 0.75)
    same = any(
        x and x == y
        for x, y in ((left.model, right.model), (left.mpn, right.mpn), (left.model, right.mpn), (left.mpn, right.model))
    )
    if same:
        return 3.5
    conflict = 0.0
    for x, y in ((left.model, right.model), (left.mpn, right.mpn)):
        if x and y and code_similarity(*sorted((x, y))) < 0.5:
            conflict = -2.5
    if left.model and right.model and conflict and text_similarity(left.model_tokens, right.model_tokens)[0] >= 0.75:
        conflict = 0.0
    if best < 0.5 and any(t.strong for t in left.codes) and any(t.strong for t in right.codes):
        conflict = min(conflict, -1.5)
    return 2.5 * best + conflict


def group_evidence(left: Record, right: Record) -> float:
    evidence = 0.0
    for name, (differ, one_sided) in GROUP_EVIDENCE.items():
        a, b = left.groups.get(name, set()), right.groups.get(name, set())
        if a and b:
            evidence += differ if not a & b else 0.0
        elif (a | b) - {GROUP_DEFAULTS.get(name)}:
            evidence += one_sided
    return evidence


def field_evidence(left: Record, right: Record) -> float:
    evidence = 0.0
    if left.brand and right.brand:
        cl, cr = coverage(left.brand, right.brand)
        evidence += 0.5 if max(cl + cr) >= 0.8 else -0.5
    if left.year and right.year:
        evidence += 0.5 if left.year == right.year else -3.0
    if left.size and right.size:
        evidence += 0.5 if left.size == right.size else -3.0
    if left.price > 0 and right.price > 0 and not (left.currency and right.currency and left.currency != right.currency):
        evidence += max(0.5 - math.log(max(left.price, right.price) / min(left.price, right.price)), -1.5)
    total = 0.0
    for key in sorted(left.others):
        a, b = left.others[key], right.others.get(key)
        if b is not None:
            total += other_evidence(a, b)
    return evidence + min(max(total, -5.0), 4.0)


def other_evidence(a: Other, b: Other) -> float:
    if a.category or b.category:
        return text_similarity(a.tokens, b.tokens)[0] - 0.5
    if min(a.digits, b.digits) >= 7 and max(a.letters, b.letters) <= 2:
        return 3.0 if a.compact == b.compact else -1.0
    if a.numeric and b.numeric:
        x, y = number_value(a.number), number_value(b.number)
        if x == y:
            return min(0.5 * min(len(n.replace(".", "").strip("0")) for n in (a.number, b.number)), 2.0)
        apart = abs(x - y) / max(x, y)
        return 0.25 if apart <= 0.01 else -1.0 if apart <= 0.1 else -2.0
    s, shared = text_similarity(a.tokens, b.tokens)
    if s >= 0.5:
        return (2.0 * s - 1.0) * min(shared / 4.0, 1.0)
    return (2.0 * s - 1.0) * (3.0 if a.name_like or b.name_like else 1.0)


def score(left: Record, right: Record) -> float:
    if not left.filled or not right.filled:
        return 0.0
    if left.gtin and right.gtin:
        return 0.99 if left.gtin == right.gtin else 0.01
    logit = -2.0
    if left.title and right.title:
        logit += title_evidence(left, right)
    logit += code_evidence(left, right) + group_evidence(left, right) + field_evidence(left, right)
    return 1.0 / (1.0 + math.exp(-min(max(logit, -30.0), 30.0)))


def stated(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: as_text(value) for key, value in row.items() if as_text(value).strip()}


def same_product(left: Mapping[str, str], right: Mapping[str, str]) -> float:
    if stated(left) and stated(left) == stated(right):
        return 1.0
    return score(prepare(left), prepare(right))


# merging ---------------------------------------------------------------------------------------------------------------

OFFER_FIELDS = {
    "price", "list_price", "sale_price", "discount", "currency", "availability", "stock", "sizes", "shipping", "variants",
    "offers", "url", "sku",
}  # fmt: skip
LIVE_FIRST = {"rating", "rating_count", "reviews"}
ABOUT_THE_ROW = {"id", "product_id", "vendor", "fetched_at", "tier", "stale"}


@dataclass(frozen=True)
class Reading:
    """One row of one vendor, and where it is from."""

    vendor: str
    live: bool
    fetched_at: float | None
    tier: str
    stale: bool
    row: Mapping[str, Any]

    def rank(self, live_first: bool) -> tuple[Any, ...]:
        """Ascending: the greatest rank wins."""
        return (
            self.live if live_first else False,
            -math.inf if self.fetched_at is None else self.fetched_at,
            self.live,
            descending(self.vendor),
            descending(self.tier),
            not self.stale,
        )

    def source(self) -> tuple[Any, ...]:
        return (self.vendor, self.fetched_at, self.tier, self.stale, self.live)


def descending(text: str) -> tuple[int, ...]:
    """Greater where ``text`` is smaller."""
    return (*(-ord(c) for c in text), 1)


def canonical(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{canonical(k)}:{canonical(v)}" for k, v in value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(canonical(v) for v in value) + "]"
    return f"{type(value).__name__} {value!r}"


def known(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != () and value != {}


def reading(vendor: str, live: bool, row: Mapping[str, Any]) -> Reading:
    return Reading(vendor, live, row.get("fetched_at"), str(row.get("tier") or ""), bool(row.get("stale")), row)


def merge(static: Sequence[Mapping[str, Any]], live_by_vendor: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Product id → fields, provenance and offers, from all readings at once: gather, then take the greatest."""
    by_product: dict[str, list[Reading]] = {}
    by_sku: dict[tuple[str, str], str] = {}
    by_gtin: dict[str, str] = {}
    for row in static:
        by_product.setdefault(row["id"], []).append(reading(row.get("vendor") or "", False, row))
        if row.get("vendor") and row.get("sku"):
            key = (row["vendor"], row["sku"])
            by_sku[key] = min(row["id"], by_sku.get(key, row["id"]))
        gtin = row.get("gtin") or ""
        if is_gtin(gtin):
            by_gtin[gtin.rjust(14, "0")] = min(row["id"], by_gtin.get(gtin.rjust(14, "0"), row["id"]))
    for vendor, rows in live_by_vendor.items():
        for row in rows:
            gtin = row.get("gtin") or ""
            if row.get("product_id"):
                name = row["product_id"]
            elif (vendor, row.get("sku")) in by_sku:
                name = by_sku[vendor, row["sku"]]
            elif is_gtin(gtin):
                name = by_gtin.get(gtin.rjust(14, "0"), "gtin:" + gtin.rjust(14, "0"))
            elif row.get("sku") or row.get("name") or row.get("title"):
                name = f"{vendor}/{row.get('sku') or row.get('name') or row.get('title')}"
            else:
                continue
            by_product.setdefault(name, []).append(reading(vendor, True, row))
    return {name: product(readings) for name, readings in by_product.items()}


def product(readings: list[Reading]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    provenance: dict[str, Any] = {}
    names = {name for r in readings for name, value in r.row.items() if known(value)}
    for name in names - OFFER_FIELDS - ABOUT_THE_ROW:
        candidates = [r for r in readings if known(r.row.get(name))]
        candidates.sort(key=lambda r: canonical(r.row[name]), reverse=True)
        winner = candidates[0]
        for r in candidates[1:]:
            if r.rank(name in LIVE_FIRST) >= winner.rank(name in LIVE_FIRST):
                winner = r
        fields[name], provenance[name] = winner.row[name], winner.source()
    offers: dict[tuple[str, str], tuple[Any, dict[str, Any]]] = {}
    ranked: list[tuple[Reading, dict[str, Any]]] = []
    for r in readings:
        values = {name: r.row[name] for name in OFFER_FIELDS & set(r.row) if known(r.row[name])}
        if values and r.vendor:
            ranked.append((r, values))
    ranked.sort(key=lambda pair: canonical(pair[1]), reverse=True)
    ranked.sort(key=lambda pair: pair[0].rank(True))
    for r, values in ranked:
        offers[r.vendor, values.get("sku", "")] = (r.source(), values)
    return {"fields": fields, "provenance": provenance, "offers": offers}

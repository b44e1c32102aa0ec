"""Numbers as words and words as numbers, English and Spanish, whole numbers from 0 below 10¹⁵."""

from __future__ import annotations

import re

_EN_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_EN_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_EN_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (10**3, "thousand"))

_ES_ONES = [
    "cero",
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciséis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
    "veintiuno",
    "veintidós",
    "veintitrés",
    "veinticuatro",
    "veinticinco",
    "veintiséis",
    "veintisiete",
    "veintiocho",
    "veintinueve",
]
_ES_TENS = ["treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"]
_ES_HUNDREDS = [
    "ciento",
    "doscientos",
    "trescientos",
    "cuatrocientos",
    "quinientos",
    "seiscientos",
    "setecientos",
    "ochocientos",
    "novecientos",
]

#: The largest number that is written out.
MAX_NUMBER = 10**15 - 1


def to_words(number: int, language: str = "en") -> str:
    """``number`` in words. Raises ValueError below 0 and above :data:`MAX_NUMBER`."""
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"{number} is not written out")
    return _spanish(number) if language == "es" else _english(number)


def _english(number: int) -> str:
    if number < 20:
        return _EN_ONES[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return _EN_TENS[tens - 2] + (f"-{_EN_ONES[rest]}" if rest else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{_EN_ONES[hundreds]} hundred" + (f" {_english(rest)}" if rest else "")
    for scale, name in _EN_SCALES:
        if number >= scale:
            many, rest = divmod(number, scale)
            return f"{_english(many)} {name}" + (f" {_english(rest)}" if rest else "")
    raise AssertionError(number)


def _spanish(number: int) -> str:
    if number < 30:
        return _ES_ONES[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return _ES_TENS[tens - 3] + (f" y {_ES_ONES[rest]}" if rest else "")
    if number == 100:
        return "cien"
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return _ES_HUNDREDS[hundreds - 1] + (f" {_spanish(rest)}" if rest else "")
    if number < 10**6:
        thousands, rest = divmod(number, 1000)
        head = "mil" if thousands == 1 else f"{shortened(_spanish(thousands))} mil"
        return head + (f" {_spanish(rest)}" if rest else "")
    many, rest = divmod(number, 10**6)
    if many >= 10**6:
        billions, millions = divmod(many, 10**6)
        head = "un billón" if billions == 1 else f"{shortened(_spanish(billions))} billones"
        return head + (f" {_spanish(millions * 10**6 + rest)}" if millions or rest else "")
    head = "un millón" if many == 1 else f"{shortened(_spanish(many))} millones"
    return head + (f" {_spanish(rest)}" if rest else "")


def shortened(words: str) -> str:
    """Spanish words as they stand before a masculine noun: "veintiún", "treinta y un"."""
    if words.endswith("veintiuno"):
        return words[: -len("veintiuno")] + "veintiún"
    return words[:-1] if words.endswith("uno") else words


def _table() -> dict[str, tuple[int, bool]]:
    """Word → (value, whether it multiplies what is before it)."""
    found: dict[str, tuple[int, bool]] = {}
    for value, word in enumerate(_EN_ONES):
        found[word] = (value, False)
    for value, word in enumerate(_EN_TENS, 2):
        found[word] = (10 * value, False)
    found["hundred"] = (100, True)
    found |= {word: (scale, True) for scale, word in _EN_SCALES}
    for value, word in enumerate(_ES_ONES):
        found[word] = (value, False)
    for value, word in enumerate(_ES_TENS, 3):
        found[word] = (10 * value, False)
    for value, word in enumerate(_ES_HUNDREDS, 1):
        found[word] = found[word[:-2] + "as" if word != "ciento" else "ciento"] = (100 * value, False)
    found |= {"cien": (100, False), "un": (1, False), "una": (1, False), "veintiún": (21, False), "veintiuna": (21, False)}
    found |= {"mil": (1000, True), "millón": (10**6, True), "millones": (10**6, True)}
    found |= {"billón": (10**12, True), "billones": (10**12, True)}
    for word, entry in list(found.items()):
        found[word.translate(str.maketrans("áéíóú", "aeiou"))] = entry
    return found


NUMBER_WORDS = _table()
_JOINERS = frozenset(("and", "y"))
_WORD = re.compile(r"[^\W\d_]+")


def from_words(text: str) -> int | None:
    """The number that ``text`` spells from its first to its last word; None where it spells none."""
    tokens = [word for word in _WORD.findall(text.lower()) if word not in _JOINERS]
    if not tokens:
        return None
    total = current = 0
    seen = False
    for token in tokens:
        entry = NUMBER_WORDS.get(token)
        if entry is None:
            return None
        value, multiplies = entry
        seen = True
        if not multiplies:
            current += value
        elif value == 100:
            current = max(1, current) * 100
        elif value == 1000 and token == "mil":
            current = max(1, current) * 1000
        else:
            total, current = total + max(1, current) * value, 0
    return total + current if seen else None


def spelled_before(text: str, end: int) -> tuple[int, int] | None:
    """(start, number) of the number in words that ends right before ``end``, looking back past blanks; None: none does."""
    tokens = list(_WORD.finditer(text, max(0, end - 200), end))
    first = len(tokens)
    limit = end
    while first and tokens[first - 1].group().lower() in NUMBER_WORDS.keys() | _JOINERS:
        if not re.fullmatch(r"[\s\-‐‑]*", text[tokens[first - 1].end() : limit]):
            break
        first -= 1
        limit = tokens[first].start()
    while first < len(tokens) and tokens[first].group().lower() in _JOINERS:
        first += 1
    if first == len(tokens):
        return None
    number = from_words(text[tokens[first].start() : end])
    return None if number is None else (tokens[first].start(), number)

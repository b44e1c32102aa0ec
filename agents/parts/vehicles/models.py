"""Model names as catalogues write them, taken apart: "VAUXHALL ASTRA Mk V (H) Estate (A04)"."""

import re
from dataclasses import dataclass

from hexar.agents.parts.vehicles.description import style, words_of

_PARENTHESES = re.compile(r"\(([^)]*)\)")
_MARK = re.compile(r"\bmk\.?\s*([ivx]+|\d+)\b", re.IGNORECASE)
_PLATFORM = re.compile(r"[a-h]\d")
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7, "viii": 8, "ix": 9, "x": 10, "xi": 11, "xii": 12}


@dataclass(frozen=True, slots=True)
class ModelName:
    """``bases`` are the names without everything else ("alphard", "vellfire"); ``generation`` 0 is not told."""

    bases: tuple[str, ...]
    body: str
    generation: int
    codes: frozenset[str]


def generation_of(word: str) -> int:
    """The number of a Roman or Arabic numeral up to 12; 0 where it is none."""
    if word in _ROMAN:
        return _ROMAN[word]
    return int(word) if word.isdigit() and 0 < int(word) <= 12 else 0


def parse(name: str, manufacturer: str) -> ModelName:
    """Take a model name apart; the manufacturer's name in front of it is left out."""
    text = name
    if text.casefold().startswith(manufacturer.casefold()):
        text = text[len(manufacturer) :]
    codes = frozenset(
        code for group in _PARENTHESES.findall(text) for code in words_of(group.replace("_", " ")) if len(code) > 1
    )
    text = _PARENTHESES.sub(" ", text)
    generation = 0
    if match := _MARK.search(text):
        generation = generation_of(match[1].casefold())
        text = text[: match.start()] + " " + text[match.end() :]
    bases: list[str] = []
    body = ""
    for part in re.split(r"\s/\s", text):
        found, words = style(words_of(part), "bodies")
        if found == "van" and not words:
            found, words = "", words_of(part)
        body = body or found
        # The first word is the name even where it is a numeral; a lone X is a name too ("TIGUAN X").
        numeral = next((word for word in reversed(words[1:]) if word in _ROMAN and word != "x"), "")
        if numeral:
            generation = generation or _ROMAN[numeral]
            words = [words[0], *(word for word in words[1:] if word != numeral)]
        # "A4 B7", "PASSAT B8": a platform's letter and digit tell the generation and are not said by everyone.
        platforms = [word for word in words[1:] if _PLATFORM.fullmatch(word)]
        codes |= set(platforms)
        words = [word for word in words if word not in platforms or word == words[0]]
        if words:
            bases.append(" ".join(words))
        if len(words) > 1 and words[-1] == "class" and len(words[0]) > 1:
            bases.append(" ".join(words[:-1]))
    if not bases:
        bases = [" ".join(words_of(name))]
    return ModelName(tuple(dict.fromkeys(bases)), body, generation, codes)

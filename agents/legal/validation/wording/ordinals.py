"""Numbers of clauses however they are written: "4", "IV", "Fourth", "CUARTA", "Decimocuarta", "Vigésima Primera"."""

from __future__ import annotations

import re
import unicodedata

_ES_ONES = ("", "primer", "segund", "tercer", "cuart", "quint", "sext", "séptim", "octav", "noven")
_ES_TENS = {10: "décim", 20: "vigésim", 30: "trigésim"}
_EN_ONES = (
    "", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
    "nineteenth", "twentieth",
)  # fmt: skip
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
ROMAN = r"(?:X{0,3}(?:IX|IV|V?I{1,3}|V)|X{1,3})"


def _plain(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))


def _table() -> dict[str, int]:
    found: dict[str, int] = {word: value for value, word in enumerate(_EN_ONES) if word}
    for end in ("a", "o"):
        ones = [f"{stem}{end}" if stem else "" for stem in _ES_ONES]
        found |= {word: value for value, word in enumerate(ones) if word}
        found |= {f"undécim{end}": 11, f"duodécim{end}": 12}
        for tens, stem in _ES_TENS.items():
            found[f"{stem}{end}"] = tens
            for value, word in enumerate(ones):
                if word:
                    found[f"{stem}{end} {word}"] = found[f"{_plain(stem)}o{word}"] = found[f"{_plain(stem)}a{word}"] = (
                        tens + value
                    )
    return found | {_plain(word): value for word, value in found.items()}


_VALUES = _table()
#: An ordinal in words, as a pattern without groups; case is the pattern's own matter.
ORDINAL = "(?:" + "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(_VALUES, key=len, reverse=True)) + ")"


def canonical(label: str) -> str:
    """The label in figures: "IV" and "Cuarta" are "4"; "4.2" and what is no number stay as they are."""
    text = " ".join(label.strip().rstrip(".").casefold().split())
    if text in _VALUES:
        return str(_VALUES[text])
    if re.fullmatch(ROMAN, label):
        total = 0
        for one, following in zip(label, [*label[1:], ""], strict=True):
            total += -_ROMAN[one] if _ROMAN.get(following, 0) > _ROMAN[one] else _ROMAN[one]
        return str(total)
    return re.sub(r"\.0$", "", label.strip().rstrip("."))

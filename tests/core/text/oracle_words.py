"""What hexar.core.text.words and hexar.core.text.bytepairs must do, with regular expressions and one pair at a time."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise

ALPHANUMERIC = re.compile(r"[^\W_]+")
ALPHABETIC = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
CODED = re.compile(r"\w+(?:[.\-/]\d\w*)*")


def fold(text: str) -> str:
    """Lower case, decomposed, without combining marks."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def encode(vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], word: str) -> list[int]:
    """The first of ``merges`` that is met is made, at its leftmost place, until none is met."""
    pieces = list(word)
    while True:
        met = [(merges.index(pair), at) for at, pair in enumerate(pairwise(pieces)) if pair in merges]
        if not met:
            break
        _, at = min(met)
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    numbers = (
        [vocabulary[piece]] if piece in vocabulary else [vocabulary[f"<0x{o:02X}>"] for o in piece.encode()] for piece in pieces
    )
    return [number for each in numbers for number in each]

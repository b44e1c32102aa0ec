"""Hyphens at the ends of lines: a word that was cut is put together, a compound, a number and a code keep theirs.

Where one of the two readings stands elsewhere in the document, that is the word. Else the embedded tokenizer decides, which
knows the words of English and Spanish by what it was made from: a cut word takes fewer tokens put together ("capabilities")
than its halves do, a compound does not ("long-term"). Soft hyphens are never part of a word.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hexar.core.text.bytepairs import BytePairs

SOFT_HYPHEN = "\N{SOFT HYPHEN}"
_ENDS = ("-", "\N{HYPHEN}", SOFT_HYPHEN)
_LAST = re.compile(r"([^\W\d_]+)[-\u2010\u00ad]$")
_FIRST = re.compile(r"([^\W\d_]+)")
_WORD = re.compile(r"[^\W\d_]++(?:-[^\W\d_]++)*+")


def join_lines(lines: Iterable[str], known: Counter[str]) -> str:
    """``lines`` as one text with line breaks, cut words put together. ``known``: the document's words in lower case."""
    text: list[str] = []
    for line in lines:
        before = text[-1] if text else ""
        if not before.endswith(_ENDS) or not line:
            text.append(line)
        elif before.endswith(SOFT_HYPHEN):
            text[-1] = before.rstrip(SOFT_HYPHEN) + line
        else:
            text[-1] = (before[:-1] if _was_cut(before, line, known) else before) + line
    return "\n".join(text).replace(SOFT_HYPHEN, "")


def words_of(lines: Iterable[str]) -> Counter[str]:
    """How often each word stands inside a line; what a line's end may have cut does not count."""
    known: Counter[str] = Counter()
    for line in lines:
        found = [word.lower() for word in _WORD.findall(line)]
        if found and line.endswith(_ENDS):
            found.pop()
        known.update(found)
    return known


def _was_cut(before: str, after: str, known: Counter[str]) -> bool:
    left, right = _LAST.search(before[-80:]), _FIRST.match(after[:80])
    if left is None or right is None or not right.group()[0].islower() or (len(left.group(1)) > 1 and left.group(1).isupper()):
        return False
    first, second = left.group(1).lower(), right.group().lower()
    whole, compound = known[first + second], known[f"{first}-{second}"]
    if whole != compound:
        return whole > compound
    count = _tokens()
    return count is None or count(first + second) < count(first) + count(second)


@cache
def _tokens() -> Callable[[str], int] | None:
    """Counts the tokens of a word; None where the tokenizer is not installed."""
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0], "tokenizers", "l2_supercat_tokenizer_config.json")
    try:
        model = json.loads(path.read_text("utf-8"))["model"]
    except (OSError, ValueError, KeyError):
        return None
    merges = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
    pairs = BytePairs(model["vocab"], merges)
    return lambda word: len(pairs.encode("\u2581" + word[:64]))

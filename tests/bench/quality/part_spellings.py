"""How many spellings of part names find their name: ``fuzzy_en_top1``, ``fuzzy_es_top1``, and ``side_swaps``, the spellings that find
the same part at another side or end. The spellings are in ``labelled/parts.txt``.

Run: ``python tests/bench/quality/part_spellings.py`` prints those that are missed.
"""

import json
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from hexar.core.fuzzy import FuzzyIndex, fold

LABELLED = Path(__file__).resolve().parent / "labelled" / "parts.txt"
SIDES = frozenset(fold("left right front rear izquierdo izquierda derecho derecha delantero delantera trasero trasera").split())


def labelled() -> list[tuple[str, str, str]]:
    """(language, spelling, name)."""
    rows = [line.split(" | ") for line in LABELLED.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return [(language, spelling.strip(), name) for language, name, spellings in rows for spelling in spellings.split(";")]


def answers() -> list[tuple[str, str, str, str]]:
    """(language, spelling, name, what is found first), each language's names an index of its own."""
    rows = labelled()
    found = []
    for language in ("en", "es"):
        names = list(dict.fromkeys(name for spoken, _, name in rows if spoken == language))
        index = FuzzyIndex(names)
        for spoken, spelling, name in rows:
            if spoken == language:
                best = index.search(spelling, 1)
                found.append((language, spelling, name, names[best[0].index] if best else ""))
    return found


def figures() -> dict[str, float | int]:
    """All of them, with the numbers of spellings."""
    rows = answers()
    result: dict[str, float | int] = {}
    for language in ("en", "es"):
        hits = [name == first for spoken, _, name, first in rows if spoken == language]
        result[f"fuzzy_{language}_top1"] = round(sum(hits) / len(hits), 4)
        result[f"fuzzy_{language}_spellings"] = len(hits)
    result["side_swaps"] = sum(_swapped(name, first) for _, _, name, first in rows)
    return result


def _swapped(name: str, first: str) -> bool:
    """True where both are one part, at another side or end."""
    asked, found = (set(fold(text).split()) for text in (name, first))
    return asked != found and asked - SIDES == found - SIDES


def main() -> None:
    """Print the misses, then the figures as JSON."""
    for language, spelling, name, first in answers():
        if name != first:
            print(f"{language}: {spelling!r} is {name!r}, found {first!r}")
    print(json.dumps(figures()))


if __name__ == "__main__":
    main()

"""How well and how fast messages are classed. The functions are shared with the chat benchmark.

Run: ``python tests/bench/kernels/complexity.py [--quick]``, with ``HEXAR_DATA`` for the quality figures (null without it).
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import yaml

from hexar.core.complexity import Level, classify
from tests.bench.harness import data_folder, options, paired, report

#: The intents of clinc150 that are small talk.
SMALL_TALK = frozenset({"greeting", "thank_you", "yes", "no", "goodbye"})

_MESSAGES = (
    "hello there",
    "thanks a lot, bye!",
    "What is the deadline of the migration project?",
    "Compare all React and Python projects",
    "¿Cuáles son las diferencias entre los dos contratos de alquiler?",
    "Explain how the payment service retries a failed order and who is told about it",
)


def clinc_rows(folder: Path, split: str = "val") -> list[tuple[str, str]]:
    """(text, intent) of a split of clinc150, out-of-scope rows included."""
    data = json.loads((folder / "chat" / "clinc150_intents.json").read_text("utf-8"))
    return [(text, intent) for name in (split, f"oos_{split}") for text, intent in data.get(name, ())]


def smalltalk_greetings(folder: Path) -> list[str]:
    """The opening lines of the greeting dialogues, both languages."""
    lines = []
    for language in ("english", "spanish"):
        path = folder / "chat" / "smalltalk" / language / "greetings.yml"
        lines += [str(dialogue[0]) for dialogue in yaml.safe_load(path.read_text("utf-8"))["conversations"]]
    return lines


def xquad_questions(folder: Path) -> Iterator[str]:
    """Every XQuAD question, English and Spanish."""
    for language in ("en", "es"):
        data = json.loads((folder / "chat" / f"xquad.{language}.json").read_text("utf-8"))["data"]
        yield from (qa["question"] for article in data for part in article["paragraphs"] for qa in part["qas"])


def is_trivial(text: str) -> bool:
    return classify(text).level is Level.TRIVIAL


def trivial_figures(folder: Path, split: str = "val") -> dict[str, float | int]:
    """``trivial_recall``, ``trivial_fpr`` and ``xquad_trivial`` on the data of ``folder``."""
    rows = clinc_rows(folder, split)
    small_talk = [text for text, intent in rows if intent in SMALL_TALK] + smalltalk_greetings(folder)
    other = [text for text, intent in rows if intent not in SMALL_TALK]
    return {
        "trivial_recall": sum(map(is_trivial, small_talk)) / len(small_talk),
        "trivial_fpr": sum(map(is_trivial, other)) / len(other),
        "xquad_trivial": sum(map(is_trivial, xquad_questions(folder))),
    }


def main() -> None:
    quick = options("Complexity of messages: quality and speed").quick
    folder = data_folder()
    figures: dict[str, float | int | str | None] = dict.fromkeys(("trivial_recall", "trivial_fpr", "xquad_trivial"))
    if folder is not None:
        figures.update(trivial_figures(folder))
    words = re.compile(r"\w+")
    ours, peer = paired(
        lambda: [classify(message) for message in _MESSAGES],
        lambda: [words.findall(message.lower()) for message in _MESSAGES],
        repeat=5 if quick else 15,
        number=200,
    )
    figures["us_per_call"] = ours / len(_MESSAGES) * 1e6
    figures["ratio_to_tokenising"] = ours / peer
    hostile = ("a b " * 250_000, "no " * 333_333, "é" * 1_000_000)
    worst, small = paired(lambda: [classify(text) for text in hostile], lambda: [classify(text[:8000]) for text in hostile])
    figures["hostile_ratio_1mb_to_8kb"] = worst / small
    report("complexity", figures)


if __name__ == "__main__":
    main()

"""How right the answers are that no vendor can mend: which titles are one product, and which requests are understood.

``pairs_*`` are of shop titles that a person decides in a second, at the default threshold, from the folder of cases beside the data
(``HEXAR_DATA/../cases``); ``made_*`` of pairs made by rule in five languages (tests/core/merge/shop_titles.py), whose part that was held out
shares neither goods nor variants with the other. ``titles_*`` are of ``labelled/titles.txt``: siblings and rewordings of a dozen kinds of goods in
five languages, ``_alone`` where no field names the brand, ``held_out`` the half that no rule was made from. ``abt_buy_f1`` and ``amazon_google_f1`` are of public benchmarks' test splits, whose train
splits the constants were set by. ``fuzzy_*`` and ``side_swaps`` are told in ``part_spellings.py``. ``calibration_error`` is the mean distance of the probability from the share of matches, in ten bins.
"""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
if (ROOT / "build" / "ns").is_dir():
    sys.path.insert(1, str(ROOT / "build" / "ns"))

from hexar.core.merge import DEFAULT_THRESHOLD, same_product  # noqa: E402
from tests.bench.harness import data_folder, options, report  # noqa: E402
from tests.bench.kernels.merge import f1  # noqa: E402
from tests.bench.quality import part_spellings, understood  # noqa: E402
from tests.core.merge.shop_titles import pairs  # noqa: E402

TITLES = Path(__file__).resolve().parent / "labelled" / "titles.txt"
#: (label, left title, right title, brand)
Labelled = tuple[int, str, str, str]


def probabilities(rows: Iterable[Labelled]) -> list[tuple[int, float]]:
    """(label, probability) of each pair."""
    return [
        (label, same_product({"name": left, "brand": brand}, {"name": right, "brand": brand}))
        for label, left, right, brand in rows
    ]


def titles(held_out: bool) -> list[Labelled]:
    """The rows of ``labelled/titles.txt`` that rules were made from, or those that they were not."""
    text = TITLES.read_text("utf-8").partition("[development]")[2]
    lines = text.split("[held out]")[held_out].splitlines()
    rows = [line.split(" | ") for line in lines if line and not line.startswith("#")]
    return [(int(label), left, right, brand) for label, _, left, right, brand, _ in rows]


def precision_and_recall(said: list[tuple[int, float]]) -> tuple[float, float]:
    """At the default threshold."""
    hit = sum(1 for label, value in said if label and value >= DEFAULT_THRESHOLD)
    yes = sum(1 for _, value in said if value >= DEFAULT_THRESHOLD)
    return hit / max(1, yes), hit / max(1, sum(label for label, _ in said))


def calibration_error(said: list[tuple[int, float]]) -> float:
    """Expected calibration error over ten bins of equal width."""
    bins: list[list[tuple[int, float]]] = [[] for _ in range(10)]
    for label, value in said:
        bins[min(9, int(10 * value))].append((label, value))
    return sum(abs(sum(label - value for label, value in rows)) for rows in bins) / len(said)


def figures(quick: bool) -> dict[str, float | int | None]:
    """All of them; None where the data is not at hand."""
    folder = data_folder()
    found: dict[str, float | int | None] = dict.fromkeys(
        ("pairs_precision", "pairs_recall", "abt_buy_f1", "amazon_google_f1"), None
    )
    cases = folder.parent / "cases" / "matching" / "pairs.csv" if folder else None
    if cases is not None and cases.is_file():
        with cases.open(encoding="utf-8", newline="") as file:
            rows = [(int(row["label"]), row["left"], row["right"], row["brand"]) for row in csv.DictReader(file)]
        found["pairs_precision"], found["pairs_recall"] = precision_and_recall(probabilities(rows))
    if folder is not None:
        found["abt_buy_f1"], found["amazon_google_f1"] = f1(folder, "Abt-Buy"), f1(folder, "Amazon-Google")
    for name, seed, held_out in (("made", 1, False), ("made_held_out", 99, True)):
        said = probabilities(row[:4] for row in pairs(1_000 if quick else 4_000, seed, held_out))
        found[f"{name}_precision"], found[f"{name}_recall"] = precision_and_recall(said)
        found[f"{name}_calibration_error"] = calibration_error(said)
    for name, held_out in (("titles", False), ("titles_held_out", True)):
        rows = titles(held_out)
        found[f"{name}_precision"], found[f"{name}_recall"] = precision_and_recall(probabilities(rows))
        alone = [(label, same_product({"name": left}, {"name": right})) for label, left, right, _ in rows]
        found[f"{name}_alone_precision"], found[f"{name}_alone_recall"] = precision_and_recall(alone)
    return found | understood.figures() | part_spellings.figures()


def main() -> None:
    """Print the table and the JSON line."""
    report("quality", figures(options(__doc__ or "").quick))


if __name__ == "__main__":
    main()

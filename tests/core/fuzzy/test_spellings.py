"""Part names as people type them find their name, in both languages and across."""

import pytest

from hexar.core.fuzzy import FuzzyIndex
from tests.bench.quality.part_spellings import figures


def test_labelled_spellings() -> None:
    """Of more than a hundred in each language; never the same part at another side."""
    found = figures()
    assert found["side_swaps"] == 0
    for language in ("en", "es"):
        assert found[f"fuzzy_{language}_spellings"] >= 100
        assert found[f"fuzzy_{language}_top1"] >= 0.97


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("bomba agua", "Water Pump"),
        ("pastillas freno delanteras", "Brake Pad Front"),
        ("retrovisor derecho", "Door Mirror Right"),
        ("filtro de aceite", "Oil Filter"),
        ("brazo suspension delantero izq", "Control Arm Front Left"),
        ("correa distribucion", "Timing Belt Kit"),
    ],
)
def test_spanish_finds_english_names(query: str, name: str) -> None:
    """Word by word, with "de" and without."""
    names = [
        "Water Pump", "Fuel Pump", "Brake Pad Front", "Brake Pad Rear", "Door Mirror Left", "Door Mirror Right", "Oil Filter",
        "Air Filter", "Control Arm Front Left", "Control Arm Front Right", "Timing Belt Kit", "Timing Chain",
    ]  # fmt: skip
    assert names[FuzzyIndex(names).search(query, 1)[0].index] == name

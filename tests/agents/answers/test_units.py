"""Passages as units: sentences, items and rows with what stands above them."""

import pytest

from hexar.agents.answers.reading.units import Kind, sentences_of, units_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith paid 3.50 euros. He left [7].", ["Dr. Smith paid 3.50 euros.", "He left ."]),
        ("See fig. 3 and e.g. A. Jones. Then stop!", ["See fig. 3 and e.g. A. Jones.", "Then stop!"]),
        ("La Sra. Ruiz llegó. ¿Quién más vino? Nadie.", ["La Sra. Ruiz llegó.", "¿Quién más vino?", "Nadie."]),
        ('He said "Go." Then he went.', ['He said "Go."', "Then he went."]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    """Abbreviations and decimals do not end a sentence, markers of others are removed."""
    assert sentences_of(text) == expected


def test_items_and_rows_know_what_stands_above_them() -> None:
    """The headings above, the line that introduces a list, the header of a table."""
    units = units_of(
        "# House\n\n## Pets\n\nAllowed are:\n\n1. cats\n2. dogs up to\n   10 kg\n\n| pet | fee |\n|---|---|\n| cat | 5 |\n",
        "House",
    )
    assert [(unit.text, unit.kind) for unit in units] == [
        ("Allowed are:", Kind.SENTENCE),
        ("cats", Kind.ITEM),
        ("dogs up to 10 kg", Kind.ITEM),
        ("cat, 5", Kind.ROW),
    ]
    assert units[1].lead == "Allowed are:"
    assert units[1].path == ("House", "Pets")
    assert units[3].cells == (("pet", "cat"), ("fee", "5"))
    assert units[1].group == units[2].group != units[3].group


def test_a_table_and_headings_without_marks() -> None:
    """The text of a web page has bars between cells and bare lines for headings and items."""
    units = units_of("Prices\n\nAll in euros.\n\nitem | price\nA | 3\n\nBring\n\nboots\n\ngloves", "")
    assert [(unit.text, unit.path) for unit in units if unit.kind is not Kind.ITEM] == [
        ("All in euros.", ("Prices",)),
        ("A, 3", ("Prices",)),
    ]
    assert {"boots", "gloves"} <= {unit.text for unit in units if unit.kind is Kind.ITEM}

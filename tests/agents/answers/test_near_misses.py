"""Questions that a document nearly answers: of another name, code, number or year, or of another thing about the same name."""

import pytest

from hexar.agents.answers.composer import choose
from hexar.agents.llm import Passage
from hexar.agents.llm.embeddings import embedded

DEPOT = (
    Passage(
        1,
        "# Tram depot\n\n"
        "Gauge: 1,435 mm\nHall length: 82 m\nTank: 600 litres\n\n"
        "Tram 4 ends at the mill. The depot was insured with Baltica Mutual in 2019. The canteen was renovated in 2021 for "
        "41,000 EUR. Visitors are excluded from the workshop. The museum is closed on Tuesdays. The lathe is oiled every second "
        "week. The shed stands behind the chapel.\n\n"
        "| part | up to 10 | up to 50 |\n|---|---|---|\n| Brake K2 | 31.00 | 27.50 |\n| Brake K7 | 44.00 | 39.00 |\n\n"
        "| occasion | days |\n|---|---|\n| Night shift | 3 |\n| First aid course | 2 |\n\n"
        "Lamination costs 4.00 a sheet.\n\n"
        "## What is in the toolbox\n\n- a spanner\n- a torch\n- this leaflet\n\n"
        "## Duties\n\nThe foreman performs the following duties:\n\n- he signs the log\n- he locks the hall\n\n"
        "## Codes\n\n- K2: The brake is worn.\n- K7: The brake is wet.\n",
        "Tram depot",
    ),
)


def quotes(question: str, language: str = "en") -> list[str]:
    return [text for text, _ in choose(question, DEPOT, 2, language, vectors=embedded())]


@pytest.mark.parametrize(
    "question",
    [
        "Who founded Baltica Mutual?",  # the name alone is said
        "Where does tram 9 end?",  # another number
        "How much did the renovation of the canteen cost in 2017?",  # another year
        "What does K5 mean?",  # another code
        "What does brake K5 cost?",
        "How heavy is the lathe?",  # another measure
        "How far is the canteen from the mill?",
        "In what month was the canteen renovated?",
    ],
)
def test_what_is_said_of_another_is_not_quoted(question: str) -> None:
    """A unit of another name, code, number, year or measure is no answer."""
    assert quotes(question) == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Where does tram 4 end?", "Tram 4 ends at the mill."),
        ("How much did the renovation of the canteen cost in 2021?", "The canteen was renovated in 2021 for 41,000 EUR."),
        ("How many litres does the tank hold?", "Tank: 600 litres"),
        ("How often is the lathe oiled?", "The lathe is oiled every second week."),
        ("Is the museum open on Tuesdays?", "The museum is closed on Tuesdays."),
        ("Are visitors included in the workshop?", "Visitors are excluded from the workshop."),
        ("Are guests or other visitors admitted to the workshop?", "Visitors are excluded from the workshop."),
        ("¿Está abierto el museo los martes?", "The museum is closed on Tuesdays."),
    ],
)
def test_what_is_said_of_it_is_quoted(question: str, expected: str) -> None:
    """Lines of entries are read apart; a contrary says yes or no; days are no names."""
    language = "es" if question.startswith("¿") else "en"
    assert expected in [quote.removeprefix("Tram depot: ") for quote in quotes(question, language)]


def test_a_row_is_quoted_without_those_of_other_codes() -> None:
    """Rows beside the right one say other codes; an amount in a cell needs no currency, and a figure has its header's unit."""
    assert quotes("What does brake K7 cost up to 50?") == ["Brake K7, up to 50: 39.00"]
    assert quotes("How many days is the first aid course?") == ["First aid course, days: 2"]


def test_a_list_below_what_is_asked_is_quoted_whole() -> None:
    """Whether its heading asks the question, or the line before it begins to answer."""
    assert quotes("What is in the toolbox?") == ["a spanner", "a torch", "this leaflet"]
    assert quotes("Which duties performs the foreman?") == ["he signs the log", "he locks the hall"]


def test_what_is_cheaper_is_asked_of_prices() -> None:
    """Both prices, whatever else is said of the two."""
    assert quotes("Which is cheaper, brake K2 or brake K7?") == [
        "Brake K2, up to 10: 31.00, up to 50: 27.50",
        "Brake K7, up to 10: 44.00, up to 50: 39.00",
    ]
    assert quotes("What does lamination cost?") == ["Tram depot: Lamination costs 4.00 a sheet."] or quotes(
        "What does lamination cost?"
    ) == ["Lamination costs 4.00 a sheet."]


def test_half_of_a_long_question_must_be_said() -> None:
    """A sentence that shares a word or two with a long question is about something else."""
    assert quotes("Which firm was asked to design the new bridge near the chapel over the river after the flood?") == []


BLANKETS = Passage(
    1,
    "# Blankets\n\n| blanket | width | price |\n|---|---|---|\n| Heavy wool | 140 cm | 85 EUR |\n| Light wool | 140 cm | 60 EUR |\n",
    "Blankets",
)


def test_a_row_of_something_else_is_not_quoted_beside_the_one_that_is_meant() -> None:
    """The price of another blanket is no answer; both are where either may be meant."""

    def rows(question: str) -> list[str]:
        return [text.partition(",")[0] for text, _ in choose(question, (BLANKETS,), 2, "en", vectors=embedded())]

    assert rows("How much is the heavy wool blanket?") == ["Heavy wool"]
    assert rows("What does the light wool blanket cost?") == ["Light wool"]
    assert sorted(rows("How much does a wool blanket cost?")) == ["Heavy wool", "Light wool"]

"""What a question asks for, and when its best sentence is no answer: kinds, each with documents of its own."""

import pytest

from hexar.agents.answers.composer import choose
from hexar.agents.answers.reading.questions import Asks, read_question
from hexar.agents.answers.selection import read_passages, score
from hexar.agents.llm import Passage
from hexar.agents.llm.embeddings import embedded

FERRY = (
    Passage(
        1,
        "# Ferry\n\n| port | fare | leaves |\n|---|---|---|\n| Ribe | 12 EUR | 9:30 |\n| Mandø | 8 EUR | 11:00 |\n\n"
        "The ferry was late on Sunday. Many passengers waited at the quay. The cause was a fouled propeller. "
        "The mate is Ingeborg Thorsen. Dogs travel for 3 EUR.\n",
        "Ferry",
    ),
)


def quotes(question: str, language: str = "en") -> list[str]:
    return [text for text, _ in choose(question, FERRY, 2, language, vectors=embedded())]


@pytest.mark.parametrize(
    ("question", "language", "asks"),
    [
        ("When the rent is late, what is charged?", "en", Asks.WHAT),
        ("Cuando llueve, ¿dónde se guardan las sillas?", "es", Asks.PLACE),
        ("What happened to the rate of decline?", "en", Asks.WHAT),
        ("What is your day rate?", "en", Asks.MONEY),
        ("What is the term for a late payment?", "en", Asks.WHAT),
        ("What is the name of the account with that number?", "en", Asks.WHAT),
        ("What is the account number?", "en", Asks.AMOUNT),
        ("¿A cuántos socios se avisa?", "es", Asks.AMOUNT),
        ("En cuanto a la sala, ¿qué se decidió?", "es", Asks.WHAT),
        ("¿Cómo se llama la sala?", "es", Asks.WHAT),
        ("¿Qué se usa para limpiar piezas como la tapa?", "es", Asks.WHAT),
        ("¿Cómo se limpia la tapa?", "es", Asks.METHOD),
        ("Which engineer signed the plan?", "en", Asks.PERSON),
        ("What do people drink?", "en", Asks.WHAT),
    ],
)
def test_the_kind_is_what_the_main_clause_asks_for(question: str, language: str, asks: Asks) -> None:
    """Not what a condition before it, or a word further on, would ask for."""
    assert read_question(question, language).asks is asks


def test_a_row_of_another_name_is_no_answer() -> None:
    """What Ribe costs tells nothing of a port that the table does not have."""
    assert quotes("What is the fare to Ribe?") == ["Ribe, fare: 12 EUR"]
    assert quotes("What is the fare to Esbjerg?") == []


def test_a_cause_behind_the_sentence_is_quoted_with_it() -> None:
    """The sentence that says what happened does not say why; one behind it names the cause."""
    assert quotes("Why was the ferry late?") == ["The ferry was late on Sunday.", "Ferry: The cause was a fouled propeller."]


def test_an_age_is_not_any_figure() -> None:
    """A fare and a time of day are no age."""
    assert quotes("How old must dogs on the ferry be?") == []


def test_a_year_counts_nothing() -> None:
    """The year in which something was built is not how many work there."""
    yard = (Passage(1, "The yard was built in 1987 by Ove Lund. Boats are laid up from October. The yard has 14 berths."),)
    assert choose("How many people work in the yard?", yard, 2, "en", vectors=embedded()) == []
    assert choose("How many berths does the yard have?", yard, 1, "en", vectors=embedded())[0][0] == "The yard has 14 berths."


def test_what_stands_around_a_sentence_confirms_nothing() -> None:
    """A sentence that shares one word with a question for a yes or no is not its answer."""
    assert quotes("Is luggage on the ferry insured by the company?") == []


def test_a_name_with_two_letters_swapped_is_found() -> None:
    """As it is often typed; another name is not."""
    assert quotes("Who is Ingebogr Thorsen?")[0] == "The mate is Ingeborg Thorsen."
    assert quotes("Who is Ingemar Karlsen?") == []


def test_a_row_from_the_middle_of_a_table_is_read_under_its_header() -> None:
    """The passage brings the header along as the last of its headings."""
    middle = (Passage(1, "Borkum | 31 EUR | 7\nJuist | 29 EUR | 4", "fares.csv › port | fare | boats a day"),)
    found = choose("How many boats a day go to Juist?", middle, 2, "en", vectors=embedded())
    assert found[0] == ("Juist, boats a day: 4", 1)


def test_a_sentence_that_begins_with_a_pronoun_goes_on_about_the_one_before() -> None:
    """What the first names, the second tells of; a sentence about something else does not."""
    told = (Passage(1, "Fish ladders are dear. The weir was rebuilt last spring. It cost 4,000 EUR. Dogs swim there."),)
    asked, reads = read_question("How much did the weir cost?", "en"), read_passages(told)
    score(asked, reads, None)
    weir = next(at for at, term in enumerate(asked.terms) if term.word.folded == "weir")
    assert [round(read.own[weir], 2) for read in reads] == [0.0, 1.0, 0.6, 0.0]

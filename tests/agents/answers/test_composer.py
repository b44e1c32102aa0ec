"""Answers that are quoted: the sentence that answers, whole lists, both sides, and silence where nothing answers."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.answers.composer import choose, compose
from hexar.agents.llm import Passage
from hexar.agents.llm.embeddings import embedded

PASSAGES = (
    Passage(
        1, "# Refunds\n\nA refund is paid within 14 days of the return. Shipping is not refunded. See Dr. Smith for details."
    ),
    Passage(
        2, "The warehouse opens at 8:00. It holds 12,000 pallets.\n\n- Returns arrive at gate 4.\n- Visitors need a badge."
    ),
    Passage(3, "A refund is paid within 14 days of the return. Gift cards cannot be returned.", title="Gift cards"),
)
ES = (Passage(1, "El reembolso se paga en 14 días. Los gastos de envío no se devuelven. El almacén abre a las 8:00."),)

HARBOUR = (
    Passage(
        1,
        """# Harbour office

## Berths

| berth | length | summer | winter |
|---|---:|---:|---:|
| A | 8 m | 22 EUR | 14 EUR |
| B | 12 m | 31 EUR | 20 EUR |

Berths are let by the week. A second boat is not admitted, because the quay is narrow.

## Services

We offer:

- Crane: 85 EUR a lift.
- Diesel from 8:00 to 17:00.
- Laundry, by token.

## Staff

The harbour master is Petra Lang. She worked in Ystad before. Keys are handed out by Jon Bakke.

## Crew

Present: Petra Lang, Jon Bakke. Apologies: Mia Holt.
""",
        "Harbour office",
    ),
)
PUERTO = (
    Passage(
        1,
        "# Huerto escolar\n\n## Turnos\n\n- Riego: lunes y jueves.\n- Poda: el primer sábado del mes.\n\n## Reglas\n\n"
        "El huerto se cierra a las 19:00. No se admiten perros. Lo coordina Berta Soler desde 2021. Antes fue jardinera en Lugo.\n",
        "Huerto escolar",
    ),
)


def texts(question: str, passages: tuple[Passage, ...] = HARBOUR, language: str = "en", before: str = "") -> list[str]:
    return [text for text, _ in choose(question, passages, 2, language, before=before, vectors=embedded())]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who is the harbour master?", "The harbour master is Petra Lang."),
        ("Where did Petra Lang work before?", "She worked in Ystad before."),
        ("Who hands out the keys?", "Keys are handed out by Jon Bakke."),
        ("Who was absent?", "Apologies: Mia Holt."),
        ("How much does berth B cost in winter?", "B, winter: 20 EUR"),
        ("What is the length of berth A?", "A, length: 8 m"),
        ("Why is no second boat admitted?", "A second boat is not admitted, because the quay is narrow."),
        ("May a second boat be admitted?", "A second boat is not admitted, because the quay is narrow."),
        ("What does the crane cost?", "We offer: Crane: 85 EUR a lift."),
        ("At what time can I get diesel?", "We offer: Diesel from 8:00 to 17:00."),
    ],
)
def test_the_kind_of_question_decides(question: str, expected: str) -> None:
    """A person, a place, an amount, a reason, a yes or no: the unit that holds it comes first; a row keeps its header."""
    assert texts(question)[:1] == [expected]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("¿Quién coordina el huerto?", "Lo coordina Berta Soler desde 2021."),
        ("¿Dónde fue jardinera Berta Soler?", "Antes fue jardinera en Lugo."),
        ("¿A qué hora se cierra el huerto?", "El huerto se cierra a las 19:00."),
        ("¿Se admiten perros?", "No se admiten perros."),
        ("¿Cuándo es la poda?", "Turnos: Poda: el primer sábado del mes."),
    ],
)
def test_the_same_in_spanish(question: str, expected: str) -> None:
    """Spanish questions are told apart as English ones are."""
    assert expected in texts(question, PUERTO, "es")


def test_one_language_answers_the_other() -> None:
    """Common words meet across English and Spanish."""
    assert "A second boat is not admitted, because the quay is narrow." in texts(
        "¿Por qué no se admite un segundo barco?", HARBOUR, "es"
    )
    assert "No se admiten perros." in texts("Are dogs admitted?", PUERTO)


def test_a_list_is_quoted_whole_and_in_order() -> None:
    """Every item of the list that is asked for, as the document has them; of a table the rows."""
    assert texts("Which services are offered?") == [
        "We offer: Crane: 85 EUR a lift.",
        "We offer: Diesel from 8:00 to 17:00.",
        "We offer: Laundry, by token.",
    ] or texts("Which services are offered?") == ["Crane: 85 EUR a lift.", "Diesel from 8:00 to 17:00.", "Laundry, by token."]
    rows = texts("List all berths with their length")
    assert rows == ["A, length: 8 m", "B, length: 12 m"]


def test_a_comparison_quotes_both_sides() -> None:
    """Two things that are compared are both quoted, or none is."""
    assert texts("Compare the winter price of berth A and berth B") == ["A, winter: 14 EUR", "B, winter: 20 EUR"]
    assert texts("What is the difference between the crane and the laundry?") == [
        "We offer: Crane: 85 EUR a lift.",
        "We offer: Laundry, by token.",
    ]
    assert texts("Is the crane cheaper than the sauna?") == []


@pytest.mark.parametrize(
    "question",
    [
        "Who won the football match?",
        "Does the harbour rent bicycles?",
        "What is Petra Lang's telephone number?",
        "How deep is the harbour?",
        "What does a sauna cost?",
    ],
)
def test_what_is_not_said_is_not_answered(question: str) -> None:
    """Text about some of the same things is not quoted."""
    assert texts(question) == []


def test_a_follow_up_keeps_the_kind_of_the_question_before() -> None:
    """ "And berth A?" asks of A what was asked of B."""
    assert texts("And berth A?", before="How much does berth B cost in winter?")[:1] == ["A, winter: 14 EUR"]


def test_the_answer_is_the_sentence_that_answers() -> None:
    """The best sentence comes first, with the marker of its passage, and a repeated sentence is quoted once."""
    chosen = choose("When is a refund paid?", PASSAGES, 3, "en")
    assert chosen[0] == ("A refund is paid within 14 days of the return.", 1)
    assert len({text for text, _ in chosen}) == len(chosen)
    assert choose("When does the warehouse open?", PASSAGES, 1, "en") == [("The warehouse opens at 8:00.", 2)]


def test_it_says_that_it_quotes_and_in_which_language() -> None:
    """The answer says what it is, in the user's language, and every quote has its citation."""
    english = compose("When is a refund paid?", PASSAGES)
    assert "word for word" in english
    assert "no language model is configured" in english
    assert "A refund is paid within 14 days of the return. [1]" in english
    spanish = compose("¿Cuándo se paga el reembolso?", ES)
    assert "citado palabra por palabra" in spanish
    assert "El reembolso se paga en 14 días. [1]" in spanish


def test_nothing_found_is_said() -> None:
    """Passages that do not answer are not quoted."""
    assert "say nothing" in compose("Who won the football match?", PASSAGES)
    assert "no dicen nada" in compose("¿Quién ganó el partido de fútbol?", ES)


def test_courtesy_is_answered_without_passages() -> None:
    """A greeting or thanks gets its answer in its own language."""
    assert compose("hello there", ()).startswith("Hello!")
    assert compose("hola, buenos días", (), language="es").startswith("¡Hola!")
    assert compose("muchas gracias", (), language="es") == "De nada."
    assert "say nothing" in compose("What is the refund policy?", ())


@given(st.text(max_size=200), st.lists(st.text(max_size=300), max_size=4))
def test_nothing_is_invented(question: str, passages: list[str]) -> None:
    """Whatever is asked of whatever text, each word of a quote stands in its passage, and the same request has the same answer."""
    given_passages = tuple(Passage(index + 1, text) for index, text in enumerate(passages))
    for text, marker in choose(question, given_passages, 5):
        letters = [c for c in text if c.isalnum()]
        assert not Counter(letters) - Counter(passages[marker - 1])
        assert all(word in passages[marker - 1] for word in re.findall(r"\w+", text.replace("_", " ")))
    assert compose(question, given_passages) == compose(question, given_passages)

"""The extractive model: quotes that answer, their citations, both languages, and no invention."""

import re

from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.llm import Cancel, Message, ModelConfig, Models, Passage, Request, collect
from hexar.agents.llm.extractive import ExtractiveProvider, choose, compose, split_sentences, stem
from hexar.core.deadline import Deadline
from hexar.core.resilience.dispatch import Dispatcher
from tests.agents.llm.conftest import gather

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


def ask(question: str, passages: tuple[Passage, ...] = PASSAGES, **more: object) -> Request:
    return Request((Message("user", question),), passages=passages, **more)  # type: ignore[arg-type]


def test_the_answer_is_the_sentence_that_answers() -> None:
    """The best sentence comes first, with the marker of its passage, and a repeated sentence is quoted once."""
    chosen = choose("When is a refund paid?", PASSAGES, 3, "en")
    assert chosen[0] == ("A refund is paid within 14 days of the return.", 1)
    assert len({text for text, _ in chosen}) == len(chosen)
    assert choose("When does the warehouse open?", PASSAGES, 1, "en") == [("The warehouse opens at 8:00.", 2)]


def test_several_parts_of_a_question_are_covered() -> None:
    """A question of two parts gets sentences on both, not two on one."""
    texts = [text for text, _ in choose("refund days and warehouse pallets", PASSAGES, 3, "en")]
    assert any("refund" in text for text in texts)
    assert any("pallets" in text or "warehouse" in text for text in texts)


def test_it_says_that_it_quotes_and_in_which_language() -> None:
    """The answer says what it is, in the user's language, and every quote has its citation."""
    english = compose(ask("When is a refund paid?"))
    assert "word for word" in english
    assert "no language model is configured" in english
    assert "A refund is paid within 14 days of the return. [1]" in english
    spanish = compose(ask("¿Cuándo se paga el reembolso?", ES))
    assert "citado palabra por palabra" in spanish
    assert "El reembolso se paga en 14 días. [1]" in spanish


def test_nothing_found_is_said() -> None:
    """Passages that hold none of the question's words are not quoted."""
    assert "say nothing" in compose(ask("Who won the football match?"))
    assert "no dicen nada" in compose(ask("¿Quién ganó el partido de fútbol?", ES))


def test_small_talk_is_answered_without_passages() -> None:
    """A greeting or thanks gets its answer in its own language."""
    assert compose(ask("hello there", ())).startswith("Hello!")
    assert compose(ask("hola, buenos días", (), language="es")).startswith("¡Hola!")
    assert compose(ask("muchas gracias", (), language="es")) == "De nada."
    assert "say nothing" in compose(ask("What is the refund policy?", ()))


def test_sentences() -> None:
    """Headings and list marks go, abbreviations and decimals do not end a sentence, markers of others are removed."""
    text = "# Title\n\nDr. Smith paid 3.50 euros. He left [7].\n\n1. First item\n2. Second item\n```\ncode"
    assert split_sentences(text) == ["Dr. Smith paid 3.50 euros.", "He left .", "First item", "Second item code"]


def test_inflections_meet() -> None:
    """Plural and singular, and forms of a verb, have one stem."""
    assert stem("projects") == stem("project")
    assert stem("contratos") == stem("contrato")
    assert stem("refunded") == stem("refunds")


@given(st.text(max_size=200), st.lists(st.text(max_size=300), max_size=4))
def test_nothing_is_invented(question: str, texts: list[str]) -> None:
    """Whatever is asked of whatever text, each quote stands in its passage, and the same request has the same answer."""
    passages = tuple(Passage(index + 1, text) for index, text in enumerate(texts))
    for text, marker in choose(question, passages, 5):
        squeezed = re.sub(r"\s+", " ", re.sub(r"\[\d+\]", "", texts[marker - 1]))
        assert all(word in squeezed for word in text.split())
    assert compose(ask(question, passages)) == compose(ask(question, passages))


def test_deltas_are_words() -> None:
    """The stream is made of words, folds to the whole answer, and ends with one Done of no cost."""
    provider = ExtractiveProvider(ModelConfig("x", kind="extractive"))
    request = ask("When is a refund paid?")
    completion = collect(iter(list(provider.stream(request, Deadline.after(5), Cancel()))))
    assert completion.text == compose(request)
    assert completion.done.cost_micros is None
    assert completion.done.usage.estimated


async def test_it_is_the_default_and_streams_through_the_pool() -> None:
    """Without any configuration the extractive model answers, on a thread of the pool."""
    pool = Dispatcher()
    models = Models([], pool)
    request = ask("When is a refund paid?")
    assert collect(iter(await gather(models, request))).text == compose(request)
    models.close()
    pool.close()

"""The extractive model: quotes that answer, streamed by words, with no invention. How it chooses is tested in tests/agents/answers."""

from hexar.agents.llm import Cancel, Message, ModelConfig, Models, Passage, Request, collect
from hexar.agents.llm.extractive import ExtractiveProvider, quoted
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
)


def ask(question: str, *before: str) -> Request:
    turns = [message for text in before for message in (Message("user", text), Message("assistant", "[1]"))]
    return Request((*turns, Message("user", question)), passages=PASSAGES)


def test_the_answer_quotes_with_its_citation() -> None:
    """What is quoted carries the number of its passage."""
    assert "A refund is paid within 14 days of the return. [1]" in quoted(ask("When is a refund paid?"))


def test_a_follow_up_takes_what_it_lacks_from_the_question_before() -> None:
    """ "And the pallets?" after a question about the warehouse is about the warehouse's pallets."""
    assert "It holds 12,000 pallets. [2]" in quoted(ask("And how many pallets does it hold?", "When does the warehouse open?"))


def test_deltas_are_words() -> None:
    """The stream is made of words, folds to the whole answer, and ends with one Done of no cost."""
    provider = ExtractiveProvider(ModelConfig("x", kind="extractive"))
    request = ask("When is a refund paid?")
    completion = collect(iter(list(provider.stream(request, Deadline.after(5), Cancel()))))
    assert completion.text == quoted(request)
    assert completion.done.cost_micros is None
    assert completion.done.usage.estimated


async def test_it_is_the_default_and_streams_through_the_pool() -> None:
    """Without any configuration the extractive model answers, on a thread of the pool."""
    pool = Dispatcher()
    models = Models([], pool)
    request = ask("When is a refund paid?")
    assert collect(iter(await gather(models, request))).text == quoted(request)
    models.close()
    pool.close()

"""Answers that are paid for: every end of a stream is charged once, and a used-up budget refuses before the call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from hexar.agents.llm import Delta, Done, Event, MeteredModels, Models, Timeouts
from hexar.core.deadline import Deadline
from hexar.core.errors import ResourceExhausted, StreamBroken
from hexar.core.ledger import Ledger, Totals
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.agents.llm.conftest import REQUEST, MakeModels
from tests.upstream import Upstream


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    database = Database(f"sqlite:///{tmp_path}/store.db")
    create_tables(database)
    book = Ledger(database)
    yield book
    await asyncio.to_thread(book.close)
    database.close()


async def run(models: Models, ledger: Ledger, tenant: str = "t") -> list[Event]:
    metered = MeteredModels(models, ledger)
    events: list[Event] = []
    async with aclosing(metered.stream(REQUEST, Deadline.after(10), tenant=tenant, kind="chat")) as batches:
        async for batch in batches:
            events += batch
    return events


async def totals(ledger: Ledger, calls: int) -> Totals:
    """The tenant's totals, once ``calls`` charges are written."""
    for _ in range(100):
        found = await asyncio.to_thread(ledger.totals, "t")
        if found.calls >= calls:
            return found
        await asyncio.sleep(0.02)
    pytest.fail(f"{calls} charges were expected")


async def test_a_whole_answer_is_charged_as_reported(make_models: MakeModels, ledger: Ledger) -> None:
    """The charge is what the provider reported, and it is durable before the answer's end is told."""
    await asyncio.to_thread(ledger.set_budget, "t", 1_000_000)
    events = await run(make_models("tokens=50"), ledger)
    done = events[-1]
    assert isinstance(done, Done)
    found = await asyncio.to_thread(ledger.totals, "t")
    assert (found.calls, found.prompt_tokens, found.completion_tokens, found.cost_micros) == (1, 7, 50, 107)
    budget = await asyncio.to_thread(ledger.budget, "t")
    assert budget is not None
    assert budget.spent_micros == done.cost_micros == 107


async def test_a_used_up_budget_refuses_before_the_call(make_models: MakeModels, ledger: Ledger, upstream: Upstream) -> None:
    """The most that a call may cost must be free; the provider is not asked otherwise."""
    await asyncio.to_thread(ledger.set_budget, "t", 150)
    models = make_models("tokens=5")
    with pytest.raises(ResourceExhausted):
        await run(models, ledger)
    assert models.config().model not in (await asyncio.to_thread(upstream.stats))["calls"]
    assert (await asyncio.to_thread(ledger.totals, "t")).calls == 0


async def test_a_broken_answer_is_charged_for_what_came(make_models: MakeModels, ledger: Ledger) -> None:
    """Tokens of a stream that broke are estimated and paid, those of one that never began are not."""
    with pytest.raises(StreamBroken):
        await run(make_models("tokens=9&rate=200&fault=cut&after=4"), ledger)
    found = await totals(ledger, 1)
    assert found.completion_tokens >= 4
    assert found.cost_micros > 0
    with pytest.raises(Exception, match="failed"):
        await run(make_models("fault=status&status=500", attempts=1), ledger)
    await asyncio.sleep(0.1)
    assert (await asyncio.to_thread(ledger.totals, "t")).calls == 1


async def test_a_cancelled_answer_is_charged_for_what_came(make_models: MakeModels, ledger: Ledger) -> None:
    """A caller that leaves pays what was streamed until then, and nothing stays reserved."""
    await asyncio.to_thread(ledger.set_budget, "t", 1_000_000)
    task = asyncio.create_task(run(make_models("tokens=1000&rate=50", timeouts=Timeouts()), ledger))
    await asyncio.sleep(0.4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    found = await totals(ledger, 1)
    assert 5 <= found.completion_tokens <= 60
    held = await ledger.reserve_async("t", 1_000_000 - found.cost_micros)
    held.release()


async def test_a_blocking_answer_is_charged_too(make_models: MakeModels, ledger: Ledger) -> None:
    """``complete`` reserves and settles as a stream does, also where it fails half-way."""
    await asyncio.to_thread(ledger.set_budget, "t", 1_000_000)
    whole = MeteredModels(make_models("tokens=50"), ledger)
    result = await asyncio.to_thread(whole.complete, REQUEST, Deadline.after(5), tenant="t", kind="legal")
    assert result.done.cost_micros == 107
    broken = MeteredModels(make_models("tokens=9&rate=200&fault=cut&after=4"), ledger)
    with pytest.raises(StreamBroken):
        await asyncio.to_thread(broken.complete, REQUEST, Deadline.after(5), tenant="t", kind="legal")
    found = await asyncio.to_thread(ledger.totals, "t")
    assert found.calls == 2
    assert found.cost_micros > 107


async def test_a_switch_is_charged_for_both_models(make_models: MakeModels, ledger: Ledger) -> None:
    """The void segment and the answer are one charge."""
    events = await run(make_models("tokens=9&rate=200&fault=cut&after=4", "tokens=6", attempts=1), ledger)
    found = await totals(ledger, 1)
    assert found.completion_tokens >= 10
    assert sum(isinstance(event, Delta) for event in events) == 10


async def test_many_calls_share_a_budget_exactly(make_models: MakeModels, ledger: Ledger) -> None:
    """A hundred calls at once spend a budget: no call is lost, none is charged twice, and the limit holds."""
    await asyncio.to_thread(ledger.set_budget, "t", 5000)
    models = make_models("tokens=20")
    results = await asyncio.gather(*(run(models, ledger) for _ in range(100)), return_exceptions=True)
    answered = [result for result in results if isinstance(result, list)]
    assert all(isinstance(result, ResourceExhausted) for result in results if not isinstance(result, list))
    found = await asyncio.to_thread(ledger.totals, "t")
    assert found.calls == len(answered) > 0
    assert found.cost_micros == 47 * len(answered) <= 5000

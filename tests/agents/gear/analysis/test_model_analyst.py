"""Analyses by a configured model: one call a batch, every claim checked against its quote, the extractive analyst where it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from google.protobuf.duration_pb2 import Duration

from hexar.agents.gear.analysis.analyst import METHOD
from hexar.agents.gear.analysis.knowledge import PROVISIONAL_SECONDS, Knowledge
from hexar.agents.gear.analysis.model_analyst import CONCURRENCY, ModelAnalyst
from hexar.agents.llm import MeteredModels, ModelConfig, Models, Timeouts
from hexar.agents.vendors.model import Listing, Review
from hexar.core.cache import Tier
from hexar.core.errors import Unavailable
from hexar.core.jobs import Jobs
from hexar.core.jobs.worker import WorkerConfig
from hexar.core.ledger import Ledger
from hexar.core.resilience import RetryPolicy
from tests.agents.gear.conftest import Ask, Engine, Shelf, listing
from tests.agents.gear.test_pipeline import products
from tests.upstream import Upstream

GOOD = "It turns with very little effort. The bag came late."
BAD = "The bindings broke on the second day. It is not comfortable at all."

MakeModels = Callable[[str], MeteredModels]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
async def make_models(engine: Engine, upstream: Upstream) -> AsyncIterator[MakeModels]:
    """A metered model of the upstream by its settings."""
    ledger = Ledger(engine.database)
    made: list[Models] = []

    def make(settings: str) -> MeteredModels:
        config = ModelConfig(
            "analyst",
            base_url=upstream.base_url,
            model=f"{id(made)}-{len(made)}?{settings}",
            input_price=1_000_000,
            timeouts=Timeouts(connect=2.0, first_token=5.0, idle=5.0, total=30.0),
        )
        made.append(Models([config], engine.dispatcher, policy=RetryPolicy(attempts=1)))
        return MeteredModels(made[-1], ledger)

    yield make
    for models in made:
        models.close()
    await asyncio.to_thread(ledger.close)


def shelf(count: int, text: str = GOOD, name: str = "shop") -> Shelf:
    """So many different snowboards with one review each."""
    rows = [
        listing(
            name,
            f"S{n}",
            f"Maker{chr(65 + n // 26)}{chr(65 + n % 26)} Snowboard",
            brand=f"Maker{chr(65 + n // 26)}{chr(65 + n % 26)}",
        )
        for n in range(count)
    ]
    reviews = {row.sku: {"reviews": (Review(id=f"{row.sku}-r", text=text),)} for row in rows}
    return Shelf(name, rows, knowledge=reviews)


WAIT = Duration(seconds=30)


async def test_batches_of_twenty_three_at_once(
    engine: Engine,
    make_models: MakeModels,
    upstream: Upstream,
    ask: Ask,
) -> None:
    """Sixty products are three calls at once with twenty products each; tokens and cost are in the answer and on the ledger."""
    engine.jobs = Jobs(engine.database, WorkerConfig(threads=6, poll=0.05))
    engine.jobs.start()
    models = make_models("claims=honest&first=0.5")
    before = upstream.stats()
    answered = await ask(engine.pipeline(shelf(60), models=models), text="snowboard", limit=60, wait_for_analysis=WAIT)
    after = upstream.stats()
    model = models.models.config().model
    assert after["calls"][model] == 3
    assert after["most_open"] == CONCURRENCY == 3
    assert before["open"] == 0
    assert after["last_request"]["response_format"]["json_schema"]["strict"]
    found = products(answered)
    assert len(found) == 60
    for product in found:
        assert product.analysis.method == "analyst"
        (claim,) = product.analysis.pros
        assert (claim.aspect, claim.text) == ("ride", "It turns with very little effort.")
        assert claim.evidence[0].ref == product.offers[0].sku + "-r"
    usage = answered.completed.analysis_usage
    assert (usage.prompt_tokens, usage.cost.micros, usage.model) == (21, 21, "analyst")
    (row,) = await asyncio.to_thread(models.ledger.usage, "default")
    assert (row.calls, row.kind, row.prompt_tokens, row.cost_micros) == (3, "gear", 21, 21)
    assert answered.completed.ai == "analyst"
    await engine.jobs.close()


async def test_more_workers_make_no_more_calls_at_once(
    engine: Engine,
    make_models: MakeModels,
    upstream: Upstream,
    ask: Ask,
) -> None:
    """Five batches on six workers: three calls, then two."""
    engine.jobs = Jobs(engine.database, WorkerConfig(threads=6, poll=0.05))
    engine.jobs.start()
    models = make_models("claims=honest&first=0.3")
    await ask(engine.pipeline(shelf(100), models=models), text="snowboard", limit=100, wait_for_analysis=WAIT)
    stats = upstream.stats()
    assert stats["calls"][models.models.config().model] == 5
    assert stats["most_open"] == 3
    await engine.jobs.close()


async def test_nothing_of_a_hostile_model_is_shown(engine: Engine, make_models: MakeModels, ask: Ask) -> None:
    """Two hundred claims whose quote, source, product, kind or aspect does not hold: all dropped and counted."""
    engine.jobs.start()
    models = make_models("claims=false")
    answered = await ask(engine.pipeline(shelf(20), models=models), text="snowboard", limit=20, wait_for_analysis=WAIT)
    assert answered.completed.dropped_claims == 200
    assert not any(product.HasField("analysis") for product in products(answered))


async def test_a_good_word_for_a_complaint_is_dropped(engine: Engine, make_models: MakeModels, ask: Ask) -> None:
    """A real quote does not carry a claim that it contradicts."""
    engine.jobs.start()
    answered = await ask(
        engine.pipeline(shelf(2, BAD), models=make_models("claims=honest")), text="snowboard", wait_for_analysis=WAIT
    )
    assert answered.completed.dropped_claims == 2
    assert not any(product.analysis.pros for product in products(answered))


@pytest.mark.parametrize("settings", ["fault=status", "fault=malformed", "tokens=3", "fault=onlydone"])
async def test_without_the_model_the_analysis_is_extractive_and_says_so(
    engine: Engine,
    make_models: MakeModels,
    ask: Ask,
    settings: str,
) -> None:
    """The model is away, or answers what is no list of claims: the tables read the reviews."""
    engine.jobs.start()
    text = "The edge hold is excellent."
    answered = await ask(
        engine.pipeline(shelf(2, text), models=make_models(settings)), text="snowboard", wait_for_analysis=WAIT
    )
    for product in products(answered):
        assert product.analysis.method == METHOD
        assert product.analysis.pros[0].text == text
    assert answered.completed.ai == METHOD


async def test_what_was_read_without_the_model_is_provisional(make_models: MakeModels) -> None:
    """It holds until the model may be back; where no model is configured, and what a model read, for its whole time."""
    now = time.time()
    old = now - PROVISIONAL_SECONDS - 1
    for analysed_at, method, by_model, holds in (
        (now, METHOD, True, True),
        (old, METHOD, True, False),
        (old, METHOD, False, True),
        (old, "analyst", True, True),
    ):
        known = Knowledge("v", "s", analysed_at, None, (), None, method)
        assert known.holds(0.0, by_model=by_model) == holds
        assert Knowledge.decode(known.encode(), Tier.DISK, stale=False).method == method


async def test_a_server_without_schemas_is_asked_without(make_models: MakeModels, upstream: Upstream) -> None:
    """Its answer is checked all the same, and the next call does not try again."""
    models = make_models("claims=honest&schema=0")
    analyst = ModelAnalyst(models)
    product = [Listing("v", "s", "Board", reviews=(Review(id="r", text=GOOD),), fetched_at=1.0)]
    for _ in range(2):
        found = await asyncio.to_thread(analyst.analyse, "t", [product])
        assert [mention.quote for mention in found.mentions[0]] == ["It turns with very little effort."]
    assert upstream.stats()["calls"][models.models.config().model] == 3


async def test_products_without_a_text_cost_no_call(make_models: MakeModels, upstream: Upstream) -> None:
    models = make_models("fault=status")
    found = await asyncio.to_thread(ModelAnalyst(models).analyse, "t", [[Listing("v", "s", "Board", fetched_at=1.0)]])
    assert not found.mentions
    assert models.models.config().model not in upstream.stats()["calls"]
    with pytest.raises(Unavailable):
        await asyncio.to_thread(
            ModelAnalyst(models).analyse, "t", [[Listing("v", "s", "B", reviews=(Review(id="r", text=GOOD),), fetched_at=1.0)]]
        )

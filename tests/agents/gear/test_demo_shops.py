"""The whole path over real HTTP: the demo shops, their adapters, a real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from hexar.agents.gear.fold import fold
from hexar.agents.gear.pipeline import GearPipeline
from hexar.agents.vendors.registry import build_agents, load_vendors
from hexar.server.demo import DemoShops
from hexar.v1 import query_pb2
from tests.agents.gear.conftest import Ask, Engine
from tests.fix.pace import Pace


@pytest.fixture
def shops() -> Iterator[DemoShops]:
    with DemoShops(delay={"alpine": 0.05, "boardroom": 0.1, "summit": 0.2}) as running:
        yield running


@pytest.fixture
async def pipeline(engine: Engine, shops: DemoShops, tmp_path: Path) -> AsyncIterator[GearPipeline]:
    path = tmp_path / "vendors.yaml"
    path.write_text(shops.vendors_yaml(), encoding="utf-8")
    built = GearPipeline(build_agents(load_vendors(path)), engine.dispatcher, engine.caches, engine.jobs)
    built.open()
    yield built
    for agent in built.agents.values():
        agent.close()


def requests(shops: DemoShops) -> int:
    return sum(sum(calls.values()) for calls in shops.calls.values())


async def test_three_shops_make_one_list(pipeline: GearPipeline, engine: Engine, ask: Ask):
    """Snowboards for beginners under 400 USD: overlapping products carry each shop's offer, with pros and cons that are real."""
    engine.jobs.start()
    answered = await ask(pipeline, text="beginner snowboard under $400", wait_for_analysis=Duration(seconds=20), seconds=30.0)
    shown = [one.product for one in fold(answered.events)]
    assert len(shown) >= 4
    assert max(len(product.offers) for product in shown) == 3
    for product in shown:
        assert any(0 < offer.price.micros <= 400_000_000 for offer in product.offers if offer.price.currency_code == "USD")
        assert not product.skill_levels or query_pb2.SKILL_LEVEL_BEGINNER in product.skill_levels
        for place in product.field_sources.values():
            assert product.sources[place].vendor
            assert product.sources[place].HasField("fetched_at")
        assert product.HasField("rating") or not product.analysis.pros
    assert any(product.analysis.pros for product in shown)
    assert any(product.analysis.cons for product in shown)
    assert [one.product_id for one in shown] == list(answered.completed.product_ids)


async def test_each_endpoint_is_called_once_and_never_on_a_hit(pipeline: GearPipeline, shops: DemoShops, ask: Ask):
    """Counted at the shops: one request a path for the first query, none for the second."""
    await ask(pipeline, text="snowboard", wait_for_analysis=Duration())
    assert all(count == 1 for calls in shops.calls.values() for path, count in calls.items() if not path.startswith("/meta"))
    before = requests(shops)
    again = await ask(pipeline, text="snowboard in stock")
    assert requests(shops) == before
    assert {status.outcome for status in again.completed.vendors} == {query_pb2.VENDOR_OUTCOME_CACHED}


async def test_the_first_shop_is_shown_before_the_others_answer(pipeline: GearPipeline, ask: Ask, pace: Pace):
    """The first product comes within 150 ms of the call, from the shop that answers after 50 ms."""
    pace.slack()
    answered = await ask(pipeline, text="snowboard")
    first = answered.kinds().index("upsert")
    assert answered.times[first] < 0.15 + pace.slack()
    assert {offer.vendor for offer in answered.events[first].upsert.product.offers} == {"alpine"}


async def test_a_shop_that_hangs_is_named(pipeline: GearPipeline, shops: DemoShops, ask: Ask, pace: Pace):
    """In time, with the others complete; and it is asked once."""
    shops.behave("boardroom", hang=True)
    answered = await ask(pipeline, text="snowboard", seconds=1.5)
    assert answered.times[-1] < 1.5 + pace.slack()
    assert answered.vendor("boardroom").outcome == query_pb2.VENDOR_OUTCOME_MISSING
    assert answered.vendor("boardroom").failure == query_pb2.VENDOR_FAILURE_TIMEOUT
    assert answered.vendor("alpine").outcome == query_pb2.VENDOR_OUTCOME_FRESH
    assert answered.vendor("summit").outcome == query_pb2.VENDOR_OUTCOME_FRESH
    assert answered.completed.partial
    assert sum(shops.calls["boardroom"].values()) == 1


async def test_fifty_queries_at_once_fetch_a_catalogue_once(pipeline: GearPipeline, shops: DemoShops, ask: Ask):
    """The feed and the products.json do not depend on the terms: one request each for fifty different texts."""
    await asyncio.gather(*(ask(pipeline, text=f"snowboard {number}", seconds=20.0) for number in range(50)))
    assert shops.calls["summit"]["/feed.xml"] == 1
    assert shops.calls["boardroom"]["/products.json"] == 1


@pytest.mark.parametrize(("fault", "failure"), [
    ({"fail": 500}, query_pb2.VENDOR_FAILURE_STATUS), ({"malformed": True}, query_pb2.VENDOR_FAILURE_MALFORMED),
])  # fmt: skip
async def test_a_shop_that_fails_says_how(pipeline: GearPipeline, shops: DemoShops, ask: Ask, fault, failure):
    """The others' answer is whole."""
    shops.behave("summit", **fault)
    answered = await ask(pipeline, text="snowboard")
    assert answered.vendor("summit").failure == failure
    assert answered.vendor("summit").detail
    assert answered.vendor("boardroom").outcome == query_pb2.VENDOR_OUTCOME_FRESH
    assert not answered.cacheable

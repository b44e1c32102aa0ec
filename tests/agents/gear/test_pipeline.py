"""A gear query from end to end, over agents that answer from memory and a real engine."""

import asyncio
import threading
import time

import pytest
from google.protobuf.duration_pb2 import Duration

from hexar.agents.gear.config import GearConfig
from hexar.agents.gear.fold import fold
from hexar.agents.gear.products.board import Board
from hexar.agents.vendors.errors import VendorStatus, VendorUnreachable
from hexar.agents.vendors.model import Availability
from hexar.core.errors import InvalidArgument, Unavailable
from hexar.core.jobs import JobState
from hexar.v1 import common_pb2, query_pb2
from tests.agents.gear.conftest import Ask, Engine, Shelf, listing, usd
from tests.fix.pace import Pace


def ids(answered):
    return [shown.product.product_id for shown in fold(answered.events)]


def products(answered):
    return [shown.product for shown in fold(answered.events)]


async def test_a_query_streams_ranked_products_of_all_vendors(engine: Engine, boards: list[Shelf], ask: Ask):
    """Started first, completed last, the fold of the events is the final ranking, and boots are no snowboards."""
    answered = await ask(engine.pipeline(*boards), text="snowboard")
    kinds = answered.kinds()
    assert kinds[0] == "started"
    assert kinds[-1] == "completed"
    assert kinds.index("ranked") < kinds.index("completed")
    assert ids(answered) == list(answered.completed.product_ids)
    assert list(answered.completed.product_ids)[0:1] == list(answered.events[kinds.index("ranked")].ranked.product_ids)[0:1]
    names = {product.name for product in products(answered)}
    assert len(names) == 4
    assert "Burton Moto BOA Snowboard Boots" not in names
    assert answered.completed.listings == 6
    assert answered.completed.matched == 4
    assert not answered.completed.partial
    assert answered.cacheable
    assert {status.outcome for status in answered.completed.vendors} == {query_pb2.VENDOR_OUTCOME_FRESH}


async def test_each_vendor_keeps_its_own_offer(engine: Engine, boards: list[Shelf], ask: Ask):
    """One product, two offers with their own price and stock, each with the source that it comes from."""
    answered = await ask(engine.pipeline(*boards), text="burton ripcord")
    (product,) = [one for one in products(answered) if "Ripcord" in one.name]
    offers = {offer.vendor: offer for offer in product.offers}
    assert offers["alpha"].price.micros == 349_000_000
    assert offers["alpha"].list_price.micros == 429_000_000
    assert offers["beta"].price.micros == 329_000_000
    assert offers["beta"].availability == query_pb2.AVAILABILITY_OUT_OF_STOCK
    for offer in product.offers:
        assert product.sources[offer.source].vendor == offer.vendor
    for place in product.field_sources.values():
        assert product.sources[place].fetched_at.seconds > time.time() - 60


async def test_a_hanging_vendor_is_named_and_the_rest_is_complete_before_the_deadline(
    engine: Engine, boards: list[Shelf], ask: Ask, pace: Pace
):
    """The final event comes in time, says who is missing and why, and holds the other vendors' products whole."""
    boards[1].delay = 30.0
    answered = await ask(engine.pipeline(*boards), text="snowboard", seconds=1.0)
    assert answered.times[-1] < 1.0 + pace.slack()
    missing = answered.vendor("beta")
    assert missing.outcome == query_pb2.VENDOR_OUTCOME_MISSING
    assert missing.failure == query_pb2.VENDOR_FAILURE_TIMEOUT
    assert "beta" in missing.detail
    assert answered.completed.partial
    assert not answered.cacheable
    assert {offer.vendor for product in products(answered) for offer in product.offers} == {"alpha", "gamma"}
    assert answered.vendor("alpha").outcome == query_pb2.VENDOR_OUTCOME_FRESH


async def test_the_first_product_comes_with_the_first_vendor(engine: Engine, boards: list[Shelf], ask: Ask, pace: Pace):
    """A vendor that answers in 50 ms is shown within 150 ms, however slow the others are; the start is at once."""
    boards[0].delay, boards[1].delay, boards[2].delay = 0.05, 0.6, 0.8
    answered = await ask(engine.pipeline(*boards), text="snowboard")
    slack = pace.slack()
    assert answered.times[0] < 0.05 + slack
    assert answered.times[answered.kinds().index("upsert")] < 0.15 + slack


async def test_no_vendor_is_asked_twice_nor_on_a_cache_hit(engine: Engine, boards: list[Shelf], ask: Ask):
    """One light call a vendor for the first query, none for the next ones, also for another text."""
    pipeline = engine.pipeline(*boards)
    await ask(pipeline, text="snowboard")
    again = await ask(pipeline, text="nitro snowboard under $500")
    assert [shelf.light_calls for shelf in boards] == [1, 1, 1]
    assert {status.outcome for status in again.completed.vendors} == {query_pb2.VENDOR_OUTCOME_CACHED}
    assert all(status.HasField("age") for status in again.completed.vendors)
    assert again.kinds().index("upsert") < again.kinds().index("ranked")


async def test_different_queries_at_once_share_one_call(engine: Engine, boards: list[Shelf], ask: Ask):
    """What does not depend on the terms is fetched once for all queries that run side by side."""
    for shelf in boards:
        shelf.delay = 0.1
    pipeline = engine.pipeline(*boards)
    answers = await asyncio.gather(*(ask(pipeline, text=text) for text in ("snowboard", "boots", "burton", "nitro board")))
    assert [shelf.light_calls for shelf in boards] == [1, 1, 1]
    assert all(not one.completed.partial for one in answers)


async def test_a_caller_with_more_time_is_not_cut_short_by_one_in_a_hurry(engine: Engine, boards: list[Shelf], ask: Ask):
    """The call of a query with a short deadline ends with it; who joined and has time left asks anew."""
    boards[0].delay = 0.5
    pipeline = engine.pipeline(*boards)
    hurried, patient = await asyncio.gather(
        ask(pipeline, text="snowboard", seconds=0.3), ask(pipeline, text="snowboards", seconds=5.0)
    )
    assert hurried.vendor("alpha").failure == query_pb2.VENDOR_FAILURE_TIMEOUT
    assert patient.vendor("alpha").outcome == query_pb2.VENDOR_OUTCOME_FRESH


async def test_stale_offers_stand_in_for_a_vendor_that_fails(engine: Engine, boards: list[Shelf], ask: Ask):
    """Past their time, offers are shown marked as stale with their age, and the answer is partial and not kept."""
    pipeline = engine.pipeline(*boards)
    await ask(pipeline, text="snowboard")
    for entry in engine.caches.memory._entries.values():
        entry.fresh_until = time.time() - 1
    boards[0].error = lambda: VendorStatus("alpha", 503)
    answered = await ask(pipeline, text="snowboard")
    status = answered.vendor("alpha")
    assert status.outcome == query_pb2.VENDOR_OUTCOME_STALE
    assert status.failure == query_pb2.VENDOR_FAILURE_STATUS
    assert status.HasField("age")
    assert answered.completed.partial
    assert not answered.cacheable
    flagship = next(product for product in products(answered) if "Flagship" in product.name)
    assert all(source.stale for source in flagship.sources)
    prime = next(product for product in products(answered) if "Prime" in product.name)
    assert not any(source.stale for source in prime.sources)
    assert boards[0].light_calls == 2, "a vendor that was reached is not asked again by the same query"


async def test_every_vendor_down_and_nothing_cached_is_unavailable(engine: Engine, boards: list[Shelf], ask: Ask):
    """The error says which vendors failed; nothing is made up."""
    for shelf in boards:
        shelf.error = lambda name=shelf.name: VendorUnreachable(name, "no connection")
    with pytest.raises(Unavailable, match="alpha"):
        await ask(engine.pipeline(*boards), text="snowboard")


async def test_only_caches_calls_nobody(engine: Engine, boards: list[Shelf], ask: Ask):
    """With nothing cached the answer is empty, partial and says that nobody was asked."""
    answered = await ask(engine.pipeline(*boards), text="snowboard", cache_policy=common_pb2.CACHE_POLICY_ONLY)
    assert [shelf.light_calls for shelf in boards] == [0, 0, 0]
    assert answered.completed.partial
    assert not answered.completed.product_ids
    assert not answered.completed.jobs
    assert answered.vendor("alpha").outcome == query_pb2.VENDOR_OUTCOME_MISSING
    assert answered.vendor("alpha").failure == query_pb2.VENDOR_FAILURE_UNSPECIFIED


async def test_refresh_asks_although_caches_hold_it(engine: Engine, boards: list[Shelf], ask: Ask):
    """REFRESH reads no cache, and writes what it reads."""
    pipeline = engine.pipeline(*boards)
    await ask(pipeline, text="snowboard")
    await ask(pipeline, text="snowboard", cache_policy=common_pb2.CACHE_POLICY_REFRESH)
    assert [shelf.light_calls for shelf in boards] == [2, 2, 2]
    await ask(pipeline, text="snowboard")
    assert [shelf.light_calls for shelf in boards] == [2, 2, 2]


async def test_a_vendor_of_name_and_price_alone_gives_nothing_else(engine: Engine, ask: Ask):
    """Cold, from caches and analysed: no brand, rating, pros, cons or anything else that the vendor did not say."""
    bare = Shelf("bare", [listing("bare", "1", "Mystery Snowboard", price=usd(99), availability=Availability.UNKNOWN)])
    engine.jobs.start()
    pipeline = engine.pipeline(bare)
    cold = await ask(pipeline, text="snowboard")
    analysed = await ask(pipeline, text="snowboard", wait_for_analysis=Duration(seconds=20))
    warm = await ask(pipeline, text="snowboard", limit=3)
    for answered in (cold, analysed, warm):
        (product,) = products(answered)
        stated = {descriptor.name for descriptor, _ in product.ListFields()}
        assert stated <= {"product_id", "name", "offers", "sources", "field_sources", "analysis_state"}
        assert set(product.field_sources) == {"name"}
        (offer,) = product.offers
        assert {descriptor.name for descriptor, _ in offer.ListFields()} <= {"vendor", "sku", "price", "source"}
    assert products(warm)[0].analysis_state == query_pb2.ANALYSIS_STATE_NONE


async def test_analyses_come_to_a_stream_that_waits(engine: Engine, boards: list[Shelf], ask: Ask):
    """Products are pending in the live ranking, and upserted with pros and cons from real sentences before the end."""
    engine.jobs.start()
    answered = await ask(engine.pipeline(*boards), text="snowboard", wait_for_analysis=Duration(seconds=20))
    kinds = answered.kinds()
    ranked = answered.events[kinds.index("ranked")].ranked
    assert ranked.pending_analyses == 4
    assert "upsert" in kinds[kinds.index("ranked") :]
    product = next(one for one in products(answered) if "Ripcord" in one.name)
    assert product.analysis_state == query_pb2.ANALYSIS_STATE_READY
    assert "turning" in {claim.aspect for claim in product.analysis.pros}
    assert {"looks", "edge hold"} <= {claim.aspect for claim in product.analysis.cons}
    sentences = {review["text"] for review in [{"text": one.text} for one in boards[0].knowledge["A1"]["reviews"]]}
    for claim in [*product.analysis.pros, *product.analysis.cons]:
        for evidence in claim.evidence:
            assert any(evidence.quote in text for text in sentences)
            assert evidence.vendor == "alpha"
    assert product.rating.value == pytest.approx(4.5)
    assert product.rating.count == 12
    assert product.attributes["flex"] == "soft"
    assert product.sources[product.field_sources["attributes.flex"]].vendor == "alpha"
    nitro = next(one for one in products(answered) if "Nitro" in one.name)
    assert nitro.analysis_state == query_pb2.ANALYSIS_STATE_NONE
    assert not nitro.HasField("rating")
    assert ids(answered) == list(answered.completed.product_ids)
    assert len(answered.completed.jobs) == 1


async def test_the_same_analysis_is_queued_once(engine: Engine, boards: list[Shelf], ask: Ask):
    """Two queries over the same products name the same job, and each vendor is read once."""
    pipeline = engine.pipeline(*boards)
    first = await ask(pipeline, text="snowboard")
    second = await ask(pipeline, text="snowboards in stock")
    third = await ask(pipeline, text="nitro")
    assert list(first.completed.jobs) == list(second.completed.jobs) == list(third.completed.jobs)
    engine.jobs.start()
    await engine.jobs.wait(first.completed.jobs[0], 30)
    for _ in range(500):
        # What a job learnt is in the caches when its thread is done with it, which is after its end.
        if not engine.jobs._worker._running:
            break
        await asyncio.sleep(0.02)
    assert [shelf.heavy_calls for shelf in boards] == [1, 1, 1]
    later = await ask(pipeline, text="snowboard")
    assert not later.completed.jobs


async def test_after_a_restart_the_disk_answers(engine: Engine, boards: list[Shelf], ask: Ask):
    """With an empty memory, offers and knowledge come from the disk tier, say so, and nobody is asked again."""
    engine.jobs.start()
    pipeline = engine.pipeline(*boards)
    await ask(pipeline, text="snowboard", wait_for_analysis=Duration(seconds=20))
    assert engine.caches.backend is not None
    await engine.caches.backend.flush()
    engine.caches.memory.clear()
    answered = await ask(pipeline, text="snowboard")
    assert [shelf.light_calls for shelf in boards] == [1, 1, 1]
    assert [shelf.heavy_calls for shelf in boards] == [1, 1, 1]
    product = next(one for one in products(answered) if "Ripcord" in one.name)
    assert product.HasField("analysis")
    assert {source.tier for source in product.sources} == {common_pb2.CACHE_TIER_DISK}
    assert not any(source.stale for source in product.sources)
    assert not answered.completed.jobs


async def test_what_an_operator_forgets_is_asked_again(engine: Engine, boards: list[Shelf], ask: Ask):
    """Raising the version "vendor:NAME" makes that vendor's offers, knowledge and every answer with it unreachable."""
    pipeline = engine.pipeline(*boards)
    plan = await pipeline.prepare(query_pb2.QueryRequest(text="snowboard"), "default")
    assert {"vendor:alpha", "static:alpha", "vendor:gamma"} <= set(plan.depends)
    await ask(pipeline, text="snowboard")
    engine.caches.versions.bump("vendor:alpha")
    await ask(pipeline, text="snowboard")
    assert [shelf.light_calls for shelf in boards] == [2, 1, 1]


async def test_a_waiting_user_raises_the_priority(engine: Engine, boards: list[Shelf], ask: Ask):
    """The job that was queued for nobody in particular becomes urgent when somebody waits for it."""
    pipeline = engine.pipeline(*boards)
    first = await ask(pipeline, text="snowboard")
    before = await engine.jobs.get(None, first.completed.jobs[0])
    await ask(pipeline, text="snowboard", seconds=1.0, wait_for_analysis=Duration(nanos=1_000_000))
    after = await engine.jobs.get(None, first.completed.jobs[0])
    assert after.priority > before.priority


async def test_new_knowledge_makes_cached_answers_unreachable(engine: Engine, boards: list[Shelf], ask: Ask):
    """The version of a vendor whose knowledge changed is raised once; analysing the same again changes nothing."""
    engine.jobs.start()
    pipeline = engine.pipeline(*boards, config=GearConfig(refresh_age=0.0))
    versions = engine.caches.versions
    await ask(pipeline, text="snowboard", wait_for_analysis=Duration(seconds=20))
    assert versions.get("static:alpha") == 1
    refreshed = await ask(
        pipeline, text="snowboard", wait_for_analysis=Duration(seconds=20), cache_policy=common_pb2.CACHE_POLICY_REFRESH
    )
    assert refreshed.completed.jobs
    assert boards[0].heavy_calls == 2
    assert versions.get("static:alpha") == 1


async def test_refreshing_often_does_not_analyse_often(engine: Engine, boards: list[Shelf], ask: Ask):
    """REFRESH reads the offers again, shows what is known, and queues no analysis of what was just analysed."""
    engine.jobs.start()
    pipeline = engine.pipeline(*boards)
    await ask(pipeline, text="snowboard", wait_for_analysis=Duration(seconds=20))
    again = await ask(pipeline, text="snowboard", cache_policy=common_pb2.CACHE_POLICY_REFRESH)
    assert [shelf.light_calls for shelf in boards] == [2, 2, 2]
    assert [shelf.heavy_calls for shelf in boards] == [1, 1, 1]
    assert not again.completed.jobs
    assert any(product.HasField("analysis") for product in products(again))


async def test_an_analysis_that_fails_for_good_is_told(engine: Engine, boards: list[Shelf], ask: Ask):
    """The other vendors' knowledge is kept; the failed one's products say so and are not queued again at once."""
    boards[1].heavy_error = lambda: VendorStatus("beta", 500)
    engine.jobs.start()
    pipeline = engine.pipeline(*boards)
    answered = await ask(pipeline, text="snowboard", wait_for_analysis=Duration(seconds=20))
    job = await engine.jobs.get(None, answered.completed.jobs[0])
    assert job.state is JobState.DEAD
    assert boards[0].heavy_calls == 1
    states = {product.name: product.analysis_state for product in products(answered)}
    assert states["Nitro Prime Raw Snowboard 2024"] == query_pb2.ANALYSIS_STATE_FAILED
    assert states["Burton Ripcord Snowboard 2024"] == query_pb2.ANALYSIS_STATE_READY
    again = await ask(pipeline, text="snowboard")
    assert not again.completed.jobs


async def test_text_and_fields_filter(engine: Engine, boards: list[Shelf], ask: Ask):
    """A price, a level and stock from the text keep what meets them; another currency never does."""
    pipeline = engine.pipeline(*boards)
    answered = await ask(pipeline, text="beginner snowboard under $400 in stock")
    assert {product.name for product in products(answered)} == {
        "Burton Ripcord Snowboard 2024",
        "Nitro Prime Raw Snowboard 2024",
    }
    euros = await ask(pipeline, text="tabla de snowboard menos de 400 €")
    assert [product.name for product in products(euros)] == ["Tabla de snowboard Capita Outerspace"]
    assert euros.started.understood.language == "es"


async def test_filters_alone_are_enough(engine: Engine, boards: list[Shelf], ask: Ask):
    """With no text every listing that meets the filters is an answer, and relevance is missing from the ranking."""
    answered = await ask(engine.pipeline(*boards), filters=query_pb2.Filters(brands=["burton"]))
    assert len(products(answered)) == 2
    rank = fold(answered.events)[0].rank
    assert next(part for part in rank.contributions if part.feature == "relevance").missing


async def test_scores_are_explained(engine: Engine, boards: list[Shelf], ask: Ask):
    """The contributions of every product add up to its score, in the order of the features."""
    for shown in fold((await ask(engine.pipeline(*boards), text="snowboard")).events):
        parts = shown.rank.contributions
        assert sum(part.value for part in parts) == pytest.approx(shown.rank.score, abs=1e-12)
        assert [part.feature for part in parts] == [
            "relevance", "rating", "price", "discount", "skill", "brand", "terrain", "stock",
        ]  # fmt: skip


async def test_a_users_context_ranks_and_is_remembered(engine: Engine, boards: list[Shelf], ask: Ask):
    """A given context takes part, is stored under the user's id, and later queries of the user need not repeat it."""
    pipeline = engine.pipeline(*boards)
    user = query_pb2.UserContext(skill_level=query_pb2.SKILL_LEVEL_EXPERT, brands=["Jones"])
    plain = await ask(pipeline, text="snowboard")
    given = await ask(pipeline, text="snowboard", user_id="ana", user=user)
    later = await ask(pipeline, text="snowboard", user_id="ana")
    assert not plain.started.personalised
    assert given.started.personalised
    assert later.started.personalised
    assert products(given)[0].name == "Jones Flagship Snowboard 2024"
    assert ids(given) == ids(later)
    assert ids(plain) != ids(given)
    other = await ask(pipeline, text="snowboard", user_id="ana", tenant="another")
    assert not other.started.personalised


async def test_keys_tell_users_and_filters_apart_but_not_spelling(engine: Engine, boards: list[Shelf]):
    """The global answer is shared whatever the case and order of what was asked; a user's answer is the user's."""
    pipeline = engine.pipeline(*boards)

    async def key(tenant="default", **fields):
        return (await pipeline.prepare(query_pb2.QueryRequest(**fields), tenant)).key

    base = await key(text="Snowboard  under $400", vendors=["beta", "alpha"])
    assert base == await key(text="snowboard under $400", vendors=["alpha", "beta"])
    assert base == await key(text="snowboard under $400", vendors=["alpha", "beta"], user_id="nobody-known", limit=20)
    assert base != await key(text="snowboard under $400")
    assert base != await key(text="snowboard under $400", vendors=["alpha", "beta"], limit=5)
    assert base != await key("another", text="snowboard under $400", vendors=["alpha", "beta"])
    context = query_pb2.UserContext(brands=["Jones"])
    mine = await key(text="snowboard under $400", vendors=["alpha", "beta"], user_id="ana", user=context)
    assert mine != base
    assert mine == await key(text="snowboard under $400", vendors=["alpha", "beta"], user_id="ana")
    assert mine != await key(text="snowboard under $400", vendors=["alpha", "beta"], user_id="eva", user=context)


async def test_bad_requests_are_refused_before_anyone_is_asked(engine: Engine, boards: list[Shelf], ask: Ask):
    """No event, no vendor call."""
    with pytest.raises(InvalidArgument):
        await ask(engine.pipeline(*boards), text="")
    assert boards[0].light_calls == 0


async def test_cancelling_a_query_leaves_nothing_behind(engine: Engine, boards: list[Shelf], ask: Ask):
    """A caller that leaves is not answered, and the pipeline answers the next one."""
    boards[0].delay = 0.3
    pipeline = engine.pipeline(*boards)
    task = asyncio.create_task(ask(pipeline, text="snowboard"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert not pipeline.offers._flights
    assert not (await ask(pipeline, text="snowboard")).completed.partial


async def test_a_large_catalogue_is_worked_on_away_from_the_loop(engine: Engine, ask: Ask):
    """Two thousand listings of three vendors are clustered and ranked on threads; a small shop's are not worth the way."""
    small = Shelf("small", [listing("small", "1", "Nitro Prime Snowboard")])
    await ask(engine.pipeline(small), text="snowboard")
    assert "hexar.gear" not in {bulkhead.agent for bulkhead in engine.dispatcher.status()}
    shelves = [
        Shelf(
            name, [listing(name, f"{name}{n}", f"Brand{n % 40} Model{n} Snowboard", category="Snowboard") for n in range(700)]
        )
        for name in ("one", "two", "three")
    ]
    threads: set[str] = set()
    watched = Board.survey

    def survey(board: Board) -> list[tuple[str, str]]:
        if board.listings > 300:
            threads.add(threading.current_thread().name)
        return watched(board)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Board, "survey", survey)
        answered = await ask(engine.pipeline(*shelves), text="brand7 snowboard", seconds=30.0)
    assert len(answered.completed.product_ids) == 20
    assert threads
    assert all(name.startswith("agent-hexar.gear") for name in threads)

"""A gear query end to end: real shops over HTTP, a real server, a real channel."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from hexar.agents.gear.fold import Shown, fold
from hexar.core.jobs import JobState
from hexar.server.demo import DemoShops
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.v1 import common_pb2, query_pb2, query_pb2_grpc
from hexar_client import AsyncClient, Ranking
from hexar_client.errors import InvalidArgument, NotFound
from tests.fix.pace import Pace

TEXT = "beginner snowboard under $400"
Start = Callable[..., Any]


@pytest.fixture
async def start(settings: Callable[..., Settings], tmp_path: Path) -> AsyncIterator[Start]:
    """Start shops and a server over them: ``shops, app, client = await start(delay=…)``."""
    opened: list[Any] = []

    async def run(shop_names: tuple[str, ...] = ("alpine", "boardroom", "summit"), **faults: Any) -> Any:
        shops = DemoShops(**faults)
        shops.start()
        opened.append(shops)
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml(shop_names))
        app = App(settings())
        await app.start()
        client = AsyncClient(f"127.0.0.1:{app.port}")
        opened.extend((app, client))
        return shops, app, client

    yield run
    for thing in reversed(opened):
        if isinstance(thing, App):
            await thing.stop(0)
        elif isinstance(thing, AsyncClient):
            await thing.close()
        else:
            thing.close()


#: Asks for the events of a kept answer as they were first sent.
ORIGINAL = (("hexar-log", "original"),)


def folded(events: list[bytes]) -> list[Shown]:
    """The products that a reader of ``events`` holds."""
    return fold(map(query_pb2.QueryEvent.FromString, events))


async def raw(app: App, request: query_pb2.QueryRequest, **options: Any) -> list[bytes]:
    """The events of a query as they came over the wire."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        call = channel.unary_stream("/hexar.v1.QueryService/Query", request.SerializeToString)(request, **options)
        return [data async for data in call]


async def idle(app: App) -> None:
    """Wait until no background job is left, and what the last ones learnt is in the caches: that follows their end."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        states = {job.state for job in await app.engine.jobs.page(None, limit=100)}
        if not states & {JobState.QUEUED, JobState.RUNNING} and not app.engine.jobs._worker._running:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the jobs did not end")


async def test_a_hanging_vendor_is_named_and_the_others_are_complete(start: Start, pace: Pace) -> None:
    """The answer ends before the caller's deadline, says who is missing and why, and holds all that the others have."""
    shops, app, client = await start(hang={"summit"})
    began = time.monotonic()
    ranking = Ranking()
    async for event in client.query("snowboard", timeout=2.0, limit=100):
        ranking.apply(event)
    assert time.monotonic() - began < 2.0 + pace.slack()
    assert ranking.completed is not None
    assert ranking.completed.partial
    missing = ranking.vendors["summit"]
    assert missing.outcome == query_pb2.VENDOR_OUTCOME_MISSING
    assert missing.failure == query_pb2.VENDOR_FAILURE_TIMEOUT
    assert "summit" in missing.detail
    offered = {(offer.vendor, offer.sku) for product in ranking.products for offer in product.offers}
    shops.behave("summit", hang=False)
    whole = Ranking()
    async for event in client.query("snowboard", timeout=10, limit=100):
        whole.apply(event)
    expected = {(offer.vendor, offer.sku) for product in whole.products for offer in product.offers if offer.vendor != "summit"}
    assert offered == expected
    assert offered


async def test_the_first_vendor_is_shown_while_the_others_are_slow(start: Start, pace: Pace) -> None:
    """An event with a product arrives long before the slowest vendor answers."""
    _, app, client = await start(delay={"alpine": 0.05, "boardroom": 1.5, "summit": 1.5})
    await client.ops.status()
    pace.slack()
    began = time.monotonic()
    first = {}
    async for event in client.query("snowboard"):
        first.setdefault(event.kind, time.monotonic() - began)
    slack = pace.slack()
    assert first["started"] < 0.15 + slack
    assert first["upsert"] < 0.75 + slack
    assert first["completed"] > 1.4


async def test_each_endpoint_is_called_once_a_query_and_never_on_a_hit(start: Start) -> None:
    """A cold query calls every light endpoint exactly once; the same query again calls nothing."""
    shops, app, client = await start()
    request = query_pb2.QueryRequest(text=TEXT)
    first = await raw(app, request)
    light = {name: dict(shops.calls[name]) for name in shops.urls}
    assert all(count == 1 for calls in light.values() for count in calls.values()), light
    assert all(sum(calls.values()) == 1 for calls in light.values()), light
    assert await raw(app, request, metadata=ORIGINAL) == first
    await idle(app)
    shops.reset_calls()
    # The analyses that landed supersede the first answer; the next one is made of the caches, and is kept.
    assembled = await raw(app, request)
    assert await raw(app, request, metadata=ORIGINAL) == assembled
    assert shops.total() == 0


async def test_two_hundred_equal_callers_cause_one_fan_out(start: Start) -> None:
    """All get the same bytes, and each shop was asked once."""
    shops, app, _ = await start(delay=0.2)
    request = query_pb2.QueryRequest(text=TEXT)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        method = channel.unary_stream("/hexar.v1.QueryService/Query", query_pb2.QueryRequest.SerializeToString)

        async def ask() -> list[bytes]:
            return [data async for data in method(request, timeout=20)]

        results = await asyncio.gather(*(ask() for _ in range(200)))
    assert {name: shops.total(name) for name in shops.urls} == {"alpine": 1, "boardroom": 1, "summit": 1}
    # One who came after the end was given the kept form.
    assert all(folded(result) == folded(results[0]) for result in results)
    assert query_pb2.QueryEvent.FromString(results[0][-1]).HasField("completed")


async def test_a_replay_decodes_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the path of a repeated query no JSON and no protobuf message is parsed."""
    _, app, _ = await start()
    request = query_pb2.QueryRequest(text=TEXT)
    await raw(app, request)
    await idle(app)
    sent = await raw(app, request)
    kept = await raw(app, request)
    assert len(kept) < len(sent)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("decoded on the path of a replay")

    monkeypatch.setattr("hexar.server.calls.rpc.parse", forbidden)
    monkeypatch.setattr("orjson.loads", forbidden)
    monkeypatch.setattr("hexar.core.eventlog.answers.unpack", forbidden)
    assert await raw(app, request) == kept
    assert await raw(app, request, metadata=ORIGINAL) == sent


async def test_the_fold_of_the_events_is_the_final_list(start: Start) -> None:
    """Whatever order the shops answer in, folding upserts, moves and retracts gives the completed ranking."""
    orders = [{"alpine": 0.0, "boardroom": 0.1, "summit": 0.2}, {"alpine": 0.2, "boardroom": 0.1, "summit": 0.0}]
    finals = []
    for delay in orders:
        shops, app, client = await start(delay=delay)
        ranking = Ranking()
        async for event in client.query("snowboard boots", limit=10):
            ranking.apply(event)
        assert ranking.completed is not None
        assert ranking.product_ids == list(ranking.completed.product_ids)
        for product_id in ranking.product_ids:
            rank = ranking.rank(product_id)
            assert abs(sum(part.value for part in rank.contributions) - rank.score) < 1e-9
        finals.append([(product.product_id, len(product.offers)) for product in ranking.products])
        app.engine.versions.bump("tenant:default")
    assert finals[0] == finals[1]


async def test_a_broken_connection_resumes_with_the_exact_rest(start: Start) -> None:
    """Asking again with the last number and the answer's id gives the events that were not yet seen."""
    _, app, _ = await start()
    request = query_pb2.QueryRequest(text=TEXT)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        stub = query_pb2_grpc.QueryServiceStub(channel)
        call = stub.Query(request)
        headers = dict(await call.initial_metadata())
        whole = [event async for event in call]
        for seen in range(len(whole)):
            again = stub.Query(
                query_pb2.QueryRequest(text=TEXT, resume_after=seen),
                metadata=(("hexar-answer-id", headers["hexar-answer-id"]), *ORIGINAL),
            )
            assert [event async for event in again] == whole[seen:]
        lost = stub.Query(query_pb2.QueryRequest(text=TEXT, resume_after=1), metadata=(("hexar-answer-id", "0" * 32),))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [event async for event in lost]
        assert caught.value.code() is grpc.StatusCode.ABORTED


async def test_analyses_reach_a_stream_that_waits(start: Start) -> None:
    """With wait_for_analysis the stream stays open and receives pros and cons, each with its evidence."""
    _, app, client = await start()
    ranking = Ranking()
    async for event in client.query(TEXT, wait=10.0):
        ranking.apply(event)
    analysed = [product for product in ranking.products if product.HasField("analysis")]
    assert analysed
    claims = [claim for product in analysed for claim in (*product.analysis.pros, *product.analysis.cons)]
    assert claims
    assert all(claim.evidence and any(proof.quote for proof in claim.evidence) for claim in claims)
    assert all(product.analysis_state == query_pb2.ANALYSIS_STATE_READY for product in analysed)


async def test_a_product_without_reviews_has_no_opinion(start: Start) -> None:
    """A vendor that gives nothing but names and prices yields products with nothing but names and prices, in every path."""
    _, app, client = await start(("boardroom",))
    for _ in range(2):
        ranking = Ranking()
        async for event in client.query("snowboard", wait=10.0, limit=100):
            ranking.apply(event)
        assert ranking.products
        for product in ranking.products:
            assert not product.HasField("rating")
            assert not product.analysis.pros
            assert not product.analysis.cons


async def test_every_vendor_down_and_nothing_cached_is_unavailable(start: Start) -> None:
    """No vendor can be asked: UNAVAILABLE with the time to come back, and it is not kept."""
    shops, app, client = await start(fail=("alpine", "boardroom", "summit"))
    with pytest.raises(Exception, match="no vendor could be asked") as caught:
        async for _ in client.query(TEXT):
            pass
    assert type(caught.value).__name__ == "Unavailable"
    for name in shops.urls:
        shops.behave(name, fail=0)
    ranking = Ranking()
    async for event in client.query(TEXT):
        ranking.apply(event)
    assert ranking.products


async def test_old_offers_are_shown_and_say_so(start: Start) -> None:
    """A vendor that is down after its offers expired is shown from the cache, marked stale, with its age."""
    shops, app, client = await start()
    async for _ in client.query("snowboard"):
        pass
    await idle(app)
    clock = time.time() + 3600
    app.engine.caches._clock = lambda: clock
    for name in shops.urls:
        shops.behave(name, fail=503)
    ranking = Ranking()
    async for event in client.query("snowboard"):
        ranking.apply(event)
    assert {status.outcome for status in ranking.vendors.values()} == {query_pb2.VENDOR_OUTCOME_STALE}
    assert ranking.products
    for product in ranking.products:
        assert all(product.sources[offer.source].stale for offer in product.offers)
    assert ranking.completed is not None
    assert ranking.completed.partial


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("text", query_pb2.QueryRequest()),
        ("text", query_pb2.QueryRequest(text="x" * 1001)),
        ("text", query_pb2.QueryRequest(text="snow\x00board")),
        ("limit", query_pb2.QueryRequest(text="snowboard", limit=101)),
        ("vendors", query_pb2.QueryRequest(text="snowboard", vendors=["nobody"])),
        (
            "filters.price_min",
            query_pb2.QueryRequest(
                text="a", filters=query_pb2.Filters(price_min=common_pb2.Money(micros=-1, currency_code="USD"))
            ),
        ),
        ("filters.skill_level", query_pb2.QueryRequest.FromString(b"\x0a\x01a\x12\x02\x18\x63")),
        ("cache_policy", query_pb2.QueryRequest.FromString(b"\x0a\x01a\x38\x63")),
        ("user_id", query_pb2.QueryRequest(text="a", user_id="x" * 129)),
        ("wait_for_analysis", query_pb2.QueryRequest.FromString(b"\x0a\x01a\x4a\x02\x08\x7b")),
    ],
)
async def test_a_bad_field_is_named(start: Start, field: str, request_: query_pb2.QueryRequest) -> None:
    """Each unusable field ends as INVALID_ARGUMENT that names it, and no shop is asked."""
    shops, app, _ = await start()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(app, request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(caught.value.details())
    assert shops.total() == 0


async def test_a_resumption_beyond_the_end_is_refused(start: Start) -> None:
    """A number that the answer does not have is the caller's mistake."""
    _, app, _ = await start()
    await raw(app, query_pb2.QueryRequest(text=TEXT))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(app, query_pb2.QueryRequest(text=TEXT, resume_after=1000))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_invalidation_is_over_when_it_is_acknowledged(start: Start) -> None:
    """After InvalidateCache the next query asks the shops again."""
    shops, app, client = await start()
    await raw(app, query_pb2.QueryRequest(text=TEXT))
    await client.ops.invalidate(everything=True)
    shops.reset_calls()
    await raw(app, query_pb2.QueryRequest(text=TEXT))
    assert all(shops.total(name) >= 1 for name in shops.urls)


async def test_a_product_is_forgotten_with_what_was_read_of_those_who_carry_it(start: Start) -> None:
    """The next query asks these shops again; a product that no answer shows is an error, and so is a name that cannot be one."""
    shops, app, client = await start()
    ranking = Ranking()
    async for event in client.query(TEXT):
        ranking.apply(event)
    product = ranking.products[0]
    bumped = await client.ops.invalidate(product=product.product_id)
    carriers = sorted(offer.vendor for offer in product.offers)
    assert bumped.name == ", ".join(f"vendor:{name}" for name in carriers)
    shops.reset_calls()
    await raw(app, query_pb2.QueryRequest(text=TEXT))
    assert [name for name in sorted(shops.urls) if shops.total(name)] == carriers
    for unknown, error in (("p_0", NotFound), ("p_\n", InvalidArgument)):
        with pytest.raises(error):
            await client.ops.invalidate(product=unknown)


async def test_a_users_context_takes_part_and_is_remembered(start: Start) -> None:
    """A context given once personalises later answers of that user, and nobody else's."""
    _, app, client = await start()
    context = query_pb2.UserContext(brands=["Corvo"])
    seen = []
    for options in ({"user_id": "ann", "user": context}, {"user_id": "ann"}, {"user_id": "bob"}, {}):
        events = [event async for event in client.query("snowboard", **options)]
        seen.append(events[0].body.personalised)
    assert seen == [True, True, False, False]


async def test_pictures_days_of_delivery_and_recent_reviews_are_in_the_answer(start: Start) -> None:
    """As the shops state them; the reviews of the demo shops are older than a month."""
    _, _, client = await start(shop_names=("alpine", "summit"))
    ranking = Ranking()
    async for event in client.query(TEXT, wait=20.0):
        ranking.apply(event)
    product = ranking.products[0]
    assert product.image_url.endswith(".svg")
    assert {(offer.delivery.min_days, offer.delivery.max_days) for offer in product.offers if offer.HasField("delivery")} <= {
        (2, 5),
        (3, 6),
    }
    assert any(offer.HasField("delivery") for each in ranking.products for offer in each.offers)
    reviewed = [each.reviews for each in ranking.products if each.HasField("reviews")]
    assert reviewed
    assert all(reviews.count >= reviews.recent_count for reviews in reviewed)

"""Accounts of the language models: the time to a first token, and the sums by tenant, model and period."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hexar.server.demo.shops import DemoShops
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.v1 import chat_pb2, ops_pb2, ops_pb2_grpc, query_pb2, query_pb2_grpc
from tests.server.chat.test_chat import WARRANTY, Chat
from tests.upstream import Upstream

QUESTION = "What is the warranty of the Atlas 40 backpack?"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture
async def app(settings: Callable[..., Settings], upstream: Upstream) -> AsyncIterator[App]:
    model = {"name": "m", "base_url": upstream.base_url, "model": "m?tokens=5&first=0.5&think=0.1", "input_price": 1_000_000}
    tokens = [{"token": f"token-{tenant}", "tenant": tenant, "scopes": ["use", "ops"]} for tenant in "ab"]
    made = App(settings(metrics_port=0, llm={"models": [model]}, auth={"tokens": tokens}))
    await made.start()
    yield made
    await made.stop(0)


async def usage(channel: grpc.aio.Channel, tenant: str, request: ops_pb2.GetUsageRequest) -> ops_pb2.GetUsageResponse:
    metadata = (("authorization", f"Bearer token-{tenant}"),)
    response: ops_pb2.GetUsageResponse = await ops_pb2_grpc.OpsServiceStub(channel).GetUsage(request, metadata=metadata)
    return response


async def test_sums_and_first_token(app: App) -> None:
    """An answer is on its tenant's account only; what announces it is not its first token."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        caller = Chat(channel, "token-a")
        await caller.add("gear", backpack__md=WARRANTY)
        events = await caller.ask("gear", QUESTION)
        assert events[-1].done.mode == chat_pb2.ANSWER_MODE_MODEL
        assert events[-1].done.reasoning_characters == 2
        for period in ops_pb2.UsagePeriod.values():
            (row,) = (await usage(channel, "a", ops_pb2.GetUsageRequest(period=period))).usage
            assert (row.tenant, row.model, row.system, row.calls, row.estimated_calls) == ("a", "m", "chat", 1, 0)
            assert (row.prompt_tokens, row.completion_tokens, row.cost.micros, row.cost.currency_code) == (7, 5, 7, "USD")
            assert row.HasField("period_start") == (period != ops_pb2.USAGE_PERIOD_UNSPECIFIED)
        assert not (await usage(channel, "b", ops_pb2.GetUsageRequest())).usage
        assert not (await usage(channel, "a", ops_pb2.GetUsageRequest(model="other"))).usage
        report = await ops_pb2_grpc.OpsServiceStub(channel).GetReport(
            ops_pb2.GetReportRequest(), metadata=(("authorization", "Bearer token-a"),)
        )
        (chat,) = [method for method in report.methods if method.method == "hexar.v1.ChatService/Chat"]
        assert chat.first_event.median.ToTimedelta().total_seconds() >= 0.5
    port = app.metrics_port
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
    assert 'hexar_model_tokens_total{direction="prompt",model="m",system="chat",tenant="a"} 7.0' in text
    assert 'hexar_model_cost_micros_total{currency="USD",model="m",system="chat",tenant="a"} 7.0' in text


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("period", ops_pb2.GetUsageRequest(period=9)),  # type: ignore[arg-type]
        ("since", ops_pb2.GetUsageRequest(since=Timestamp(seconds=-1))),
        ("until", ops_pb2.GetUsageRequest(until=Timestamp(nanos=-1))),
        ("until", ops_pb2.GetUsageRequest(since=Timestamp(seconds=9), until=Timestamp(seconds=8))),
        ("model", ops_pb2.GetUsageRequest(model="m" * 300)),
    ],
)
async def test_bad_requests_name_their_field(app: App, field: str, request_: ops_pb2.GetUsageRequest) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await usage(channel, "a", request_)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in (refused.value.details() or "")


async def test_a_query_that_waits_tells_what_its_analyses_used(
    settings: Callable[..., Settings], upstream: Upstream, tmp_path: Path
) -> None:
    """The primary model reads the reviews of the shops; its claims, its name and its cost reach the caller and the ledger."""
    model = {"name": "reader", "base_url": upstream.base_url, "model": "r?claims=honest", "input_price": 1_000_000}
    with DemoShops() as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml(), encoding="utf-8")
        app = App(settings(llm={"models": [model]}))
        await app.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
                request = query_pb2.QueryRequest(text="snowboard", limit=10, wait_for_analysis=Duration(seconds=20))
                events = [event async for event in query_pb2_grpc.QueryServiceStub(channel).Query(request)]
                rows = (await ops_pb2_grpc.OpsServiceStub(channel).GetUsage(ops_pb2.GetUsageRequest())).usage
        finally:
            await app.stop(0)
    completed = events[-1].completed
    assert completed.ai == "reader"
    assert completed.analysis_usage.prompt_tokens == 7 * len(completed.jobs)
    methods = {event.upsert.product.analysis.method for event in events if event.HasField("upsert")}
    assert "reader" in methods
    assert [(row.model, row.system, row.calls) for row in rows] == [("reader", "gear", len(completed.jobs))]

"""Spans, as an exporter in memory gets them: one a call under its caller's, one an agent, one a model's answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hexar.core.telemetry import tracing
from hexar.server.demo import DemoShops
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.v1 import query_pb2, query_pb2_grpc

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What is exported while a test runs."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider.get_tracer("test"))
    yield exporter
    tracing.use(None)
    provider.shutdown()


async def test_a_query_is_one_trace(spans: InMemorySpanExporter, settings: Callable[..., Settings], tmp_path: Path) -> None:
    """Of the caller's trace; each vendor's span is under the call's, and none holds the query's words."""
    with DemoShops() as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml(), encoding="utf-8")
        app = App(settings())
        await app.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
                stub = query_pb2_grpc.QueryServiceStub(channel)
                metadata = (("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),)
                async for _ in stub.Query(query_pb2.QueryRequest(text="snowboard"), metadata=metadata):
                    pass
        finally:
            await app.stop(0)
    ended = spans.get_finished_spans()
    (call,) = [one for one in ended if one.name == "hexar.v1.QueryService/Query"]
    assert call.context is not None
    assert format(call.context.trace_id, "032x") == TRACE
    vendors = {one.name for one in ended if one.context is not None and one.context.trace_id == call.context.trace_id}
    assert {f"agent {name}" for name in ("alpine", "boardroom", "summit")} <= vendors
    assert all("snowboard" not in str(value) for one in ended for value in (one.attributes or {}).values())


def test_without_a_tracer_nothing_is_made() -> None:
    """No span, no cost, no package."""
    with tracing.span("x") as made:
        assert made is None
    tracing.end(tracing.begin("x"))

"""MarketService over a real channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hexar.agents.market.demo import write_table
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.v1 import common_pb2, market_pb2_grpc
from hexar.v1 import market_pb2 as pb


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return market_pb2_grpc.MarketServiceStub(channel)


async def upload(stub: Any, content: bytes, name: str = "sales", file: str = "sales.csv", **options: Any) -> pb.Table:
    async def parts() -> AsyncIterator[pb.UploadTableRequest]:
        yield pb.UploadTableRequest(options=pb.TableOptions(name=name, **options))
        yield pb.UploadTableRequest(file_name=file)
        for at in range(0, len(content), 100_000):
            yield pb.UploadTableRequest(chunk=content[at : at + 100_000])

    return (await stub.UploadTable(parts())).table


@pytest.fixture
async def table(stub: Any, tmp_path: Path) -> pb.Table:
    """The demo's table, uploaded."""
    return await upload(stub, write_table(tmp_path / "demo.csv").read_bytes())


async def receive(call: Any) -> tuple[list[pb.AnalyzeEvent], str]:
    events = [event async for event in call]
    return events, dict(await call.initial_metadata())["hexar-cache"]


def field_of(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)
    for detail in status.details:
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            request = error_details_pb2.BadRequest()
            detail.Unpack(request)
            return request.field_violations[0].field
    return ""


async def test_an_analysis_streams_each_tool_and_ends_with_advice_that_cites_figures(stub: Any, table: pb.Table) -> None:
    """Every cited figure is one of the answer's; progress counts to the end."""
    assert table.rows == 3768
    assert [entry.expression for entry in table.computed] == ["units × price", "units × unit cost", "revenue − cost"]
    events, cache = await receive(stub.Analyze(pb.AnalyzeRequest(table="sales")))
    assert cache == "miss"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[0].started.money_unit == "EUR"
    tools = [event.tool for event in events if event.HasField("tool")]
    assert {tool.tool for tool in tools} == set(events[0].started.tools)
    figures = {figure.id for tool in tools for figure in tool.figures}
    advice = [event.recommendation for event in events if event.HasField("recommendation")]
    assert 2 <= len(advice) <= 6
    assert all(entry.figure_ids and set(entry.figure_ids) <= figures for entry in advice)
    progress = [event.progress for event in events if event.HasField("progress")]
    assert [entry.ended for entry in progress] == list(range(1, len(tools) + 1))
    analysts = [event.analyst for event in events if event.HasField("analyst")]
    assert all(entry.context_bytes < 16_000 and entry.context_figures for entry in analysts)
    done = events[-1].completed
    assert (done.partial, done.ai, done.tool_calls) == (False, "rules", len(tools))


async def test_the_levels_give_the_same_figures_and_answers_are_kept_by_what_they_hold(stub: Any, table: pb.Table) -> None:
    """Tools, analysts and values of a filter in any order are one answer; another level is another with equal figures."""
    both = [pb.ANALYST_DATA, pb.ANALYST_STRATEGY]
    tools = [pb.MARKET_TOOL_BRAND, pb.MARKET_TOOL_OVERVIEW, pb.MARKET_TOOL_FORECAST]
    first, cache = await receive(stub.Analyze(pb.AnalyzeRequest(table="sales", tools=tools, analysts=both)))
    assert cache == "miss"
    turned = pb.AnalyzeRequest(table="sales", tools=tools[::-1], analysts=both[::-1])
    again, cache = await receive(stub.Analyze(turned, metadata=(("hexar-log", "original"),)))
    assert (again, cache) == (first, "hit")
    kept, cache = await receive(stub.Analyze(turned))
    assert cache == "hit"
    assert [event.WhichOneof("event") for event in kept] == ["started", "results", "completed"]
    results = kept[1].results
    for name, kind in (("tools", "tool"), ("recommendations", "recommendation"), ("analysts", "analyst")):
        assert list(getattr(results, name)) == [getattr(event, kind) for event in first if event.HasField(kind)]
    _, cache = await receive(stub.Analyze(pb.AnalyzeRequest(table="sales", tools=tools, analysts=both[:1])))
    assert cache == "miss"

    def figures(events: list[pb.AnalyzeEvent]) -> dict[str, bytes]:
        return {
            figure.id: figure.SerializeToString(deterministic=True)
            for event in events
            if event.HasField("tool")
            for figure in event.tool.figures
        }

    for level in (pb.OPTIMIZATION_LEVEL_NONE, pb.OPTIMIZATION_LEVEL_FULL):
        other, cache = await receive(stub.Analyze(pb.AnalyzeRequest(table="sales", tools=tools, optimization=level)))
        assert cache == "miss"
        assert figures(other) == figures(first)


async def test_a_table_that_is_replaced_is_another_answer(stub: Any, table: pb.Table, tmp_path: Path) -> None:
    """A name is taken until replace is said; what was answered from the old rows is not given for the new ones."""
    request = pb.AnalyzeRequest(table="sales", tools=[pb.MARKET_TOOL_OVERVIEW], skip_analysts=True)
    first, _ = await receive(stub.Analyze(request))
    content = (tmp_path / "demo.csv").read_bytes()
    half = b"\n".join(content.split(b"\n")[:2000])
    with pytest.raises(grpc.aio.AioRpcError) as taken:
        await upload(stub, half)
    assert taken.value.code() == grpc.StatusCode.ALREADY_EXISTS
    await upload(stub, half, replace=True)
    second, cache = await receive(stub.Analyze(request))
    assert cache == "miss"
    assert second[0].started.table.rows < first[0].started.table.rows
    listed = await stub.ListTables(pb.ListTablesRequest())
    assert [entry.name for entry in listed.tables] == ["sales"]
    await stub.DeleteTable(pb.DeleteTableRequest(name="sales"))
    with pytest.raises(grpc.aio.AioRpcError) as gone:
        await receive(stub.Analyze(request))
    assert gone.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_table_outlives_the_process_and_its_folder(settings: Callable[..., Settings], tmp_path: Path) -> None:
    """What was uploaded is in the store: a process without a copy of its own makes one."""
    content = write_table(tmp_path / "demo.csv").read_bytes()
    rows = []
    for _ in range(2):
        app = App(settings())
        await app.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
                stub = market_pb2_grpc.MarketServiceStub(channel)
                if not rows:
                    await upload(stub, content)
                policy = common_pb2.CACHE_POLICY_REFRESH
                request = pb.AnalyzeRequest(table="sales", tools=[pb.MARKET_TOOL_OVERVIEW], cache_policy=policy)
                events, _ = await receive(stub.Analyze(request))
                rows.append([figure.value for figure in events[1].tool.figures])
        finally:
            await app.stop(0)
        for copy in (tmp_path / "data" / "market").glob("*.parquet"):
            copy.unlink()
    assert rows[0] == rows[1]


async def test_files_in_a_table_folder_are_read_again_when_they_change(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Registered by a path below a root; nothing outside of it, and no link."""
    root = tmp_path / "tables"
    root.mkdir()
    (tmp_path / "outside.csv").write_text("date,revenue\n2024-01-01,1\n2024-02-01,2\n")
    (root / "link.csv").symlink_to(tmp_path / "outside.csv")
    (root / "a.csv").write_text("date,revenue\n2024-01-01,10.50\n2024-02-01,20\n")
    app = App(settings(market={"roots": [root]}))
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            stub = market_pb2_grpc.MarketServiceStub(channel)
            for path in ("../outside.csv", str(tmp_path / "outside.csv"), "link.csv", "/etc/passwd", "a.csv\0"):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stub.RegisterTable(pb.RegisterTableRequest(options=pb.TableOptions(name="x"), paths=[path]))
                assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
                assert field_of(refused.value) == "paths[0]"
            options = pb.TableOptions(name="x")
            made = await stub.RegisterTable(pb.RegisterTableRequest(options=options, paths=["a.csv"]))
            assert made.table.rows == 2
            request = pb.AnalyzeRequest(table="x", tools=[pb.MARKET_TOOL_OVERVIEW], skip_analysts=True)
            events, _ = await receive(stub.Analyze(request))
            assert events[1].tool.figures[0].exact == "30.50"
            (root / "a.csv").write_text("date,revenue\n2024-01-01,10.50\n2024-02-01,20\n2024-03-01,1000\n")
            read = await stub.GetTable(pb.GetTableRequest(name="x"))
            assert read.table.rows == 3
            events, cache = await receive(stub.Analyze(request))
            assert (events[1].tool.figures[0].exact, cache) == ("1030.50", "miss")
    finally:
        await app.stop(0)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.AnalyzeRequest(), "table"),
        (pb.AnalyzeRequest(table="sales", question="x" * 2001), "question"),
        (pb.AnalyzeRequest(table="sales", tools=[0]), "tools"),
        (pb.AnalyzeRequest(table="sales", tools=[99]), "tools"),
        (pb.AnalyzeRequest(table="sales", top_n=101), "top_n"),
        (pb.AnalyzeRequest(table="sales", horizon=61), "horizon"),
        (pb.AnalyzeRequest(table="sales", confidence=float("nan")), "confidence"),
        (pb.AnalyzeRequest(table="sales", budget=common_pb2.Money(micros=-1)), "budget.micros"),
        (pb.AnalyzeRequest(table="sales", budget=common_pb2.Money(micros=1, currency_code="USD")), "budget.currency_code"),
        (pb.AnalyzeRequest(table="sales", currency_code="USD"), "currency_code"),
        (pb.AnalyzeRequest(table="sales", filters=pb.AnalyzeFilters(from_date="2024-13-01")), "filters.from_date"),
        (pb.AnalyzeRequest(table="sales", filters=pb.AnalyzeFilters(from_date="2024-02-01", to_date="2024-01-01")), "filters.to_date"),
        (
            pb.AnalyzeRequest(
                table="sales", filters=pb.AnalyzeFilters(dimensions=[pb.DimensionFilter(role=pb.COLUMN_ROLE_REVENUE, values=["1"])])
            ),
            "filters.dimensions[0].role",
        ),
        (
            pb.AnalyzeRequest(
                table="sales", filters=pb.AnalyzeFilters(dimensions=[pb.DimensionFilter(role=pb.COLUMN_ROLE_STORE, values=["1"])])
            ),
            "filters.dimensions[0].role",
        ),
    ],
)  # fmt: skip
async def test_a_wrong_request_names_its_field(stub: Any, table: pb.Table, request_: pb.AnalyzeRequest, field: str) -> None:
    """INVALID_ARGUMENT with the path of the field."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await receive(stub.Analyze(request_))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field_of(refused.value) == field


async def test_nothing_in_a_filter_is_ever_a_statement(stub: Any, table: pb.Table) -> None:
    """Quotes, comments and percent signs in a value only fail to match."""
    for value in ("x' OR '1'='1", "'); DROP TABLE parsed; --", 'Tindra" --', "%", "\\' OR 1=1 --"):
        filters = pb.AnalyzeFilters(dimensions=[pb.DimensionFilter(role=pb.COLUMN_ROLE_BRAND, values=[value])])
        request = pb.AnalyzeRequest(table="sales", tools=[pb.MARKET_TOOL_OVERVIEW], filters=filters, skip_analysts=True)
        events, _ = await receive(stub.Analyze(request))
        assert events[1].tool.problem == "no row is left by the filters"
        assert events[-1].completed.failed == [pb.MARKET_TOOL_OVERVIEW]


async def test_an_upload_out_of_order_or_broken_off_keeps_nothing(stub: Any, app: App) -> None:
    """The parts must come in order; what was received is removed."""

    async def send(*parts: pb.UploadTableRequest) -> Any:
        async def stream() -> AsyncIterator[pb.UploadTableRequest]:
            for part in parts:
                yield part

        return await stub.UploadTable(stream())

    options = pb.UploadTableRequest(options=pb.TableOptions(name="t"))
    name, chunk = pb.UploadTableRequest(file_name="../../t.csv"), pb.UploadTableRequest(chunk=b"date,revenue\n2024-01-01,1\n")
    for parts, field in (
        ((), "options"),
        ((chunk,), "options"),
        ((options,), "file_name"),
        ((options, chunk), "file_name"),
        ((options, options), "options"),
        ((options, name), "file_name"),
        ((options, pb.UploadTableRequest(file_name="")), "file_name"),
        ((pb.UploadTableRequest(options=pb.TableOptions(name="a b")),), "options.name"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await send(*parts)
        assert (refused.value.code(), field_of(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert (await send(options, name, chunk)).table.files == ["t.csv"]
    folder = app.settings.data_dir / "market" / "uploads"
    assert not list(folder.iterdir())


async def test_another_tenants_table_is_not_found(settings: Callable[..., Settings], tmp_path: Path) -> None:
    """The same name may be another tenant's; an unknown one reads the same."""
    tokens = [{"token": f"token-of-{name}-long-enough", "tenant": name} for name in ("a", "b")]
    app = App(settings(auth={"tokens": tokens}))
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            stub = market_pb2_grpc.MarketServiceStub(channel)

            def of(tenant: str) -> tuple[tuple[str, str], ...]:
                return (("authorization", f"Bearer token-of-{tenant}-long-enough"),)

            async def parts() -> AsyncIterator[pb.UploadTableRequest]:
                yield pb.UploadTableRequest(options=pb.TableOptions(name="mine"))
                yield pb.UploadTableRequest(file_name="t.csv")
                yield pb.UploadTableRequest(chunk=b"date,revenue\n2024-01-01,1\n2024-02-01,2\n")

            await stub.UploadTable(parts(), metadata=of("a"))
            assert (await stub.GetTable(pb.GetTableRequest(name="mine"), metadata=of("a"))).table.rows == 2
            with pytest.raises(grpc.aio.AioRpcError) as unknown:
                await stub.GetTable(pb.GetTableRequest(name="mine"), metadata=of("b"))
            assert unknown.value.code() == grpc.StatusCode.NOT_FOUND
            assert not (await stub.ListTables(pb.ListTablesRequest(), metadata=of("b"))).tables
    finally:
        await app.stop(0)


async def test_equal_analyses_at_once_are_made_once(stub: Any, table: pb.Table) -> None:
    """Twenty callers, one production."""
    request = pb.AnalyzeRequest(table="sales", tools=[pb.MARKET_TOOL_OVERVIEW, pb.MARKET_TOOL_TREND])
    answers = await asyncio.gather(*(receive(stub.Analyze(request)) for _ in range(20)))
    assert sum(cache == "miss" for _, cache in answers) == 1
    assert all(events == answers[0][0] for events, _ in answers)


async def test_a_question_chooses_tools_and_is_answered(stub: Any, table: pb.Table) -> None:
    """And says how it was read."""
    events, _ = await receive(stub.Analyze(pb.AnalyzeRequest(table="sales", question="¿Qué marca perdió más ventas en 2024?")))
    reading = events[0].started.reading
    assert (reading.language, reading.measure, list(reading.tools)) == ("es", "revenue", [pb.MARKET_TOOL_BRAND])
    assert reading.filters.from_date == "2024-01-01"
    done = events[-1].completed
    assert done.answer.startswith("La marca Ulme: sus ventas bajaron 1.5 %.")
    assert done.answer_figure_ids


async def test_roles_are_listed_and_described(stub: Any) -> None:
    """Each with the names that it is found by and the tools that need it."""
    roles = (await stub.ListColumnRoles(pb.ListColumnRolesRequest())).roles
    assert [entry.role for entry in roles] == sorted(number for number in pb.ColumnRole.values() if number)
    assert all(entry.description and entry.found_as for entry in roles)
    revenue = next(entry for entry in roles if entry.name == "revenue")
    assert pb.MARKET_TOOL_OVERVIEW in revenue.needed_by
    assert "Ventas".casefold() in revenue.found_as


async def test_callers_in_a_hurry_close_the_pool_to_nobody(app: App, stub: Any, table: pb.Table) -> None:
    """However many analyses end by their deadlines, the next one is made."""
    for at in range(8):
        request = pb.AnalyzeRequest(table="sales", horizon=at + 1, skip_analysts=True)
        with suppress(grpc.aio.AioRpcError):
            await receive(stub.Analyze(request, timeout=0.02))
    events, _ = await receive(stub.Analyze(pb.AnalyzeRequest(table="sales", tools=[pb.MARKET_TOOL_OVERVIEW])))
    assert events[-1].completed.tool_calls == 1
    bulkhead = next(entry for entry in app.engine.dispatcher.status() if entry.agent == "market")
    assert bulkhead.breaker.state.value == "closed"

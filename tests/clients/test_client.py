"""The SDK against real servers: typed events, errors from one table, deadlines, resumption after a lost connection."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner

import hexar_client
from hexar.core.telemetry.metrics import Metrics
from hexar.server.calls.interceptors import Observe, errors, request_id
from hexar.server.calls.rpc import Call, ServiceHandler
from hexar.server.demo import DemoShops
from hexar.server.process.app import App
from hexar.server.systems import make_settings
from hexar.v1 import ops_pb2, query_pb2
from hexar_client import AsyncClient, Client, Ranking, filters, money
from hexar_client.cli import app as cli
from hexar_client.errors import BY_CODE, Internal, convert

TEXT = "beginner snowboard under $400"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with demo shops on a loop of its own thread, for blocking clients: its address."""
    folder = tmp_path_factory.mktemp("server")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with DemoShops() as shops:
        (folder / "vendors.yaml").write_text(shops.vendors_yaml())

        async def begin() -> App:
            app = App(make_settings(port=0, data_dir=folder / "data", vendors=folder / "vendors.yaml"))
            await app.start()
            return app

        app = asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
        yield f"127.0.0.1:{app.port}"
        asyncio.run_coroutine_threadsafe(app.stop(0), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_blocking_query_gives_typed_events(server: str) -> None:
    """Iterating a query yields numbered events whose bodies are the contract's messages, and they fold to the ranking."""
    with Client(server) as client:
        stream = client.query(TEXT, limit=5, filters=filters(price_max=money("350.00", "USD")))
        events = list(stream)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert isinstance(events[0].body, query_pb2.QueryStarted)
        assert isinstance(events[-1].body, query_pb2.QueryCompleted)
        assert stream.answer_id
        assert stream.cache in ("miss", "joined", "hit")
        ranking = Ranking().apply_all(events)
        assert 0 < len(ranking.products) <= 5
        assert ranking.product_ids == list(events[-1].body.product_ids)
        for product in ranking.products:
            assert any(offer.price.currency_code == "USD" and offer.price.micros <= 350_000_000 for offer in product.offers)


async def test_the_asynchronous_client_gives_the_same(server: str) -> None:
    """Both clients yield the same events for the same query."""
    async with AsyncClient(server) as client:
        [event async for event in client.query("tent")]
        theirs = [event async for event in client.query("tent")]
    with Client(server) as blocking:
        mine = await asyncio.to_thread(lambda: list(blocking.query("tent")))
    assert mine == theirs


def test_errors_are_the_sdks_own(server: str) -> None:
    """A refused request raises the exception of its status, with the field; an unknown job raises NotFound."""
    with Client(server) as client:
        with pytest.raises(hexar_client.InvalidArgument) as caught:
            list(client.query(""))
        assert "text" in caught.value.fields
        assert caught.value.from_server
        with pytest.raises(hexar_client.NotFound):
            client.ops.job("0" * 32)
        with pytest.raises(hexar_client.InvalidArgument):
            client.ops.invalidate(kind="nothing")
        with pytest.raises(ValueError, match="exactly one of kind, dependency"):
            client.ops.invalidate()


def test_an_unreachable_server_is_unavailable() -> None:
    """Where nobody listens the error says so, within the time given."""
    with Client("127.0.0.1:1") as client:
        began = time.monotonic()
        with pytest.raises((hexar_client.Unavailable, hexar_client.DeadlineExceeded)):
            list(client.query("x", timeout=2.0))
        assert time.monotonic() - began < 10


def test_operators_calls(server: str) -> None:
    """Status, report, cache figures and jobs come as messages."""
    with Client(server) as client:
        list(client.query(TEXT))
        status = client.ops.status()
        assert status.ready
        assert status.services["hexar.v1.QueryService"] == "serving"
        report = client.ops.report()
        (query,) = (row for row in report.methods if row.method == "hexar.v1.QueryService/Query")
        assert query.count >= 1
        assert query.latency.samples >= 1
        assert {row.agent for row in report.agents} >= {"alpine", "boardroom", "summit"}
        kinds = {row.kind: row for row in client.ops.cache_stats().kinds}
        assert kinds["query_answer"].ttl.seconds == 3600
        warmed = client.ops.warm(["helmet"])
        assert len(warmed.job_ids) == 1
        until = time.monotonic() + 60
        while client.ops.job(warmed.job_ids[0]).state != ops_pb2.JOB_STATE_SUCCEEDED:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert list(client.query("helmet"))[-1].kind == "completed"


def test_every_status_has_its_exception() -> None:
    """The table holds every status but OK and those that only a fault of the server gives, which raise Internal."""
    special = {grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN, grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.DATA_LOSS}
    assert set(BY_CODE) == set(grpc.StatusCode) - special
    for code in special - {grpc.StatusCode.OK}:
        assert type(convert(code, "x", ())) is Internal
    assert convert(grpc.StatusCode.UNAVAILABLE, None, (("grpc-status-details-bin", b"\xff"),)).retry_after is None


class Flaky:
    """A query stream of ten events that is cut at given numbers, and resumes by the rules of the contract."""

    def __init__(self, cuts: list[int]) -> None:
        self.cuts = cuts
        self.asked: list[tuple[int, str]] = []
        self.port = 0
        self.server: grpc.aio.Server | None = None

    async def query(self, call: Call) -> None:
        request = call.decode(query_pb2.QueryRequest)
        self.asked.append((request.resume_after, call.text("hexar-answer-id")))
        call.header("hexar-answer-id", "ab" * 16)
        cut = self.cuts.pop(0) if self.cuts else 0
        for seq in range(request.resume_after + 1, 11):
            await call.send(
                [query_pb2.QueryEvent(seq=seq, retract=query_pb2.ProductRetract(product_id=str(seq))).SerializeToString()]
            )
            if seq == cut:
                assert self.server is not None
                # The connection goes, as when a machine dies: no status reaches the client.
                asyncio.create_task(self.restart())  # noqa: RUF006
                await asyncio.sleep(30)

    async def restart(self) -> None:
        assert self.server is not None
        await self.server.stop(0)
        await self.start()

    async def start(self) -> None:
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
        chain = (errors, request_id, Observe(Metrics()))
        handler = ServiceHandler([query_pb2.DESCRIPTOR], {"hexar.v1.QueryService/Query": self.query}, chain)
        self.server.add_generic_rpc_handlers((handler,))
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()


@pytest.fixture
async def flaky() -> AsyncIterator[Callable[[list[int]], Awaitable[Flaky]]]:
    made: list[Flaky] = []

    async def make(cuts: list[int]) -> Flaky:
        flaky = Flaky(cuts)
        await flaky.start()
        made.append(flaky)
        return flaky

    yield make
    for one in made:
        assert one.server is not None
        await one.server.stop(0)


async def test_a_lost_connection_is_resumed_without_gap_or_repetition(flaky: Callable[[list[int]], Awaitable[Flaky]]) -> None:
    """A stream cut twice arrives whole: the client asks on from the last number, naming the answer's run."""
    source = await flaky([3, 7])
    async with AsyncClient(f"127.0.0.1:{source.port}") as client:
        seen = [event.seq async for event in client.query("x", timeout=30)]
    assert seen == list(range(1, 11))
    assert source.asked == [(0, ""), (3, "ab" * 16), (7, "ab" * 16)]


async def test_leaving_a_stream_early_cancels_it(server: str) -> None:
    """Breaking out of the iteration ends the call."""
    async with AsyncClient(server) as client:
        stream = client.query(TEXT)
        async for event in stream:
            assert event.kind == "started"
            break
        stream.cancel()
        assert (await client.ops.status()).ready


def test_the_command_prints_events_as_json(server: str) -> None:
    """``hexar query --json`` prints one event a line, the last of them completed."""
    result = CliRunner().invoke(cli, ["--server", server, "query", TEXT, "--json", "--limit", "3"])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert "completed" in lines[-1]


def test_the_command_draws_a_table(server: str) -> None:
    """``hexar query`` ends with the products, their prices and the vendors."""
    result = CliRunner().invoke(cli, ["--server", server, "query", TEXT, "--limit", "3"])
    assert result.exit_code == 0, result.output
    assert "USD" in result.output
    assert "matched" in result.output


def test_the_ops_command_prints_the_status(server: str) -> None:
    """``hexar ops status`` prints the status: as JSON on request."""
    result = CliRunner().invoke(cli, ["--server", server, "ops", "status", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["ready"] is True


def test_the_sdk_needs_nothing_of_the_server(tmp_path: Path) -> None:
    """Importing the SDK loads no module of the server, the agents or the engine."""
    import subprocess
    import sys

    probe = "import hexar_client, hexar_client.cli, sys; print([m for m in sys.modules if m.startswith(('hexar.core', 'hexar.agents', 'hexar.server'))])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"

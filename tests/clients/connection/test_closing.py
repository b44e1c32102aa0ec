"""Clients that are closed and streams that are cancelled, left or used up: one exception each, and no crash."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hexar.server.demo.shops import DemoShops
from hexar.server.process.app import App
from hexar.server.systems import make_settings
from hexar.v1 import ops_pb2, ops_pb2_grpc, parts_pb2
from hexar_client import AsyncClient, Cancelled, Client, ClientClosed, Ranking, StreamConsumed

TEXT = "snowboard"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server over shops that take a while, on a thread of its own."""
    folder: Path = tmp_path_factory.mktemp("closing")
    ready, ended = threading.Event(), threading.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        app = App(make_settings(port=0, data_dir=folder, vendors=folder / "vendors.yaml", drain_seconds=0, log_level="error"))
        await app.start()
        found.update(port=app.port, loop=asyncio.get_running_loop(), app=app)
        ready.set()
        await asyncio.to_thread(ended.wait)
        await app.stop(0)

    with DemoShops(delay={"alpine": 0.0, "boardroom": 5.0, "summit": 5.0}) as shops:
        (folder / "vendors.yaml").write_text(shops.vendors_yaml())
        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        assert ready.wait(60)
        yield f"127.0.0.1:{found['port']}"
        ended.set()
        thread.join(30)


CALLS: list[Callable[[Any], Any]] = [
    lambda client: client.ops.status(),
    lambda client: client.portfolios.search("p", "text"),
    lambda client: client.parts.resolve(parts_pb2.VehicleQuery(text="Golf")),
    lambda client: client.unary(ops_pb2_grpc.OpsServiceStub(client.channel).GetStatus, ops_pb2.GetStatusRequest()),
]
STREAMS: list[Callable[[Any], Any]] = [
    lambda client: client.query(TEXT),
    lambda client: client.chat("p", "text"),
    lambda client: client.parts.discover(parts_pb2.DiscoverRequest()),
]


def test_a_call_on_a_closed_client_is_an_exception(target: str) -> None:
    """Whatever is called, also over stubs that are made afterwards; closing twice is nothing."""
    client = Client(target)
    assert client.ops.status().ready
    client.close()
    client.close()
    for call in CALLS:
        with pytest.raises(ClientClosed):
            call(client)
    for stream in STREAMS:
        with pytest.raises(ClientClosed):
            list(stream(client))
    assert repr(client) == f"Client({target!r}, closed)"


async def test_a_call_on_a_closed_asynchronous_client_is_an_exception(target: str) -> None:
    """As for the blocking one."""
    client = AsyncClient(target)
    assert (await client.ops.status()).ready
    await client.close()
    await client.close()
    for call in CALLS:
        with pytest.raises(ClientClosed):
            await call(client)
    for stream in STREAMS:
        with pytest.raises(ClientClosed):
            _ = [event async for event in stream(client)]
    assert repr(client) == f"AsyncClient({target!r}, closed)"


def test_a_process_survives_calls_on_its_closed_clients(target: str) -> None:
    """What grpcio ends by itself: a stub that is made on a channel that is closed."""
    program = f"""
import asyncio
from hexar_client import AsyncClient, Client, ClientClosed
from hexar.v1 import ops_pb2, ops_pb2_grpc
made_where_no_loop_runs = AsyncClient({target!r})
client = Client({target!r})
client.close()
try:
    ops_pb2_grpc.OpsServiceStub(client.channel).GetStatus(ops_pb2.GetStatusRequest())
except ClientClosed:
    print("closed")
async def main():
    print((await made_where_no_loop_runs.ops.status()).ready)
    await made_where_no_loop_runs.close()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "closed\nTrue\n"), done.stderr


def test_a_cancelled_stream_raises_cancelled(target: str) -> None:
    """Between two events, from another thread, or before the first one."""
    with Client(target) as client:
        stream = client.query(TEXT)
        with pytest.raises(Cancelled, match="the stream was cancelled"):
            for _ in stream:
                stream.cancel()
        waiting = client.query(TEXT + " one")
        threading.Timer(0.3, waiting.cancel).start()
        with pytest.raises(Cancelled, match="the stream was cancelled"):
            list(waiting)
        early = client.query(TEXT)
        early.cancel()
        with pytest.raises(Cancelled):
            list(early)
        assert "cancelled" in repr(early)


async def test_a_cancelled_asynchronous_stream_raises_cancelled(target: str) -> None:
    """The same exception, in the task that reads and in another; a task that is itself cancelled ends as cancelled."""
    async with AsyncClient(target) as client:
        stream = client.query(TEXT + " two")
        with pytest.raises(Cancelled, match="the stream was cancelled"):
            async for _ in stream:
                stream.cancel()
        waiting = client.query(TEXT + " three")
        asyncio.get_running_loop().call_later(0.3, waiting.cancel)
        with pytest.raises(Cancelled, match="the stream was cancelled"):
            _ = [event async for event in waiting]
        early = client.query(TEXT)
        early.cancel()
        with pytest.raises(Cancelled):
            _ = [event async for event in early]
        other = client.query(TEXT + " four")
        task = asyncio.ensure_future(anext(aiter(other)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_a_stream_gives_its_events_once(target: str) -> None:
    """A second iteration is an exception, not an empty answer; leaving a with block ends the stream."""
    with Client(target) as client:
        stream = client.query(TEXT)
        assert repr(stream).startswith("Stream(not begun")
        with stream:
            first = next(iter(stream))
        assert first.seq == 1
        with pytest.raises(StreamConsumed):
            next(iter(stream))
        ranking = Ranking().apply_all(client.query(TEXT))
        assert repr(ranking) == f"Ranking({len(ranking.products)} products, complete)"


async def test_an_asynchronous_stream_gives_its_events_once(target: str) -> None:
    """As the blocking one."""
    async with AsyncClient(target) as client, client.query(TEXT) as stream:
        async for event in stream:
            assert event.seq == 1
            break
        with pytest.raises(StreamConsumed):
            await anext(aiter(stream))

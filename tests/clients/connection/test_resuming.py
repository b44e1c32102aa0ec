"""The SDK when connections, servers and runs are lost: what it repeats, what it begins anew, and what it says when it leaves."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from hexar.core.errors import Aborted as RunLost
from hexar.core.errors import Unavailable as Refused
from hexar.core.telemetry.metrics import Metrics
from hexar.server.calls.interceptors import Observe, errors, request_id
from hexar.server.calls.rpc import Call, ServiceHandler
from hexar.v1 import query_pb2
from hexar_client import Aborted, AsyncClient, Client, Ranking, Restarted

WHOLE = list(range(1, 11))


class Drop(Exception):
    """The connection goes after so many events, and the server stays."""


class Replica:
    """A server of a ten-event answer.

    ``script`` says for each call: the event after which the server goes, or (negative) falls silent; or an error; or a drop.
    """

    def __init__(self, script: list[int | Exception]) -> None:
        self.script, self.run = script, "ab" * 16
        self.asked: list[tuple[int, str]] = []
        self.left: list[str] = []
        self.names: set[str] = set()
        self.port = 0
        self.server: grpc.aio.Server | None = None

    async def query(self, call: Call) -> None:
        """One call."""
        if call.text("hexar-leave"):
            self.left.append(call.text("hexar-leave"))
            return
        request = call.decode(query_pb2.QueryRequest)
        self.asked.append((request.resume_after, call.text("hexar-answer-id")))
        self.names.add(call.text("x-request-id"))
        step = self.script.pop(0) if self.script else 0
        drop = 0
        if isinstance(step, Drop):
            step, drop = 0, step.args[0]
        if isinstance(step, RunLost):
            self.run = "cd" * 16
        if isinstance(step, Exception):
            raise step
        call.header("hexar-answer-id", self.run)
        call.header("hexar-cache", "miss")
        for seq in range(request.resume_after + 1, 11):
            product = query_pb2.Product(product_id=f"{self.run[:2]}{seq}")
            event = query_pb2.QueryEvent(seq=seq, upsert=query_pb2.ProductUpsert(product=product))
            await call.send([event.SerializeToString()])
            if drop and seq == drop:
                # No status of ours: as gRPC tells of a connection that broke.
                await call.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed", ())
            if seq == step:
                assert self.server is not None
                asyncio.create_task(self.server.stop(0))  # noqa: RUF006
                await asyncio.sleep(30)
            if step < 0 and seq == -step:
                await asyncio.sleep(30)

    async def start(self) -> None:
        """Listen."""
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        chain = (errors, request_id, Observe(Metrics()))
        handler = ServiceHandler([query_pb2.DESCRIPTOR], {"hexar.v1.QueryService/Query": self.query}, chain)
        self.server.add_generic_rpc_handlers((handler,))
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()


Make = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def replica() -> AsyncIterator[Make]:
    """``await replica(script)``: a listening server."""
    made: list[Replica] = []

    async def make(script: list[int | Exception]) -> Replica:
        one = Replica(script)
        await one.start()
        made.append(one)
        return one

    yield make
    for one in made:
        assert one.server is not None
        await one.server.stop(0)


async def drive(kind: str, targets: Any, restart: bool = False) -> list[Any]:
    """All events of a query, by the blocking or the asynchronous client."""
    if kind == "async":
        async with AsyncClient(targets) as client:
            return [event async for event in client.query("x", timeout=30, restart=restart)]

    def block() -> list[Any]:
        with Client(targets) as client:
            return list(client.query("x", timeout=30, restart=restart))

    return await asyncio.to_thread(block)


@pytest.mark.parametrize("kind", ["blocking", "async"])
async def test_a_stream_goes_on_at_another_replica(replica: Make, kind: str) -> None:
    """Of two addresses one dies in the middle: the rest comes from the other, by the run's name; one that drains is asked again."""
    # Whichever is asked first goes; the other one drains for a moment.
    script: list[int | Exception] = [3, Refused("the server is shutting down", 0.1), 0]
    one, other = await replica(script), await replica(script)
    task = asyncio.create_task(drive(kind, [f"localhost:{one.port}", f"localhost:{other.port}"]))
    events = await task
    survivor = other if len(one.asked) == 1 else one
    assert [event.seq for event in events] == WHOLE
    assert survivor.asked == [(3, "ab" * 16), (3, "ab" * 16)]
    assert not script
    # All calls of a stream have one name.
    assert len(one.names | other.names) == 1
    assert not one.left + other.left


@pytest.mark.parametrize("kind", ["blocking", "async"])
async def test_a_lost_run_is_an_error_or_a_new_beginning_as_the_caller_wants(replica: Make, kind: str) -> None:
    """ABORTED in the middle is raised; with ``restart`` an event says so, the whole new answer follows, and the fold is cleared."""
    one = await replica([Drop(4), RunLost("gone")])
    with pytest.raises(Aborted):
        await drive(kind, f"127.0.0.1:{one.port}")
    one.script[:] = [Drop(4), RunLost("gone"), Drop(2), 0]
    events = await drive(kind, f"127.0.0.1:{one.port}", restart=True)
    assert [(event.seq, event.kind) for event in events[:5]] == [(seq, "upsert") for seq in (1, 2, 3, 4)] + [(0, "restarted")]
    assert events[4].body == Restarted("gone")
    assert [event.seq for event in events[5:]] == WHOLE
    ranking = Ranking().apply_all(events)
    assert len(ranking.products) == 10
    assert all(product.product_id.startswith(one.run[:2]) for product in ranking.products)


@pytest.mark.parametrize("kind", ["blocking", "async"])
@pytest.mark.parametrize("how", ["break", "cancel"])
async def test_a_stream_that_is_left_says_so(replica: Make, kind: str, how: str) -> None:
    """Leaving the loop and cancel() name the call that was left, once; a stream that was read to its end says nothing."""
    one = await replica([-2, 0])

    async def leave() -> None:
        async with AsyncClient(f"127.0.0.1:{one.port}") as client:
            stream = client.query("x", timeout=30)
            async for event in stream:
                if event.seq == 2:
                    if how == "cancel":
                        stream.cancel()
                    break
            await seen()
            assert len([event async for event in client.query("x", timeout=30)]) == 10

    async def seen() -> None:
        for _ in range(500):
            if one.left:
                return
            await asyncio.sleep(0.01)

    def block() -> None:
        with Client(f"127.0.0.1:{one.port}") as client:
            stream = client.query("x", timeout=30)
            for event in stream:
                if event.seq == 2:
                    if how == "cancel":
                        stream.cancel()
                    break
            until = time.monotonic() + 20
            while not one.left and time.monotonic() < until:
                time.sleep(0.01)
            assert len(list(client.query("x", timeout=30))) == 10

    await (leave() if kind == "async" else asyncio.to_thread(block))
    assert len(one.left) == 1
    assert one.left[0] in one.names


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    """Every public name of the blocking client, its systems included, is one of the asynchronous client, and the reverse."""
    blocking, waiting = Client("127.0.0.1:1"), AsyncClient.__new__(AsyncClient)
    asyncio.run(_fill(waiting))
    pairs = [(blocking, waiting)]
    pairs += [(getattr(blocking, name), getattr(waiting, name)) for name in ("parts", "portfolios", "ops")]
    try:
        for one, other in pairs:
            assert _signatures(one) == _signatures(other)
    finally:
        blocking.close()


async def _fill(client: AsyncClient) -> None:
    client.__init__("127.0.0.1:1")  # type: ignore[misc]
    await client.close()


def _signatures(of: Any) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(member).parameters)
        for name, member in inspect.getmembers(of)
        if not name.startswith("_") and callable(member) and name != "channel"
    }

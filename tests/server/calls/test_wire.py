"""What a caller sees of a call is the same, whichever way the server has of sending it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest

from hexar.core.errors import NotFound
from hexar.server.calls.interceptors import errors
from hexar.server.calls.rpc import Call, Handler, Receive, ServiceHandler
from hexar.server.calls.transport import make_server
from hexar.v1 import ops_pb2, query_pb2

QUERY, JOB = "hexar.v1.QueryService/Query", "hexar.v1.OpsService/GetJob"
#: Serves a handler under a path; the port.
Start = Callable[[str, Handler], Awaitable[int]]
Connect = Callable[[str, Handler], Awaitable[grpc.aio.Channel]]


@pytest.fixture(params=[False, True], ids=["batches", "grpcio's own"])
async def start(request: pytest.FixtureRequest) -> AsyncIterator[Start]:
    """Serves handlers by either way of sending."""
    opened: list[grpc.aio.Server] = []

    async def serve(path: str, handler: Handler) -> int:
        files = [query_pb2.DESCRIPTOR, ops_pb2.DESCRIPTOR]
        served = ServiceHandler(files, {path: handler}, [errors, Receive()])
        server = make_server(served.methods, [("grpc.so_reuseport", 0)], plain=request.param)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        opened.append(server)
        return port

    yield serve
    for server in opened:
        await server.stop(0)


@pytest.fixture
async def connect(start: Start) -> AsyncIterator[Connect]:
    """The same, with a channel to what is served."""
    channels: list[grpc.aio.Channel] = []

    async def connected(path: str, handler: Handler) -> grpc.aio.Channel:
        channels.append(grpc.aio.insecure_channel(f"127.0.0.1:{await start(path, handler)}"))
        return channels[-1]

    yield connected
    for channel in channels:
        await channel.close()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize("closing", [False, True])
async def test_a_stream_has_its_headers_messages_and_trailers(start: Start, count: int, closing: bool) -> None:
    """In order and each once, also without a message, and where the last is held for the end."""
    events = [bytes((8, number)) for number in range(1, count + 1)]

    async def handler(call: Call) -> None:
        call.header("hexar-cache", "hit")
        call.trailers.append(("x-request-id", "a"))
        await call.send(events, closing=closing)

    def read(port: int) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_stream(f"/{QUERY}")(b"", timeout=20)
            assert list(call) == events
            assert dict(call.initial_metadata())["hexar-cache"] == "hit"
            assert dict(call.trailing_metadata())["x-request-id"] == "a"
            assert call.code() is grpc.StatusCode.OK

    # By grpcio's blocking client, which waits for the headers. Its other client takes them for empty where it happens to see
    # the status first, as it may where no message lies between the two.
    await asyncio.to_thread(read, await start(QUERY, handler))


async def test_a_single_response_is_sent_with_its_trailers(connect: Connect) -> None:
    """An empty one as well."""

    async def handler(call: Call) -> bytes:
        call.header("hexar-cache", "hit")
        call.trailers.append(("x-request-id", "a"))
        assert call.request is not None
        return call.request

    channel = await connect(JOB, handler)
    for body in (b"", b"\x0a\x01x"):
        call = channel.unary_unary(f"/{JOB}")(body, timeout=20)
        assert await call == body
        assert dict(await call.initial_metadata())["hexar-cache"] == "hit"
        assert dict(await call.trailing_metadata())["x-request-id"] == "a"


@pytest.mark.parametrize("sent", [0, 1, 3])
async def test_what_was_held_comes_before_an_error(connect: Connect, sent: int) -> None:
    """No event is lost where a stream fails after its last one was handed over."""
    events = [bytes((8, number)) for number in range(1, sent + 1)]

    async def handler(call: Call) -> None:
        await call.send(events, closing=True)
        raise NotFound("thing", "x")

    channel = await connect(QUERY, handler)
    call, got = channel.unary_stream(f"/{QUERY}")(b"", timeout=20), []
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        async for event in call:
            got.append(event)
    assert got == events
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_caller_that_leaves_cancels_its_handler(connect: Connect) -> None:
    """Whether it waits for something or writes."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handler(call: Call) -> None:
        begun.set()
        try:
            while True:
                await call.send([bytes(1024)])
        finally:
            ended.set()

    channel = await connect(QUERY, handler)
    call = channel.unary_stream(f"/{QUERY}")(b"")
    await begun.wait()
    call.cancel()
    async with asyncio.timeout(20):
        await ended.wait()


@pytest.mark.parametrize("ends", ["sends", "ends", "fails"])
async def test_what_comes_after_the_caller_left_is_no_fault(
    connect: Connect, ends: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that is late by one step sends, ends or fails to nobody; no library calls that a bug of the server."""
    begun, over = asyncio.Event(), asyncio.Event()
    seen: list[type[BaseException]] = []

    async def handler(call: Call) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ends == "fails":
                raise NotFound("thing", "x") from None
            if ends == "sends":
                await call.send([b"\x08\x01"])

    async def watched(call: Call) -> None:
        try:
            await handler(call)
        except BaseException as error:
            seen.append(type(error))
            raise
        finally:
            over.set()

    channel = await connect(QUERY, watched)
    call = channel.unary_stream(f"/{QUERY}")(b"")
    await begun.wait()
    call.cancel()
    async with asyncio.timeout(20):
        await over.wait()
        calls = [task for task in asyncio.all_tasks() if "_schedule_rpc_coro" in repr(task)]
        await asyncio.gather(*calls, return_exceptions=True)
    # Whoever counts calls takes a late message for what it is: a call that was cancelled.
    assert seen == {"sends": [asyncio.CancelledError], "ends": [], "fails": [NotFound]}[ends]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_caller_that_does_not_read_the_end_holds_no_handler(connect: Connect) -> None:
    """The deadline ends the call also where the last message does not go out."""
    done = asyncio.Event()

    async def handler(call: Call) -> None:
        await call.send([bytes(1 << 20)] * 64, closing=True)

    async def watched(call: Call) -> None:
        try:
            await handler(call)
        finally:
            done.set()

    channel = await connect(QUERY, watched)
    call = channel.unary_stream(f"/{QUERY}")(b"", timeout=0.5)
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(20):
        await done.wait()

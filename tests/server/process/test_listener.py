"""The listener under calls that no client of gRPC makes: it goes on, and where it ends it is replaced."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hexar.server.calls import rpc
from hexar.server.calls.interceptors import errors
from hexar.server.calls.transport import Listener, accepting, make_server
from hexar.server.calls.transport.health import Health, handlers
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.v1 import portfolio_pb2
from hexar_client import AsyncClient
from hexar_client.errors import HexarError
from tests.server.process.http2 import Http2

HOSTILE_PATHS = [
    b"/\xff",
    b"/\xff\xfe",
    b"/\xc0\xaf",
    b"/\xed\xa0\x80",
    b"/a\x00b",
    b"/" + b"\x80" * 300,
    b"\xff",
    b"/\xf5/\xf5",
]
TENANTS = {"tokens": [{"token": f"token-of-{name}-0123456789", "tenant": name, "scopes": ["use", "ops"]} for name in "ab"]}
UPSERT = b"/hexar.v1.PortfolioService/UpsertDocuments"
CREATE = "hexar.v1.PortfolioService/CreatePortfolio"


async def healthy(port: int) -> bool:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_the_installed_grpcio_has_what_the_listener_builds_on() -> None:
    """An upgrade that takes the private names away is seen here, not on the first hostile path."""
    assert accepting.SUPPORTED


@pytest.mark.parametrize("path", HOSTILE_PATHS, ids=repr)
async def test_no_path_ends_the_listener(app: App, path: bytes) -> None:
    """A path of any bytes is answered like every other that no method has."""
    caller = await Http2.connect(app.port)
    stream = caller.open(path)
    caller.message(stream)
    await caller.ended(stream)
    await caller.close()
    assert await healthy(app.port)


async def test_valid_callers_succeed_while_hostile_paths_come(app: App) -> None:
    """Fifty such requests a second leave at least 99 of 100 callers of the SDK unharmed."""
    done, results = asyncio.Event(), []

    async def ask() -> None:
        async with AsyncClient(f"127.0.0.1:{app.port}") as client:
            while not done.is_set():
                try:
                    await client.ops.status()
                    results.append(True)
                except HexarError:
                    results.append(False)
                await asyncio.sleep(0.005)

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    for path in itertools.islice(itertools.cycle(HOSTILE_PATHS), 150):
        caller = await Http2.connect(app.port)
        caller.message(caller.open(path))
        await caller.drained()
        await asyncio.sleep(0.02)
        await caller.close()
    done.set()
    await asyncio.gather(*asking)
    good = sum(results) / len(results)
    print(f"150 hostile paths beside n={len(results)} valid calls: {good:.4f} succeeded")
    assert len(results) > 50
    assert good >= 0.99


async def test_a_listener_that_ends_is_replaced_on_its_port() -> None:
    """Where grpcio's own loop accepts calls a hostile path ends it, and another server listens at once."""
    health = Health()
    table = handlers(health)

    def bind(server: grpc.aio.Server, port: int) -> int:
        return server.add_insecure_port(f"127.0.0.1:{port}")

    listener = Listener(lambda: make_server(table, [("grpc.so_reuseport", 0)], plain=True), bind)
    await listener.start()
    try:
        port = listener.port
        for times in range(1, 4):
            caller = await Http2.connect(port)
            caller.message(caller.open(b"/\xff"))
            while listener.replaced < times:  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.01)
            await caller.close()
            assert listener.port == port
            assert await healthy(port)
        assert listener.listening
        assert not listener.lost.is_set()
    finally:
        await listener.stop(0)


async def test_a_listener_that_cannot_be_had_again_is_lost() -> None:
    """When no server can be bound any more, who waits for it is told, so that the process ends."""
    health, binds = Health(), []

    def bind(server: grpc.aio.Server, port: int) -> int:
        binds.append(port)
        if len(binds) > 1:
            raise OSError("taken")
        return server.add_insecure_port(f"127.0.0.1:{port}")

    listener = Listener(lambda: make_server(handlers(health), [], plain=True), bind)
    await listener.start()
    caller = await Http2.connect(listener.port)
    caller.message(caller.open(b"/\xff"))
    await listener.lost.wait()
    assert not listener.listening
    await caller.close()
    await listener.stop(0)


async def test_streams_without_a_message_are_refused_by_their_headers(app_of: Callable[..., object]) -> None:
    """Who is not known holds nothing: thousands of streams that are opened and left end at once."""
    app = await app_of(auth=TENANTS)
    caller = await Http2.connect(app.port)
    streams = [caller.open(b"/hexar.v1.QueryService/Query") for _ in range(500)]
    await asyncio.gather(*(caller.ended(stream) for stream in streams))
    await caller.close()
    assert app.engine.metrics.in_flight == 0


async def test_streams_that_are_left_crowd_one_another_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more calls wait for their first message than there is room for; one whose message comes is answered."""
    monkeypatch.setattr(rpc, "FIRST_SECONDS", 600.0)

    async def handler(call: rpc.Call) -> bytes | None:
        return call.request

    served = rpc.ServiceHandler([portfolio_pb2.DESCRIPTOR], {CREATE: handler}, [errors, rpc.Receive(50)])
    server = make_server(served.methods, [])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    caller = await Http2.connect(port)

    async def all_ended(count: int) -> None:
        async with asyncio.timeout(60):
            while len(caller.over) < count:  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.01)

    for _ in range(60):
        caller.open(b"/" + CREATE.encode())
    await all_ended(10)
    assert any(b"too many calls wait for their first message" in payload for _, _, _, payload in caller.frames)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary(f"/{CREATE}")(b"", timeout=60) == b""
    # It took the place of one more.
    await all_ended(11)
    assert len(caller.over) == 11
    await caller.close()
    await server.stop(0)


async def test_one_tenants_idle_uploads_leave_room_for_another(app_of: Callable[..., object]) -> None:
    """Uploads that go nowhere are refused beyond the tenant's share; another tenant is served."""
    app = await app_of(auth=TENANTS)
    frame = portfolio_pb2.UpsertDocumentsRequest(target={"portfolio_id": "x", "create": True}).SerializeToString()
    caller = await Http2.connect(app.port)
    bearer = (b"authorization", b"Bearer token-of-a-0123456789")
    for _ in range(1300):
        caller.message(caller.open(UPSERT, bearer), frame, end=False)
    await caller.drained()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        list_of = channel.unary_unary("/hexar.v1.PortfolioService/ListPortfolios")
        for _ in range(20):
            await list_of(b"", metadata=[("authorization", "Bearer token-of-b-0123456789")], timeout=20)
    await caller.close()


async def test_an_upload_that_the_server_ends_early_is_told_why(app: App) -> None:
    """A caller that is still sending sees NOT_FOUND, never INTERNAL, whichever way it writes."""
    frames = [portfolio_pb2.UpsertDocumentsRequest(target={"portfolio_id": "nowhere"})]
    for number in range(40):
        frames.append(portfolio_pb2.UpsertDocumentsRequest(document={"document_id": f"d{number}.md"}))
        frames.append(portfolio_pb2.UpsertDocumentsRequest(data=b"x" * 20_000))
    raw = [frame.SerializeToString() for frame in frames]

    async def one_by_one() -> AsyncIterator[bytes]:
        for each in raw:
            yield each

    codes = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        upsert = channel.stream_unary(UPSERT.decode())
        for attempt in range(60):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                if attempt % 2:
                    await upsert(one_by_one(), timeout=30)
                else:
                    call = upsert(timeout=30)
                    for each in raw:
                        await call.write(each)
                    await call.done_writing()
                    await call
            codes.append(caught.value.code())
    print(f"n={len(codes)}, {codes.count(grpc.StatusCode.NOT_FOUND)} NOT_FOUND")
    assert set(codes) == {grpc.StatusCode.NOT_FOUND}


async def test_health_lists_services_by_their_names(channel: grpc.aio.Channel) -> None:
    """List names what the contract names, and the process as a whole."""
    answer = await health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest())
    assert {"", "hexar.v1.QueryService", "hexar.v1.ChatService", "hexar.v1.OpsService"} <= set(answer.statuses)


async def test_bytes_that_are_no_health_request_are_the_callers_fault(channel: grpc.aio.Channel) -> None:
    """Undecodable bytes end as INVALID_ARGUMENT without a library's text."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture
async def app_of(settings: Callable[..., Settings]) -> AsyncIterator[Callable[..., object]]:
    """Start a server with some settings."""
    started: list[App] = []

    async def make(**changes: object) -> App:
        started.append(App(settings(**changes)))
        await started[-1].start()
        return started[-1]

    yield make
    for each in started:
        await each.stop(0)

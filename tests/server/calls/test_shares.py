"""What one tenant, or one user of it, may take: open streams, rates, jobs, portfolios; and what waits while there is much to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import jwt
import pytest
from google.rpc import error_details_pb2

from hexar.core.errors import ResourceExhausted
from hexar.server.calls.interceptors import Admission
from hexar.server.calls.interceptors.admission import BULK_SHARE, REPLAY_ROOM
from hexar.server.calls.rpc import Call, Method
from hexar.server.process.app import App
from hexar.server.servicers.chat import ChatServicer
from hexar.server.settings.config import Settings
from hexar.v1 import portfolio_pb2, portfolio_pb2_grpc
from tests.server.calls.test_errors import details, failure

SECRET = "0123456789abcdef0123456789abcdef"


async def until(condition: Callable[[], bool]) -> None:
    """Wait for ``condition``."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def by(tenant: str, user: str) -> tuple[tuple[str, str], ...]:
    claims = {"tenant": tenant, "sub": user, "scope": "use", "exp": 4102444800}
    return (("authorization", "Bearer " + jwt.encode(claims, SECRET, "HS256")),)


@pytest.fixture
async def limited(settings: Callable[..., Settings]) -> AsyncIterator[App]:
    """A server with small limits."""
    limits = {
        "streams": {"tenant": 3, "user": 2},
        "rate": {"user": {"requests_per_second": 0.1, "burst": 12}},
        "tenant_portfolios": 2,
        "tenant_jobs": 2,
    }
    app = App(settings(auth={"jwt": {"key": SECRET, "algorithms": ["HS256"]}}, limits=limits, jobs={"workers": 0}))
    await app.start()
    yield app
    await app.stop(0)


def limit_of(error: grpc.aio.AioRpcError) -> str:
    """The limit that is named, of an error that says when to come back."""
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(error, error_details_pb2.RetryInfo)
    return str(details(error, error_details_pb2.ErrorInfo)[0].metadata["limit"])


async def test_open_streams_are_limited_by_user_and_by_tenant(limited: App) -> None:
    """Two of a user, three of a tenant; other tenants are not touched, and a stream that ended makes room."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{limited.port}") as channel:
        stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)

        def upload(tenant: str, user: str) -> grpc.aio.StreamUnaryCall:
            return stub.UpsertDocuments(metadata=by(tenant, user))

        opened = [upload("acme", "ann"), upload("acme", "ann"), upload("acme", "bob")]
        await until(lambda: limited.engine.slots.open("acme t") == 3)
        assert limit_of(await failure(upload("acme", "ann"))) == "user streams"
        assert limit_of(await failure(upload("acme", "cleo"))) == "tenant streams"
        other = upload("globex", "ann")
        await until(lambda: limited.engine.slots.open("globex t") == 1)
        for call in (*opened, other):
            call.cancel()
        await until(lambda: limited.engine.slots.open("acme t") == 0)


async def test_a_user_has_a_rate_of_its_own(limited: App) -> None:
    """Twelve at once for each user, whatever others of the tenant asked for."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{limited.port}") as channel:
        stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)
        request = portfolio_pb2.ListPortfoliosRequest()
        for user in ("ann", "bob"):
            for _ in range(12):
                await stub.ListPortfolios(request, metadata=by("acme", user))
        assert limit_of(await failure(stub.ListPortfolios(request, metadata=by("acme", "ann")))) == "user rate"


async def test_a_tenant_keeps_no_more_than_its_share(limited: App) -> None:
    """The third portfolio and the third waiting job of one tenant are refused, with the limit's name; another tenant's are not."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{limited.port}") as channel:
        stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)
        for number in range(2):
            await stub.CreatePortfolio(
                portfolio_pb2.CreatePortfolioRequest(portfolio_id=f"p{number}"), metadata=by("acme", "ann")
            )
        third = portfolio_pb2.CreatePortfolioRequest(portfolio_id="p2")
        assert limit_of(await failure(stub.CreatePortfolio(third, metadata=by("acme", "ann")))) == "tenant portfolios"
        await stub.CreatePortfolio(third, metadata=by("globex", "ann"))
    jobs = limited.engine.jobs
    for _ in range(2):
        await jobs.submit("work", b"", tenant="acme")
    with pytest.raises(ResourceExhausted) as refused:
        await jobs.submit("work", b"", tenant="acme")
    assert refused.value.limit == "tenant jobs"
    await jobs.submit("work", b"", tenant="globex")


class _Wire:
    """As much of a wire as admission asks for."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self._metadata = metadata

    def time_remaining(self) -> None:
        return None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


STREAM = Method("hexar.v1.QueryService/Query", "hexar.v1.QueryService", "Query", False, True)


async def test_bulk_work_is_refused_first_and_what_is_at_hand_last() -> None:
    """At the bulk share a call that can wait is refused, at the limit every call that works; a replay passes up to the ceiling."""
    gate = Admission(20)
    bulk, interactive = Call(STREAM, _Wire(("hexar-priority", "bulk"))), Call(STREAM, _Wire())
    for _ in range(int(20 * BULK_SHARE)):
        gate.work(bulk).__enter__()
    with pytest.raises(ResourceExhausted) as refused:
        gate.work(bulk)
    assert refused.value.limit == "bulk work"
    while gate.working < 20:
        gate.work(interactive).__enter__()
    with pytest.raises(ResourceExhausted) as refused:
        gate.work(interactive)
    assert refused.value.limit == "work"
    gate.inside = gate.working

    async def replay(_: Call) -> bytes:
        return b"kept"

    assert await gate(STREAM, replay)(Call(STREAM, _Wire())) == b"kept"
    for _ in range(200):
        gate.observe(5.0)
    assert gate.gradient.value == gate.gradient.minimum < 20
    assert await gate(STREAM, replay)(Call(STREAM, _Wire())) == b"kept"


async def test_where_few_may_work_a_burst_leaves_room_for_replays() -> None:
    """Calls that are about to be refused are inside for a moment: they do not keep out what is at hand."""
    gate = Admission(4)
    gate.inside = 4 + REPLAY_ROOM - 1

    async def replay(_: Call) -> bytes:
        return b"kept"

    assert await gate(STREAM, replay)(Call(STREAM, _Wire())) == b"kept"
    gate.inside = 4 + REPLAY_ROOM
    with pytest.raises(ResourceExhausted) as refused:
        await gate(STREAM, replay)(Call(STREAM, _Wire()))
    assert refused.value.limit == "calls"


async def test_documents_that_arrive_share_one_room(settings: Callable[..., Settings]) -> None:
    """Uploads that are begun and not ended hold bytes up to a limit; what is more is refused, and what was held is given back."""
    app = App(settings(limits={"upload_mb": 32}))
    await app.start()
    frame = portfolio_pb2.UpsertDocumentsRequest
    target = frame(target=portfolio_pb2.UpsertTarget(portfolio_id="notes", create=True))
    header, piece = frame(document=portfolio_pb2.DocumentHeader(document_id="a.md")), frame(data=b"x" * (4 << 20))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)
        held = [stub.UpsertDocuments() for _ in range(2)]
        for call in held:
            for message in (target, header, *[piece] * 4):
                await call.write(message)
        chat = next(each for each in app.servicers if isinstance(each, ChatServicer))
        await until(lambda: chat.room.held == 32 << 20)
        third = stub.UpsertDocuments(iter((target, header, piece)))
        assert limit_of(await failure(third)) == "upload bytes"
        for call in held:
            call.cancel()
        await until(lambda: chat.room.held == 0)
    await app.stop(0)

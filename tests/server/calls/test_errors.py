"""What a caller is told when something is wrong, over a real channel."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import grpc
import jwt
import pytest
from google.rpc import error_details_pb2, status_pb2

from hexar.core.deadline import Deadline
from hexar.core.errors import HexarError, StreamBroken
from hexar.core.telemetry.metrics import Metrics
from hexar.server.calls.interceptors import Admission, Observe, errors, request_id
from hexar.server.calls.interceptors.errors import STATUS as STATUS_OF
from hexar.server.calls.rpc import Call, Method, ServiceHandler
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.server.systems import SYSTEMS
from hexar.v1 import ops_pb2, ops_pb2_grpc, query_pb2, query_pb2_grpc

QUERY = "hexar.v1.QueryService/Query"
STATUS = "/hexar.v1.OpsService/GetStatus"


def details(error: grpc.aio.AioRpcError, kind: type) -> list:  # type: ignore[type-arg]
    """The google.rpc details of one type in a status."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    found = []
    for detail in status.details:
        message = kind()
        if detail.Unpack(message):
            found.append(message)
    return found


async def failure(awaitable: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaitable
    return caught.value


async def served(handler: Callable[[Call], Awaitable[bytes | None]], *more: object) -> tuple[grpc.aio.Server, int]:
    """A server whose Query method is ``handler`` behind the real interceptors."""
    chain = (errors, request_id, Observe(Metrics()), *more)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((ServiceHandler([query_pb2.DESCRIPTOR], {QUERY: handler}, chain),))  # type: ignore[arg-type]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def stream(port: int, request: query_pb2.QueryRequest | None = None, **options: object) -> list[query_pb2.QueryEvent]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = query_pb2_grpc.QueryServiceStub(channel).Query(request or query_pb2.QueryRequest(), **options)
        return [event async for event in call]


async def test_bytes_that_are_no_message_are_the_callers_fault(channel: grpc.aio.Channel) -> None:
    """Undecodable bytes end as INVALID_ARGUMENT that names the request, not as UNKNOWN."""
    error = await failure(channel.unary_unary("/hexar.v1.OpsService/GetJob")(b"\xff\xff\xff"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    (bad,) = details(error, error_details_pb2.BadRequest)
    assert bad.field_violations[0].field == "request"


async def test_a_field_that_is_wrong_is_named(channel: grpc.aio.Channel) -> None:
    """The status carries google.rpc.BadRequest with the field's path."""
    error = await failure(ops_pb2_grpc.OpsServiceStub(channel).GetJob(ops_pb2.GetJobRequest(id="../etc")))
    (bad,) = details(error, error_details_pb2.BadRequest)
    assert [violation.field for violation in bad.field_violations] == ["id"]


async def test_an_unknown_id_is_not_found(channel: grpc.aio.Channel) -> None:
    """An id that no job has is NOT_FOUND."""
    error = await failure(ops_pb2_grpc.OpsServiceStub(channel).GetJob(ops_pb2.GetJobRequest(id="0" * 32)))
    assert error.code() is grpc.StatusCode.NOT_FOUND


async def test_our_own_bug_shows_an_id_and_no_exception_text() -> None:
    """An unexpected exception, also in the middle of a stream, is INTERNAL with an id and nothing else."""

    async def handler(call: Call) -> None:
        await call.send([b"\x08\x01"])
        raise RuntimeError("secret: /etc/passwd")

    server, port = await served(handler)
    error = await failure(stream(port))
    await server.stop(0)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(error.details()) + str(error.trailing_metadata())
    (info,) = details(error, error_details_pb2.ErrorInfo)
    assert info.metadata["reference"] in str(error.details())


async def test_a_stream_that_breaks_tells_the_last_event() -> None:
    """UNAVAILABLE in the middle of a stream carries the number of the last event and when to come back."""

    async def handler(call: Call) -> None:
        await call.send([b"\x08\x01", b"\x08\x02"])
        call.last_seq = 2
        raise StreamBroken("the model went away", 2, retry_after=3.0)

    server, port = await served(handler)
    error = await failure(stream(port))
    await server.stop(0)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert dict(error.trailing_metadata() or ())["hexar-last-seq"] == "2"
    (retry,) = details(error, error_details_pb2.RetryInfo)
    assert retry.retry_delay.seconds == 3


async def test_too_many_calls_are_refused_early_with_the_time_to_come_back() -> None:
    """Beyond the limit a call ends at once with RESOURCE_EXHAUSTED and RetryInfo; those inside go on."""
    gate, entered = asyncio.Event(), asyncio.Semaphore(0)
    admission = Admission(limit=4)

    async def handler(call: Call) -> None:
        with admission.work(call):
            entered.release()
            await gate.wait()

    server, port = await served(handler, admission)
    inside = [asyncio.create_task(stream(port)) for _ in range(4)]
    for _ in inside:
        await asyncio.wait_for(entered.acquire(), 20)
    error = await failure(stream(port))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(error, error_details_pb2.RetryInfo)
    gate.set()
    assert await asyncio.gather(*inside) == [[]] * 4
    admission.draining = True
    error = await failure(stream(port))
    await server.stop(0)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert details(error, error_details_pb2.RetryInfo)


async def test_the_callers_deadline_ends_the_handler() -> None:
    """When the caller's time is over the handler is cancelled, and nothing of it runs on."""
    ended = asyncio.Event()

    async def handler(call: Call) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    server, port = await served(handler)
    error = await failure(stream(port, timeout=0.2))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(ended.wait(), 20)
    await server.stop(0)


async def test_a_cancelled_client_ends_the_handler() -> None:
    """A client that leaves cancels the work that was done for it."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def handler(call: Call) -> None:
        began.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    server, port = await served(handler)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = query_pb2_grpc.QueryServiceStub(channel).Query(query_pb2.QueryRequest())
        await asyncio.wait_for(began.wait(), 20)
        call.cancel()
        await asyncio.wait_for(ended.wait(), 20)
    await server.stop(0)


async def test_a_request_id_is_sent_back(channel: grpc.aio.Channel) -> None:
    """A usable id of the caller is kept; an unusable one is replaced."""
    stub = ops_pb2_grpc.OpsServiceStub(channel)
    for given, kept in (("abc-123", True), ("no spaces please", False)):
        call = stub.GetStatus(ops_pb2.GetStatusRequest(), metadata=(("x-request-id", given),))
        await call
        sent = dict(await call.trailing_metadata())["x-request-id"]
        assert (sent == given) is kept
        assert sent


async def test_a_service_that_is_not_built_says_so(settings: Callable[..., Settings]) -> None:
    """Methods of the contract without an answer yet are UNIMPLEMENTED, by our text."""
    systems = tuple(replace(system, servicer=None) if system.name == "legal" else system for system in SYSTEMS)
    app = App(settings(), systems=systems)
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            error = await failure(channel.unary_unary("/hexar.v1.LegalService/Validate")(b""))
    finally:
        await app.stop(0)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "contract" in str(error.details())


TOKENS = {
    "auth": {
        "tokens": [
            {"token": "user-token", "tenant": "acme", "scopes": ["use"]},
            {"token": "ops-token", "tenant": "acme", "scopes": ["use", "ops"]},
        ],
        "jwt": {"key": "k" * 32, "algorithms": ["HS256"]},
    }
}


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", grpc.StatusCode.UNAUTHENTICATED),
        ("wrong", grpc.StatusCode.UNAUTHENTICATED),
        ("user-token", grpc.StatusCode.PERMISSION_DENIED),
        ("ops-token", None),
        (jwt.encode({"tenant": "t", "scope": "ops", "exp": time.time() + 86400}, "k" * 32, "HS256"), None),
        (
            jwt.encode({"tenant": "t", "scope": "ops", "exp": time.time() - 60}, "k" * 32, "HS256"),
            grpc.StatusCode.UNAUTHENTICATED,
        ),
        (jwt.encode({"tenant": "t", "scope": "ops"}, "k" * 32, "HS256"), grpc.StatusCode.UNAUTHENTICATED),
        (
            jwt.encode({"tenant": "a/b", "scope": "ops", "exp": time.time() + 86400}, "k" * 32, "HS256"),
            grpc.StatusCode.UNAUTHENTICATED,
        ),
        (
            jwt.encode({"tenant": "t", "scope": "ops", "exp": time.time() + 86400}, "x" * 32, "HS256"),
            grpc.StatusCode.UNAUTHENTICATED,
        ),
    ],
)
async def test_tokens_decide_who_may_operate(
    settings: Callable[..., Settings], token: str, code: grpc.StatusCode | None
) -> None:
    """No token, a wrong one, or one without the scope is refused; the text is the same for every bad token."""
    app = App(settings(**TOKENS))
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            call = channel.unary_unary(STATUS)(b"", metadata=(("authorization", f"Bearer {token}"),) if token else ())
            if code is None:
                assert ops_pb2.GetStatusResponse.FromString(await call).ready
            else:
                error = await failure(call)
                assert error.code() is code
                if code is grpc.StatusCode.UNAUTHENTICATED:
                    assert error.details() == "a valid bearer token is required"
    finally:
        await app.stop(0)


def test_every_error_of_ours_has_a_status() -> None:
    """No class of the tree is without a gRPC status."""

    def tree(kind: type[HexarError]) -> list[type[HexarError]]:
        return [kind, *(leaf for sub in kind.__subclasses__() for leaf in tree(sub))]

    assert [kind for kind in tree(HexarError) if int(kind.code) not in STATUS_OF] == []


async def test_the_work_for_a_caller_who_does_not_read_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Behind events that nobody reads no status can be sent: at the server's limit its work ends, and no bug is logged."""
    ended = asyncio.Event()

    async def handler(call: Call) -> None:
        try:
            while True:
                await call.send([b"\x12\x80\x80\x04" + b"x" * 65536])
        finally:
            ended.set()

    method = Method("hexar.v1.QueryService/Query", "hexar.v1.QueryService", "Query", False, True)
    guarded = errors(method, handler)

    async def streaming(_: object, context: object) -> None:
        call = Call(method, context)
        call.deadline = Deadline.after(0.2)
        await guarded(call)

    server = grpc.aio.server()
    table = {"Query": grpc.stream_stream_rpc_method_handler(streaming)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hexar.v1.QueryService", table),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream("/hexar.v1.QueryService/Query")(iter([b""]), timeout=60)
        await asyncio.wait_for(ended.wait(), 20)
        call.cancel()
    await server.stop(0)
    assert "ExecuteBatchError" not in caplog.text

"""What the SDK repeats, what it does not, and options for some calls only."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from hexar.v1 import portfolio_pb2
from hexar_client import AsyncClient, Cancelled, Client, FailedPrecondition, Unavailable
from hexar_client.chat import Upload


class Moody(grpc.GenericRpcHandler):
    """A server that fails as often as it is told to: refusing politely, or as if the connection were lost."""

    def __init__(self) -> None:
        self.failures: list[grpc.StatusCode | str] = []
        self.calls: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.server = grpc.server(ThreadPoolExecutor(4), handlers=(self,))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Any method, whatever it takes."""
        method = str(handler_call_details.method).rpartition("/")[2]

        def answer(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            self.metadata = dict(context.invocation_metadata())
            list(requests)
            self.calls.append(method)
            if self.failures:
                self.fail(context, self.failures.pop(0))
            yield portfolio_pb2.GetPortfolioResponse().SerializeToString()

        return grpc.stream_stream_rpc_method_handler(answer)

    def fail(self, context: Any, how: grpc.StatusCode | str) -> None:
        """End a call: "refused" is the server's own word with a time to come back, a status stands alone."""
        if isinstance(how, grpc.StatusCode):
            # Initial metadata keeps gRPC itself from repeating the call.
            context.send_initial_metadata(())
            context.abort(how, "lost")
        status = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="later")
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(nanos=1_000_000)))
        context.send_initial_metadata(())
        context.abort_with_status(rpc_status.to_status(status))


@pytest.fixture
def moody() -> Iterator[Moody]:
    """It, listening."""
    made = Moody()
    yield made
    made.server.stop(0).wait()


def test_what_the_server_refused_for_now_is_asked_again(moody: Moody) -> None:
    """After the time that it names; also what changes something, since it was not carried out."""
    moody.failures = ["refused", "refused"]
    with Client(moody.address) as client:
        client.portfolios.create("manuals")
    assert moody.calls == ["CreatePortfolio"] * 3


def test_a_lost_call_is_repeated_where_it_only_looks(moody: Moody) -> None:
    """What may have been carried out is not done twice."""
    with Client(moody.address) as client:
        moody.failures = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED]
        client.portfolios.get("manuals")
        moody.failures = [grpc.StatusCode.UNAVAILABLE]
        with pytest.raises(Unavailable):
            client.portfolios.delete("manuals")
        moody.failures = [grpc.StatusCode.CANCELLED]
        with pytest.raises(Cancelled):
            client.portfolios.delete("manuals")
        moody.failures = [grpc.StatusCode.UNAVAILABLE]
        with pytest.raises(Unavailable):
            client.portfolios.add("manuals", [Upload("a.txt", b"a")])
        moody.failures = [grpc.StatusCode.FAILED_PRECONDITION]
        with pytest.raises(FailedPrecondition):
            client.portfolios.get("manuals")
    assert moody.calls == ["GetPortfolio"] * 3 + ["DeletePortfolio"] * 2 + ["UpsertDocuments", "GetPortfolio"]


def test_retries_end(moody: Moody) -> None:
    """After as many as the client was given, and before the time of the call is over."""
    with Client(moody.address, retries=1) as client:
        moody.failures = ["refused"] * 3
        with pytest.raises(Unavailable):
            client.portfolios.get("manuals")
        assert len(moody.calls) == 2
        moody.failures = ["refused"]
        with pytest.raises(Unavailable):
            client.with_options(retries=0).portfolios.get("manuals")
        assert len(moody.calls) == 3
    with pytest.raises(ValueError, match="retries"):
        Client(moody.address, retries=-1)


def test_options_hold_for_some_calls(moody: Moody) -> None:
    """Metadata, timeout and retries of one call, over the same connection; the client's own are as before."""
    with Client(moody.address, metadata=[("x-team", "red")]) as client:
        client.with_options(timeout=5, metadata=[("x-request-id", "42")]).portfolios.get("manuals")
        assert (moody.metadata["x-team"], moody.metadata["x-request-id"]) == ("red", "42")
        assert client.with_options(timeout=5).seconds(None) == 5
        client.portfolios.get("manuals")
        assert "x-request-id" not in moody.metadata
        assert client.with_options().channel is client.channel


def test_the_asynchronous_client_does_the_same(moody: Moody) -> None:
    """It repeats, it ends, and its options hold for some calls."""

    async def run() -> None:
        async with AsyncClient(moody.address, retries=1) as client:
            moody.failures = ["refused"]
            await client.with_options(metadata=[("x-request-id", "7")]).portfolios.get("manuals")
            assert moody.metadata["x-request-id"] == "7"
            moody.failures = ["refused"] * 2
            with pytest.raises(Unavailable):
                await client.portfolios.get("manuals")

    asyncio.run(run())
    assert len(moody.calls) == 4

"""Uploads that a server ends while they are being sent: the client is told what the server said."""

import collections
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from hexar.v1 import portfolio_pb2
from hexar_client import AsyncClient
from hexar_client.chat import Upload
from hexar_client.errors import HexarError, NotFound

CALLS = 200


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A server that ends every upload at its first message and reads nothing more."""

    async def upsert(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.read()
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such portfolio", (("hexar-last-seq", "0"),))

    server = grpc.aio.server()
    handler = grpc.stream_unary_rpc_method_handler(
        upsert,
        request_deserializer=portfolio_pb2.UpsertDocumentsRequest.FromString,
        response_serializer=portfolio_pb2.UpsertDocumentsResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("hexar.v1.PortfolioService", {"UpsertDocuments": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


async def test_the_server_s_own_status_is_raised(address: str) -> None:
    """grpc.aio says INTERNAL where a message cannot be written; the SDK waits for the status that was sent."""
    told: collections.Counter[str] = collections.Counter()
    async with AsyncClient(address) as client:
        for number in range(CALLS):
            documents = [Upload(f"d{at}.md", b"x" * (100, 20_000)[number % 2]) for at in range(40)]
            try:
                await client.portfolios.add("notes", documents)
            except HexarError as error:
                told[type(error).__name__] += 1
    print(f"{CALLS} uploads ended early: {dict(told)}")
    assert told == {NotFound.__name__: CALLS}

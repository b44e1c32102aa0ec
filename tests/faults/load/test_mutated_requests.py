"""Mutated requests over every method of the contract: whatever comes, no call ends as a bug of the server."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from hexar.server.process.app import App
from hexar.server.systems import make_settings
from hexar.v1 import portfolio_pb2, portfolio_pb2_grpc
from tests.fix.mutations import Mutations, methods

SHORT = 1500
LONG = int(os.environ.get("HEXAR_MUTATIONS", "20000"))
#: Calls at a time, and seconds of one: streams that wait for news end by it.
AT_ONCE = 32
SECONDS = 0.25
#: What exists, and what looks like it.
NAMES = ("notes", "guide.md", "default", "hexar.v1", "en", "USD", "gear_query", "portfolio:default/notes")
BUGS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


async def _ask(channel: grpc.aio.Channel, method: MethodDescriptor, requests: list[bytes]) -> grpc.aio.AioRpcError | None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    sent = iter(requests) if method.client_streaming else requests[0]
    call = getattr(channel, kind)(path)(sent, timeout=SECONDS)
    try:
        if method.server_streaming:
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error
    except asyncio.CancelledError:
        # grpc.aio cancels a call whose time ended while its messages were written.
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
    return None


async def _run(app: App, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """``count`` calls over all methods in turn: how they ended, and those that ended as bugs."""
    source, known = Mutations(seed, NAMES), methods()
    ended: Counter[str] = Counter()
    bugs: list[str] = []
    room = asyncio.Semaphore(AT_ONCE)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)

        async def one(number: int) -> None:
            method = known[number % len(known)]
            requests = source.requests(method)
            async with room:
                error = await _ask(channel, method, requests)
            code = grpc.StatusCode.OK if error is None else error.code()
            # grpc.aio says INTERNAL of its own where an upload ends while it is written; it has no trailers.
            own = error is not None and code is grpc.StatusCode.INTERNAL and not error.trailing_metadata()
            ended["written too late" if own else code.name] += 1
            if error is not None and code in BUGS and not own:
                bugs.append(f"{method.full_name}: {error.details()}: {[request.hex() for request in requests]}"[:2000])

        for begin in range(0, count, 400):
            # What exists may have been removed by one of them.
            first = portfolio_pb2.UpsertDocumentsRequest(target=portfolio_pb2.UpsertTarget(portfolio_id="notes", create=True))
            header = portfolio_pb2.UpsertDocumentsRequest(document=portfolio_pb2.DocumentHeader(document_id="guide.md"))
            data = portfolio_pb2.UpsertDocumentsRequest(data=b"# Stove\n\nThe stove burns gas for ninety minutes.\n")
            await stub.UpsertDocuments(iter((first, header, data)))
            await asyncio.gather(*(one(number) for number in range(begin, min(begin + 400, count))))
    return ended, bugs


async def _shown(folder: Path, count: int, seed: int, **settings: object) -> None:
    values = {"port": 0, "data_dir": folder / "data", "vendors": folder / "none.yaml", "drain_seconds": 0, **settings}
    app = App(make_settings(**values))
    await app.start()
    try:
        ended, bugs = await _run(app, count, seed)
    finally:
        await app.stop(0)
    print(f"n={count} over {len(methods())} methods: {dict(ended)}")
    assert sum(ended.values()) == count
    assert bugs == []


async def test_mutated_requests_end_as_the_callers_mistakes(tmp_path: Path) -> None:
    """The short form, on the embedded store."""
    await _shown(tmp_path, SHORT, 1)


@pytest.mark.chaos
async def test_many_mutated_requests_on_the_embedded_store(tmp_path: Path) -> None:
    """Half of the long form."""
    await _shown(tmp_path, LONG, 2)


@pytest.mark.chaos
async def test_many_mutated_requests_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """The other half."""
    await _shown(tmp_path, LONG, 3, database_url=postgres_url)

"""Connections to a model's server: used from the model's pool, kept, replaced, filled, and closed."""

import asyncio
import gc
import socket
import threading
from contextlib import aclosing
from typing import Any

import pytest

from hexar.agents.llm import Cancel, Message, ModelConfig, Models, Request, Timeouts
from hexar.agents.llm.errors import ModelRefused, ModelTimeout
from hexar.agents.llm.openai import OpenAIProvider
from hexar.agents.llm.transport.bridge import bulkhead_name
from hexar.agents.llm.transport.client import Client
from hexar.agents.llm.transport.connect import Connection, Connector, send
from hexar.agents.transport.idle import MAX_LAID_DOWN
from hexar.core.deadline import Deadline
from hexar.core.resilience.dispatch import Dispatcher
from tests.agents.llm.conftest import FAST, MakeModels, answer, collect_blocking, gather, text, until
from tests.upstream import Upstream


def test_what_a_socket_cannot_take_at_once_is_sent_whole() -> None:
    """Over a non-blocking socket with little room, while its peer reads slowly: every byte, once and in order."""
    ours, theirs = socket.socketpair()
    data = bytes(range(256)) * 4096
    got = bytearray()

    def read() -> None:
        while piece := theirs.recv(5000):
            got.extend(piece)

    reader = threading.Thread(target=read)
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ours.setblocking(False)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < len(data) // 100
        reader.start()
        send(ours, data, 30.0)
        ours.shutdown(socket.SHUT_WR)
        reader.join(30)
    assert got == data


def test_a_peer_that_does_not_read_is_waited_for_only_so_long() -> None:
    """The time limit holds for what is left when the socket is full."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with pytest.raises(TimeoutError):
            send(ours, bytes(10_000_000), 0.2)


async def test_a_call_after_a_pause_does_not_lay_down_all_kept_connections(upstream: Upstream) -> None:
    """Of many that their server has closed a call lays down a few and opens one; the next calls lay down the rest."""
    connector = Connector(ModelConfig("m", base_url=upstream.base_url, model="m", timeouts=FAST))
    pairs = [socket.socketpair() for _ in range(10)]
    for ours, theirs in pairs:
        connector.keep(Connection(ours))
        theirs.close()
    left = []
    for _ in range(4):
        connection = await asyncio.to_thread(connector.get, Deadline.after(5), Cancel())
        assert not connection.reused
        left.append(len(connector.idle))
        connection.close()
    assert left == [10 - MAX_LAID_DOWN, 10 - 2 * MAX_LAID_DOWN, 0, 0]
    assert all(ours.fileno() == -1 for ours, _ in pairs)


async def test_every_call_is_sent_from_its_models_pool(make_models: MakeModels, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a new connection and over a kept one: a thread of the model's own bulkhead sends the request."""
    threads = []

    def send(provider: Client, *args: Any, **named: Any) -> Any:
        threads.append(threading.current_thread().name)
        return original(provider, *args, **named)

    original = Client._send
    monkeypatch.setattr(Client, "_send", send)
    models = make_models("tokens=3")
    for _ in range(3):
        assert text(await gather(models)) == answer(3)
    assert len(threads) == 3
    assert all(name.startswith(f"agent-{bulkhead_name(models.config(''))}") for name in threads)


async def test_connections_are_kept_and_a_stale_one_is_replaced(dispatcher: Dispatcher) -> None:
    """A second call uses the first one's connection; where the server went away, a new one is made without an error."""
    with Upstream() as first:
        models = Models([ModelConfig("m", base_url=first.base_url, model="m?tokens=3", timeouts=FAST)], dispatcher)
        provider = models.candidates()[0].provider
        assert isinstance(provider, OpenAIProvider)
        for _ in range(3):
            assert text(await gather(models)) == answer(3)
            assert await until(lambda: len(provider.client.connector.idle) == 1)
        assert text(await asyncio.to_thread(collect_blocking, models)) == answer(3)
        assert len(provider.client.connector.idle) == 1
    with pytest.raises(ModelRefused):
        await gather(models)
    models.close()


async def test_a_kept_connection_that_dies_when_used_costs_no_attempt(dispatcher: Dispatcher) -> None:
    """A server that closes a kept connection at the next request is asked again on a new one, even with one attempt."""
    body = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)
                connection.recv(65536)  # the next request is read, and never answered

    thread = threading.Thread(target=serve)
    thread.start()
    config = ModelConfig("m", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", model="x", timeouts=FAST)
    models = Models([config], dispatcher)
    assert text(await gather(models)) == "x"
    assert text(await gather(models)) == "x"
    models.close()
    thread.join(5)
    listener.close()


async def test_a_request_that_a_kept_connection_cannot_take_at_once_is_sent_whole(
    make_models: MakeModels, upstream: Upstream
) -> None:
    """A prompt larger than any socket's buffer arrives complete, and is answered."""
    models = make_models("tokens=3", timeouts=Timeouts())
    assert text(await gather(models)) == answer(3)
    large = Request((Message("user", "word " * 4_000_000),))
    async with aclosing(models.stream(large, Deadline.after(60))) as batches:
        events = [event async for batch in batches for event in batch]
    assert text(events) == answer(3)
    assert len(upstream.stats()["last_request"]["messages"][0]["content"]) == 20_000_000


async def test_no_socket_is_left_behind(make_models: MakeModels) -> None:
    """After answers, faults and cancellations no stream is open and no socket is leaked."""
    models = make_models("tokens=500&rate=50", timeouts=Timeouts())
    for seconds in (0.0, 0.005, 0.02, 0.1):
        tasks = [asyncio.create_task(gather(models)) for _ in range(5)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    readers = [reader for _, reader in models.bridge._ends.values()]
    assert readers
    assert await until(lambda: all(reader.load == 0 for reader in readers))
    gc.collect()


async def test_tls(upstream: Upstream, dispatcher: Dispatcher) -> None:
    """A server that speaks no TLS, and one whose certificate nobody vouches for, are refused."""
    config = ModelConfig("m", base_url=f"https://127.0.0.1:{upstream.port}/v1", model="m", timeouts=FAST)
    models = Models([config], dispatcher)
    with pytest.raises((ModelRefused, ModelTimeout)):
        await gather(models)
    models.close()

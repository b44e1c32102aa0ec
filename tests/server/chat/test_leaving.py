"""Callers who leave and callers who lose their connection: what stops the model, and what lets them come back."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from hexar.server.process.app import App
from hexar.v1 import chat_pb2, chat_pb2_grpc
from tests.fix.pace import Pace
from tests.fix.stores.redis_server import RedisServer
from tests.server.chat.test_chat import Chat, text_of
from tests.upstream import Upstream

DOCUMENT = b"The pump moves forty litres a minute. It is driven by the belt of the engine.\n"
QUESTION = "How many litres does the pump move?"

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """One OpenAI-compatible server."""
    with Upstream() as server:
        yield server


@pytest.fixture
async def start(settings: Callable[..., Any], upstream: Upstream) -> AsyncIterator[Start]:
    """``await start(model)``: a server with that model and a portfolio."""
    apps: list[App] = []

    async def make(model: str, **changes: Any) -> App:
        row = {"name": "first", "base_url": upstream.base_url, "model": f"{time.monotonic_ns()}?{model}"}
        app = App(settings(llm={"models": [row]}, **changes))
        await app.start()
        apps.append(app)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            await Chat(channel).add("pumps", pump__txt=DOCUMENT)
        return app

    yield make
    for app in apps:
        await app.stop(0)


class Caller:
    """A caller on a connection of its own, which it may lose."""

    def __init__(self, port: int, *metadata: tuple[str, str], message: str = QUESTION, **fields: Any) -> None:
        # Without this, channels of one process to one address share a connection.
        options = (("grpc.use_local_subchannel_pool", 1),)
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
        self.stub = chat_pb2_grpc.ChatServiceStub(self.channel)
        self.message, self.fields, self.metadata = message, fields, metadata
        self.events: list[chat_pb2.ChatEvent] = []
        self.call: Any = None
        self.answer_id = ""

    async def read(self, count: int = 10_000) -> None:
        """Ask, and read so many events, or all."""
        request = chat_pb2.ChatRequest(portfolio_id="pumps", message=self.message, **self.fields)
        self.call = self.stub.Chat(request, metadata=self.metadata)
        async for event in self.call:
            self.events.append(event)
            if len(self.events) >= count:
                break
        self.answer_id = dict(await self.call.initial_metadata())["hexar-answer-id"]

    async def lose(self) -> None:
        """Lose the connection."""
        await self.channel.close()


async def stopped(upstream: Upstream, before: dict[str, Any], seconds: float) -> float:
    """The time at which the upstream saw its stream cut, or 0 where it did not within ``seconds``."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = await asyncio.to_thread(upstream.stats)
        if now["abandoned"] > before["abandoned"]:
            return float(now["last_abandoned"])
        await asyncio.sleep(0.02)
    return 0.0


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("phase", ["first", "rate"])
async def test_a_cancel_reaches_the_models_socket_within_250_ms(
    start: Start, upstream: Upstream, redis_server: RedisServer, pace: Pace, shared: bool, phase: str
) -> None:
    """The only caller cancels, while the model thinks or writes: its socket is closed, also where Redis shares the answer."""
    changes = {"redis_url": redis_server.url} if shared else {}
    app = await start(f"tokens=400&rate=20&first={30 if phase == 'first' else 0}", **changes)
    took: list[float] = []
    for number in range(5):
        caller = Caller(app.port, message=f"{QUESTION} Number {number}.")
        before = await asyncio.to_thread(upstream.stats)
        await caller.read(1 if phase == "first" else 4)
        for _ in range(500):
            if (await asyncio.to_thread(upstream.stats))["open"] > before["open"]:
                break
            await asyncio.sleep(0.01)
        pace.slack()
        left = time.time()
        caller.call.cancel()
        cut = await stopped(upstream, before, 15)
        assert cut
        took.append(cut - left - pace.slack())
        await caller.channel.close()
    print("seconds from cancel to the closed socket", took)
    assert statistics.median(took) < 0.25, took


async def test_a_caller_who_lingers_comes_back_to_the_very_same_stream(start: Start, upstream: Upstream) -> None:
    """The only reader loses its connection in mid-answer: the model goes on, and the rest follows without gap or repetition."""
    app = await start("tokens=30&rate=30")
    caller = Caller(app.port, ("hexar-linger", "5"))
    before = await asyncio.to_thread(upstream.stats)
    await caller.read(6)
    await caller.lose()
    await asyncio.sleep(0.3)
    again = Caller(
        app.port, ("hexar-linger", "5"), ("hexar-answer-id", caller.answer_id), resume_after=6,
        conversation_id=caller.events[0].started.conversation_id,
    )  # fmt: skip
    await again.read()
    events = [*caller.events, *again.events]
    assert text_of(events) == "".join(f"tok{i} " for i in range(30))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].done.cache_status == events[0].started.cache_status
    after = await asyncio.to_thread(upstream.stats)
    assert sum(after["calls"].values()) == sum(before["calls"].values()) + 1
    assert after["abandoned"] == before["abandoned"]
    await again.channel.close()


async def test_a_lost_caller_is_waited_for_no_longer_than_it_asked_and_the_server_allows(
    start: Start, upstream: Upstream
) -> None:
    """The model is stopped when the time is over; who comes later is told to begin anew, and no second model call is begun."""
    app = await start("tokens=400&rate=20", limits={"linger_seconds": 0.5})
    caller = Caller(app.port, ("hexar-linger", "300"))
    before = await asyncio.to_thread(upstream.stats)
    await caller.read(4)
    lost = time.time()
    await caller.lose()
    cut = await stopped(upstream, before, 10)
    assert cut - lost > 0.4
    for policy in (0, 2):  # the caches' default, and one that does not read them
        late = Caller(app.port, ("hexar-answer-id", caller.answer_id), resume_after=4, cache_policy=policy)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await late.read()
        assert refused.value.code() == grpc.StatusCode.ABORTED
        await late.channel.close()
    after = await asyncio.to_thread(upstream.stats)
    assert sum(after["calls"].values()) == sum(before["calls"].values()) + 1


@pytest.mark.parametrize("shared", [False, True])
async def test_a_lingering_caller_who_says_that_it_leaves_stops_the_model_at_once(
    start: Start, upstream: Upstream, redis_server: RedisServer, pace: Pace, shared: bool
) -> None:
    """hexar-leave with the id of the call that was left ends the wait; another caller's word does not."""
    changes = {"redis_url": redis_server.url} if shared else {}
    app = await start("tokens=400&rate=20", **changes)
    caller = Caller(app.port, ("hexar-linger", "5"), ("x-request-id", "mine"))
    before = await asyncio.to_thread(upstream.stats)
    await caller.read(4)
    caller.call.cancel()
    assert not await stopped(upstream, before, 0.5)

    async def leave(name: str) -> list[Any]:
        metadata = (("hexar-answer-id", caller.answer_id), ("hexar-leave", name))
        return [event async for event in caller.stub.Chat(chat_pb2.ChatRequest(), metadata=metadata)]

    assert await leave("another") == []
    assert not await stopped(upstream, before, 0.3)
    pace.slack()
    left = time.time()
    assert await leave("mine") == []
    cut = await stopped(upstream, before, 15)
    assert cut
    assert cut - left < 1 + pace.slack()
    await caller.channel.close()


async def test_who_still_reads_is_not_touched_by_one_who_leaves(start: Start, upstream: Upstream) -> None:
    """Of two callers of one answer one cancels and one is lost; the third, who came meanwhile, reads to the end."""
    app = await start("tokens=30&rate=30")
    first, second = Caller(app.port), Caller(app.port, ("hexar-linger", "5"))
    third = Caller(app.port)
    before = await asyncio.to_thread(upstream.stats)
    await asyncio.gather(first.read(3), second.read(3))
    whole = asyncio.create_task(third.read())
    await asyncio.sleep(0.1)
    first.call.cancel()
    await second.lose()
    await whole
    assert text_of(third.events) == "".join(f"tok{i} " for i in range(30))
    assert (await asyncio.to_thread(upstream.stats))["abandoned"] == before["abandoned"]
    for caller in (first, third):
        await caller.channel.close()

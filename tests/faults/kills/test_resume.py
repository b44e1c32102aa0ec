"""Streams cut at every event and resumed on another server process: the exact rest, for each system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message

from hexar.agents.parts.demo import PATH as CATALOGUE
from hexar.agents.parts.importers.run import import_catalogue
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.server.demo import DemoShops
from hexar.server.systems import TABLES
from hexar.v1 import chat_pb2, parts_pb2, query_pb2
from tests.fix.server_process import ServerProcess
from tests.fix.stores.redis_server import RedisServer
from tests.server.chat.test_chat import Chat
from tests.upstream import Upstream

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

DOCUMENT = b"The pump moves forty litres a minute. It is driven by the belt of the engine.\n"
#: More callers than an answer here has events: caller i is cut after event i.
CALLERS = 90
#: Seconds that each call may take; equal for all, since answers are shared by callers with like deadlines.
TIMEOUT = 60.0


#: What is compared is the log as it was sent, also where it is kept in a compacted form.
ORIGINAL = ("hexar-log", "original")


@dataclass(slots=True)
class Fleet:
    """Server processes over one store and one Redis."""

    one: ServerProcess
    other: ServerProcess
    redis: RedisServer
    upstream: Upstream
    more: Callable[[str], ServerProcess]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """Two of them, over shops of different speed, a slow model and the demo catalogue."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "data").mkdir()
    database = Database(f"sqlite:///{folder / 'data' / 'store.db'}")
    create_tables(database, TABLES)
    import_catalogue(database, CATALOGUE)
    database.close()
    # Slow enough that all callers of a test are there while the answer is made, on a busy machine too.
    delays = {"alpine": 0.3, "boardroom": 1.2, "summit": 2.5}
    redis = RedisServer()
    try:
        with DemoShops(delay=delays) as shops, Upstream() as upstream:
            (folder / "vendors.yaml").write_text(shops.vendors_yaml())
            model = {"name": "slow", "base_url": upstream.base_url, "model": "slow?tokens=24&rate=10"}

            def server(name: str) -> ServerProcess:
                return ServerProcess(
                    folder, name, data_dir=folder / "data", vendors=folder / "vendors.yaml", redis_url=redis.url,
                    # A machine that does other work, too, is no fault of Redis.
                    redis_timeout=2.0, llm={"models": [model]},
                )  # fmt: skip

            async with server("one") as one, server("other") as other:
                async with one.channel() as channel:
                    await Chat(channel).add("pumps", pump__txt=DOCUMENT)
                yield Fleet(one, other, redis, upstream, server)
    finally:
        redis.close()


@dataclass(slots=True)
class Stream:
    """What one caller received, as bytes, over as many connections as it had."""

    path: str
    request: Message
    metadata: tuple[tuple[str, str], ...] = ()
    events: list[bytes] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, server: ServerProcess, count: int | None = None, *, close: bool = False) -> None:
        """Ask ``server`` for what is missing; up to ``count`` events in all, then lose the connection, or cancel the call."""
        request = type(self.request)()
        request.CopyFrom(self.request)
        request.resume_after = len(self.events)  # type: ignore[attr-defined]
        if isinstance(request, chat_pb2.ChatRequest) and self.events and not request.ephemeral:
            request.conversation_id = chat_pb2.ChatEvent.FromString(self.events[0]).started.conversation_id
        known = [(name, self.headers[name]) for name in ("hexar-answer-id", "hexar-cache") if name in self.headers]
        async with server.channel() as channel:
            method = channel.unary_stream(self.path, request_serializer=lambda message: message.SerializeToString())
            call: Any = method(request, timeout=TIMEOUT, metadata=(*self.metadata, *known, ORIGINAL))
            headers = dict(await call.initial_metadata())
            if "hexar-answer-id" not in headers:
                # What a call without events says first may be lost on its client; any but an OK status raises here.
                assert await call.read() is grpc.aio.EOF
                return
            self.headers = {**headers, **self.headers}
            self.begun.set()
            assert headers["hexar-answer-id"] == self.headers["hexar-answer-id"]
            while count is None or len(self.events) < count:
                event = await call.read()
                if event is grpc.aio.EOF:
                    return
                self.events.append(event)
            if not close:
                call.cancel()


def query() -> tuple[str, Message]:
    return "/hexar.v1.QueryService/Query", query_pb2.QueryRequest(text="beginner snowboard under $400", limit=10)


def chat() -> tuple[str, Message]:
    request = chat_pb2.ChatRequest(portfolio_id="pumps", message="How many litres does the pump move?", ephemeral=True)
    return "/hexar.v1.ChatService/Chat", request


def report(vehicle: str) -> parts_pb2.DiscoverRequest:
    names = ("front bumper", "left headlight", "bonnet", "front wing", "radiator")
    components = [parts_pb2.DamagedComponent(name=name, severity=parts_pb2.SEVERITY_SEVERE) for name in names]
    return parts_pb2.DiscoverRequest(vehicle=parts_pb2.VehicleQuery(text=vehicle), components=components)


def discover() -> tuple[str, Message]:
    return "/hexar.v1.PartsService/Discover", report("Vauxhall Astra 1.6 hatchback 2008")


def discover_batch() -> tuple[str, Message]:
    reports = [report(f"Vauxhall Astra 1.6 hatchback {year}") for year in range(2005, 2011)]
    return "/hexar.v1.PartsService/DiscoverBatch", parts_pb2.DiscoverBatchRequest(reports=reports)


#: How many cuts must at least be resumed while the answer is still made; parts are found too fast to ask for any.
SYSTEMS = {"query": (query, 5), "chat": (chat, 15), "discover": (discover, 0), "discover_batch": (discover_batch, 0)}


@pytest.mark.parametrize("system", SYSTEMS)
async def test_a_stream_cut_at_every_event_goes_on_in_another_process(fleet: Fleet, system: str) -> None:
    """The rest on the other process is byte for byte that of an uncut caller: while the answer is made, and after its end."""
    make, at_least = SYSTEMS[system]
    path, request = make()
    first, live_resumes = Stream(path, request), 0

    async def cut(after: int, *, close: bool) -> Stream:
        nonlocal live_resumes
        stream = Stream(path, request, headers={"hexar-answer-id": first.headers["hexar-answer-id"]})
        await stream.read(fleet.one, after, close=close)
        live_resumes += not making.done()
        await stream.read(fleet.other)
        return stream

    making = asyncio.create_task(first.read(fleet.one))
    await asyncio.wait({making, asyncio.ensure_future(first.begun.wait())}, return_when=asyncio.FIRST_COMPLETED)
    uncut = Stream(path, request, headers={"hexar-answer-id": first.headers["hexar-answer-id"]})
    reading = asyncio.create_task(uncut.read(fleet.one))
    while_live = await asyncio.gather(*(cut(after, close=after % 2 == 0) for after in range(CALLERS)))
    await asyncio.gather(making, reading)
    assert len(first.events) == len(uncut.events) < CALLERS
    assert live_resumes >= at_least
    assert first.events[1:-1] == uncut.events[1:-1]
    for after, stream in enumerate(while_live):
        assert stream.events == uncut.events, f"cut after event {after} while it was made"

    replayed = Stream(path, request, headers={"hexar-answer-id": first.headers["hexar-answer-id"]})
    await replayed.read(fleet.one)
    count = len(first.events)
    ended = await asyncio.gather(*(cut(after, close=after % 2 == 1) for after in range(count + 1)))
    for after, stream in enumerate(ended):
        assert stream.events == replayed.events, f"cut after event {after} when it had ended"
    assert replayed.events[1:-1] == first.events[1:-1]
    print(system, "events", count, "resumed while the answer was made", live_resumes)


async def test_the_only_reader_of_a_chat_is_cut_at_every_event(fleet: Fleet) -> None:
    """Each caller has an answer of its own, lingers, is cut, and gets the rest from the other process; nobody stops the model."""

    async def cut(after: int) -> tuple[Stream, Stream]:
        message = f"How many litres does the pump move? Caller {after} asks."
        request = chat_pb2.ChatRequest(portfolio_id="pumps", message=message, cache_policy=2)
        stream = Stream("/hexar.v1.ChatService/Chat", request, metadata=(("hexar-linger", "8"),))
        await stream.read(fleet.one, after, close=after % 2 == 0)
        await asyncio.sleep(0.05 * (after % 5))
        await stream.read(fleet.other)
        whole = Stream(stream.path, request, headers=dict(stream.headers))
        await whole.read(fleet.one)
        return stream, whole

    before = await asyncio.to_thread(fleet.upstream.stats)
    pairs = await asyncio.gather(*(cut(after) for after in range(1, 28)))
    after = await asyncio.to_thread(fleet.upstream.stats)
    for stream, whole in pairs:
        events = [chat_pb2.ChatEvent.FromString(event) for event in stream.events]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert "".join(event.token.text for event in events) == "".join(f"tok{i} " for i in range(24))
        assert stream.events[1:-1] == whole.events[1:-1]
        assert events[0].started.conversation_id == events[-1].done.conversation_id != ""
        assert events[0].started.cache_status == events[-1].done.cache_status == chat_pb2.CACHE_STATUS_MISS
    # Where a leader is slower than its lease, its answer is made once more.
    assert len(pairs) <= sum(after["calls"].values()) - sum(before["calls"].values()) <= 2 * len(pairs)


@pytest.mark.chaos
@pytest.mark.parametrize("system", ["chat", "discover"])
async def test_a_run_that_is_only_kept_in_the_cache_is_resumed_by_a_process_that_never_saw_it(
    fleet: Fleet, system: str
) -> None:
    """Its stream in Redis is gone, as it is after a minute: a new process gives the rest from what is cached."""
    path, request = SYSTEMS[system][0]()
    whole = Stream(path, request)
    await whole.read(fleet.one)
    await asyncio.sleep(0.5)  # written behind the caller
    run = whole.headers["hexar-answer-id"]
    with fleet.redis.client() as client:
        client.delete(f"hexar:{{{run}}}:v1:r", f"hexar:{{{run}}}:v1:s")
    async with fleet.more(f"late-{system}") as late:
        for after in range(1, len(whole.events) + 1):
            stream = Stream(path, request, headers=dict(whole.headers), events=whole.events[:after])
            await stream.read(late)
            assert stream.events[:-1] == whole.events[:-1]
            assert len(stream.events) == len(whole.events)


@pytest.mark.chaos
async def test_the_process_that_makes_an_answer_is_killed_and_its_only_reader_resumes(fleet: Fleet) -> None:
    """Connection and maker are gone at once: another process goes on with the run, and the reader sees no seam."""
    message = "How many litres does the pump move? Its maker dies."
    request = chat_pb2.ChatRequest(portfolio_id="pumps", message=message)
    async with fleet.more("doomed") as doomed:
        stream = Stream("/hexar.v1.ChatService/Chat", request, metadata=(("hexar-linger", "8"),))
        await stream.read(doomed, 6)
        await doomed.kill()
        await stream.read(fleet.other)
    events = [chat_pb2.ChatEvent.FromString(event) for event in stream.events]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert "".join(event.token.text for event in events) == "".join(f"tok{i} " for i in range(24))

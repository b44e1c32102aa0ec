"""Any protobuf reader reads every event: each is one well-formed message with every singular field once."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from hexar.agents.parts import demo
from hexar.agents.parts.importers.run import import_catalogue
from hexar.server.demo.shops import DemoShops
from hexar.server.engine.system import contract
from hexar.server.process.app import App
from hexar.server.systems import SYSTEMS
from hexar.v1 import chat_pb2, common_pb2, parts_pb2, portfolio_pb2, portfolio_pb2_grpc, query_pb2
from tests.server.gear.messages import fields, repeated_singulars

TEXT = b"The left headlight is replaced from the engine bay.\n\nThe warranty of the lamp is two years.\n"


class Streams:
    """Calls streaming methods and keeps what came as it came."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    async def read(
        self, method: str, request: Message, event: type[Message], **metadata: str
    ) -> tuple[list[bytes], dict[str, str]]:
        """The events' bytes, each of which is checked, and the initial metadata."""
        call = self.channel.unary_stream(f"/hexar.v1.{method}", type(request).SerializeToString)(
            request, metadata=tuple(metadata.items())
        )
        events = [data async for data in call]
        assert events
        for data in events:
            assert repeated_singulars(data, event.DESCRIPTOR) == []
            # What stands first is the number: who relays events finds it without knowing them.
            assert next(fields(data))[0] == 1
        return events, {str(name): str(value) for name, value in await call.initial_metadata()}

    async def chat(self, message: str, after: int = 0, **metadata: str) -> tuple[list[bytes], dict[str, str]]:
        request = chat_pb2.ChatRequest(portfolio_id="lamps", message=message, resume_after=after)
        return await self.read("ChatService/Chat", request, chat_pb2.ChatEvent, **metadata)


@pytest.fixture
async def streams(settings: Callable[..., Any], tmp_path: Path) -> AsyncIterator[Streams]:
    """A caller of a server with shops, a portfolio and a catalogue."""
    with DemoShops() as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml())
        app = App(settings())
        await app.start()
        await app.engine.database.run(import_catalogue, app.engine.database, demo.PATH)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            frames = [
                portfolio_pb2.UpsertDocumentsRequest(target=portfolio_pb2.UpsertTarget(portfolio_id="lamps", create=True)),
                portfolio_pb2.UpsertDocumentsRequest(document=portfolio_pb2.DocumentHeader(document_id="lamps.md")),
                portfolio_pb2.UpsertDocumentsRequest(data=TEXT),
            ]
            await portfolio_pb2_grpc.PortfolioServiceStub(channel).UpsertDocuments(iter(frames))
            yield Streams(channel)
        await app.stop(0)


def text_of(events: list[bytes]) -> str:
    """The text of an answer."""
    return "".join(chat_pb2.ChatEvent.FromString(event).token.text for event in events)


async def test_every_event_of_a_chat_is_one_message_however_it_was_had(streams: Streams) -> None:
    """Made, replayed, replayed for a similar question, resumed: the first and last events are whole, and say how."""
    events, headers = await streams.chat("How do I replace the left headlight?")
    assert headers["hexar-cache"] == "miss"
    started, done = (chat_pb2.ChatEvent.FromString(event) for event in (events[0], events[-1]))
    assert started.started.sources
    assert started.started.conversation_id == done.done.conversation_id != ""
    assert done.done.mode == chat_pb2.ANSWER_MODE_EXTRACTIVE
    assert done.done.HasField("timings")
    replayed, headers = await streams.chat("How do I replace the left headlight?")
    assert headers["hexar-cache"] == "hit"
    assert text_of(replayed) == text_of(events) != ""
    again = chat_pb2.ChatEvent.FromString(replayed[-1]).done
    assert (again.cache_status, again.mode) == (chat_pb2.CACHE_STATUS_EXACT, done.done.mode)
    similar, headers = await streams.chat("How can I replace the left headlight?")
    assert headers["hexar-cache"] == "semantic"
    first = chat_pb2.ChatEvent.FromString(similar[0]).started
    assert first.semantic_question == "How do I replace the left headlight?"
    assert first.sources == started.started.sources
    # A caller that saw the first event of the similar one comes back for the rest of it.
    rest, _ = await streams.chat(
        "How can I replace the left headlight?", 1, **{n: headers[n] for n in ("hexar-answer-id", "hexar-cache")}
    )
    assert rest[:-1] == events[1:-1]
    assert chat_pb2.ChatEvent.FromString(rest[-1]).done.cache_status == chat_pb2.CACHE_STATUS_SEMANTIC
    await streams.chat("hello")


async def test_every_event_of_the_other_answers_is_one_message(streams: Streams) -> None:
    """Queries, discoveries and batches, made and replayed."""
    query = query_pb2.QueryRequest(text="snowboard")
    for _ in range(2):
        await streams.read("QueryService/Query", query, query_pb2.QueryEvent)
    report = parts_pb2.DiscoverRequest(
        vehicle=parts_pb2.VehicleQuery(text="Vauxhall Astra 1.6 hatchback 2008"),
        components=[parts_pb2.DamagedComponent(name="left headlight")],
    )
    for _ in range(2):
        await streams.read("PartsService/Discover", report, parts_pb2.DiscoverEvent)
    batch = parts_pb2.DiscoverBatchRequest(reports=[report, parts_pb2.DiscoverRequest()])
    await streams.read("PartsService/DiscoverBatch", batch, parts_pb2.DiscoverBatchEvent)


def test_the_check_sees_a_field_that_stands_twice() -> None:
    """Two fragments of one submessage, the same number twice, two members of a oneof: none passes."""
    one = chat_pb2.ChatEvent(seq=1, started=chat_pb2.ChatStarted(conversation_id="a")).SerializeToString()
    other = chat_pb2.ChatEvent(started=chat_pb2.ChatStarted(semantic_id="b")).SerializeToString()
    third = chat_pb2.ChatEvent(token=chat_pb2.ChatToken(text="c")).SerializeToString()
    assert repeated_singulars(one, chat_pb2.ChatEvent.DESCRIPTOR) == []
    assert "started" in repeated_singulars(one + other, chat_pb2.ChatEvent.DESCRIPTOR)
    assert "seq" in repeated_singulars(one + one, chat_pb2.ChatEvent.DESCRIPTOR)
    assert ".oneof event" in repeated_singulars(one + third, chat_pb2.ChatEvent.DESCRIPTOR)
    twice = chat_pb2.ChatEvent()
    twice.started.sources.add()
    twice.started.sources.add()
    assert repeated_singulars(twice.SerializeToString(), chat_pb2.ChatEvent.DESCRIPTOR) == []


@pytest.mark.parametrize("file", [*contract(SYSTEMS), common_pb2.DESCRIPTOR], ids=lambda file: file.name)
def test_every_file_says_where_other_languages_put_it(file: Any) -> None:
    """Go, Java, C#, Ruby, PHP and Objective-C generate code without options on their command lines."""
    options = file.GetOptions()
    assert options.go_package == "hexar/v1;hexarv1"
    assert options.java_multiple_files
    assert options.java_package == "hexar.v1"
    assert options.csharp_namespace == "Hexar.V1"
    assert (options.ruby_package, options.php_namespace) == ("Hexar::V1", "Hexar\\V1")

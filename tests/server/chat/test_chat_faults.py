"""Chat over a model that fails in every way: what the caller gets, and that nothing partial is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from hexar.server.process.app import App
from hexar.v1 import chat_pb2
from tests.server.chat.test_chat import Chat, text_of
from tests.upstream import Upstream

DOCUMENT = b"The pump moves forty litres a minute. It is driven by the belt of the engine.\n"
QUESTION = "How many litres does the pump move?"
WHOLE = "".join(f"tok{i} " for i in range(20))

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """One OpenAI-compatible server; the model's name says how it fails."""
    with Upstream() as server:
        yield server


@pytest.fixture
async def ask_model(settings: Callable[..., Any], upstream: Upstream) -> AsyncIterator[Callable[..., Any]]:
    """``await ask_model(primary, fallback)``: a caller of a server with those models."""
    apps: list[App] = []
    channels: list[grpc.aio.Channel] = []

    async def make(primary: str, fallback: str = "", base_url: str = "") -> Chat:
        timeouts = {"connect": 2.0, "first_token": 1.0, "idle": 0.8, "total": 20.0}
        models = [
            {"name": name, "base_url": base_url or upstream.base_url, "model": f"{id(apps)}?{setting}", "timeouts": timeouts}
            for name, setting in (("first", primary), ("second", fallback))
            if setting
        ]
        app = App(settings(llm={"models": models, "fallback": "second" if fallback else ""}))
        await app.start()
        apps.append(app)
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{app.port}")
        channels.append(channel)
        caller = Chat(channel)
        await caller.add("pumps", pump__txt=DOCUMENT)
        return caller

    yield make
    for channel in channels:
        await channel.close()
    for app in apps:
        await app.stop(0)


async def test_a_good_model_is_streamed_cached_and_metered(ask_model: Ask) -> None:
    """The tokens arrive whole, the second caller gets them from the cache, usage and mode are told."""
    caller = await ask_model("tokens=20")
    first = await caller.ask("pumps", QUESTION)
    assert text_of(first) == WHOLE
    assert first[-1].done.mode == chat_pb2.ANSWER_MODE_MODEL
    assert first[-1].done.usage.model == "first"
    assert first[-1].done.usage.completion_tokens == 20
    again = await caller.ask("pumps", QUESTION)
    assert again[-1].done.cached
    assert text_of(again) == WHOLE


@pytest.mark.parametrize(
    "fault",
    [
        "fault=status&status=500",
        "fault=status&status=429&retry=1",
        "fault=status&status=401",
        "fault=reset",
        "fault=hang",
        "fault=notsse",
        "fault=cut&after=0",
    ],
)
async def test_a_model_that_fails_before_its_first_token_leaves_an_extractive_answer(ask_model: Ask, fault: str) -> None:
    """OK with quotes from the documents, ``ai: unavailable``, and nothing cached."""
    caller = await ask_model(f"tokens=20&{fault}")
    for _ in range(2):
        events = await caller.ask("pumps", QUESTION)
        assert events[-1].done.mode == chat_pb2.ANSWER_MODE_AI_UNAVAILABLE
        assert not events[-1].done.cached
        assert "forty litres" in text_of(events)
        assert any(event.HasField("citation") for event in events)


async def test_a_refused_connection_leaves_an_extractive_answer(ask_model: Ask) -> None:
    """Nobody listens: the same."""
    caller = await ask_model("tokens=20", base_url="http://127.0.0.1:9/v1")
    events = await caller.ask("pumps", QUESTION)
    assert events[-1].done.mode == chat_pb2.ANSWER_MODE_AI_UNAVAILABLE


@pytest.mark.parametrize("after", [1, 2, 7, 19])
@pytest.mark.parametrize("kind", ["cut", "malformed", "silent", "error"])
async def test_a_model_that_dies_in_mid_stream_is_unavailable_and_nothing_is_kept(
    ask_model: Ask, kind: str, after: int
) -> None:
    """UNAVAILABLE after the tokens that came; the next request asks the model again and no turn is kept."""
    caller = await ask_model(f"tokens=20&rate=200&fault={kind}&after={after}&times=1")
    seen: list[chat_pb2.ChatEvent] = []
    request = chat_pb2.ChatRequest(portfolio_id="pumps", message=QUESTION)
    with pytest.raises(grpc.aio.AioRpcError) as broken:
        async for event in caller.chat.Chat(request):
            seen.append(event)
    assert broken.value.code() == grpc.StatusCode.UNAVAILABLE
    assert WHOLE.startswith(text_of(seen))
    assert not seen[-1].HasField("done")
    listed = await caller.chat.ListConversations(chat_pb2.ListConversationsRequest())
    assert listed.page.total == 0
    events = await caller.ask("pumps", QUESTION)
    assert not events[-1].done.cached
    assert text_of(events) == WHOLE


@pytest.mark.parametrize("after", [0, 1, 5, 19])
async def test_a_fallback_begins_anew_and_nothing_is_doubled(ask_model: Ask, after: int) -> None:
    """A cut stream is taken back by segment_reset; what counts is the fallback's text, whole, also from the cache."""
    caller = await ask_model(f"tokens=20&rate=200&fault=cut&after={after}", "tokens=20")
    events = await caller.ask("pumps", QUESTION)
    resets = [at for at, event in enumerate(events) if event.HasField("segment_reset")]
    assert len(resets) == (1 if after else 0)
    assert text_of(events[resets[-1] if resets else 0 :]) == WHOLE
    assert events[-1].done.mode == chat_pb2.ANSWER_MODE_FALLBACK_MODEL
    assert events[-1].done.characters == len(WHOLE)
    if resets:
        assert events[resets[0]].segment_reset.discarded_characters == len(text_of(events[: resets[0]]))
    again = await caller.ask("pumps", QUESTION)
    assert again[-1].done.cached
    read = await caller.chat.GetConversation(chat_pb2.GetConversationRequest(conversation_id=again[-1].done.conversation_id))
    assert read.turns[0].answer == WHOLE


async def test_a_caller_who_leaves_stops_the_model(ask_model: Ask, upstream: Upstream) -> None:
    """The upstream's stream is cut off soon after the only caller cancels, and nothing is kept."""
    caller = await ask_model("tokens=400&rate=20")
    before = upstream.stats()["abandoned"]
    call = caller.chat.Chat(chat_pb2.ChatRequest(portfolio_id="pumps", message=QUESTION))
    async for event in call:
        if event.HasField("token"):
            break
    call.cancel()
    # Otherwise the stream would go on for 20 seconds; test_leaving.py has how soon it ends.
    for _ in range(400):
        if upstream.stats()["abandoned"] > before:
            break
        await asyncio.sleep(0.025)
    assert upstream.stats()["abandoned"] > before
    listed = await caller.chat.ListConversations(chat_pb2.ListConversationsRequest())
    assert listed.page.total == 0


async def test_a_lost_connection_goes_on_where_it_was_and_keeps_one_turn(ask_model: Ask) -> None:
    """resume_after with the answer's id gives the exact rest; the conversation that was begun has one turn."""
    caller = await ask_model("tokens=20&rate=100")
    call = caller.chat.Chat(chat_pb2.ChatRequest(portfolio_id="pumps", message=QUESTION))
    seen: list[chat_pb2.ChatEvent] = []
    other = caller.chat.Chat(chat_pb2.ChatRequest(portfolio_id="pumps", message=QUESTION, ephemeral=True))
    headers = {key: value for key, value in await call.initial_metadata()}  # noqa: C416
    async for event in call:
        seen.append(event)
        if len(seen) == 5:
            call.cancel()
            break
    conversation = seen[0].started.conversation_id
    request = chat_pb2.ChatRequest(
        portfolio_id="pumps", message=QUESTION, conversation_id=conversation, resume_after=seen[-1].seq
    )
    metadata = (("hexar-answer-id", headers["hexar-answer-id"]),)
    for _ in range(2):  # the second one lost the end, too, and comes back for it
        rest = [event async for event in caller.chat.Chat(request, metadata=metadata)]
        assert text_of([*seen, *rest]) == WHOLE
        assert [event.seq for event in (*seen, *rest)] == list(range(1, len(seen) + len(rest) + 1))
        assert rest[-1].done.conversation_id == conversation
    assert text_of([event async for event in other]) == WHOLE
    read = await caller.chat.GetConversation(chat_pb2.GetConversationRequest(conversation_id=conversation))
    assert [turn.answer for turn in read.turns] == [WHOLE]

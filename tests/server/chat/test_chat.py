"""Chat and portfolios over a real server: cited answers, caches, conversations, tenants."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc
import pytest

from hexar.server.process.app import App
from hexar.v1 import chat_pb2, chat_pb2_grpc, common_pb2, portfolio_pb2, portfolio_pb2_grpc

WARRANTY = b"""# Atlas 40 backpack

## Warranty

The Atlas 40 backpack has a warranty of three years. The warranty covers seams and buckles.

## Care

Wash the backpack by hand with cold water. Never put it into a dryer.
"""
LIGHTS = b"The left headlight is replaced from the engine bay. The right headlight needs the battery taken out first.\n"


class Chat:
    """A caller: the two stubs and short forms of what tests do with them."""

    def __init__(self, channel: grpc.aio.Channel, token: str = "") -> None:
        self.chat = chat_pb2_grpc.ChatServiceStub(channel)
        self.portfolios = portfolio_pb2_grpc.PortfolioServiceStub(channel)
        self.metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def add(self, portfolio: str, **texts: bytes) -> portfolio_pb2.UpsertDocumentsResponse:
        """Upload documents; a double underscore in a name stands for a dot."""
        return await self.upload(portfolio, {name.replace("__", "."): data for name, data in texts.items()})

    async def upload(self, portfolio: str, texts: dict[str, bytes]) -> portfolio_pb2.UpsertDocumentsResponse:
        def frames() -> Iterable[portfolio_pb2.UpsertDocumentsRequest]:
            yield portfolio_pb2.UpsertDocumentsRequest(target=portfolio_pb2.UpsertTarget(portfolio_id=portfolio, create=True))
            for name, data in texts.items():
                yield portfolio_pb2.UpsertDocumentsRequest(document=portfolio_pb2.DocumentHeader(document_id=name))
                for at in range(0, len(data), 1 << 20):
                    yield portfolio_pb2.UpsertDocumentsRequest(data=data[at : at + (1 << 20)])

        response: portfolio_pb2.UpsertDocumentsResponse = await self.portfolios.UpsertDocuments(
            iter(frames()), metadata=self.metadata
        )
        return response

    async def ask(self, portfolio: str, message: str, **fields: Any) -> list[chat_pb2.ChatEvent]:
        """All events of an answer."""
        request = chat_pb2.ChatRequest(portfolio_id=portfolio, message=message, **fields)
        return [event async for event in self.chat.Chat(request, metadata=self.metadata)]


def text_of(events: Iterable[chat_pb2.ChatEvent]) -> str:
    """The answer's text."""
    return "".join(event.token.text for event in events if event.HasField("token"))


@pytest.fixture
async def caller(channel: grpc.aio.Channel) -> Chat:
    """A caller with a portfolio "gear" of two documents."""
    made = Chat(channel)
    await made.add("gear", backpack__md=WARRANTY, lights__txt=LIGHTS)
    return made


async def test_an_answer_cites_the_span_of_the_document_that_it_quotes(caller: Chat) -> None:
    """Each citation names document, version and span, and the span's text holds what is quoted."""
    events = await caller.ask("gear", "What is the warranty of the Atlas 40 backpack?")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[0].HasField("started")
    assert events[-1].HasField("done")
    assert events[0].started.complexity == chat_pb2.COMPLEXITY_SIMPLE
    assert events[0].started.cache_status == chat_pb2.CACHE_STATUS_MISS
    assert "three years" in text_of(events)
    cited = [event.citation for event in events if event.HasField("citation")]
    assert cited
    document = await caller.portfolios.GetDocument(
        portfolio_pb2.GetDocumentRequest(portfolio_id="gear", document_id=cited[0].document_id, with_text=True)
    )
    assert cited[0].document_id == "backpack.md"
    assert cited[0].document_version == document.document.version == 1
    assert "three years" in document.text[cited[0].start : cited[0].end]
    assert events[-1].done.citation_count == len(cited)
    assert events[-1].done.mode == chat_pb2.ANSWER_MODE_EXTRACTIVE
    assert events[-1].done.characters == len(text_of(events))


async def test_a_cached_answer_comes_in_three_messages_and_says_that_it_is_cached(caller: Chat) -> None:
    """The replay has the same text and citations at once, its own conversation, and cached set."""
    first = await caller.ask("gear", "How is the backpack washed?")
    again = await caller.ask("gear", "how is the  backpack washed?")
    started, told, done = again
    assert told.token.text == text_of(first)
    assert list(told.token.citations) == [event.citation for event in first if event.HasField("citation")]
    assert (started.seq, told.seq, done.seq) == (1, len(first) - 1, len(first))
    assert not first[-1].done.cached
    assert again[-1].done.cached
    assert again[0].started.cache_status == again[-1].done.cache_status == chat_pb2.CACHE_STATUS_EXACT
    assert again[-1].done.cache_tier == common_pb2.CACHE_TIER_MEMORY
    assert again[0].started.conversation_id != first[0].started.conversation_id
    assert again[0].started.conversation_id == again[-1].done.conversation_id
    assert len(again[0].started.sources) == len(first[0].started.sources)


async def test_an_edit_makes_every_dependent_answer_unreachable(caller: Chat) -> None:
    """After an upsert the same question is answered from the new text; after a delete from nothing."""
    question = "What is the warranty of the Atlas 40 backpack?"
    await caller.ask("gear", question)
    changed = WARRANTY.replace(b"three years", b"five years")
    summary = await caller.add("gear", backpack__md=changed)
    assert summary.replaced == 1
    fresh = await caller.ask("gear", question)
    assert not fresh[-1].done.cached
    assert "five years" in text_of(fresh)
    assert "three years" not in text_of(fresh)
    await caller.portfolios.DeleteDocument(portfolio_pb2.DeleteDocumentRequest(portfolio_id="gear", document_id="backpack.md"))
    gone = await caller.ask("gear", question)
    assert not gone[-1].done.cached
    assert "years" not in text_of(gone)


async def test_a_similar_question_is_answered_from_the_kept_answer(caller: Chat) -> None:
    """A paraphrase hits and says which question it was; the other side does not."""
    first = await caller.ask("gear", "How do I replace the left headlight?")
    again = await caller.ask("gear", "How can I replace the left headlight?")
    assert again[0].started.cache_status == chat_pb2.CACHE_STATUS_SEMANTIC
    assert again[0].started.semantic_question == "How do I replace the left headlight?"
    assert again[0].started.semantic_similarity > 0.5
    assert again[-1].done.cached
    assert text_of(again) == text_of(first)
    other = await caller.ask("gear", "How do I replace the right headlight?")
    assert other[0].started.cache_status == chat_pb2.CACHE_STATUS_MISS


async def test_a_purged_answer_is_not_served_for_similar_questions_again(caller: Chat) -> None:
    """PurgeSemanticAnswer forgets the hit by its id, once."""
    await caller.ask("gear", "How do I replace the left headlight?")
    hit = await caller.ask("gear", "How can I replace the left headlight?")
    request = chat_pb2.PurgeSemanticAnswerRequest(semantic_id=hit[0].started.semantic_id)
    assert (await caller.chat.PurgeSemanticAnswer(request)).purged
    assert not (await caller.chat.PurgeSemanticAnswer(request)).purged
    again = await caller.ask("gear", "How could I replace the left headlight?")
    assert again[0].started.cache_status == chat_pb2.CACHE_STATUS_MISS


async def test_trivial_messages_are_answered_without_retrieval_in_their_language(caller: Chat) -> None:
    """A greeting in Spanish gets a Spanish greeting and no sources."""
    events = await caller.ask("gear", "¡Hola!")
    assert events[0].started.complexity == chat_pb2.COMPLEXITY_TRIVIAL
    assert events[0].started.retrieval_mode == portfolio_pb2.RETRIEVAL_MODE_NONE
    assert not events[0].started.sources
    assert events[-1].done.mode == chat_pb2.ANSWER_MODE_TRIVIAL
    assert "Hola" in text_of(events)


async def test_conversations_keep_every_turn_cached_ones_too(caller: Chat) -> None:
    """Three turns, one of them cached, are read back in order with their citations, listed, and deleted."""
    first = await caller.ask("gear", "How is the backpack washed?")
    name = first[-1].done.conversation_id
    await caller.ask("gear", "And the dryer?", conversation_id=name)
    cached = await caller.ask("gear", "How is the backpack washed?")
    assert cached[-1].done.cached
    read = await caller.chat.GetConversation(chat_pb2.GetConversationRequest(conversation_id=name))
    assert [turn.message for turn in read.turns] == ["How is the backpack washed?", "And the dryer?"]
    assert read.turns[0].answer == text_of(first)
    assert read.turns[0].citations
    other = await caller.chat.GetConversation(chat_pb2.GetConversationRequest(conversation_id=cached[-1].done.conversation_id))
    assert other.turns[0].cache_status == chat_pb2.CACHE_STATUS_EXACT
    assert other.turns[0].answer == text_of(first)
    listed = await caller.chat.ListConversations(chat_pb2.ListConversationsRequest(portfolio_id="gear"))
    assert listed.page.total == 2
    assert listed.conversations[0].conversation_id == cached[-1].done.conversation_id
    removed = await caller.chat.DeleteConversation(chat_pb2.DeleteConversationRequest(conversation_id=name))
    assert removed.turn_count == 2
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await caller.chat.GetConversation(chat_pb2.GetConversationRequest(conversation_id=name))
    assert missing.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_follow_up_is_searched_for_with_the_question_before_it(caller: Chat) -> None:
    """A short follow-up finds what the conversation is about, and counts the turns that were shown."""
    first = await caller.ask("gear", "What is the warranty of the Atlas 40 backpack?")
    name = first[-1].done.conversation_id
    events = await caller.ask("gear", "And seams?", conversation_id=name)
    assert events[-1].done.history_turns == 1
    assert events[0].started.sources[0].document_id == "backpack.md"


async def test_an_ephemeral_turn_is_kept_nowhere(caller: Chat) -> None:
    """An ephemeral request has no conversation and leaves none."""
    events = await caller.ask("gear", "How is the backpack washed?", ephemeral=True)
    assert events[-1].done.conversation_id == ""
    listed = await caller.chat.ListConversations(chat_pb2.ListConversationsRequest())
    assert listed.page.total == 0


async def test_agents_are_rows_and_their_edit_invalidates_their_answers(caller: Chat) -> None:
    """An agent caps the sources; an update is a new version and a new answer; a deleted one is not found."""
    made = await caller.chat.CreateAgent(
        chat_pb2.CreateAgentRequest(agent=chat_pb2.Agent(agent_id="brief", prompt="Be brief.", top_k_cap=1))
    )
    assert made.agent.version == 1
    question = "What is the warranty of the Atlas 40 backpack?"
    first = await caller.ask("gear", question, agent_id="brief")
    assert len(first[0].started.sources) == 1
    changed = await caller.chat.UpdateAgent(
        chat_pb2.UpdateAgentRequest(agent=chat_pb2.Agent(agent_id="brief", prompt="Be brief.", top_k_cap=2))
    )
    assert changed.agent.version == 2
    second = await caller.ask("gear", question, agent_id="brief")
    assert not second[-1].done.cached
    assert len(second[0].started.sources) == 2
    await caller.chat.DeleteAgent(chat_pb2.DeleteAgentRequest(agent_id="brief"))
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await caller.ask("gear", question, agent_id="brief")
    assert missing.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"message": ""}, "message"),
        ({"message": "x" * 8001}, "message"),
        ({"message": "a\x01b"}, "message"),
        ({"message": "ok", "portfolio_id": "../gear"}, "portfolio_id"),
        ({"message": "ok", "top_k": 51}, "top_k"),
        ({"message": "ok", "cache_policy": 9}, "cache_policy"),
    ],
)
async def test_a_bad_request_names_its_field(caller: Chat, fields: dict[str, Any], field: str) -> None:
    """Each unusable field is INVALID_ARGUMENT with its path."""
    request = chat_pb2.ChatRequest(**{"portfolio_id": "gear", **fields})
    with pytest.raises(grpc.aio.AioRpcError) as bad:
        [event async for event in caller.chat.Chat(request)]
    assert bad.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in (bad.value.details() or "")


async def test_bad_documents_are_counted_and_the_rest_of_the_batch_is_kept(caller: Chat) -> None:
    """Empty, oversized, wrongly encoded, hostile and badly named documents are rejected with a reason each."""
    summary = await caller.upload(
        "mixed",
        {
            "good.md": WARRANTY,
            "empty.txt": b"   \n",
            "cyrillic.txt": "новый год в городе".encode("cp1251"),
            "bomb.html": b"<html><body>" + b"<div>" * 100_000,
            "damaged.pdf": b"%PDF-1.7 nothing",
            "../../etc/passwd": b"root",
            "C:\\boot.ini": b"boot",
            "also.txt": LIGHTS,
        },
    )
    assert (summary.added, summary.rejected) == (2, 6)
    reasons = {result.document_id: result.reason for result in summary.results if result.reason}
    assert "empty" in reasons["empty.txt"]
    assert "UTF-8" in reasons["cyrillic.txt"]
    assert "nested" in reasons["bomb.html"]
    assert "PDF" in reasons["damaged.pdf"]
    assert "path" in reasons["../../etc/passwd"]
    assert "path" in reasons["C:\\boot.ini"]
    listed = await caller.portfolios.ListDocuments(portfolio_pb2.ListDocumentsRequest(portfolio_id="mixed"))
    assert [document.document_id for document in listed.documents] == ["also.txt", "good.md"]


async def test_a_document_of_200_megabytes_is_rejected_without_being_held(caller: Chat) -> None:
    """The oversized document is a counted rejection, the one after it is kept."""

    def frames() -> Iterable[portfolio_pb2.UpsertDocumentsRequest]:
        header = portfolio_pb2.DocumentHeader
        yield portfolio_pb2.UpsertDocumentsRequest(target=portfolio_pb2.UpsertTarget(portfolio_id="big", create=True))
        yield portfolio_pb2.UpsertDocumentsRequest(document=header(document_id="huge.txt"))
        piece = b"word " * 200_000
        for _ in range(200):
            yield portfolio_pb2.UpsertDocumentsRequest(data=piece)
        yield portfolio_pb2.UpsertDocumentsRequest(document=header(document_id="small.txt"))
        yield portfolio_pb2.UpsertDocumentsRequest(data=LIGHTS)

    summary = await caller.portfolios.UpsertDocuments(iter(frames()))
    assert (summary.added, summary.rejected) == (1, 1)
    assert "larger" in summary.results[0].reason


async def test_an_unchanged_document_is_not_written_again(caller: Chat) -> None:
    """The same bytes leave the portfolio's version as it was; an edit embeds only the changed chunk."""
    sections = [f"## Section {i}\n\n" + f"Sentence {i} about topic {i}. " * 60 for i in range(5)]
    first = await caller.add("long", book__md="\n\n".join(sections).encode())
    same = await caller.add("long", book__md="\n\n".join(sections).encode())
    assert same.unchanged == 1
    assert same.version == first.version
    sections[2] += "One more sentence."
    edited = await caller.add("long", book__md="\n\n".join(sections).encode())
    assert edited.results[0].chunk_count == first.results[0].chunk_count
    assert edited.results[0].embedded_count == 1
    assert edited.version > first.version


async def test_search_says_which_indexes_answered(caller: Chat) -> None:
    """Search finds the passage and tells its ranks; its repetition comes from the cache."""
    request = portfolio_pb2.SearchRequest(portfolio_id="gear", query="headlight battery", top_k=3)
    found = await caller.portfolios.Search(request)
    assert found.mode == portfolio_pb2.RETRIEVAL_MODE_HYBRID
    assert found.passages[0].document_id == "lights.txt"
    assert found.passages[0].lexical_rank == 1
    assert found.cache_tier == common_pb2.CACHE_TIER_SOURCE
    again = await caller.portfolios.Search(request)
    assert again.cache_tier == common_pb2.CACHE_TIER_MEMORY
    assert again.passages[0] == found.passages[0]


@pytest.fixture
async def two_tenants(settings: Callable[..., Any]) -> AsyncIterator[tuple[Chat, Chat]]:
    """Callers of two tenants on one server."""
    tokens = [{"token": f"secret-{name}", "tenant": name} for name in ("red", "blue")]
    app = App(settings(auth={"tokens": tokens}))
    await app.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        yield Chat(channel, "secret-red"), Chat(channel, "secret-blue")
    await app.stop(0)


async def test_tenants_do_not_see_each_other(two_tenants: tuple[Chat, Chat]) -> None:
    """Equal portfolio names and questions of two tenants have their own documents, answers, and not-found texts."""
    red, blue = two_tenants
    await red.add("notes", a__txt=b"The secret colour of the team is crimson.")
    await blue.add("notes", a__txt=b"The secret colour of the team is navy.")
    for question in ("What is the secret colour of the team?", "What's the secret colour of the team?"):
        assert "crimson" in text_of(await red.ask("notes", question))
        answer = text_of(await blue.ask("notes", question))
        assert "navy" in answer
        assert "crimson" not in answer
    events = await red.ask("notes", "What is the secret colour of the team?")
    with pytest.raises(grpc.aio.AioRpcError) as hidden:
        await blue.chat.GetConversation(
            chat_pb2.GetConversationRequest(conversation_id=events[-1].done.conversation_id), metadata=blue.metadata
        )
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await blue.chat.GetConversation(
            chat_pb2.GetConversationRequest(conversation_id="v-" + "0" * 32), metadata=blue.metadata
        )
    assert hidden.value.code() == missing.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_served_similar_answer_is_checked_against_a_fresh_one(settings: Callable[..., Any]) -> None:
    """With every hit checked, the check makes the question's own answer, which is then served exactly."""
    app = App(settings(chat={"shadow_share": 1.0}))
    await app.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        caller = Chat(channel)
        await caller.add("gear", lights__txt=LIGHTS)
        await caller.ask("gear", "How do I replace the left headlight?")
        similar = "How can I replace the left headlight?"
        assert (await caller.ask("gear", similar))[-1].done.cache_status == chat_pb2.CACHE_STATUS_SEMANTIC
        for _ in range(40):
            status = (await caller.ask("gear", similar))[-1].done.cache_status
            if status == chat_pb2.CACHE_STATUS_EXACT:
                break
            await asyncio.sleep(0.05)
        assert status == chat_pb2.CACHE_STATUS_EXACT
    await app.stop(0)


async def test_the_semantic_cache_can_be_turned_off(settings: Callable[..., Any]) -> None:
    """Off: a paraphrase is answered anew."""
    app = App(settings(chat={"semantic_cache": False}))
    await app.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        caller = Chat(channel)
        await caller.add("gear", lights__txt=LIGHTS)
        await caller.ask("gear", "How do I replace the left headlight?")
        again = await caller.ask("gear", "How can I replace the left headlight?")
        assert again[-1].done.cache_status == chat_pb2.CACHE_STATUS_MISS
    await app.stop(0)

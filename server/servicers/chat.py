"""ChatService: one answer streamed to each caller, replayed, shared or made; conversations and agents beside it.

An answer's log is the same for all its callers. What differs (the conversation, how it was cached) is put behind its first
and last event as a second fragment of the same message: protobuf merges the two when the caller reads them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import structlog
from prometheus_client.core import Metric
from pydantic import BaseModel, Field

from hexar.agents.llm.embeddings import embedded
from hexar.agents.portfolio import messages
from hexar.agents.portfolio.chat.conversations import ConversationRow
from hexar.agents.portfolio.chat.pipeline import KIND, ChatPipeline, ChatPlan
from hexar.agents.portfolio.chat.profiles import AgentRow
from hexar.agents.portfolio.chat.question_form import read
from hexar.agents.portfolio.chat.semantic import SHADOW_SHARE, THRESHOLDS, SemanticCache, SemanticHit, agree
from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.kinds import KINDS
from hexar.agents.portfolio.language import terms
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.tables import TABLES
from hexar.agents.portfolio.validation import check_agent, check_made_id, check_name, page_size
from hexar.core.cache import Tier
from hexar.core.complexity import classify
from hexar.core.deadline import Deadline
from hexar.core.errors import Aborted, FailedPrecondition, HexarError, InvalidArgument
from hexar.core.eventlog import Answer, AnswerSpec, Origin
from hexar.core.telemetry.metrics import counter, gauge
from hexar.server.config import Strict
from hexar.server.engine import MEGABYTE, Engine
from hexar.server.models import build_embeddings
from hexar.server.rpc import Call, Handler
from hexar.server.servicers.portfolio import PortfolioHandlers
from hexar.server.streaming import ANSWER_ID, CACHE, NOT_KEPT, answer_spec, linger
from hexar.server.system import Servicer, System
from hexar.v1 import chat_pb2, common_pb2, portfolio_pb2

log = structlog.get_logger(__name__)

SERVICE = "hexar.v1.ChatService/"
#: Seconds that a background check of a semantic hit may take.
SHADOW_SECONDS = 120.0
#: First byte of a ``done`` event behind its number: field 6, length-delimited.
_DONE_TAG = 6 << 3 | 2
#: What the header hexar-cache says of an answer, as its events say it.
_CACHE_STATUS = {
    Origin.PRODUCED.value: chat_pb2.CACHE_STATUS_MISS,
    Origin.JOINED.value: chat_pb2.CACHE_STATUS_JOINED,
    Origin.REPLAYED.value: chat_pb2.CACHE_STATUS_EXACT,
    "semantic": chat_pb2.CACHE_STATUS_SEMANTIC,
}


@dataclass(frozen=True, slots=True)
class _Held:
    """An answer that a caller holds, and how it came to it."""

    answer: Answer
    status: chat_pb2.CacheStatus
    tier: Tier
    hit: SemanticHit | None = None


class ChatConfig(Strict):
    """The semantic cache, the share of its hits that are checked against a fresh answer, and the memory for portfolios."""

    semantic_cache: bool = True
    shadow_share: float = Field(default=SHADOW_SHARE, ge=0, le=1)
    resident_mb: int = Field(default=512, ge=0)


class ChatSettings(BaseModel):
    """What the portfolio system adds to the configuration."""

    chat: ChatConfig = ChatConfig()


class ChatServicer(Servicer):
    """Chat over portfolios, with the portfolios themselves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        library = Library(engine.database, engine.versions, build_embeddings(engine.settings.embeddings))
        words = embedded() if library.embeddings is not None else None
        folder = engine.settings.data_dir / "vectors"
        chat = engine.settings.section(ChatSettings).chat
        room = chat.resident_mb * MEGABYTE
        self.retriever = Retriever(engine.database, library, words=words, folder=folder, resident_bytes=room)
        # Without thresholds no language hits.
        thresholds = THRESHOLDS if chat.semantic_cache else {}
        self.semantic = SemanticCache(engine.versions, thresholds=thresholds, shadow_share=chat.shadow_share)
        self.pipeline = ChatPipeline(
            engine.database, library, self.retriever, engine.models, engine.caches, engine.dispatcher, semantic=self.semantic
        )
        self._portfolios = PortfolioHandlers(engine.database, library, self.pipeline, engine.dispatcher)
        self._checks: set[asyncio.Task[None]] = set()

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        return {
            SERVICE + "Chat": self.chat,
            SERVICE + "ListConversations": self.list_conversations,
            SERVICE + "GetConversation": self.get_conversation,
            SERVICE + "DeleteConversation": self.delete_conversation,
            SERVICE + "CreateAgent": self.create_agent,
            SERVICE + "GetAgent": self.get_agent,
            SERVICE + "ListAgents": self.list_agents,
            SERVICE + "UpdateAgent": self.update_agent,
            SERVICE + "DeleteAgent": self.delete_agent,
            SERVICE + "PurgeSemanticAnswer": self.purge,
            **self._portfolios.handlers(),
        }

    async def open(self) -> None:
        """Load word lists and grammars, so that the first caller does not wait for them."""
        await asyncio.to_thread(_warm)

    async def close(self) -> None:
        """Stop background checks, models and graphs that are being built."""
        for task in self._checks:
            task.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)
        await asyncio.to_thread(self.retriever.close)

    def gauges(self) -> Iterable[Metric]:
        """The memory for portfolios, and what becomes of the semantic cache."""
        stats = self.semantic.stats
        checks = [({"outcome": "same"}, float(stats.shadow_checks - stats.shadow_failures))]
        checks.append(({"outcome": "different"}, float(stats.shadow_failures)))
        refused = [({"guard": guard}, float(count)) for guard, count in list(stats.refused.items())]
        yield gauge("hexar_resident_bytes", "Bytes of the portfolios in memory", [({}, float(self.retriever.resident_bytes))])
        yield counter("hexar_semantic_hits", "Answers served for similar questions", [({}, float(stats.hits))])
        yield counter("hexar_semantic_misses", "Questions without a similar one", [({}, float(stats.misses))])
        yield counter("hexar_semantic_refused", "Near questions that a guard refused", refused)
        yield counter("hexar_semantic_checks", "Served answers compared with a fresh one", checks)
        yield counter("hexar_semantic_purged", "Kept questions that were purged", [({}, float(stats.purged))])

    # ---------------------------------------------------------------------------------------------------------- answers

    async def chat(self, call: Call) -> None:
        """Stream one answer."""
        request = call.decode(chat_pb2.ChatRequest)
        plan = await self.pipeline.prepare(request, call.tenant)
        wanted = call.text(ANSWER_ID)
        with ExitStack() as stack:
            held = await self._hold(call, plan, wanted, stack)
            try:
                if wanted and request.resume_after and wanted != held.answer.answer_id:
                    raise Aborted(NOT_KEPT)
                await self._send(call, plan, held)
            finally:
                held.answer.close()
        if held.hit is not None and held.hit.shadow:
            self._check_later(plan, held)

    async def _hold(self, call: Call, plan: ChatPlan, wanted: str, stack: ExitStack) -> _Held:
        engine = self._engine
        running = await engine.answers.find(wanted, self._spec(plan, call.deadline), call.deadline) if wanted else None
        if running is not None:
            return _resumed(running, call.text(CACHE))
        if plan.read_cache:
            kept = await self._kept(plan.key)
            if kept is not None:
                return _Held(kept, chat_pb2.CACHE_STATUS_EXACT, kept.tier)
            hit = await self.pipeline.similar(plan, call.deadline)
            kept = await self._kept(hit.key) if hit is not None else None
            if kept is not None:
                return _Held(kept, chat_pb2.CACHE_STATUS_SEMANTIC, kept.tier, hit)
        if wanted and plan.request.resume_after:
            raise Aborted(NOT_KEPT)
        stack.enter_context(engine.gate.work())
        answer = await engine.answers.open(self._spec(plan, call.deadline), call.deadline, missed=plan.read_cache)
        return _Held(answer, _CACHE_STATUS[answer.origin.value], answer.tier)

    async def _kept(self, key: bytes) -> Answer | None:
        """The finished answer under ``key``, from memory or the backend."""
        answer = self._engine.answers.replay(KIND, key)
        if answer is None and (entry := await self._engine.caches.get(KIND, key)) is not None:
            answer = self._engine.answers.replay(KIND, key)
            if answer is not None:
                answer.tier = entry.tier
        return answer

    def _spec(self, plan: ChatPlan, deadline: Deadline) -> AnswerSpec:
        return answer_spec(KIND, plan, self.pipeline.produce, self._engine.caches, deadline)

    async def _send(self, call: Call, plan: ChatPlan, held: _Held) -> None:
        """Write the answer past what the caller saw. Its turn is kept before its last event, which says where it is not."""
        after = plan.request.resume_after
        call.header(ANSWER_ID, held.answer.answer_id)
        call.header(CACHE, _cache_header(held))
        call.last_seq = after
        linger(call, held.answer)
        seen: list[bytes] = []
        async for batch in held.answer.batches(0):
            for event in batch:
                seen.append(event)
                out = event
                if len(seen) == 1:
                    out = event + _opening(plan, held)
                elif _is_done(event):
                    parsed = [chat_pb2.ChatEvent.FromString(each) for each in seen]
                    kept = await self.pipeline.record(plan, held.answer.answer_id, parsed, held.status)
                    call.trailers += _usage(parsed[-1].done.usage, held.status)
                    out = event + _closing(plan, held, kept)
                if len(seen) > after:
                    await call.send((out,), opening=len(seen) == 1)
                    call.last_seq = len(seen)
        if after > len(seen):
            raise InvalidArgument("resume_after", f"the answer has {len(seen)} events")
        await call.finish_headers()

    def _check_later(self, plan: ChatPlan, held: _Held) -> None:
        task = asyncio.create_task(self._shadow(plan, held))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _shadow(self, plan: ChatPlan, held: _Held) -> None:
        """Make the answer that the semantic cache saved, and compare."""
        assert held.hit is not None
        deadline = Deadline.after(SHADOW_SECONDS)
        try:
            fresh = await self._engine.answers.open(self._spec(plan, deadline), deadline)
            try:
                made = [event async for batch in fresh.batches() for event in batch]
            finally:
                fresh.close()
        except HexarError as error:
            log.info("shadow_check_skipped", reason=type(error).__name__)
            return
        served = held.answer.events or ()
        same = agree(_parsed(served), _parsed(made), self.retriever.embeddings)
        await self._engine.database.run(self.semantic.shadowed, plan.tenant, held.hit.semantic_id, same)

    # ----------------------------------------------------------------------------------------------- rows beside answers

    async def list_conversations(self, call: Call) -> bytes:
        """List conversations, the latest first."""
        request = call.decode(chat_pb2.ListConversationsRequest)
        check_name("portfolio_id", request.portfolio_id, required=False)
        size = page_size(request.page)
        before = _position(request.page.token)
        rows, total = await self._engine.database.run(
            self.pipeline.conversations.page, call.tenant, request.portfolio_id, before, size + 1
        )
        more = repr(rows[size - 1].updated_at) if len(rows) > size else ""
        return chat_pb2.ListConversationsResponse(
            conversations=[messages.conversation(row) for row in rows[:size]],
            page=common_pb2.PageInfo(next_token=more, total=total, counted=True),
        ).SerializeToString()

    async def get_conversation(self, call: Call) -> bytes:
        """Read a conversation's turns."""
        request = call.decode(chat_pb2.GetConversationRequest)
        check_made_id("conversation_id", request.conversation_id)
        size = page_size(request.page)
        after = int(_position(request.page.token))
        row: ConversationRow
        row, turns = await self._engine.database.run(
            self.pipeline.conversations.read, call.tenant, request.conversation_id, after, size + 1
        )
        more = str(turns[size - 1].number) if len(turns) > size else ""
        return chat_pb2.GetConversationResponse(
            conversation=messages.conversation(row),
            turns=[messages.turn(turn) for turn in turns[:size]],
            page=common_pb2.PageInfo(next_token=more, total=row.turn_count, counted=True),
        ).SerializeToString()

    async def delete_conversation(self, call: Call) -> bytes:
        """Remove a conversation."""
        request = call.decode(chat_pb2.DeleteConversationRequest)
        check_made_id("conversation_id", request.conversation_id)
        turns = await self._engine.database.run(self.pipeline.conversations.delete, call.tenant, request.conversation_id)
        return chat_pb2.DeleteConversationResponse(turn_count=turns).SerializeToString()

    async def create_agent(self, call: Call) -> bytes:
        """Make an agent."""
        request = call.decode(chat_pb2.CreateAgentRequest)
        row = self._agent(request.agent, new=True)
        made = await self._engine.database.run(self.pipeline.agents.create, call.tenant, row)
        return chat_pb2.CreateAgentResponse(agent=messages.agent(made)).SerializeToString()

    async def get_agent(self, call: Call) -> bytes:
        """Read an agent."""
        request = call.decode(chat_pb2.GetAgentRequest)
        check_name("agent_id", request.agent_id)
        row = await self._engine.database.run(self.pipeline.agents.get, call.tenant, request.agent_id)
        return chat_pb2.GetAgentResponse(agent=messages.agent(row)).SerializeToString()

    async def list_agents(self, call: Call) -> bytes:
        """List agents."""
        request = call.decode(chat_pb2.ListAgentsRequest)
        size = page_size(request.page)
        rows, total = await self._engine.database.run(self.pipeline.agents.page, call.tenant, request.page.token, size + 1)
        more = rows[size - 1].agent_id if len(rows) > size else ""
        return chat_pb2.ListAgentsResponse(
            agents=[messages.agent(row) for row in rows[:size]],
            page=common_pb2.PageInfo(next_token=more, total=total, counted=True),
        ).SerializeToString()

    async def update_agent(self, call: Call) -> bytes:
        """Replace an agent's settings."""
        request = call.decode(chat_pb2.UpdateAgentRequest)
        row = self._agent(request.agent, new=False)
        made = await self._engine.database.run(self.pipeline.agents.update, call.tenant, row)
        return chat_pb2.UpdateAgentResponse(agent=messages.agent(made)).SerializeToString()

    async def delete_agent(self, call: Call) -> bytes:
        """Remove an agent."""
        request = call.decode(chat_pb2.DeleteAgentRequest)
        check_name("agent_id", request.agent_id)
        await self._engine.database.run(self.pipeline.agents.delete, call.tenant, request.agent_id)
        return chat_pb2.DeleteAgentResponse().SerializeToString()

    async def purge(self, call: Call) -> bytes:
        """Forget a kept question of the semantic cache."""
        request = call.decode(chat_pb2.PurgeSemanticAnswerRequest)
        check_name("semantic_id", request.semantic_id)
        purged = await self._engine.database.run(self.semantic.purge, call.tenant, request.semantic_id)
        return chat_pb2.PurgeSemanticAnswerResponse(purged=purged).SerializeToString()

    def _agent(self, agent: chat_pb2.Agent, *, new: bool) -> AgentRow:
        check_agent(agent, new=new)
        if agent.model:
            try:
                self._engine.models.models.config(agent.model)
            except FailedPrecondition:
                raise InvalidArgument("agent.model", "is not a configured model") from None
        temperature = agent.temperature if agent.HasField("temperature") else None
        return AgentRow(agent.agent_id, agent.title, agent.prompt, agent.model, temperature, agent.top_k_cap)


def _warm() -> None:
    for text, language in (("hello", "en"), ("hola", "es")):
        classify(text)
        read(text, language)
        terms(text, language)


def _resumed(answer: Answer, cache: str) -> _Held:
    """What a caller who came back for the rest holds; ``cache`` is the header of its first call, where it repeats that.

    Its last event then says the same of the answer as its first one did.
    """
    status = _CACHE_STATUS.get(cache, chat_pb2.CACHE_STATUS_MISS)
    if status in (chat_pb2.CACHE_STATUS_MISS, chat_pb2.CACHE_STATUS_JOINED):
        return _Held(answer, status, Tier.SOURCE)
    return _Held(answer, status, Tier.MEMORY if answer.tier is Tier.SOURCE else answer.tier)


def _cache_header(held: _Held) -> str:
    return next(name for name, status in _CACHE_STATUS.items() if status == held.status)


def _opening(plan: ChatPlan, held: _Held) -> bytes:
    """What this caller's first event says in place of the log's."""
    started = chat_pb2.ChatStarted(
        cache_status=held.status, cache_tier=messages.TIERS[held.tier], conversation_id=plan.conversation_id
    )
    if held.hit is not None:
        started.semantic_id = held.hit.semantic_id
        started.semantic_similarity = held.hit.similarity
        started.semantic_question = held.hit.question
    return chat_pb2.ChatEvent(started=started).SerializeToString()


def _closing(plan: ChatPlan, held: _Held, kept: bool) -> bytes:
    """What this caller's last event says in place of the log's."""
    done = chat_pb2.ChatDone(
        cached=held.status in (chat_pb2.CACHE_STATUS_EXACT, chat_pb2.CACHE_STATUS_SEMANTIC),
        cache_status=held.status,
        cache_tier=messages.TIERS[held.tier],
        conversation_id=plan.conversation_id,
        turn_unconfirmed=not kept,
    )
    return chat_pb2.ChatEvent(done=done).SerializeToString()


def _usage(usage: common_pb2.Usage, status: chat_pb2.CacheStatus) -> list[tuple[str, str | bytes]]:
    """What this call cost, as trailing metadata; only the caller whose request made the answer pays for it."""
    paid = usage if status == chat_pb2.CACHE_STATUS_MISS else common_pb2.Usage()
    return [
        ("hexar-prompt-tokens", str(paid.prompt_tokens)),
        ("hexar-completion-tokens", str(paid.completion_tokens)),
        ("hexar-cost-micros", str(paid.cost.micros)),
    ]


def _is_done(event: bytes) -> bool:
    """True for a numbered ``done`` event, found by its tag behind the number."""
    at = 1
    while event[at] > 0x7F:
        at += 1
    return event[at + 1] == _DONE_TAG


def _parsed(events: Sequence[bytes]) -> list[chat_pb2.ChatEvent]:
    return [chat_pb2.ChatEvent.FromString(event) for event in events]


def _position(token: str) -> float:
    try:
        return float(token) if token else 0.0
    except ValueError:
        raise InvalidArgument("page.token", "is not a token of this list") from None


SYSTEM = System(
    name="portfolio",
    services=(chat_pb2.DESCRIPTOR, portfolio_pb2.DESCRIPTOR),
    servicer=ChatServicer,
    kinds=KINDS,
    tables=TABLES,
    settings=ChatSettings,
)

"""ChatService: one answer streamed to each caller, replayed, shared or made.

An answer's log is the same for all its callers; what differs (the conversation, how the answer was had) is put into its first
and its last event for each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import structlog
from prometheus_client.core import Metric
from pydantic import BaseModel, Field

from hexar.agents.answers.composer import compose
from hexar.agents.llm.embeddings import embedded
from hexar.agents.llm.types import Passage
from hexar.agents.portfolio import messages
from hexar.agents.portfolio.chat.compaction import compact, said_in, said_of_notes
from hexar.agents.portfolio.chat.pipeline import KIND, ChatPipeline, ChatPlan
from hexar.agents.portfolio.chat.question_form import read
from hexar.agents.portfolio.chat.semantic import SHADOW_SHARE, THRESHOLDS, SemanticCache, SemanticHit, agree
from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.kinds import KINDS
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.tables import TABLES
from hexar.agents.portfolio.validation import check_name
from hexar.core.cache import Tier
from hexar.core.complexity import classify
from hexar.core.deadline import Deadline
from hexar.core.errors import HexarError
from hexar.core.eventlog import AnswerSpec, Origin, extended
from hexar.core.telemetry.metrics import Metrics, counter, gauge
from hexar.core.text.terms import terms
from hexar.server.calls.rpc import Call, Handler
from hexar.server.calls.streaming import (
    ANSWER_ID,
    SEMANTIC,
    Held,
    RequestMemo,
    StreamHooks,
    answer_spec,
    send_answer,
    stream_answer,
)
from hexar.server.engine import MEGABYTE, Engine
from hexar.server.engine.options import Option, attribute
from hexar.server.engine.system import Servicer, System
from hexar.server.servicers.agents import AgentHandlers
from hexar.server.servicers.conversations import ConversationHandlers
from hexar.server.servicers.portfolio import PortfolioHandlers, Room
from hexar.server.settings.config import Strict
from hexar.server.settings.models import build_embeddings
from hexar.v1 import chat_pb2, common_pb2, portfolio_pb2

log = structlog.get_logger(__name__)

SERVICE = "hexar.v1.ChatService/"
#: Seconds that a background check of a semantic hit may take.
SHADOW_SECONDS = 120.0
#: What the header hexar-cache says of an answer, as its events say it.
_CACHE_STATUS = {
    Origin.PRODUCED.value: chat_pb2.CACHE_STATUS_MISS,
    Origin.JOINED.value: chat_pb2.CACHE_STATUS_JOINED,
    Origin.REPLAYED.value: chat_pb2.CACHE_STATUS_EXACT,
    SEMANTIC: chat_pb2.CACHE_STATUS_SEMANTIC,
}


class ChatConfig(Strict):
    """The semantic cache, the share of its hits that are checked against a fresh answer, and the memory for portfolios."""

    semantic_cache: bool = True
    shadow_share: float = Field(default=SHADOW_SHARE, ge=0, le=1)
    resident_mb: int = Field(default=512, ge=0)


class ChatSettings(BaseModel):
    """What the portfolio system adds to the configuration."""

    chat: ChatConfig = ChatConfig()


class ChatHooks(StreamHooks):
    """One caller's conversation in the first and the last event of an answer, and the semantic cache beside the exact one."""

    end = chat_pb2.ChatEvent.DONE_FIELD_NUMBER
    announces = True

    def __init__(self, call: Call, plan: ChatPlan, pipeline: ChatPipeline, metrics: Metrics) -> None:
        self._call = call
        self._metrics = metrics
        self._plan = plan
        self._pipeline = pipeline
        #: The similar question that was found, whether its answer was still there or not.
        self.hit: SemanticHit | None = None

    async def similar(self) -> bytes | None:
        """The key of the kept answer to a question that asks the same."""
        self.hit = await self._pipeline.similar(self._plan, self._call.deadline)
        return self.hit.key if self.hit is not None else None

    def first(self, event: bytes, held: Held) -> bytes:
        """``started``, with how this caller got the answer and its conversation."""
        started = chat_pb2.ChatStarted(conversation_id=self._plan.conversation_id)
        if held.how == SEMANTIC and self.hit is not None:
            started.semantic_id = self.hit.semantic_id
            started.semantic_similarity = self.hit.similarity
            started.semantic_question = self.hit.question
        return extended(event, _started_how(held.how, held.tier) + started.SerializeToString())

    async def last(self, events: Sequence[bytes], held: Held) -> bytes:
        """``done``, once the caller's turn is kept: the event says where it is not."""
        status = _CACHE_STATUS[held.how]
        kept = True
        if self._plan.conversation_id:
            finished = held.answer.finished
            said = said_of_notes(finished.notes) if finished is not None and finished.notes else said_in(_parsed(events))
            kept = await self._pipeline.record(self._plan, held.answer.answer_id, said, status)
        usage = chat_pb2.ChatEvent.FromString(events[-1]).done.usage
        if status != chat_pb2.CACHE_STATUS_MISS:
            # Only the caller whose request made the answer pays for it.
            tokens = usage.prompt_tokens + usage.completion_tokens
            self._metrics.saved(tokens, usage.cost.micros, usage.cost.currency_code)
            usage = common_pb2.Usage()
        self._call.trailers += _usage(usage)
        done = chat_pb2.ChatDone(conversation_id=self._plan.conversation_id, turn_unconfirmed=not kept)
        return extended(events[-1], _done_how(held.how, held.tier) + done.SerializeToString())


class ChatServicer(Servicer):
    """Chat over portfolios, with the portfolios themselves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        embeddings = build_embeddings(engine.settings.embeddings)
        library = Library(engine.database, engine.versions, embeddings, limit=engine.settings.limits.tenant_portfolios)
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
        self.room = Room(engine.settings.limits.upload_mb * MEGABYTE)
        self._beside = (
            AgentHandlers(engine.database, self.pipeline.agents, engine.models.models),
            ConversationHandlers(engine.database, self.pipeline.conversations),
            PortfolioHandlers(engine.database, library, self.pipeline, engine.dispatcher, self.room),
        )
        self._checks: set[asyncio.Task[None]] = set()
        self._memo = RequestMemo[ChatPlan]("chat")

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        beside = {path: handler for each in self._beside for path, handler in each.handlers().items()}
        return {SERVICE + "Chat": self.chat, SERVICE + "PurgeSemanticAnswer": self.purge, **beside}

    def options(self) -> Iterable[Option]:
        """The semantic cache, and contexts that follow the question."""
        similar = "a question gets the kept answer of its own words only, not of one that means the same"
        context = "every message is answered from as many passages as one of medium complexity"
        return (
            attribute("semantic_cache", similar, self.semantic, "enabled"),
            attribute("dynamic_context", context, self.pipeline, "dynamic_context"),
        )

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

    async def chat(self, call: Call) -> None:
        """Stream one answer."""
        known = self._memo.get(call)
        if known is not None and not call.text(ANSWER_ID) and (plan := self.pipeline.again(known)) is not None:
            answer = self._engine.answers.replay(KIND, plan.key)
            if answer is not None:
                await send_answer(call, answer, 0, ChatHooks(call, plan, self.pipeline, self._engine.metrics))
                return
        request = call.decode(chat_pb2.ChatRequest)
        plan = await self.pipeline.prepare(request, call.tenant)
        if _is_plain(request):
            self._memo.keep(call, plan)
        hooks = ChatHooks(call, plan, self.pipeline, self._engine.metrics)
        spec = self._spec(plan, call.deadline)
        held = await stream_answer(call, spec, self._engine.answers, self._engine.gate, request.resume_after, hooks)
        if held.how == SEMANTIC and hooks.hit is not None and hooks.hit.shadow:
            self._check_later(plan, held, hooks.hit)

    async def purge(self, call: Call) -> bytes:
        """Forget a kept question of the semantic cache."""
        request = call.decode(chat_pb2.PurgeSemanticAnswerRequest)
        check_name("semantic_id", request.semantic_id)
        purged = await self._engine.database.run(self.semantic.purge, call.tenant, request.semantic_id)
        return chat_pb2.PurgeSemanticAnswerResponse(purged=purged).SerializeToString()

    def _spec(self, plan: ChatPlan, deadline: Deadline) -> AnswerSpec:
        return answer_spec(KIND, plan, self.pipeline.produce, self._engine.caches, deadline, compact=compact)

    # ------------------------------------------------------------------------------------------- checks of semantic hits

    def _check_later(self, plan: ChatPlan, held: Held, hit: SemanticHit) -> None:
        task = asyncio.create_task(self._shadow(plan, held, hit))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _shadow(self, plan: ChatPlan, held: Held, hit: SemanticHit) -> None:
        """Make the answer that the semantic cache saved, and compare."""
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
        await self._engine.database.run(self.semantic.shadowed, plan.tenant, hit.semantic_id, same)


def _is_plain(request: chat_pb2.ChatRequest) -> bool:
    """True where the bytes of the request alone decide its plan: no conversation, no resumption, no cache policy."""
    return not (request.conversation_id or request.resume_after or request.cache_policy)


def _warm() -> None:
    """Whatever a first message would load: it is classed, read, searched for and answered once in each language."""
    said = {
        "en": ("hello", "What is written on the first page?", "The title is written on the first page."),
        "es": ("hola", "¿Qué dice la primera página?", "La primera página dice el título."),
    }
    for language, (greeting, question, text) in said.items():
        for message in (greeting, question):
            classify(message)
            read(message, language)
            terms(message, language)
        compose(question, (Passage(1, text),), language=language, vectors=embedded())


@cache
def _started_how(how: str, tier: Tier) -> bytes:
    """The fields of ``started``, serialized, that say how an answer was had."""
    return chat_pb2.ChatStarted(cache_status=_CACHE_STATUS[how], cache_tier=messages.TIERS[tier]).SerializeToString()


@cache
def _done_how(how: str, tier: Tier) -> bytes:
    """The fields of ``done``, serialized, that say how an answer was had."""
    cached = how in (Origin.REPLAYED.value, SEMANTIC)
    return chat_pb2.ChatDone(
        cached=cached, cache_status=_CACHE_STATUS[how], cache_tier=messages.TIERS[tier]
    ).SerializeToString()


def _usage(paid: common_pb2.Usage) -> list[tuple[str, str | bytes]]:
    """What this call cost, as trailing metadata."""
    return [
        ("hexar-prompt-tokens", str(paid.prompt_tokens)),
        ("hexar-completion-tokens", str(paid.completion_tokens)),
        ("hexar-cost-micros", str(paid.cost.micros)),
    ]


def _parsed(events: Sequence[bytes]) -> list[chat_pb2.ChatEvent]:
    return [chat_pb2.ChatEvent.FromString(event) for event in events]


SYSTEM = System(
    name="portfolio",
    services=(chat_pb2.DESCRIPTOR, portfolio_pb2.DESCRIPTOR),
    servicer=ChatServicer,
    kinds=KINDS,
    tables=TABLES,
    settings=ChatSettings,
)

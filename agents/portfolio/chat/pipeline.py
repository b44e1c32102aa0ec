"""One answer: class the message, retrieve, ask the model, check its citations, and say what it was made of.

A request becomes a :class:`ChatPlan` (what is asked, under which key it is kept, what it depends on); the server replays or
joins the answer of an equal plan, or asks the semantic cache; else :meth:`ChatPipeline.produce` makes it. Whoever made it, each
caller's turn is recorded once.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from hexar.agents.answers.composer import choose, compose
from hexar.agents.llm import Delta, Done, Event, MeteredModels, Request, SegmentReset
from hexar.agents.llm.embeddings import embedded
from hexar.agents.llm.errors import ModelError
from hexar.agents.portfolio import messages
from hexar.agents.portfolio.chat import prompt
from hexar.agents.portfolio.chat.compaction import Said
from hexar.agents.portfolio.chat.conversations import Conversations, Turn, new_conversation_id
from hexar.agents.portfolio.chat.grounding import Cited, Grounding
from hexar.agents.portfolio.chat.profiles import AgentRow, Agents, agent_dependency
from hexar.agents.portfolio.chat.scheduling import MessageThrottle, QuietScheduler
from hexar.agents.portfolio.chat.semantic import SemanticCache, SemanticHit
from hexar.agents.portfolio.chat.turns import Turns
from hexar.agents.portfolio.documents.library import Library, dependency
from hexar.agents.portfolio.kinds import CHAT_ANSWER
from hexar.agents.portfolio.retrieval.finding import Finder, PassageQuery, Pool, Vector
from hexar.agents.portfolio.retrieval.passages import Mode, Passage, SearchResult
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.validation import check_chat
from hexar.core.cache import Caches
from hexar.core.cachekey import cache_key, normalize_text
from hexar.core.complexity import SIZES, Complexity, Level, classify
from hexar.core.deadline import Deadline
from hexar.core.errors import FailedPrecondition, NotFound, StoreUnavailable
from hexar.core.eventlog import Completion
from hexar.core.ids import random_hex
from hexar.core.resilience import BreakerOpen, BulkheadFull
from hexar.core.store import Database
from hexar.core.text.terms import words
from hexar.v1 import chat_pb2, common_pb2

log = structlog.get_logger(__name__)

Emit = Callable[[chat_pb2.ChatEvent], None]

#: The cache kind of answers.
KIND = CHAT_ANSWER.name
#: The answer system's name on the usage ledger.
SYSTEM = "chat"
#: A follow-up of at most so many words is searched for together with the question before it.
SHORT_FOLLOW_UP = 6

_FINISH = {
    "stop": chat_pb2.FINISH_REASON_STOP,
    "length": chat_pb2.FINISH_REASON_LENGTH,
    "content_filter": chat_pb2.FINISH_REASON_FILTERED,
}
_COMPLEXITY = {
    Level.TRIVIAL: chat_pb2.COMPLEXITY_TRIVIAL,
    Level.SIMPLE: chat_pb2.COMPLEXITY_SIMPLE,
    Level.MEDIUM: chat_pb2.COMPLEXITY_MEDIUM,
    Level.COMPLEX: chat_pb2.COMPLEXITY_COMPLEX,
    Level.COMPREHENSIVE: chat_pb2.COMPLEXITY_COMPREHENSIVE,
}


@dataclass(slots=True)
class ChatPlan:
    """One request, ready to be answered. ``scope`` bounds the semantic cache; empty: it is not asked.

    Nothing changes but ``vector``, the question's, which is set where the semantic cache is asked.
    """

    request: chat_pb2.ChatRequest
    tenant: str
    agent: AgentRow
    model: str
    complexity: Complexity
    language: str
    top_k: int
    max_tokens: int
    history: tuple[Turn, ...]
    conversation_id: str
    key: bytes
    depends: tuple[str, ...]
    scope: str
    read_cache: bool
    write_cache: bool
    only_cache: bool
    vector: Vector | None = field(default=None, compare=False)


@dataclass(slots=True)
class _Answer:
    """What is known of the answer that is being made."""

    mode: chat_pb2.AnswerMode
    started: float
    found: SearchResult | None = None
    segment: int = 0
    tokens: int = 0
    citations: int = 0
    removed: int = 0
    characters: int = 0
    first_token: float = 0.0
    done: Done | None = None
    model: str = ""


class ChatPipeline:
    """Answers messages about portfolios.

    Thread-safety: everything belongs to the event loop; what blocks runs on the store's threads and on the pool.
    """

    def __init__(
        self,
        database: Database,
        library: Library,
        retriever: Retriever,
        models: MeteredModels,
        caches: Caches,
        pool: Pool,
        *,
        semantic: SemanticCache,
    ) -> None:
        self.database = database
        self.library = library
        self.retriever = retriever
        self.models = models
        self.caches = caches
        self.pool = pool
        self.semantic = semantic
        self._pace = MessageThrottle()
        self._lull = QuietScheduler()
        self.finder = Finder(database, retriever, caches, pool, self._lull)
        self.conversations = Conversations(database)
        self.turns = Turns(database, self.conversations)
        self.agents = Agents(database, caches.versions)
        #: False: every message is answered from as many passages as a medium one; an operator may turn it off.
        self.dynamic_context = True

    # -------------------------------------------------------------------------------------------------------- planning

    async def prepare(self, request: chat_pb2.ChatRequest, tenant: str) -> ChatPlan:
        """The plan of a request. InvalidArgument, NotFound (conversation, agent), FailedPrecondition (model, portfolio)."""
        self._lull.arrived()
        check_chat(request)
        agent = self.agents.known(tenant, request.agent_id)
        if agent is None:
            agent = await self.database.run(self.agents.get, tenant, request.agent_id)
        history: list[Turn] = []
        if request.conversation_id:
            history = await self._history(request, tenant)
        complexity = classify(request.message)
        language = request.language.split("-")[0] or complexity.language
        sizes = (complexity.top_k, complexity.max_tokens)
        if not self.dynamic_context and complexity.level is not Level.TRIVIAL:
            sizes = SIZES[Level.MEDIUM]
        top_k = request.top_k or sizes[0]
        if agent.top_k_cap:
            top_k = min(top_k, agent.top_k_cap)
        max_tokens = request.max_tokens or sizes[1]
        model = self.models.models.config(agent.model).name
        fields: dict[str, object] = {
            "portfolio": request.portfolio_id,
            "message": normalize_text(request.message),
            "agent": request.agent_id,
            "model": model,
            "language": language,
            "top_k": top_k,
            "max_tokens": max_tokens,
            "prompt": prompt.PROMPT_VERSION,
            "history": [[turn.message, turn.answer] for turn in history],
        }
        policy = request.cache_policy
        settings = {name: value for name, value in fields.items() if name not in ("message", "history")}
        plain = not history and complexity.level is not Level.TRIVIAL
        return ChatPlan(
            request=request,
            tenant=tenant,
            agent=agent,
            model=model,
            complexity=complexity,
            language=language,
            top_k=0 if complexity.level is Level.TRIVIAL and not request.top_k else top_k,
            max_tokens=max_tokens,
            history=tuple(history),
            conversation_id="" if request.ephemeral else request.conversation_id or new_conversation_id(),
            key=cache_key(tenant, KIND, fields),
            depends=(dependency(tenant, request.portfolio_id), agent_dependency(tenant, request.agent_id)),
            scope=cache_key(tenant, "chat_scope", settings).hex() if plain else "",
            read_cache=policy != common_pb2.CACHE_POLICY_REFRESH,
            write_cache=policy != common_pb2.CACHE_POLICY_ONLY,
            only_cache=policy == common_pb2.CACHE_POLICY_ONLY,
        )

    def again(self, plan: ChatPlan) -> ChatPlan | None:
        """The plan of another request that says the same, without a conversation; None where it must be planned anew."""
        if self.agents.known(plan.tenant, plan.request.agent_id) is not plan.agent:
            return None
        self._lull.arrived()
        return replace(plan, conversation_id=new_conversation_id()) if plan.conversation_id else plan

    async def _history(self, request: chat_pb2.ChatRequest, tenant: str) -> list[Turn]:
        try:
            found = await self.database.run(self.conversations.history, tenant, request.conversation_id)
        except NotFound:
            if not request.resume_after:
                raise
            # The first turn of a new conversation is kept at its end; a caller that lost it in between names it already.
            return []
        portfolio_id, turns = found
        if portfolio_id != request.portfolio_id:
            raise FailedPrecondition("the conversation is about another portfolio")
        return turns

    async def similar(self, plan: ChatPlan, deadline: Deadline) -> SemanticHit | None:
        """The kept answer of a question that asks the same. The plan has its question's vector from then on."""
        if not plan.scope or not plan.read_cache:
            return None
        plan.vector = await self.finder.vector(plan.request.message, deadline)
        if plan.vector is None:
            return None
        return self.semantic.find(plan.tenant, plan.scope, plan.language, plan.request.message, plan.vector)

    # -------------------------------------------------------------------------------------------------------- answering

    async def produce(self, plan: ChatPlan, emit: Emit, deadline: Deadline) -> Completion:
        """Make the answer. NotFound where the portfolio is missing; what a model raises after its first token."""
        if plan.only_cache:
            raise NotFound("kept answer", plan.request.message[:80])
        answer = _Answer(chat_pb2.ANSWER_MODE_MODEL, time.perf_counter())
        if plan.complexity.level is Level.TRIVIAL and not plan.top_k:
            portfolio = await self.database.run(self.library.get, plan.tenant, plan.request.portfolio_id)
            answer.found = SearchResult([], Mode.NONE, portfolio.version, 0.0, 0.0)
            answer.mode = chat_pb2.ANSWER_MODE_TRIVIAL
        else:
            answer.found = await self._retrieve(plan, deadline)
            if not answer.found.passages:
                answer.mode = chat_pb2.ANSWER_MODE_NOTHING_FOUND
        passages = answer.found.passages
        request = prompt.build(
            plan.agent, plan.request.message, passages, plan.history, language=plan.language, max_tokens=plan.max_tokens
        )
        fixed = self._fixed(plan, answer, request)
        if fixed is None and self.models.models.extractive(plan.model):
            answer.mode = chat_pb2.ANSWER_MODE_EXTRACTIVE
        asked = answer.mode in (chat_pb2.ANSWER_MODE_MODEL, chat_pb2.ANSWER_MODE_EXTRACTIVE)
        # What the answer is made of is told in a lull, or before the first token.
        started = self._lull.later(partial(self._announce, plan, answer.found, asked, emit))

        def tell(event: chat_pb2.ChatEvent) -> None:
            started.now()
            emit(event)

        try:
            await self._answered(plan, answer, request, fixed, tell, deadline)
        finally:
            started.now()
        if answer.mode == chat_pb2.ANSWER_MODE_EXTRACTIVE and not answer.citations:
            answer.mode = chat_pb2.ANSWER_MODE_NOTHING_FOUND
        emit(chat_pb2.ChatEvent(done=self._done(plan, answer)))
        finish = answer.done.finish if answer.done else "stop"
        cacheable = answer.mode != chat_pb2.ANSWER_MODE_AI_UNAVAILABLE and finish in ("stop", "length")
        cacheable = cacheable and answer.found.confirmed
        if cacheable and plan.scope and plan.write_cache and answer.mode != chat_pb2.ANSWER_MODE_NOTHING_FOUND:
            vector = plan.vector if plan.vector is not None else await self.finder.vector(plan.request.message, deadline)
            if vector is not None:
                self.semantic.keep(plan.tenant, plan.scope, plan.language, plan.request.message, vector, plan.key)
        return Completion(cacheable=cacheable)

    async def _answered(
        self, plan: ChatPlan, answer: _Answer, request: Request, fixed: str | None, emit: Emit, deadline: Deadline
    ) -> None:
        assert answer.found is not None
        passages = answer.found.passages
        if fixed is not None:
            self._say(answer, [fixed], passages, emit)
            return
        try:
            with self._pace.held():
                await self._ask(plan, answer, request, passages, emit, deadline)
        except (ModelError, BreakerOpen, BulkheadFull) as error:
            if answer.tokens or answer.segment:
                raise
            log.warning("model_unavailable", model=plan.model, reason=type(error).__name__)
            answer.mode = chat_pb2.ANSWER_MODE_AI_UNAVAILABLE
            self._say(answer, self._quoted(plan, request), passages, emit)

    def _fixed(self, plan: ChatPlan, answer: _Answer, request: Request) -> str | None:
        """A reply that needs no model."""
        spoken = "es" if plan.language == "es" else "en"
        if answer.mode == chat_pb2.ANSWER_MODE_TRIVIAL and not plan.history:
            return compose(plan.request.message, (), language=plan.language)
        if answer.mode == chat_pb2.ANSWER_MODE_NOTHING_FOUND:
            return prompt.NOTHING_FOUND[spoken]
        return None

    @staticmethod
    def _quoted(plan: ChatPlan, request: Request) -> list[str]:
        """The best sentences of the passages, for an answer without a model."""
        spoken = "es" if plan.language == "es" else "en"
        quotes = choose(plan.request.message, request.passages, 4, plan.language, before=_before(plan), vectors=embedded())
        return [prompt.UNAVAILABLE[spoken], *(f"\n\n{text} [{marker}]" for text, marker in quotes)]

    async def _ask(
        self, plan: ChatPlan, answer: _Answer, request: Request, passages: Sequence[Passage], emit: Emit, deadline: Deadline
    ) -> None:
        grounding = Grounding(len(request.passages))
        stream = self.models.stream(request, deadline, tenant=plan.tenant, kind=SYSTEM, model=plan.model)
        async with aclosing(stream) as batches:
            async for events in batches:
                for event in _joined(events):
                    if isinstance(event, Delta):
                        self._send(answer, grounding.feed(event.text), passages, emit)
                    elif isinstance(event, SegmentReset):
                        discarded, grounding = grounding.position, Grounding(len(request.passages))
                        answer.segment += 1
                        answer.tokens = answer.citations = 0
                        if event.model != plan.model:
                            answer.mode = chat_pb2.ANSWER_MODE_FALLBACK_MODEL
                        emit(
                            chat_pb2.ChatEvent(
                                segment_reset=chat_pb2.ChatSegmentReset(
                                    segment=answer.segment,
                                    model=event.model,
                                    reason=event.reason,
                                    discarded_characters=discarded,
                                )
                            )
                        )
                    else:
                        self._send(answer, grounding.finish(), passages, emit)
                        answer.done = event
                        answer.model = event.model
                        if event.model != plan.model and answer.mode == chat_pb2.ANSWER_MODE_MODEL:
                            answer.mode = chat_pb2.ANSWER_MODE_FALLBACK_MODEL
                # What arrives meanwhile is sent together: no token waits on an idle process, none is lost on a full one.
                if (pause := self._pace.pause()) and not answer.done:
                    await asyncio.sleep(pause)
        answer.removed += grounding.removed
        answer.characters = grounding.position

    def _say(self, answer: _Answer, pieces: Sequence[str], passages: Sequence[Passage], emit: Emit) -> None:
        grounding = Grounding(len(passages))
        for piece in pieces:
            self._send(answer, grounding.feed(piece), passages, emit)
        self._send(answer, grounding.finish(), passages, emit)
        answer.characters = grounding.position

    @staticmethod
    def _send(answer: _Answer, checked: tuple[str, Sequence[Cited]], passages: Sequence[Passage], emit: Emit) -> None:
        text, cited = checked
        if text:
            if not answer.first_token:
                answer.first_token = time.perf_counter()
            answer.tokens += 1
            emit(chat_pb2.ChatEvent(token=chat_pb2.ChatToken(text=text, segment=answer.segment)))
        for each in cited:
            answer.citations += 1
            source = passages[each.marker - 1]
            emit(chat_pb2.ChatEvent(citation=messages.citation(each.marker, source, each.position, answer.segment)))

    # ------------------------------------------------------------------------------------------------------- retrieval

    async def _retrieve(self, plan: ChatPlan, deadline: Deadline) -> SearchResult:
        text = plan.request.message
        if plan.history and len(words(text)) <= SHORT_FOLLOW_UP:
            text = f"{plan.history[-1].message}\n{text}"
        query = PassageQuery(text, plan.top_k, vector=plan.vector, read=plan.read_cache, hurry=True)
        return await self.finder.search(plan.tenant, plan.request.portfolio_id, query, deadline)

    # -------------------------------------------------------------------------------------------------------- messages

    @staticmethod
    def _announce(plan: ChatPlan, found: SearchResult, asked: bool, emit: Emit) -> None:
        started = chat_pb2.ChatStarted(
            complexity=_COMPLEXITY[plan.complexity.level],
            complexity_reasons=plan.complexity.reasons,
            language=plan.language,
            retrieval_mode=messages.MODES[found.mode],
            sources=[messages.passage(source, with_text=False) for source in found.passages],
            model=plan.model if asked else "",
            portfolio_version=found.portfolio_version,
            version_unconfirmed=not found.confirmed,
        )
        emit(chat_pb2.ChatEvent(started=started))

    def _done(self, plan: ChatPlan, answer: _Answer) -> chat_pb2.ChatDone:
        assert answer.found is not None
        now = time.perf_counter()
        done = chat_pb2.ChatDone(
            mode=answer.mode,
            finish_reason=_FINISH.get(answer.done.finish) if answer.done else chat_pb2.FINISH_REASON_STOP,
            timings=chat_pb2.ChatTimings(
                retrieval_micros=round(answer.found.seconds * 1e6),
                embedding_micros=round(answer.found.embedding_seconds * 1e6),
                first_token_micros=round((answer.first_token - answer.started) * 1e6) if answer.first_token else 0,
                total_micros=round((now - answer.started) * 1e6),
            ),
            token_events=answer.tokens,
            characters=answer.characters,
            citation_count=answer.citations,
            removed_markers=answer.removed,
            answered_at=messages.timestamp(time.time()),
            history_turns=len(plan.history),
        )
        if answer.done is not None:
            done.timings.upstream_first_token_micros = round(answer.done.first_token_seconds * 1e6)
            done.usage.prompt_tokens = answer.done.usage.prompt_tokens
            done.usage.completion_tokens = answer.done.usage.completion_tokens
            done.usage.estimated = answer.done.usage.estimated
            done.usage.model = answer.done.model
            done.reasoning_characters = answer.done.reasoning_characters
            if answer.done.cost_micros is not None:
                done.usage.cost.CopyFrom(common_pb2.Money(currency_code=answer.done.currency, micros=answer.done.cost_micros))
        return done

    # ----------------------------------------------------------------------------------------------------------- turns

    async def record(self, plan: ChatPlan, run: str, said: Said, status: chat_pb2.CacheStatus) -> bool:
        """Keep the caller's turn of the answer ``run``, whoever made it. Durable when it returns; nothing where ephemeral.

        False where the store does not answer: the turn may be kept or not.
        """
        if not plan.conversation_id:
            return True
        turn = said.turn(f"{run}:{random_hex(8)}", plan.request.message, status)
        again = run if plan.request.resume_after else ""
        try:
            await self.turns.record((plan.tenant, plan.conversation_id, plan.request.portfolio_id, turn, again))
        except StoreUnavailable:
            log.warning("turn_not_confirmed")
            return False
        return True


def _before(plan: ChatPlan) -> str:
    """The question before this one in its conversation, or empty."""
    return plan.history[-1].message if plan.history else ""


def _joined(events: Sequence[Event]) -> Iterator[Event]:
    """Pieces of text that arrived together as one: a loop that is behind sends fewer, larger events."""
    pieces: list[str] = []
    for event in events:
        if isinstance(event, Delta):
            pieces.append(event.text)
            continue
        if pieces:
            yield Delta("".join(pieces))
            pieces.clear()
        yield event
    if pieces:
        yield Delta("".join(pieces))

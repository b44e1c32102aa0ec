"""Drafting: research → draft → (review ∥ validate) → citations, each told as it happens.

Layers are blocking functions on threads of their own (:mod:`hexar.agents.legal.drafting.running`); the event loop alone touches
the state between them. A layer that fails is replaced by its fallback, and the answer says so and is not kept in a cache:

=========  =================================================================
research   none: the document says that no authorities were consulted
draft      the template's text; where a model was to phrase it, also then
review     its checks are NOT_RUN
validate   its checks are NOT_RUN, and the document is not valid
citations  none
=========  =================================================================
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import orjson

from hexar.agents.legal.citations.support import sentences
from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.index import Hit
from hexar.agents.legal.drafting.drafts import Drafts
from hexar.agents.legal.drafting.layers import LAYERS, Cited, Layers, checked_text, draft
from hexar.agents.legal.drafting.phrasing import deviation, fields_request, phrasing_request, proposed_fields
from hexar.agents.legal.drafting.running import AGENTS, Emit, Limits, Pool, Runner
from hexar.agents.legal.files.documents import DOCX, MARKDOWN, NOTICE, docx, markdown
from hexar.agents.legal.messages import contract
from hexar.agents.legal.messages.state import Check, Outcome, Removed, Section, State
from hexar.agents.legal.request.plan import RESEARCH_KIND, DraftPlan, make_plan, missing
from hexar.agents.legal.request.reading import Read, verbatim
from hexar.agents.legal.templates.library import Library
from hexar.agents.legal.templates.model import DocumentType
from hexar.agents.legal.validation.checks import VALIDATION_CHECKS
from hexar.agents.legal.validation.review import REVIEW_CHECKS
from hexar.agents.llm import MeteredModels
from hexar.agents.llm.types import Delta, Done, Request, SegmentReset, TokenUsage
from hexar.core.cache import Caches, Tier
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, HexarError, Unavailable
from hexar.core.eventlog import Completion
from hexar.core.store import STORE_ERRORS, Database
from hexar.v1 import common_pb2
from hexar.v1 import legal_pb2 as pb

#: What answers say of who wrote the text.
TEMPLATE, AI_UNAVAILABLE = "template", "unavailable"
KIND = "legal"


@dataclass(slots=True)
class _Spent:
    """What models cost; belongs to the event loop."""

    usage: TokenUsage = field(default_factory=TokenUsage)
    cost_micros: int | None = None
    currency: str = ""
    model: str = ""

    def add(self, done: Done) -> None:
        self.usage = self.usage + done.usage
        self.model = done.model
        if done.cost_micros is not None:
            self.cost_micros, self.currency = (self.cost_micros or 0) + done.cost_micros, done.currency

    def message(self) -> common_pb2.Usage:
        cost = None if self.cost_micros is None else common_pb2.Money(currency_code=self.currency, micros=self.cost_micros)
        return common_pb2.Usage(
            prompt_tokens=self.usage.prompt_tokens, completion_tokens=self.usage.completion_tokens, cost=cost,
            model=self.model, estimated=self.usage.estimated,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pipeline works with."""

    corpora: Corpora
    library: Library
    drafts: Drafts
    database: Database
    caches: Caches
    pool: Pool
    models: MeteredModels


class LegalPipeline:
    """Drafts documents; one object for all requests."""

    def __init__(self, parts: Parts, *, layers: Layers = LAYERS, limits: Limits | None = None, parallel: bool = True) -> None:
        self.parts = parts
        self.layers = layers
        self.limits = limits or Limits()
        self.parallel = parallel

    @property
    def model(self) -> str:
        """The model that phrases free clauses; empty where none is configured."""
        models = self.parts.models.models
        return "" if models.extractive() else models.primary

    async def prepare(self, request: pb.DraftRequest, tenant: str) -> DraftPlan:
        """The plan of a request; see :func:`hexar.agents.legal.request.plan.make_plan`."""
        try:
            return await self.parts.database.run(make_plan, request, tenant, self.parts.corpora, self.parts.library, self.model)
        except HexarError:
            raise
        except STORE_ERRORS as error:
            raise Unavailable("the corpus cannot be read now") from error

    async def pointed(self, text: str, kind: DocumentType, tenant: str, deadline: Deadline) -> list[Read]:
        """Values of fields that a model points to in ``text``, word for word; none without a model, or where it fails."""
        if not self.model:
            return []
        request = fields_request(kind, [entry.name for entry in kind.fields], text)
        try:
            answer, _ = await said(self.parts.models, request, tenant, deadline)
        except (HexarError, OSError):
            return []
        return verbatim(text, kind, proposed_fields(answer))

    async def produce(self, plan: DraftPlan, emit: Emit, deadline: Deadline) -> Completion:
        """Emit the whole answer."""
        if plan.only_cache:
            raise Unavailable("the answer is not in a cache, and only caches were to be read", 0.0)
        return await _Drafting(self, plan, emit, deadline).run()

    async def researched(self, plan: DraftPlan) -> list[Hit] | None:
        """What research found for an equal request; None where it is not kept."""
        if not plan.read_cache or plan.index is None:
            return None
        entry = await self.parts.caches.get(RESEARCH_KIND, research_key(plan))
        if entry is None:
            return None
        held = plan.index.by_id
        return [Hit(held[found], score) for found, score in orjson.loads(entry.value) if found in held]

    def keep_research(self, plan: DraftPlan, hits: Sequence[Hit]) -> None:
        """Keep what research found."""
        if plan.index is None or not plan.write_cache:
            return
        depends = self.parts.caches.snapshot(plan.tenant, RESEARCH_KIND, *plan.depends)
        value = orjson.dumps([[hit.passage.id, hit.score] for hit in hits])
        self.parts.caches.put(RESEARCH_KIND, research_key(plan), value, depends)


async def said(models: MeteredModels, request: Request, tenant: str, deadline: Deadline) -> tuple[str, list[Done]]:
    """(all that a model says, what it cost). Raises what the stream does."""
    text, done = "", []
    async with aclosing(models.stream(request, deadline, tenant=tenant, kind=KIND)) as batches:
        async for events in batches:
            for event in events:
                if isinstance(event, SegmentReset):
                    text = ""
                elif isinstance(event, Delta):
                    text += event.text
                elif isinstance(event, Done):
                    done.append(event)
    return text, done


def research_key(plan: DraftPlan) -> bytes:
    """The key of what research finds: the words, the type, the jurisdiction, the day, the corpus and its version."""
    assert plan.index is not None
    key = plan.index.key
    fields = {
        "request": plan.request.request, "type": plan.kind.name, "language": plan.kind.language,
        "jurisdiction": plan.jurisdiction,
        "as_of": plan.as_of.isoformat(), "corpus": [key.tenant, key.name, key.version],
        "values": plan.values,
    }  # fmt: skip
    return cache_key(plan.tenant, RESEARCH_KIND, fields)


class _Drafting:
    """One document while it forms."""

    def __init__(self, pipeline: LegalPipeline, plan: DraftPlan, emit: Emit, deadline: Deadline) -> None:
        self.pipeline = pipeline
        self.parts = pipeline.parts
        self.plan = plan
        self.emit = emit
        self.deadline = deadline
        self.runner = Runner(self.parts.pool, pipeline.limits, emit, deadline)
        self.started = time.perf_counter()
        self.spent = _Spent()
        self.ai = TEMPLATE
        self.state = State(
            kind=plan.kind.name, language=plan.kind.language, jurisdiction=plan.jurisdiction, title=plan.kind.title,
            values=dict(plan.values), corpus=plan.index.key if plan.index else None, as_of=plan.as_of.isoformat(),
        )  # fmt: skip

    async def run(self) -> Completion:
        self._start()
        await self._research()
        await self._draft()
        await self._check()
        await self._cite()
        await self._files()
        cacheable = not self.runner.failed and self.ai != AI_UNAVAILABLE
        await self._complete()
        return Completion(cacheable=cacheable)

    def _start(self) -> None:
        plan = self.plan
        self.emit(
            pb.DraftEvent(
                started=pb.DraftStarted(
                    document_type=plan.kind.name,
                    jurisdiction=plan.jurisdiction,
                    language=plan.kind.language,
                    corpus=contract.corpus_ref(plan.index.key) if plan.index else None,
                    as_of=contract.calendar(plan.as_of),
                    title=plan.kind.title,
                    notice=NOTICE["es" if plan.kind.language == "es" else "en"],
                )
            )
        )
        for read in plan.read:
            self._read(read.field, read.text, read.start, read.end)

    def _read(self, name: str, text: str, start: int, end: int) -> None:
        self.emit(pb.DraftEvent(read_field=pb.ReadField(name=name, text=text, start=start, end=end)))

    # -- research -----------------------------------------------------------------------------------------------------

    async def _research(self) -> None:
        begun = time.perf_counter()
        index = self.plan.index
        kept = await self.pipeline.researched(self.plan)
        if kept is not None:
            self.runner.begin(pb.LEGAL_LAYER_RESEARCH)
            self.runner.end(pb.LEGAL_LAYER_RESEARCH, begun, cached=True)
            hits, tier = kept, Tier.MEMORY
        else:
            none: list[Hit] = []
            layer, means = self.pipeline.layers.research, "no authorities consulted"
            hits = await self.runner.run(pb.LEGAL_LAYER_RESEARCH, layer, self.plan, instead=none, means=means)
            tier = Tier.SOURCE
            if not self.runner.failed:
                self.pipeline.keep_research(self.plan, hits)
        for hit in hits if index is not None else ():
            assert index is not None
            self.state.authorities.append(hit.passage.id)
            self.emit(pb.DraftEvent(authority=contract.authority(hit.passage, index, tier)))

    # -- draft --------------------------------------------------------------------------------------------------------

    async def _draft(self) -> None:
        begun = time.perf_counter()
        runner, plan = self.runner, self.plan
        runner.begin(pb.LEGAL_LAYER_DRAFT)
        if self.pipeline.model:
            await self._fields_by_model()
            plan = self.plan
        fallback, late = "", False
        try:
            sections = await runner.tried(pb.LEGAL_LAYER_DRAFT, self.pipeline.layers.draft, plan)
        except Exception as error:
            if self.deadline.expired:
                raise DeadlineExceeded("the document was not done in time") from error
            # Filling a template needs nothing but this process.
            sections = await asyncio.to_thread(draft, plan)
            fallback, late = "the template's text", isinstance(error, DeadlineExceeded)
        for at, section in enumerate(sections):
            self.emit(
                pb.DraftEvent(
                    section=pb.SectionBegun(
                        index=at, number=section.number, heading=section.heading, clause=section.clause,
                        open_fields=section.open_fields,
                    )
                )
            )  # fmt: skip
            self.state.sections.append(await self._written(at, section))
        if self.ai == AI_UNAVAILABLE and not fallback:
            fallback = "the template's text, because the model did not answer"
        runner.end(pb.LEGAL_LAYER_DRAFT, begun, fallback, timed_out=late)

    async def _written(self, at: int, section: Section) -> Section:
        """A section as it stands in the document, its text emitted."""
        clause = next((entry for entry in self.plan.kind.clauses if entry.key == section.clause), None)
        if self.pipeline.model and self.ai != AI_UNAVAILABLE and clause is not None and clause.free:
            phrased = await self._phrased(at, section)
            if phrased is not None:
                return phrased
        for piece in _pieces(section.text):
            self._token(at, piece)
        return section

    async def _phrased(self, at: int, section: Section) -> Section | None:
        """The section in a model's words; None where the template's text is to stand, after a reset of what was sent."""
        text, sent = "", 0
        removed: list[Removed] = []
        reason = ""
        try:
            request = phrasing_request(section, self.plan.kind.language, self.plan.request.request)
            stream = self.parts.models.stream(request, self.deadline, tenant=self.plan.tenant, kind=KIND)
            async with aclosing(stream) as batches:
                async for events in batches:
                    for event in events:
                        if isinstance(event, SegmentReset):
                            self._reset(at, event.reason, sent)
                            text, sent, removed = "", 0, []
                        elif isinstance(event, Delta):
                            text += event.text
                        elif isinstance(event, Done):
                            self.spent.add(event)
                    # A sentence is sent when it is complete and holds no citation that is none.
                    spans = list(sentences(text))
                    if len(spans) > 1 and spans[-1][0] > sent:
                        sent, found = self._send_checked(at, text, sent, spans[-1][0])
                        removed += found
        except (HexarError, OSError) as error:
            if self.deadline.expired:
                raise DeadlineExceeded("the document was not done in time") from error
            self.ai, reason = AI_UNAVAILABLE, "the model did not answer"
        if not reason:
            whole, bad = checked_text(self.plan, at, text)
            reason = deviation(whole.strip(), section.text)
            removed = bad
            if not reason:
                if sent == 0 or bad:
                    if sent:
                        self._reset(at, "a citation was taken out", sent)
                    self._token(at, whole.strip())
                elif text[sent:].rstrip():
                    self._token(at, text[sent:].rstrip())
                self.ai = self.spent.model
                self._note_removed(removed)
                return replace(section, text=whole.strip() if sent == 0 or bad else text.rstrip())
        self._reset(at, reason, sent)
        self._note_removed(removed)
        return None

    def _send_checked(self, at: int, text: str, sent: int, until: int) -> tuple[int, list[Removed]]:
        piece = text[sent:until]
        cleaned, removed = checked_text(self.plan, at, piece)
        if removed or cleaned != piece:
            # Sent with the rest, once all of the text is known.
            return sent, []
        self._token(at, piece)
        return until, []

    def _note_removed(self, removed: Sequence[Removed]) -> None:
        for entry in removed:
            self.state.removed.append(entry)
            self.emit(pb.DraftEvent(removed_citation=contract.removed(entry)))

    def _reset(self, at: int, reason: str, sent: int) -> None:
        if sent:
            self.emit(pb.DraftEvent(segment_reset=pb.SectionReset(index=at, reason=reason)))

    def _token(self, at: int, text: str) -> None:
        if text:
            self.emit(pb.DraftEvent(token=pb.SectionToken(index=at, text=text)))

    async def _fields_by_model(self) -> None:
        """Required fields that are open, as far as the request states them in words that the model points to."""
        plan = self.plan
        wanted = missing(plan.kind, plan.values, plan.jurisdiction)
        if not wanted or not plan.request.request.strip():
            return
        try:
            request = fields_request(plan.kind, wanted, plan.request.request)
            text, done = await said(self.parts.models, request, plan.tenant, self.deadline)
            for event in done:
                self.spent.add(event)
        except (HexarError, OSError) as error:
            if self.deadline.expired:
                raise DeadlineExceeded("the document was not done in time") from error
            self.ai = AI_UNAVAILABLE
            return
        values = dict(plan.values)
        for read in verbatim(plan.request.request, plan.kind, proposed_fields(text), plan.values):
            values[read.field] = read.raw
            self._read(read.field, read.text, read.start, read.end)
        self.plan = replace(plan, values=values)
        self.state.values = values

    # -- review, validation, citations --------------------------------------------------------------------------------

    async def _check(self) -> None:
        plan, layers = self.plan, self.pipeline.layers
        sections = tuple(self.state.sections)
        review = self.runner.run(
            pb.LEGAL_LAYER_REVIEW, layers.review, plan, sections,
            instead=[Check.not_run(name, "review failed") for name in REVIEW_CHECKS], means="the text was not reviewed",
        )  # fmt: skip
        validate = self.runner.run(
            pb.LEGAL_LAYER_VALIDATE, layers.validate, plan, sections,
            instead=[Check.not_run(name, "validation failed") for name in VALIDATION_CHECKS],
            means="the text was not validated",
        )  # fmt: skip
        if self.pipeline.parallel and not plan.sequential:
            try:
                async with asyncio.TaskGroup() as group:
                    reviewed, validated = group.create_task(review), group.create_task(validate)
            except ExceptionGroup as failed:
                # Both ended by the same deadline, or one by its caller's fault.
                raise failed.exceptions[0] from failed
            found = [(pb.LEGAL_LAYER_REVIEW, reviewed.result()), (pb.LEGAL_LAYER_VALIDATE, validated.result())]
        else:
            found = [(pb.LEGAL_LAYER_REVIEW, await review), (pb.LEGAL_LAYER_VALIDATE, await validate)]
        for layer, checks in found:
            for check in checks:
                self.state.checks.append(check)
                self.emit(pb.DraftEvent(check=contract.check(check, layer)))
        self.valid = all(check.outcome is Outcome.PASSED for check in found[1][1])

    async def _cite(self) -> None:
        cited = await self.runner.run(
            pb.LEGAL_LAYER_CITE,
            self.pipeline.layers.cite,
            self.plan,
            self.state,
            instead=Cited(),
            means="no citations attached",
        )
        self.state.citations = list(cited.citations)
        for citation in cited.citations:
            self.emit(pb.DraftEvent(citation=contract.citation(citation)))
        self._note_removed(cited.removed)

    async def _files(self) -> None:
        passages = self.plan.index.by_id if self.plan.index is not None else {}
        for number in self.plan.formats:
            write, media_type = (docx, DOCX) if number == pb.LEGAL_FORMAT_DOCX else (markdown, MARKDOWN)
            content = await self.parts.pool.call(
                AGENTS[pb.LEGAL_LAYER_DRAFT], write, self.state, passages, deadline=self.deadline
            )
            file = pb.DocumentFile(format=number, content=content, media_type=media_type)  # type: ignore[arg-type]
            self.emit(pb.DraftEvent(file=file))

    async def _complete(self) -> None:
        state = self.state
        kept = state.dump()
        request = pb.DraftRequest()
        request.CopyFrom(self.plan.request)
        request.resume_after = 0
        request.document_type, request.language = self.plan.kind.name, self.plan.kind.language
        try:
            draft_id = await self.parts.database.run(self.parts.drafts.keep, self.plan.tenant, request, kept)
        except STORE_ERRORS:
            draft_id = ""
        self.emit(
            pb.DraftEvent(
                completed=pb.DraftCompleted(
                    valid=self.valid,
                    open_fields=state.open_fields,
                    not_run=[check.name for check in state.checks if check.outcome is Outcome.NOT_RUN],
                    failed_layers=self.runner.failed,
                    ai=self.ai,
                    usage=self.spent.message(),
                    elapsed=contract.duration(time.perf_counter() - self.started),
                    draft_id=draft_id,
                    state_bytes=len(kept),
                    citations=len(state.citations),
                    no_authorities=not state.authorities,
                )
            )
        )


def _pieces(text: str) -> list[str]:
    """A section's text in the pieces that it is sent in: its paragraphs."""
    pieces: list[str] = []
    start = 0
    while (at := text.find("\n\n", start)) >= 0:
        pieces.append(text[start : at + 2])
        start = at + 2
    return [*pieces, text[start:]]

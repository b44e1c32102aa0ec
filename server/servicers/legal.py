"""LegalService over gRPC: drafting, checking and citing documents, and the corpora that they are cited from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, Field

from hexar.agents.legal.citations.document import cite_document
from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.index import CorpusIndex, Hit
from hexar.agents.legal.corpus.store import DEFAULT, dependency
from hexar.agents.legal.drafting.drafts import Drafts
from hexar.agents.legal.drafting.layers import LAYERS
from hexar.agents.legal.drafting.pipeline import LegalPipeline, Parts
from hexar.agents.legal.drafting.running import AGENTS, Limits
from hexar.agents.legal.kinds import KINDS
from hexar.agents.legal.messages import contract
from hexar.agents.legal.messages.compaction import compact
from hexar.agents.legal.messages.state import Outcome
from hexar.agents.legal.request.checks import (
    DEFAULT_HITS,
    MAX_NAME,
    MAX_REQUEST,
    MAX_TEXT,
    Violations,
    check_page,
    check_search,
    formats,
)
from hexar.agents.legal.request.plan import CITE_KIND, DRAFT_KIND, RESEARCH_KIND, DraftPlan, day_of, unknown_type
from hexar.agents.legal.request.revising import kinds_of, revised
from hexar.agents.legal.tables import TABLES
from hexar.agents.legal.templates.library import Library
from hexar.agents.legal.templates.model import DocumentType
from hexar.agents.legal.validation.checks import validate_text
from hexar.agents.legal.validation.review import review_text
from hexar.agents.llm.embeddings import embedded
from hexar.core.cache import Tier
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.errors import InvalidArgument, Unavailable
from hexar.core.eventlog import AnswerSpec
from hexar.core.resilience.policies import RetryPolicy
from hexar.core.store import STORE_ERRORS
from hexar.server.calls.rpc import Call, Handler
from hexar.server.calls.streaming import answer_spec, stream_answer
from hexar.server.engine import Engine
from hexar.server.engine.system import Servicer, System
from hexar.server.servicers.legal_bulk import BulkDrafts
from hexar.server.servicers.legal_imports import CorpusImports
from hexar.server.settings.config import Strict
from hexar.v1 import legal_pb2 as pb

T = TypeVar("T")
SERVICE = "hexar.v1.LegalService"


class LegalConfig(Strict):
    """The time and the tries of a layer, whether review and validation run side by side, and how long drafts are kept.

    Pauses between tries are ``retry_seconds``, then ``backoff`` times as long each.
    """

    layer_seconds: float = Field(default=30.0, gt=0, le=300)
    attempts: int = Field(default=3, ge=1, le=10)
    retry_seconds: float = Field(default=0.1, ge=0, le=30)
    backoff: float = Field(default=1.5, ge=1, le=10)
    parallel: bool = True
    keep_days: float = Field(default=30.0, gt=0, le=3650)


class LegalSettings(BaseModel):
    """What the legal system adds to the configuration."""

    legal: LegalConfig = LegalConfig()


class LegalServicer(Servicer):
    """Drafting over the corpora and document types of the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        settings = engine.settings.section(LegalSettings).legal
        self.corpora = Corpora(engine.database, engine.versions, embedded())
        self.library = Library(engine.database, engine.versions)
        self.drafts = Drafts(engine.database, settings.keep_days)
        limits = Limits(
            settings.layer_seconds,
            RetryPolicy(attempts=settings.attempts, base=settings.retry_seconds, factor=settings.backoff),
        )
        parts = Parts(self.corpora, self.library, self.drafts, engine.database, engine.caches, engine.dispatcher, engine.models)
        self.pipeline = LegalPipeline(parts, layers=LAYERS, limits=limits, parallel=settings.parallel)
        self._bulk = BulkDrafts(self.pipeline, engine, self._spec)
        self._imports = CorpusImports(self.corpora, engine)

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        return {
            f"{SERVICE}/Draft": self.draft,
            f"{SERVICE}/Revise": self.revise,
            f"{SERVICE}/DraftBulk": self._bulk.draft_bulk,
            f"{SERVICE}/Validate": self.validate,
            f"{SERVICE}/Review": self.review,
            f"{SERVICE}/Cite": self.cite,
            f"{SERVICE}/SearchAuthorities": self.search_authorities,
            f"{SERVICE}/ListDocumentTypes": self.list_document_types,
            f"{SERVICE}/ListCorpora": self.list_corpora,
            f"{SERVICE}/ImportCorpus": self._imports.import_corpus,
        }

    # -- drafting -----------------------------------------------------------------------------------------------------

    async def draft(self, call: Call) -> None:
        """Stream one document."""
        request = call.decode(pb.DraftRequest)
        plan = await self.pipeline.prepare(request, call.tenant)
        await self._stream(call, plan, request.resume_after)

    async def revise(self, call: Call) -> None:
        """Stream a document made from a kept one."""
        request = call.decode(pb.ReviseRequest)
        wrong = Violations()
        wrong.text("draft_id", request.draft_id, MAX_NAME, required=True)
        wrong.text("instruction", request.instruction, MAX_REQUEST)
        formats(wrong, request.formats)
        wrong.end()
        kept = await self._stored(self.drafts.request, call.tenant, request.draft_id)
        kinds = await self._stored(kinds_of, kept, self.library)
        try:
            fresh = revised(request, kept, kinds)
        except InvalidArgument:
            # A model may point to the words that state a field; it cannot make up a value.
            pointed = await self.pipeline.pointed(request.instruction, kinds[0], call.tenant, call.deadline)
            if not pointed:
                raise
            fresh = revised(request, kept, kinds, pointed)
        plan = await self.pipeline.prepare(fresh, call.tenant)
        await self._stream(call, plan, request.resume_after)

    async def _stream(self, call: Call, plan: DraftPlan, after: int) -> None:
        await stream_answer(call, self._spec(plan, call.deadline), self._engine.answers, self._engine.gate, after)

    def _spec(self, plan: DraftPlan, deadline: Deadline) -> AnswerSpec:
        return answer_spec(DRAFT_KIND, plan, self.pipeline.produce, self._engine.caches, deadline, compact=compact)

    # -- finished texts -----------------------------------------------------------------------------------------------

    async def validate(self, call: Call) -> bytes:
        """Check a text."""
        request = call.decode(pb.ValidateRequest)
        kind, jurisdiction = await self._asked(request.text, request.document_type, request.jurisdiction)
        checks = await self._on(call, pb.LEGAL_LAYER_VALIDATE, validate_text, request.text, kind, jurisdiction)
        return pb.ValidateResponse(
            checks=[contract.check(check, pb.LEGAL_LAYER_VALIDATE) for check in checks],
            valid=all(check.outcome is Outcome.PASSED for check in checks),
        ).SerializeToString()

    async def review(self, call: Call) -> bytes:
        """Review a text."""
        request = call.decode(pb.ReviewRequest)
        kind, jurisdiction = await self._asked(request.text, request.document_type, request.jurisdiction)
        checks = await self._on(call, pb.LEGAL_LAYER_REVIEW, review_text, request.text, kind, jurisdiction)
        return pb.ReviewResponse(checks=[contract.check(check, pb.LEGAL_LAYER_REVIEW) for check in checks]).SerializeToString()

    async def cite(self, call: Call) -> bytes:
        """Find what supports a text, and what in it is no support."""
        request = call.decode(pb.CiteRequest)
        wrong = Violations()
        wrong.text("text", request.text, MAX_TEXT, required=True)
        wrong.text("corpus.name", request.corpus.name, MAX_NAME)
        index = await self._index(wrong, call, request)
        jurisdiction = wrong.place("jurisdiction", request.jurisdiction, index.jurisdictions if index else (), required=True)
        day = day_of(wrong, "as_of", request.as_of, request.HasField("as_of"))
        wrong.end()
        fields = {
            "text": request.text, "jurisdiction": jurisdiction, "as_of": day.isoformat(),
            "corpus": [index.key.tenant, index.key.name, index.key.version] if index else [],
        }  # fmt: skip
        key = cache_key(call.tenant, CITE_KIND, fields)
        entry = await self._engine.caches.get(CITE_KIND, key)
        if entry is not None:
            return entry.value
        name = request.corpus.name or DEFAULT
        depends = self._engine.caches.snapshot(call.tenant, CITE_KIND, dependency(call.tenant, name), dependency("", name))
        response = await self._on(call, pb.LEGAL_LAYER_CITE, cite_document, request.text, index, jurisdiction, day)
        data: bytes = response.SerializeToString()
        self._engine.caches.put(CITE_KIND, key, data, depends)
        return data

    async def _asked(self, text: str, document_type: str, place: str) -> tuple[DocumentType | None, str]:
        """The type and the jurisdiction that a text is checked for."""
        wrong = Violations()
        wrong.text("text", text, MAX_TEXT, required=True)
        kind: DocumentType | None = None
        made_for: tuple[str, ...] = ()
        if document_type.strip():
            languages = await self._stored(self.library.find, document_type)
            if languages is None:
                wrong.add("document_type", await self._stored(unknown_type, self.library, document_type))
            else:
                kind = languages.get("en") or next(iter(languages.values()))
                made_for = kind.jurisdictions
        jurisdiction = wrong.place("jurisdiction", place, made_for)
        wrong.end()
        return kind, jurisdiction

    # -- authorities --------------------------------------------------------------------------------------------------

    async def search_authorities(self, call: Call) -> bytes:
        """Search a corpus."""
        request = call.decode(pb.SearchAuthoritiesRequest)
        wrong = Violations()
        check_search(wrong, request)
        index = await self._index(wrong, call, request)
        jurisdiction = wrong.place("jurisdiction", request.jurisdiction, index.jurisdictions if index else ())
        day = day_of(wrong, "as_of", request.as_of, request.HasField("as_of"))
        wrong.end()
        response = pb.SearchAuthoritiesResponse(as_of=contract.calendar(day), tier=contract.tier(Tier.SOURCE))
        if index is None:
            return response.SerializeToString()
        limit = request.limit or DEFAULT_HITS
        fields = {
            "query": request.query, "jurisdiction": jurisdiction, "as_of": day.isoformat(), "limit": limit,
            "topic": request.topic,
            "corpus": [index.key.tenant, index.key.name, index.key.version],
        }  # fmt: skip
        key = cache_key(call.tenant, RESEARCH_KIND, fields)
        entry = await self._engine.caches.get(RESEARCH_KIND, key)
        if entry is not None:
            found = [Hit(index.by_id[name], score) for name, score in orjson.loads(entry.value)]
            response.tier = contract.tier(entry.tier)
        else:
            depends = self._engine.caches.snapshot(call.tenant, RESEARCH_KIND, dependency(index.key.tenant, index.key.name))
            found = await self._on(
                call, pb.LEGAL_LAYER_RESEARCH, index.search, request.query, jurisdiction, day, limit, request.topic
            )
            self._engine.caches.put(RESEARCH_KIND, key, orjson.dumps([[hit.passage.id, hit.score] for hit in found]), depends)
        response.corpus.CopyFrom(contract.corpus_ref(index.key))
        tier = Tier.SOURCE if entry is None else entry.tier
        response.hits.extend(
            pb.AuthorityHit(authority=contract.authority(hit.passage, index, tier), score=hit.score) for hit in found
        )
        return response.SerializeToString()

    async def _index(self, wrong: Violations, call: Call, request: Any) -> CorpusIndex | None:
        """The corpus that a request means; None where none was imported and none was named."""
        key = await self._stored(self.corpora.key, call.tenant, request.corpus.name.strip(), request.corpus.version)
        if key is None:
            if request.HasField("corpus"):
                wrong.add("corpus.name", f"no corpus {(request.corpus.name or DEFAULT)!r} was imported")
            return None
        return self.corpora.held(key) or await self._stored(self.corpora.index, key)

    # -- lists --------------------------------------------------------------------------------------------------------

    async def list_document_types(self, call: Call) -> bytes:
        """Document types by name."""
        request = call.decode(pb.ListDocumentTypesRequest)
        size = check_page(request.page)
        types = await self._stored(self.library.types)
        names = [name for name in types if name > request.page.token]
        response = pb.ListDocumentTypesResponse(document_types=[contract.document_type(types[name]) for name in names[:size]])
        response.page.total, response.page.counted = len(types), True
        if len(names) > size:
            response.page.next_token = names[size - 1]
        return response.SerializeToString()

    async def list_corpora(self, call: Call) -> bytes:
        """Corpora by name."""
        request = call.decode(pb.ListCorporaRequest)
        size = check_page(request.page)
        rows = await self._stored(self.corpora.store.rows, call.tenant, request.page.token, size + 1)
        response = pb.ListCorporaResponse(corpora=[contract.corpus(row) for row in rows[:size]])
        if len(rows) > size:
            response.page.next_token = rows[size - 1].key.name
        return response.SerializeToString()

    async def _stored(self, function: Callable[..., T], *args: Any) -> T:
        try:
            return await self._engine.database.run(function, *args)
        except Unavailable:
            raise
        except STORE_ERRORS as error:
            raise Unavailable("the store cannot be read now") from error

    async def _on(self, call: Call, layer: pb.LegalLayer, function: Callable[..., T], *args: Any) -> T:
        return await self._engine.dispatcher.call(AGENTS[layer], function, *args, deadline=call.deadline)


SYSTEM = System(
    name="legal", services=(pb.DESCRIPTOR,), servicer=LegalServicer, kinds=KINDS, tables=TABLES, settings=LegalSettings
)

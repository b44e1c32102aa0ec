"""PartsService: damage reports, name matching and the catalogue over gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson

from hexar.agents.parts.catalogue.reading import CatalogueStore
from hexar.agents.parts.catalogue.tables import TABLES
from hexar.agents.parts.catalogue.view import Catalogues, CatalogueView
from hexar.agents.parts.fit import match
from hexar.agents.parts.kinds import KINDS
from hexar.agents.parts.messages import contract
from hexar.agents.parts.messages.compaction import compact
from hexar.agents.parts.messages.validation import check_batch, check_match, check_page, check_vehicle
from hexar.agents.parts.pipeline import AGENT, WORKERS, PartsPipeline
from hexar.agents.parts.plan import KIND, DiscoveryPlan, catalogue_name, resolve
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.errors import HexarError, InvalidArgument, Unavailable
from hexar.core.eventlog import AnswerSpec, Completion, EventLog
from hexar.core.jobs.model import Handler as JobHandler
from hexar.core.jobs.model import JobContext
from hexar.core.paging import PageTokens
from hexar.core.resilience.dispatch import BulkheadConfig
from hexar.core.store import STORE_ERRORS
from hexar.server.calls.rpc import Call, Handler
from hexar.server.calls.streaming import RequestMemo, answer_spec, send_answer, stream_answer
from hexar.server.engine import Engine
from hexar.server.engine.system import Servicer, System
from hexar.v1 import parts_pb2 as pb

T = TypeVar("T")

SERVICE = "hexar.v1.PartsService"
WARM_JOB = "parts.warm"
_CATALOGUES = PageTokens("catalogues", str)
#: Lookups that may wait for a thread: a report asks for a few dozen, in short calls.
QUEUE = 4096
#: Reports of a batch that are answered at once, and names matched by one call of the pool.
BATCH_AT_ONCE = 4
NAMES_A_CALL = 50


class PartsServicer(Servicer):
    """Parts discovery over the catalogues in the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        bulkhead = engine.settings.dispatch
        engine.dispatcher.configure(
            AGENT,
            BulkheadConfig(
                max(bulkhead.threads, WORKERS),
                max(bulkhead.queue, QUEUE),
                bulkhead.breaker_threshold,
                bulkhead.breaker_open_seconds,
                party=False,
            ),
        )
        self.catalogues = Catalogues(CatalogueStore(engine.database))
        self.pipeline = PartsPipeline(self.catalogues, engine.dispatcher)
        self._memo = RequestMemo[tuple[bytes, CatalogueView]]("parts")

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        return {
            f"{SERVICE}/Discover": self.discover,
            f"{SERVICE}/DiscoverBatch": self.discover_batch,
            f"{SERVICE}/MatchParts": self.match_parts,
            f"{SERVICE}/ResolveVehicle": self.resolve_vehicle,
            f"{SERVICE}/WarmUpVehicle": self.warm_up_vehicle,
            f"{SERVICE}/ListCatalogues": self.list_catalogues,
            f"{SERVICE}/ListManufacturers": self.list_manufacturers,
            f"{SERVICE}/ListModels": self.list_models,
            f"{SERVICE}/ListVariants": self.list_variants,
            f"{SERVICE}/ListCategories": self.list_categories,
            f"{SERVICE}/ListArticles": self.list_articles,
        }

    def jobs(self) -> Mapping[str, JobHandler]:
        """Vehicles that are read ahead."""
        return {WARM_JOB: self._warm_job}

    # -- discovery ----------------------------------------------------------------------------------------------------

    async def discover(self, call: Call) -> None:
        """Stream the answer to one report."""
        known = self._memo.get(call)
        if known is not None and self.catalogues.fresh(known[1].row.name) is known[1]:
            answer = self._engine.answers.replay(KIND, known[0])
            if answer is not None:
                await send_answer(call, answer, 0)
                return
        request = call.decode(pb.DiscoverRequest)
        plan = await self.pipeline.prepare(request, call.tenant, call.deadline)
        if not request.resume_after and not request.cache_policy:
            self._memo.keep(call, (plan.key, plan.view))
        spec = self._spec(plan, call.deadline)
        await stream_answer(call, spec, self._engine.answers, self._engine.gate, request.resume_after)

    def _spec(self, plan: DiscoveryPlan, deadline: Deadline) -> AnswerSpec:
        return answer_spec(KIND, plan, self.pipeline.produce, self._engine.caches, deadline, compact=compact, adaptive=True)

    async def discover_batch(self, call: Call) -> None:
        """Stream the answers to several reports; each is cached and shared as if it were asked alone."""
        request = call.decode(pb.DiscoverBatchRequest)
        check_batch(request)
        key = cache_key(
            call.tenant, "parts_batch", {"reports": [r.SerializeToString(deterministic=True) for r in request.reports]}
        )

        async def produce(events: EventLog) -> Completion:
            await self._batch(request, call.tenant, events, call.deadline)
            return Completion(cacheable=False)

        spec = AnswerSpec(kind=KIND, key=key, produce=produce, depends={}, read_cache=False, write_cache=False, adaptive=True)
        await stream_answer(call, spec, self._engine.answers, self._engine.gate, request.resume_after)

    async def _batch(self, request: pb.DiscoverBatchRequest, tenant: str, events: EventLog, deadline: Deadline) -> None:
        started = time.perf_counter()
        slots = asyncio.Semaphore(BATCH_AT_ONCE)

        async def one(index: int, report: pb.DiscoverRequest) -> bool:
            async with slots:
                try:
                    plan = await self.pipeline.prepare(report, tenant, deadline, f"reports[{index}].")
                    answer = await self._engine.answers.open(self._spec(plan, deadline), deadline)
                    try:
                        async for batch in answer.batches():
                            for event in batch:
                                body = pb.DiscoverEvent.FromString(event)
                                events.append(pb.DiscoverBatchEvent(report_index=index, report=body).SerializeToString())
                    finally:
                        answer.close()
                except HexarError as error:
                    field = error.violations[0][0] if isinstance(error, InvalidArgument) else ""
                    failure = pb.ReportFailure(code=int(error.code), message=error.message, field=field)
                    events.append(pb.DiscoverBatchEvent(report_index=index, failure=failure).SerializeToString())
                    return False
                return True

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(index, report)) for index, report in enumerate(request.reports)]
        answered = sum(task.result() for task in tasks)
        summary = pb.BatchSummary(
            answered=answered, failed=len(tasks) - answered, elapsed_ms=(time.perf_counter() - started) * 1e3
        )
        events.append(pb.DiscoverBatchEvent(summary=summary).SerializeToString())

    # -- names and vehicles -------------------------------------------------------------------------------------------

    async def match_parts(self, call: Call) -> bytes:
        """Rank articles for free-text names."""
        request = call.decode(pb.MatchPartsRequest)
        check_match(request)
        view = await self.pipeline.view(request.catalogue, call.deadline)
        response = pb.MatchPartsResponse(catalogue=contract.catalogue_ref(view.row))
        found = None
        if request.HasField("vehicle"):
            found, message = await self.pipeline.resolve(view, request.vehicle, call.deadline)
            response.vehicle.CopyFrom(message)
        chunks = [request.names[at : at + NAMES_A_CALL] for at in range(0, len(request.names), NAMES_A_CALL)]
        for chunk in chunks:
            response.matches.extend(await self._run(call, match.match_names, view, request, chunk, found))
        return response.SerializeToString()

    async def resolve_vehicle(self, call: Call) -> bytes:
        """Find the variants that a description names."""
        request = call.decode(pb.ResolveVehicleRequest)
        check_vehicle(request.catalogue, request.vehicle)
        view = await self.pipeline.view(request.catalogue, call.deadline)
        _, message = await self.pipeline.resolve(view, request.vehicle, call.deadline)
        return pb.ResolveVehicleResponse(resolution=message).SerializeToString()

    async def warm_up_vehicle(self, call: Call) -> bytes:
        """Read a vehicle's listings into memory, now or by a job."""
        request = call.decode(pb.WarmUpVehicleRequest)
        check_vehicle(request.catalogue, request.vehicle)
        view = await self.pipeline.view(request.catalogue, call.deadline)
        found, message = await self.pipeline.resolve(view, request.vehicle, call.deadline)
        response = pb.WarmUpVehicleResponse(resolution=message)
        if request.background:
            work = {
                "catalogue": view.row.name,
                "vehicle": request.vehicle.SerializeToString(deterministic=True).hex(),
            }
            job = await self._engine.jobs.submit(
                WARM_JOB,
                orjson.dumps(work),
                tenant=call.tenant,
                dedupe_key=cache_key(call.tenant, WARM_JOB, work).hex(),
            )
            response.job_id = job.id
        else:
            response.lookups, response.articles = await self._run(call, match.warm, view, found)
        return response.SerializeToString()

    def _warm_job(self, payload: bytes, _context: JobContext) -> bytes | None:
        work = orjson.loads(payload)
        view = self.catalogues.view(work["catalogue"])
        found, _ = resolve(view, pb.VehicleQuery.FromString(bytes.fromhex(work["vehicle"])))
        lookups, articles = match.warm(view, found)
        return orjson.dumps({"lookups": lookups, "articles": articles})

    # -- lists --------------------------------------------------------------------------------------------------------

    async def list_catalogues(self, call: Call) -> bytes:
        """Imported catalogues by name."""
        request = call.decode(pb.ListCataloguesRequest)
        size = check_page(request.page)
        (after,) = _CATALOGUES.decode(request.page.token) or ("",)
        rows = await self._run(call, self.catalogues.store.catalogues, after, size + 1)
        response = pb.ListCataloguesResponse(catalogues=[contract.catalogue(row) for row in rows[:size]])
        if len(rows) > size:
            response.page.next_token = _CATALOGUES.encode(rows[size - 1].name)
        return response.SerializeToString()

    async def list_manufacturers(self, call: Call) -> bytes:
        """Manufacturers by name."""
        request = call.decode(pb.ListManufacturersRequest)
        size = check_page(request.page, catalogue=request.catalogue)
        return await self._page(call, request.catalogue, match.manufacturers, request, size)

    async def list_models(self, call: Call) -> bytes:
        """Models by name."""
        request = call.decode(pb.ListModelsRequest)
        size = check_page(request.page, request.year, catalogue=request.catalogue, manufacturer_id=request.manufacturer_id)
        return await self._page(call, request.catalogue, match.models, request, size)

    async def list_variants(self, call: Call) -> bytes:
        """Variants by name."""
        request = call.decode(pb.ListVariantsRequest)
        size = check_page(request.page, request.year, catalogue=request.catalogue, model_id=request.model_id)
        return await self._page(call, request.catalogue, match.variants, request, size)

    async def list_categories(self, call: Call) -> bytes:
        """Categories by name, each with its product groups."""
        request = call.decode(pb.ListCategoriesRequest)
        size = check_page(request.page, catalogue=request.catalogue, variant_id=request.variant_id)
        return await self._page(call, request.catalogue, match.categories, request, size)

    async def list_articles(self, call: Call) -> bytes:
        """Articles by id."""
        request = call.decode(pb.ListArticlesRequest)
        size = check_page(
            request.page,
            catalogue=request.catalogue,
            variant_id=request.variant_id,
            category_id=request.category_id,
            product_group_id=request.product_group_id,
        )
        return await self._page(call, request.catalogue, match.articles, request, size)

    async def _page(self, call: Call, catalogue: str, function: Callable[..., Any], request: Any, size: int) -> bytes:
        view = await self.pipeline.view(catalogue_name(catalogue), call.deadline)
        response = await self._run(call, function, view, request, size)
        data: bytes = response.SerializeToString()
        return data

    async def _run(self, call: Call, function: Callable[..., T], *args: Any) -> T:
        try:
            return await self._engine.dispatcher.call(AGENT, function, *args, deadline=call.deadline)
        except STORE_ERRORS as error:
            raise Unavailable("the catalogue cannot be read now") from error


SYSTEM = System(name="parts", services=(pb.DESCRIPTOR,), servicer=PartsServicer, kinds=KINDS, tables=TABLES)

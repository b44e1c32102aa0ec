"""The gear query: from a request to a stream of ranked products.

::

    request ─ validation ─ plan (key, user) ─ understanding
      caches ──────────────┐                      started
      vendor 1 ─┐          ├─ board ─ diff ─────  upsert, move, retract … vendor …
      vendor 2 ─┼─ offers ─┘                      ranked
      vendor 3 ─┘             analyses ─────────  upsert … (while the caller waits)
                                                  completed

A query reads the vendors' offers itself, or from the caches as its cache policy allows. Static knowledge is never read by a
query, only by background jobs: it is shown from where they put it, also to a query that refreshes.

What the caches hold is sent at once, each vendor's offers when they come, and the answer ends before the caller's deadline
with what is there, naming who is missing and why. Everything that takes more than a few milliseconds runs on threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import structlog

from hexar.agents.gear.analysis.analyses import Analyses
from hexar.agents.gear.analysis.heavy import HeavyReader
from hexar.agents.gear.analysis.knowledge import JOB
from hexar.agents.gear.analysis.model_analyst import ModelAnalyst
from hexar.agents.gear.analysis.upkeep import Upkeep
from hexar.agents.gear.candidates import Batch, ParsedQuery
from hexar.agents.gear.config import GearConfig
from hexar.agents.gear.kinds import STATIC_ANALYSIS
from hexar.agents.gear.plan import QueryPlan, Users, make_plan
from hexar.agents.gear.products.board import Board
from hexar.agents.gear.products.catalogue import Catalogue
from hexar.agents.gear.products.offers import LANE, Held, LiveOffers
from hexar.agents.gear.products.ranking import Preferences
from hexar.agents.gear.request import validation
from hexar.agents.gear.request.criteria import Criteria
from hexar.agents.gear.request.understanding import Brands, Understood, understand
from hexar.agents.llm import MeteredModels
from hexar.agents.vendors.base import LightRequest, VendorAgent
from hexar.agents.vendors.errors import VendorError
from hexar.core.cache import Caches, Tier
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, FailedPrecondition, Unavailable
from hexar.core.eventlog import Completion
from hexar.core.jobs import Jobs, JobState
from hexar.core.resilience import BreakerOpen, BulkheadFull
from hexar.core.resilience.dispatch import Dispatcher
from hexar.v1 import common_pb2, query_pb2

log = structlog.get_logger(__name__)

T = TypeVar("T")
Emit = Callable[[query_pb2.QueryEvent], None]

_FAILURES = {
    "timeout": query_pb2.VENDOR_FAILURE_TIMEOUT,
    "unreachable": query_pb2.VENDOR_FAILURE_UNREACHABLE,
    "status": query_pb2.VENDOR_FAILURE_STATUS,
    "malformed": query_pb2.VENDOR_FAILURE_MALFORMED,
    "refused": query_pb2.VENDOR_FAILURE_REFUSED,
    "cancelled": query_pb2.VENDOR_FAILURE_TIMEOUT,
}


@dataclass(slots=True)
class _Vendor:
    """One vendor's part in one answer."""

    agent: VendorAgent
    key: bytes
    held: Held | None = None
    status: query_pb2.VendorStatus | None = None


class GearPipeline:
    """Answers gear queries.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(
        self,
        agents: Iterable[VendorAgent],
        dispatcher: Dispatcher,
        caches: Caches,
        jobs: Jobs | None = None,
        config: GearConfig | None = None,
        *,
        models: MeteredModels | None = None,
    ) -> None:
        self.config = config or GearConfig()
        self.agents: Mapping[str, VendorAgent] = {agent.name: agent for agent in sorted(agents, key=lambda one: one.name)}
        self._dispatcher = dispatcher
        self._caches = caches
        self._brands = Brands()
        self._catalogue = Catalogue()
        self._users = Users(caches)
        self._offers = LiveOffers(caches, dispatcher, self.config.retry, self.config.hedge)
        of = self.config
        analyst = ModelAnalyst(models, concurrency=of.model_calls, seconds=of.model_timeout) if models is not None else None
        model = analyst.name if analyst else ""
        self._analyses = Analyses(caches, jobs, of.analysis_delay, model=model, batch=of.analysis_batch)
        self._heavy = HeavyReader(self.agents, caches, self._analyses, analyst=analyst, seconds=of.heavy_timeout)
        self._upkeep = Upkeep(self._analyses, caches.kinds[STATIC_ANALYSIS.name].ttl, of.refresh_share)
        if jobs is not None:
            jobs.handler(JOB, self._heavy.handle)

    def open(self) -> None:
        """Let the heavy readers reach the disk cache; on the event loop, before the job workers start."""
        self._heavy.loop = asyncio.get_running_loop()

    async def prepare(self, request: query_pb2.QueryRequest, tenant: str) -> QueryPlan:
        """Check ``request`` and say under which key its answer lies.

        Raises InvalidArgument with every wrong field, FailedPrecondition where no vendor is configured.
        """
        validation.check(request, self.agents.keys())
        if not self.agents:
            raise FailedPrecondition("no vendor is configured: add one to vendors.yaml")
        user = await self._users.context(request, tenant)
        return make_plan(request, tenant, user, self.agents, self.config.weights.fingerprint())

    async def answer(self, request: query_pb2.QueryRequest, tenant: str, emit: Emit, deadline: Deadline) -> Completion:
        """:meth:`prepare` and :meth:`produce` in one."""
        return await self.produce(await self.prepare(request, tenant), emit, deadline)

    async def produce(self, plan: QueryPlan, emit: Emit, deadline: Deadline) -> Completion:
        """Form the answer of ``plan`` and emit its events. It is cacheable where no vendor is missing or stale.

        Raises Unavailable where every vendor is down and nothing is cached.
        """
        return await _Query(self, plan, emit, deadline).run()

    # The parts that a query uses.

    @property
    def dispatcher(self) -> Dispatcher:
        """Where work that takes its time runs."""
        return self._dispatcher

    @property
    def offers(self) -> LiveOffers:
        """Live offers."""
        return self._offers

    @property
    def analyses(self) -> Analyses:
        """Static knowledge and its jobs."""
        return self._analyses

    @property
    def upkeep(self) -> Upkeep:
        """What is read again before its time is over."""
        return self._upkeep

    @property
    def catalogue(self) -> Catalogue:
        """The products of the latest batches."""
        return self._catalogue

    @property
    def brands(self) -> Brands:
        """The brands that texts may name."""
        return self._brands


class _Query:
    """One answer while it forms."""

    def __init__(self, pipeline: GearPipeline, plan: QueryPlan, emit: Emit, deadline: Deadline) -> None:
        self._pipeline = pipeline
        self._plan = plan
        self._emit = emit
        self._started = time.time()
        self._clock = time.monotonic()
        config = pipeline.config
        left = deadline.remaining()
        reserve = 0.0 if left == float("inf") else min(config.reserve_share * max(0.0, left), config.reserve_limit)
        self._deadline = deadline.earlier(reserve)
        self._fan_out = Deadline.after(self._deadline.bounded(config.vendor_timeout))
        self._understood: Understood = understand(
            plan.request.text, plan.request.filters, pipeline.brands, plan.request.ordering
        )
        filters = self._understood.filters
        criteria = Criteria(filters)
        analyses = pipeline.analyses.available and not plan.only_cache
        self._board = Board(
            ParsedQuery.read(self._understood.terms, self._understood.things),
            criteria,
            Preferences(criteria, plan.user, self._understood.ordering),
            config.weights,
            plan.limit,
            catalogue=pipeline.catalogue,
            analyses=analyses,
        )
        self._request = LightRequest(terms=" ".join([*filters.brands, self._understood.terms]).strip())
        self._vendors = {
            name: _Vendor(agent, pipeline.offers.key(plan.tenant, agent, self._request))
            for name, agent in ((name, pipeline.agents[name]) for name in plan.vendors)
        }
        self._looked_up: set[tuple[str, str]] = set()
        # What the model used for the analyses that this answer waited for.
        self._used: list[Mapping[str, Any]] = []

    async def run(self) -> Completion:
        self._start()
        await self._from_caches()
        await self._from_vendors()
        statuses = [vendor.status for _, vendor in sorted(self._vendors.items()) if vendor.status is not None]
        if not self._plan.only_cache and all(status.outcome == query_pb2.VENDOR_OUTCOME_MISSING for status in statuses):
            raise Unavailable(f"no vendor could be asked: {'; '.join(status.detail for status in statuses)}")
        self._emit(
            query_pb2.QueryEvent(
                ranked=query_pb2.QueryRanked(product_ids=self._board.ranking(), pending_analyses=self._board.pending())
            )
        )
        jobs = await self._analyse()
        partial = any(
            status.outcome in (query_pb2.VENDOR_OUTCOME_MISSING, query_pb2.VENDOR_OUTCOME_STALE) for status in statuses
        )
        filters = self._understood.filters
        completed = query_pb2.QueryCompleted(
            product_ids=self._board.ranking(),
            vendors=statuses,
            partial=partial,
            listings=self._board.listings,
            matched=self._board.matched,
            jobs=jobs,
            narrowed=await self._run(lambda: self._board.narrowed(filters, self._understood.terms)),
            ai=self._pipeline.analyses.made_by,
        )
        if self._used:
            completed.analysis_usage.CopyFrom(_usage(self._used))
            completed.dropped_claims = sum(used["dropped"] for used in self._used)
        completed.elapsed.FromNanoseconds(int((time.monotonic() - self._clock) * 1e9))
        self._emit(query_pb2.QueryEvent(completed=completed))
        return Completion(cacheable=not partial)

    def _start(self) -> None:
        started = query_pb2.QueryStarted(
            understood=self._understood.message(), vendors=self._plan.vendors, personalised=self._plan.user is not None
        )
        started.started_at.FromNanoseconds(int(self._started * 1e9))
        self._emit(query_pb2.QueryEvent(started=started))

    # -- offers ----------------------------------------------------------------------------------------------------------

    async def _from_caches(self) -> None:
        """Show what the caches hold; a vendor whose offers are fresh there is not asked."""
        if not self._plan.read_cache:
            return
        names = list(self._vendors)
        found = await asyncio.gather(*(self._pipeline.offers.held(name, self._vendors[name].key) for name in names))
        for name, held in zip(names, found, strict=True):
            if held is None:
                continue
            vendor = self._vendors[name]
            vendor.held = held
            self._place(held.batch, held.tier, stale=held.stale)
            if not held.stale:
                self._report(vendor, query_pb2.VENDOR_OUTCOME_CACHED, held.batch)
        if any(held is not None for held in found):
            await self._advance()

    async def _from_vendors(self) -> None:
        """Ask the vendors whose offers are not at hand; show each one's as they come."""
        missing = [vendor for vendor in self._vendors.values() if vendor.status is None]
        if self._plan.only_cache:
            for vendor in missing:
                self._failed(vendor, query_pb2.VENDOR_FAILURE_UNSPECIFIED, "only caches were to be read")
            return
        tasks = {asyncio.create_task(self._fetch(vendor)): vendor for vendor in missing}
        waiting = set(tasks)
        try:
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=self._fan_out.bounded(3600.0), return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                # Every one is looked at; what came together is shown together.
                landed = sum([self._landed(tasks[task], task) for task in done])
                if landed and waiting and self._board.listings > self._pipeline.config.inline_listings:
                    done, waiting = await asyncio.wait(waiting, timeout=self._fan_out.bounded(self._pipeline.config.gather))
                    landed += sum([self._landed(tasks[task], task) for task in done])
                if landed:
                    await self._advance()
        finally:
            for task in waiting:
                task.cancel()
            if waiting:
                await asyncio.gather(*waiting, return_exceptions=True)
        for task in waiting:
            self._failed(tasks[task], query_pb2.VENDOR_FAILURE_TIMEOUT, f"{tasks[task].agent.name} did not answer in time")

    async def _fetch(self, vendor: _Vendor) -> Batch:
        return await self._pipeline.offers.fetch(self._plan.tenant, vendor.agent, self._request, vendor.key, self._fan_out)

    def _landed(self, vendor: _Vendor, task: asyncio.Task[Batch]) -> bool:
        """Take what a vendor sent; False where it sent nothing."""
        name = vendor.agent.name
        try:
            batch = task.result()
        except VendorError as error:
            self._failed(vendor, _FAILURES[error.failure], error.message)
        except BreakerOpen as error:
            self._failed(vendor, query_pb2.VENDOR_FAILURE_CIRCUIT_OPEN, error.message)
        except BulkheadFull as error:
            self._failed(vendor, query_pb2.VENDOR_FAILURE_BUSY, error.message)
        except DeadlineExceeded:
            self._failed(vendor, query_pb2.VENDOR_FAILURE_TIMEOUT, f"{name} did not answer in time")
        except asyncio.CancelledError:
            self._failed(vendor, query_pb2.VENDOR_FAILURE_TIMEOUT, f"the call of {name} was given up")
        except Exception:
            # Our own bug in one adapter must not take the other vendors' answer along; its text is for the log only.
            log.exception("vendor_agent_failed", vendor=name)
            self._failed(vendor, query_pb2.VENDOR_FAILURE_MALFORMED, f"what {name} sent could not be read")
        else:
            self._place(batch, Tier.SOURCE, stale=False)
            self._report(vendor, query_pb2.VENDOR_OUTCOME_FRESH, batch)
            return True
        return False

    def _place(self, batch: Batch, tier: Tier, *, stale: bool) -> None:
        self._pipeline.brands.learn(batch.brands)
        self._pipeline.brands.learn_words(batch.vendor, batch.fetched_at, batch.vocabulary)
        self._board.place(batch, tier, stale=stale)

    def _failed(self, vendor: _Vendor, failure: query_pb2.VendorFailure, detail: str) -> None:
        held = vendor.held
        outcome = query_pb2.VENDOR_OUTCOME_MISSING if held is None else query_pb2.VENDOR_OUTCOME_STALE
        self._report(vendor, outcome, held.batch if held is not None else None, failure, detail)

    def _report(
        self,
        vendor: _Vendor,
        outcome: query_pb2.VendorOutcome,
        batch: Batch | None,
        failure: query_pb2.VendorFailure = query_pb2.VENDOR_FAILURE_UNSPECIFIED,
        detail: str = "",
    ) -> None:
        status = query_pb2.VendorStatus(
            vendor=vendor.agent.name,
            outcome=outcome,
            failure=failure,
            detail=detail,
            listings=len(batch) if batch is not None else 0,
        )
        status.elapsed.FromNanoseconds(int((time.monotonic() - self._clock) * 1e9))
        if batch is not None and batch.fetched_at and outcome != query_pb2.VENDOR_OUTCOME_FRESH:
            status.age.FromNanoseconds(int(max(0.0, time.time() - batch.fetched_at) * 1e9))
        vendor.status = status
        self._emit(query_pb2.QueryEvent(vendor=status))

    # -- the board -------------------------------------------------------------------------------------------------------

    async def _advance(self) -> None:
        """Show what is on the board now, with the static knowledge of what may be shown."""
        keys = await self._run(self._board.survey)
        analyses, tenant = self._pipeline.analyses, self._plan.tenant
        new = [key for key in keys if key not in self._looked_up]
        self._looked_up.update(new)
        found = analyses.at_hand(tenant, new)
        self._board.learn(found.values())
        self._board.mark(analyses.dead(tenant, new), query_pb2.ANALYSIS_STATE_FAILED)
        await self._show()
        elsewhere = [key for key in new if key not in found]
        if elsewhere and (late := await analyses.known(tenant, elsewhere)):
            self._board.learn(late.values())
            await self._show()

    async def _show(self) -> None:
        for event in await self._run(self._board.show):
            self._emit(event)

    async def _run(self, step: Callable[[], T]) -> T:
        if self._board.listings <= self._pipeline.config.inline_listings:
            return step()
        return await self._pipeline.dispatcher.call(LANE, step)

    # -- analyses --------------------------------------------------------------------------------------------------------

    async def _analyse(self) -> list[str]:
        """Queue the analyses of what is shown; while the caller waits, show them as they end. The ids of the jobs."""
        if self._plan.only_cache or not self._pipeline.analyses.available:
            return []
        wait = self._deadline.bounded(self._plan.wait)
        self._pipeline.upkeep.shown(self._plan.tenant, self._board.shown())
        before = 0.0 if self._plan.read_cache else time.time() - self._pipeline.config.refresh_age
        jobs = await self._pipeline.analyses.request_or_none(
            self._plan.tenant, self._board.shown(), waiting=wait > 0, before=before
        )
        if jobs is None:
            # Nothing is pending after all.
            keys = [key for parts in self._board.shown() for key in parts.keys]
            self._board.mark(keys, query_pb2.ANALYSIS_STATE_UNSPECIFIED)
            await self._show()
            return []
        if wait > 0:
            await self._await_jobs(jobs, before, Deadline.after(wait))
        return list(jobs)

    async def _await_jobs(self, jobs: Mapping[str, Sequence[tuple[str, str]]], before: float, deadline: Deadline) -> None:
        """Show each job's results when it ends, wherever it is run, until ``deadline``."""
        analyses, tenant = self._pipeline.analyses, self._plan.tenant
        waits = [asyncio.create_task(self._pipeline.analyses.wait(job, deadline.bounded(60.0))) for job in jobs]
        try:
            for ended in asyncio.as_completed(waits):
                job = await ended
                if job is None or not job.state.ended:
                    continue
                keys = jobs[job.id]
                if job.result and (used := orjson.loads(job.result).get("model")):
                    self._used.append(used)
                if job.state is JobState.SUCCEEDED:
                    found = await analyses.results(tenant, keys, before, self._deadline)
                else:
                    found = await analyses.known(tenant, keys)
                    self._board.mark(keys, query_pb2.ANALYSIS_STATE_FAILED)
                self._board.learn(found.values())
                # Where another process has run it, this one is not told.
                analyses.ended(tenant, keys, dead=False)
                if job.state is JobState.DEAD:
                    analyses.ended(tenant, [key for key in keys if key not in found], dead=True)
                await self._show()
        finally:
            for task in waits:
                task.cancel()


def _usage(used: Sequence[Mapping[str, Any]]) -> common_pb2.Usage:
    """The sum of what several jobs used."""
    usage = common_pb2.Usage(
        prompt_tokens=sum(row["prompt_tokens"] for row in used),
        completion_tokens=sum(row["completion_tokens"] for row in used),
        model=used[-1]["model"],
        estimated=any(row["estimated"] for row in used),
    )
    costs = [row["cost_micros"] for row in used if row["cost_micros"] is not None]
    if costs:
        usage.cost.CopyFrom(common_pb2.Money(currency_code=used[-1]["currency"], micros=sum(costs)))
    return usage

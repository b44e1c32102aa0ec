"""QueryService: ranked products, streamed while vendors answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson
import structlog
from prometheus_client.core import Metric
from pydantic import BaseModel, Field

from hexar.agents.gear.compaction import compact
from hexar.agents.gear.config import GearConfig
from hexar.agents.gear.kinds import KINDS
from hexar.agents.gear.pipeline import GearPipeline
from hexar.agents.gear.plan import KIND, QueryPlan
from hexar.agents.gear.popular import MostAsked
from hexar.agents.gear.products.ranking import Weights
from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.registry import build_agents, load_vendors
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.errors import InvalidArgument, ResourceExhausted, Unavailable
from hexar.core.eventlog import AnswerSpec
from hexar.core.jobs.jobs import BACKGROUND
from hexar.core.jobs.model import Handler as JobHandler
from hexar.core.jobs.model import JobContext
from hexar.core.resilience import RetryPolicy
from hexar.core.resilience.dispatch import BulkheadConfig
from hexar.core.resilience.hedging import HedgeConfig
from hexar.core.store import STORE_ERRORS
from hexar.core.telemetry.metrics import counter
from hexar.server.calls.rpc import Call, Handler
from hexar.server.calls.streaming import RequestMemo, answer_spec, send_answer, stream_answer
from hexar.server.engine import Engine, WarmJob
from hexar.server.engine.options import Option, attribute
from hexar.server.engine.system import Servicer, System
from hexar.server.settings.config import Strict
from hexar.v1 import ops_pb2, query_pb2

log = structlog.get_logger(__name__)

PATH = "hexar.v1.QueryService/Query"
WARM_JOB = "gear.warm"
#: Seconds that a warming query may take.
WARM_SECONDS = 60.0


class GearWeights(Strict):
    """What each feature counts in ranking, and the prior of ratings; see :mod:`hexar.agents.gear.products.ranking`."""

    relevance: float = Field(default=Weights().relevance, ge=0)
    rating: float = Field(default=Weights().rating, ge=0)
    price: float = Field(default=Weights().price, ge=0)
    discount: float = Field(default=Weights().discount, ge=0)
    skill: float = Field(default=Weights().skill, ge=0)
    brand: float = Field(default=Weights().brand, ge=0)
    terrain: float = Field(default=Weights().terrain, ge=0)
    stock: float = Field(default=Weights().stock, ge=0)
    rating_prior: float = Field(default=Weights().rating_prior, ge=0, le=5)
    rating_prior_count: float = Field(default=Weights().rating_prior_count, ge=0)


class GearRetry(Strict):
    """Tries to reach a vendor, and the pauses between them."""

    attempts: int = Field(default=3, ge=1, le=10)
    base: float = Field(default=0.1, ge=0)
    factor: float = Field(default=1.5, ge=1)
    jitter: float = Field(default=0.5, ge=0, le=1)


class GearHedge(Strict):
    """A second call of a vendor that is late: the share of calls that may have one (0: none), and what late is."""

    share: float = Field(default=0.0, ge=0, le=0.05)
    quantile: float = Field(default=0.95, ge=0.5, lt=1)
    least: float = Field(default=0.05, ge=0, description="seconds")


class GearOptions(Strict):
    """The tunables of gear queries (docs/guides/gear.md). Times in seconds."""

    weights: GearWeights = GearWeights()
    retry: GearRetry = GearRetry()
    hedge: GearHedge = GearHedge()
    vendor_timeout: float = Field(default=GearConfig().vendor_timeout, gt=0)
    reserve_share: float = Field(default=GearConfig().reserve_share, ge=0, lt=1)
    reserve_limit: float = Field(default=GearConfig().reserve_limit, ge=0)
    analysis_delay: float = Field(default=GearConfig().analysis_delay, ge=0)
    analysis_batch: int = Field(default=GearConfig().analysis_batch, ge=1, le=100)
    heavy_timeout: float = Field(default=GearConfig().heavy_timeout, gt=0)
    refresh_age: float = Field(default=GearConfig().refresh_age, ge=0)
    refresh_share: float = Field(default=GearConfig().refresh_share, gt=0, lt=0.9)
    model_calls: int = Field(default=GearConfig().model_calls, ge=1)
    model_timeout: float = Field(default=GearConfig().model_timeout, gt=0)
    inline_listings: int = Field(default=GearConfig().inline_listings, ge=0)
    gather: float = Field(default=GearConfig().gather, ge=0)
    #: Seconds between two rounds of upkeep; 0: none.
    upkeep_interval: float = Field(default=300.0, ge=0)
    #: Listings that one round has read again before their knowledge expires.
    refresh_listings: int = Field(default=40, ge=0)
    #: The most asked queries that one round answers ahead, and the count that each needs for that; counts halve every hour.
    warm_queries: int = Field(default=10, ge=0)
    warm_least: float = Field(default=2.0, gt=0)

    def config(self) -> GearConfig:
        """The same for the pipeline."""
        parts = {"weights", "retry", "hedge"}
        own = self.model_dump(exclude=parts | {"upkeep_interval", "refresh_listings", "warm_queries", "warm_least"})
        return GearConfig(
            weights=Weights(**self.weights.model_dump()),
            retry=RetryPolicy(**self.retry.model_dump()),
            hedge=HedgeConfig(**self.hedge.model_dump()),
            **own,
        )


class GearSettings(BaseModel):
    """What gear adds to the configuration: the file of the shops (docs/how-to/vendors.md), and the tunables."""

    vendors: Path = Path("vendors.yaml")
    gear: GearOptions = GearOptions()


class QueryServicer(Servicer):
    """Gear queries over the vendors of vendors.yaml."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        settings = engine.settings.section(GearSettings)
        path, self._options = settings.vendors, settings.gear
        configs = load_vendors(path) if path.exists() else []
        for config in configs:
            engine.dispatcher.configure(config.name, _bulkhead(engine))
        models = engine.models if not engine.models.models.extractive() else None
        agents = build_agents(configs)
        self.pipeline = GearPipeline(
            agents, engine.dispatcher, engine.caches, engine.jobs, self._options.config(), models=models
        )
        self._memo = RequestMemo[bytes]("query")
        self._asked = MostAsked()
        self._rounds: asyncio.Task[None] | None = None

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        return {PATH: self.query}

    def options(self) -> Iterable[Option]:
        """Heavy analysis."""
        text = "new products are not analysed: answers have what is known already and what the vendors say now"
        return (attribute("heavy_analysis", text, self.pipeline.analyses, "enabled"),)

    def vendors(self) -> Iterable[str]:
        """The configured shops."""
        return self.pipeline.agents

    def gauges(self) -> Iterable[Metric]:
        """Calls of vendors that were made a second time."""
        parties = sorted(self.pipeline.offers.hedger.parties.items())
        for name, text in (
            ("calls", "Readings of a vendor that may be hedged"),
            ("hedges", "Those that were asked for a second time, since the first was late"),
            ("wins", "Those where the second answered first"),
        ):
            values = [({"vendor": vendor}, float(getattr(counts, name))) for vendor, counts in parties]
            yield counter(f"hexar_vendor_hedge_{name}", text, values)

    async def open(self) -> None:
        """Let background work reach the event loop."""
        self.pipeline.open()
        if self._options.upkeep_interval:
            self._rounds = asyncio.create_task(self._keep_up())

    async def close(self) -> None:
        """End the upkeep, and close the vendors' idle connections."""
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.gather(self._rounds, return_exceptions=True)
        for agent in self.pipeline.agents.values():
            agent.close()

    async def query(self, call: Call) -> None:
        """Stream one answer."""
        key = self._memo.get(call)
        if key is not None and (answer := self._engine.answers.replay(KIND, key)) is not None:
            self._asked.again(key)
            await send_answer(call, answer, 0)
            return
        request = call.decode(query_pb2.QueryRequest)
        plan = await self.pipeline.prepare(request, call.tenant)
        if _is_plain(request):
            self._memo.keep(call, plan.key)
            if request == query_pb2.QueryRequest(text=request.text, vendors=request.vendors) and request.text:
                self._asked.asked(call.tenant, plan.key, request.text, tuple(sorted(request.vendors)))
        spec = self._spec(plan, call.deadline)
        await stream_answer(call, spec, self._engine.answers, self._engine.gate, request.resume_after)

    def _spec(self, plan: QueryPlan, deadline: Deadline) -> AnswerSpec:
        # The vendors were asked already: their answers are worth keeping, and end by themselves at the deadline.
        produce, caches = self.pipeline.produce, self._engine.caches
        return answer_spec(KIND, plan, produce, caches, deadline, compact=compact, finish_alone=True, adaptive=True)

    # -- upkeep --------------------------------------------------------------------------------------------------------

    async def _keep_up(self) -> None:
        """Rounds of upkeep, until the server ends; what fails in one is left to the next."""
        while True:
            await asyncio.sleep(self._options.upkeep_interval)
            try:
                await self.upkeep()
            except (*STORE_ERRORS, Unavailable, ResourceExhausted) as error:
                log.warning("upkeep_failed", error=type(error).__name__)

    async def upkeep(self) -> tuple[int, int]:
        """One round: how many listings are read again, and how many queries answered ahead."""
        refreshed = await self.pipeline.upkeep.refresh(self._options.refresh_listings)
        warmed = 0
        for query in self._asked.top(self._options.warm_queries, self._options.warm_least):
            if self._engine.answers.replay(KIND, query.key) is not None:
                continue
            kind, payload, key = _warm_job(query.tenant, query.text, query.vendors)
            await self._engine.jobs.submit(kind, payload, tenant=query.tenant, priority=BACKGROUND, dedupe_key=key)
            warmed += 1
        return refreshed, warmed

    # -- warming ---------------------------------------------------------------------------------------------------------

    def jobs(self) -> Mapping[str, JobHandler]:
        """Queries that are answered ahead."""
        return {WARM_JOB: self._warm}

    def warm_jobs(self, tenant: str, request: ops_pb2.WarmCacheRequest) -> Iterable[WarmJob]:
        """A job a query; without one, a job that reads what the vendors offer."""
        for index, vendor in enumerate(request.vendors):
            if vendor not in self.pipeline.agents:
                raise InvalidArgument(f"vendors[{index}]", "no such vendor")
        for text in request.queries or [""]:
            yield _warm_job(tenant, text, request.vendors)

    def _warm(self, payload: bytes, context: JobContext) -> bytes | None:
        work = orjson.loads(payload)
        future = self._engine.run_soon(self._answer_ahead(context.job.tenant, work["text"], work["vendors"]))
        return orjson.dumps({"events": future.result(WARM_SECONDS + 5)})

    async def _answer_ahead(self, tenant: str, text: str, vendors: list[str]) -> int:
        if not self.pipeline.agents:
            return 0  # nobody is configured to be asked
        deadline = Deadline.after(WARM_SECONDS)
        if not text:
            # No query to answer: what the vendors offer as a whole is read into the live caches.
            return await self._read_ahead(tenant, vendors or sorted(self.pipeline.agents), deadline)
        plan = await self.pipeline.prepare(query_pb2.QueryRequest(text=text, vendors=vendors), tenant)
        answer = await self._engine.answers.open(self._spec(plan, deadline), deadline)
        try:
            return sum([len(batch) async for batch in answer.batches()])
        finally:
            answer.close()

    async def _read_ahead(self, tenant: str, vendors: list[str], deadline: Deadline) -> int:
        offers, request = self.pipeline.offers, LightRequest()
        agents = [self.pipeline.agents[name] for name in vendors]
        batches = await asyncio.gather(
            *(offers.fetch(tenant, agent, request, offers.key(tenant, agent, request), deadline) for agent in agents)
        )
        return sum(len(batch) for batch in batches)


def _warm_job(tenant: str, text: str, vendors: Iterable[str]) -> WarmJob:
    work = {"text": text, "vendors": sorted(vendors)}
    return WARM_JOB, orjson.dumps(work), cache_key(tenant, WARM_JOB, work).hex()


def _is_plain(request: query_pb2.QueryRequest) -> bool:
    """True where the bytes of the request alone decide its key: no user, no resumption, no cache policy."""
    return not (request.user_id or request.HasField("user") or request.resume_after or request.cache_policy)


def _bulkhead(engine: Engine) -> BulkheadConfig:
    return BulkheadConfig(**engine.settings.dispatch.model_dump())


SYSTEM = System(
    name="gear",
    services=(query_pb2.DESCRIPTOR,),
    servicer=QueryServicer,
    kinds=KINDS,
    settings=GearSettings,
)

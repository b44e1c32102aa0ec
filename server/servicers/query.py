"""QueryService: ranked products, streamed while vendors answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson
from pydantic import BaseModel

from hexar.agents.gear.compaction import compact
from hexar.agents.gear.kinds import KINDS
from hexar.agents.gear.pipeline import GearPipeline
from hexar.agents.gear.plan import KIND, QueryPlan
from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.registry import build_agents, load_vendors
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.errors import InvalidArgument
from hexar.core.eventlog import AnswerSpec
from hexar.core.jobs.model import Handler as JobHandler
from hexar.core.jobs.model import JobContext
from hexar.core.resilience.dispatch import BulkheadConfig
from hexar.server.calls.rpc import Call, Handler
from hexar.server.calls.streaming import RequestMemo, answer_spec, send_answer, stream_answer
from hexar.server.engine import Engine, WarmJob
from hexar.server.engine.options import Option, attribute
from hexar.server.engine.system import Servicer, System
from hexar.v1 import ops_pb2, query_pb2

PATH = "hexar.v1.QueryService/Query"
WARM_JOB = "gear.warm"
#: Seconds that a warming query may take.
WARM_SECONDS = 60.0


class GearSettings(BaseModel):
    """What gear adds to the configuration: the file of the shops (docs/vendors.md)."""

    vendors: Path = Path("vendors.yaml")


class QueryServicer(Servicer):
    """Gear queries over the vendors of vendors.yaml."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        path = engine.settings.section(GearSettings).vendors
        configs = load_vendors(path) if path.exists() else []
        for config in configs:
            engine.dispatcher.configure(config.name, _bulkhead(engine))
        models = engine.models if not engine.models.models.extractive() else None
        self.pipeline = GearPipeline(build_agents(configs), engine.dispatcher, engine.caches, engine.jobs, models=models)
        self._memo = RequestMemo[bytes]()

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

    async def open(self) -> None:
        """Let background work reach the event loop."""
        self.pipeline.open()

    async def close(self) -> None:
        """Close the vendors' idle connections."""
        for agent in self.pipeline.agents.values():
            agent.close()

    async def query(self, call: Call) -> None:
        """Stream one answer."""
        key = self._memo.get(call)
        if key is not None and (answer := self._engine.answers.replay(KIND, key)) is not None:
            await send_answer(call, answer, 0)
            return
        request = call.decode(query_pb2.QueryRequest)
        plan = await self.pipeline.prepare(request, call.tenant)
        if _is_plain(request):
            self._memo.keep(call, plan.key)
        spec = self._spec(plan, call.deadline)
        await stream_answer(call, spec, self._engine.answers, self._engine.gate, request.resume_after)

    def _spec(self, plan: QueryPlan, deadline: Deadline) -> AnswerSpec:
        # The vendors were asked already: their answers are worth keeping, and end by themselves at the deadline.
        produce, caches = self.pipeline.produce, self._engine.caches
        return answer_spec(KIND, plan, produce, caches, deadline, compact=compact, finish_alone=True, adaptive=True)

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
            work = {"text": text, "vendors": sorted(request.vendors)}
            payload = orjson.dumps(work)
            yield WARM_JOB, payload, cache_key(tenant, WARM_JOB, work).hex()

    def _warm(self, payload: bytes, context: JobContext) -> bytes | None:
        work = orjson.loads(payload)
        future = self._engine.run_soon(self._answer_ahead(context.job.tenant, work["text"], work["vendors"]))
        return orjson.dumps({"events": future.result(WARM_SECONDS + 5)})

    async def _answer_ahead(self, tenant: str, text: str, vendors: list[str]) -> int:
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

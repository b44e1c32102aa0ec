"""The glossary's pipeline and servicer, in one file since they are small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import sqlalchemy as sa
from prometheus_client.core import Metric
from pydantic import BaseModel

from hexar.core.cache.kinds import HOUR, Kind
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.errors import InvalidArgument
from hexar.core.eventlog import Completion
from hexar.core.jobs.model import Handler as JobHandler
from hexar.core.jobs.model import JobContext
from hexar.core.store import Database, insert_or
from hexar.core.telemetry.metrics import counter
from hexar.server.calls.rpc import Call, Handler
from hexar.server.calls.streaming import answer_spec, stream_answer
from hexar.server.engine import Engine, WarmJob
from hexar.server.engine.system import Servicer, System
from hexar.server.settings.config import Strict
from hexar.v1 import ops_pb2
from tests.server.systems.glossary.tables import TABLES, meanings

pb: Any = grpc.protos("tests/server/systems/glossary/glossary.proto")

SERVICE = "tests.glossary.GlossaryService"
ANSWER = Kind("glossary_answer", HOUR)
WARM_JOB = "glossary.warm"


class GlossaryConfig(Strict):
    """What may be set: terms longer than this are refused."""

    longest_term: int = 40


class GlossarySettings(BaseModel):
    """What the glossary adds to the configuration."""

    glossary: GlossaryConfig = GlossaryConfig()


@dataclass(frozen=True, slots=True)
class Plan:
    """One term to be defined."""

    tenant: str
    term: str
    read_cache: bool = True
    write_cache: bool = True

    @property
    def key(self) -> bytes:
        return cache_key(self.tenant, ANSWER.name, {"term": self.term})

    @property
    def depends(self) -> tuple[str, ...]:
        return (f"glossary:{self.term}",)


class GlossaryServicer(Servicer):
    """Terms and their meanings."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._config = engine.settings.section(GlossarySettings).glossary
        self.produced = 0

    def handlers(self) -> Mapping[str, Handler]:
        return {f"{SERVICE}/Define": self.define, f"{SERVICE}/Add": self.add}

    def jobs(self) -> Mapping[str, JobHandler]:
        return {WARM_JOB: self._warm}

    def gauges(self) -> Iterable[Metric]:
        yield counter("hexar_glossary_produced", "Answers that were produced", [({}, float(self.produced))])

    def warm_jobs(self, tenant: str, request: ops_pb2.WarmCacheRequest) -> Iterable[WarmJob]:
        for term in request.queries:
            yield WARM_JOB, term.encode(), cache_key(tenant, WARM_JOB, {"term": term}).hex()

    async def define(self, call: Call) -> None:
        request = call.decode(pb.DefineRequest)
        if not 1 <= len(request.term) <= self._config.longest_term:
            raise InvalidArgument("term", f"must be 1 to {self._config.longest_term} characters")
        await self._stream(call, Plan(call.tenant, request.term), request.resume_after)

    async def add(self, call: Call) -> bytes:
        request = call.decode(pb.AddRequest)
        await self._engine.database.run(_keep, self._engine.database, request.term, request.meaning)
        await self._engine.database.run(self._engine.versions.bump, f"glossary:{request.term}")
        return bytes(pb.AddResponse().SerializeToString())

    async def _stream(self, call: Call, plan: Plan, after: int) -> None:
        spec = answer_spec(ANSWER.name, plan, self._produce, self._engine.caches, call.deadline)
        await stream_answer(call, spec, self._engine.answers, self._engine.gate, after)

    async def _produce(self, plan: Plan, emit: Callable[[Any], None], _deadline: Deadline) -> Completion:
        self.produced += 1
        found = await self._engine.database.run(_read, self._engine.database, plan.term)
        for meaning in found:
            emit(pb.DefineEvent(meaning=meaning))
        emit(pb.DefineEvent(count=len(found)))
        return Completion()

    def _warm(self, payload: bytes, context: JobContext) -> bytes | None:
        plan = Plan(context.job.tenant, payload.decode())
        return self._engine.run_soon(self._ahead(plan)).result(30)

    async def _ahead(self, plan: Plan) -> bytes:
        deadline = Deadline.after(30)
        spec = answer_spec(ANSWER.name, plan, self._produce, self._engine.caches, deadline)
        answer = await self._engine.answers.open(spec, deadline)
        try:
            return str(sum([len(batch) async for batch in answer.batches()])).encode()
        finally:
            answer.close()


def _keep(database: Database, term: str, meaning: str) -> None:
    with database.write() as connection:
        connection.execute(insert_or(connection, meanings).values(term=term, meaning=meaning).on_conflict_do_nothing())


def _read(database: Database, term: str) -> list[str]:
    with database.read() as connection:
        query = sa.select(meanings.c.meaning).where(meanings.c.term == term).order_by(meanings.c.meaning)
        return list(connection.execute(query).scalars())


SYSTEM = System(
    name="glossary",
    services=(pb.DESCRIPTOR,),
    servicer=GlossaryServicer,
    kinds=(ANSWER,),
    tables=TABLES,
    settings=GlossarySettings,
)

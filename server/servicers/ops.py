"""OpsService: status, figures, caches and jobs of a running server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hexar.core.cache.caches import tenant_dependencies
from hexar.core.errors import FailedPrecondition, InvalidArgument, NotFound, StoreUnavailable, Unavailable
from hexar.core.jobs import Job, JobState
from hexar.core.jobs.jobs import BACKGROUND
from hexar.core.ledger import Period, Usage
from hexar.core.paging import PageTokens
from hexar.core.resilience import BreakerState
from hexar.core.telemetry.metrics import LatencySummary
from hexar.server.calls.rpc import Call, Handler
from hexar.server.engine.process import Process
from hexar.v1 import common_pb2
from hexar.v1 import ops_pb2 as pb

SERVICE = "hexar.v1.OpsService"
_JOB_STATE = {state: f"JOB_STATE_{state.name}" for state in JobState}
_JOB_STATE_BACK = {pb.JobState.Value(name): state for state, name in _JOB_STATE.items()}
_BREAKER = {state: f"BREAKER_STATE_{state.name}" for state in BreakerState}
_JOBS = PageTokens("jobs", float, str)
_JOB_ID = re.compile(r"[0-9a-f]{32}").fullmatch
_PERIOD = {
    pb.USAGE_PERIOD_UNSPECIFIED: Period.TOTAL,
    pb.USAGE_PERIOD_DAY: Period.DAY,
    pb.USAGE_PERIOD_MONTH: Period.MONTH,
}
#: The last second that a timestamp may name (the end of the year 9999), and characters of a model's name.
MAX_SECONDS, MAX_NAME = 253_402_300_799, 255
#: A lag of the event loop that an operator should look at, seconds.
LAG_PROBLEM = 0.25
STORE_PROBLEM = "the store does not answer: nothing can be kept, and how many jobs wait is not known"


class OpsServicer:
    """Operators' view of one process."""

    def __init__(self, process: Process, services: Mapping[str, str]) -> None:
        self._engine = process.engine
        self._process = process
        self._services = dict(services)

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        return {
            f"{SERVICE}/GetStatus": self.get_status,
            f"{SERVICE}/GetReport": self.get_report,
            f"{SERVICE}/GetCacheStats": self.get_cache_stats,
            f"{SERVICE}/InvalidateCache": self.invalidate_cache,
            f"{SERVICE}/WarmCache": self.warm_cache,
            f"{SERVICE}/GetUsage": self.get_usage,
            f"{SERVICE}/ListJobs": self.list_jobs,
            f"{SERVICE}/GetJob": self.get_job,
            f"{SERVICE}/CancelJob": self.cancel_job,
            f"{SERVICE}/WatchJob": self.watch_job,
        }

    async def get_status(self, call: Call) -> bytes:
        """One glance at this process."""
        call.decode(pb.GetStatusRequest)
        engine, process = self._engine, self._process
        depth, oldest, stored = 0, None, True
        try:
            depth, oldest = await engine.jobs.depth()
        except StoreUnavailable:
            stored = False
        agents = [
            pb.AgentStatus(
                agent=bulkhead.agent,
                breaker=_BREAKER[bulkhead.breaker.state],
                consecutive_failures=bulkhead.breaker.failures,
                busy_threads=bulkhead.busy,
                threads=bulkhead.threads,
                queued=bulkhead.queued,
            )
            for bulkhead in engine.dispatcher.status()
        ]
        status = pb.GetStatusResponse(
            version=process.version,
            instance=process.instance,
            started_at=timestamp(process.started_at),
            ready=process.ready,
            services=self._services,
            in_flight=engine.metrics.in_flight,
            loop_lag=duration(engine.loop_lag.worst),
            queued_jobs=depth,
            oldest_job_age=None if oldest is None else duration(oldest),
            agents=agents,
            problems=[*([] if stored else [STORE_PROBLEM]), *self._problems(agents)],
            worker=process.index.number,
            workers=process.index.of,
        )
        return status.SerializeToString()

    async def get_report(self, call: Call) -> bytes:
        """The figures since the start."""
        call.decode(pb.GetReportRequest)
        metrics = self._engine.metrics
        methods = [
            pb.MethodReport(
                method=name,
                count=figures.count,
                errors=figures.errors,
                latency=latency(figures.latency.summary()),
                first_event=latency(figures.first_event.summary()),
            )
            for name, figures in sorted(metrics.methods.items())
        ]
        agents = [
            pb.AgentReport(
                agent=name, calls=figures.calls, failures=figures.failures, latency=latency(figures.latency.summary())
            )
            for name, figures in sorted(metrics.agents.items())
        ]
        return pb.GetReportResponse(
            methods=methods,
            agents=agents,
            since=timestamp(metrics.since),
            instance=self._process.instance,
            worker=self._process.index.number,
            workers=self._process.index.of,
        ).SerializeToString()

    async def get_cache_stats(self, call: Call) -> bytes:
        """Hits and misses by kind and tier."""
        call.decode(pb.GetCacheStatsRequest)
        caches = self._engine.caches
        kinds = [
            pb.CacheKindStats(
                kind=name,
                hits={tier.value: count for (kind, tier), count in caches.stats.hits.items() if kind == name},
                misses=caches.stats.misses[name],
                stale=caches.stats.stale[name],
                ttl=duration(shape.ttl),
            )
            for name, shape in sorted(caches.kinds.items())
        ]
        memory = caches.memory
        return pb.GetCacheStatsResponse(
            kinds=kinds, memory_bytes=memory.used_bytes, memory_limit_bytes=memory.limit_bytes
        ).SerializeToString()

    async def invalidate_cache(self, call: Call) -> bytes:
        """Bump the version that the entries depend on."""
        request = call.decode(pb.InvalidateCacheRequest)
        target = request.WhichOneof("target")
        if target == "kind":
            if request.kind not in self._engine.caches.kinds:
                known = ", ".join(sorted(self._engine.caches.kinds))
                raise InvalidArgument("kind", f"no such cache kind; known are {known}")
            name = tenant_dependencies(call.tenant, request.kind)[1]
        elif target == "dependency":
            if not 1 <= len(request.dependency) <= 256 or not request.dependency.isprintable():
                raise InvalidArgument("dependency", "must be 1 to 256 printable characters")
            name = request.dependency
            # The names of what a tenant has begin with what it is and then the tenant.
            _, _, rest = name.partition(":")
            owner = rest.replace("/", ":").partition(":")[0]
            if owner != call.tenant or not self._engine.versions.get(name):
                raise InvalidArgument("dependency", "nothing of yours has this name")
        elif target == "everything" and request.everything:
            name = tenant_dependencies(call.tenant, "")[0]
        else:
            raise InvalidArgument("target", "set kind, dependency or everything")
        version = await self._engine.database.run(self._engine.versions.bump, name)
        return pb.InvalidateCacheResponse(name=name, version=version).SerializeToString()

    async def warm_cache(self, call: Call) -> bytes:
        """Queue jobs that ask ahead."""
        request = call.decode(pb.WarmCacheRequest)
        if len(request.queries) > 100:
            raise InvalidArgument("queries", "at most 100")
        for index, text in enumerate(request.queries):
            if not 1 <= len(text) <= 1000:
                raise InvalidArgument(f"queries[{index}]", "must be 1 to 1000 characters")
        job_ids: list[str] = []
        for servicer in self._process.servicers:
            for kind, payload, key in servicer.warm_jobs(call.tenant, request):
                job = await self._engine.jobs.submit(kind, payload, tenant=call.tenant, priority=BACKGROUND, dedupe_key=key)
                job_ids.append(job.id)
        return pb.WarmCacheResponse(job_ids=job_ids).SerializeToString()

    async def get_usage(self, call: Call) -> bytes:
        """Sums of the tenant's model calls."""
        request = call.decode(pb.GetUsageRequest)
        if request.period not in _PERIOD:
            raise InvalidArgument("period", "is not a known value")
        since = _seconds("since", request.since) if request.HasField("since") else 0.0
        until = _seconds("until", request.until) if request.HasField("until") else None
        if until is not None and until < since:
            raise InvalidArgument("until", "is before since")
        if len(request.model) > MAX_NAME:
            raise InvalidArgument("model", f"has more than {MAX_NAME} characters")
        ledger = self._engine.ledger
        rows = await self._engine.database.run(
            lambda: ledger.usage(call.tenant, since, until, period=_PERIOD[request.period], model=request.model)
        )
        return pb.GetUsageResponse(usage=[_usage(call.tenant, row) for row in rows]).SerializeToString()

    async def list_jobs(self, call: Call) -> bytes:
        """A page of jobs, the newest first."""
        request = call.decode(pb.ListJobsRequest)
        size = request.page.size or 100
        if size > 1000:
            raise InvalidArgument("page.size", "at most 1000")
        state = _JOB_STATE_BACK.get(request.state)
        if request.state and state is None:
            raise InvalidArgument("state", f"{request.state} is no job state")
        jobs = await self._engine.jobs.page(
            call.tenant, state=state, kind=request.kind, limit=size + 1, before=_JOBS.decode(request.page.token)
        )
        response = pb.ListJobsResponse(jobs=[self._job(job) for job in jobs[:size]])
        if len(jobs) > size:
            last = jobs[size - 1]
            response.page.next_token = _JOBS.encode(last.created_at, last.id)
        return response.SerializeToString()

    async def get_job(self, call: Call) -> bytes:
        """One job."""
        job = await self._find(call, call.decode(pb.GetJobRequest).id)
        return pb.GetJobResponse(job=self._job(job)).SerializeToString()

    async def cancel_job(self, call: Call) -> bytes:
        """Stop a job that has not ended."""
        job_id = call.decode(pb.CancelJobRequest).id
        before = await self._find(call, job_id)
        job = await self._engine.jobs.cancel(call.tenant, job_id)
        if job is None:
            raise NotFound("job", job_id)
        if job.state is not JobState.CANCELLED or before.state is JobState.CANCELLED:
            raise FailedPrecondition(f"the job has ended: {job.state.value}")
        return pb.CancelJobResponse(job=self._job(job)).SerializeToString()

    async def watch_job(self, call: Call) -> None:
        """The job whenever it changes, until it ends."""
        job_id = call.decode(pb.WatchJobRequest).id
        job = await self._find(call, job_id)
        while True:
            await call.send((pb.WatchJobResponse(job=self._job(job)).SerializeToString(),))
            if job.state.ended:
                return
            changed = await self._engine.jobs.changed(job, call.deadline.remaining())
            if changed is None:
                raise Unavailable("the job is still going on; watch it again", 0.0)
            job = changed

    async def _find(self, call: Call, job_id: str) -> Job:
        if not _JOB_ID(job_id):
            raise InvalidArgument("id", "must be 32 hexadecimal digits")
        job = await self._engine.jobs.get(call.tenant, job_id)
        if job is None:
            raise NotFound("job", job_id)
        return job

    def _job(self, job: Job) -> pb.Job:
        return pb.Job(
            id=job.id,
            kind=job.kind,
            state=_JOB_STATE[job.state],
            priority=job.priority,
            attempts=job.attempts,
            max_attempts=job.max_attempts,
            created_at=timestamp(job.created_at),
            updated_at=timestamp(job.updated_at),
            error=job.error,
            dedupe_key=job.dedupe_key or "",
            waiting=self._engine.jobs.waiting(job.id),
        )

    def _problems(self, agents: Iterable[pb.AgentStatus]) -> list[str]:
        engine = self._engine
        problems = [
            f"the circuit breaker of {agent.agent} is open after {agent.consecutive_failures} failures"
            if agent.consecutive_failures
            else f"the circuit breaker of {agent.agent} is open: another process saw it fail"
            for agent in agents
            if agent.breaker == pb.BREAKER_STATE_OPEN
        ]
        if engine.loop_lag.worst > LAG_PROBLEM:
            problems.append(f"the event loop was {engine.loop_lag.worst:.2f} s late")
        if engine.caches.backend is not None and engine.caches.backend.failures:
            problems.append(f"the {engine.caches.backend.tier} cache failed {engine.caches.backend.failures} times")
        if not engine.database.is_sqlite and engine.redis is None:
            problems.append("PostgreSQL without Redis: a second process on this store would serve what this one made old")
        return problems


def _seconds(field: str, value: Timestamp) -> float:
    """Seconds since 1970 of a caller's timestamp."""
    if not 0 <= value.nanos < 1_000_000_000 or not 0 <= value.seconds <= MAX_SECONDS:
        raise InvalidArgument(field, "must be a time from 1970 to 9999")
    return float(value.seconds + value.nanos / 1e9)


def _usage(tenant: str, row: Usage) -> pb.ModelUsage:
    cost = common_pb2.Money(currency_code=row.currency, micros=row.cost_micros) if row.currency else None
    return pb.ModelUsage(
        tenant=tenant,
        model=row.model,
        system=row.kind,
        period_start=None if row.start is None else timestamp(row.start),
        calls=row.calls,
        estimated_calls=row.estimated,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cost=cost,
    )


def timestamp(seconds: float) -> Timestamp:
    """Unix seconds as a protobuf timestamp."""
    value = Timestamp()
    value.FromMicroseconds(int(seconds * 1e6))
    return value


def duration(seconds: float) -> Duration:
    """Seconds as a protobuf duration."""
    value = Duration()
    value.FromMicroseconds(int(seconds * 1e6))
    return value


def latency(summary: LatencySummary | None) -> pb.Latency | None:
    """A summary as a message; None where nothing was measured."""
    if summary is None:
        return None
    return pb.Latency(
        mean=duration(summary.mean), median=duration(summary.median), p95=duration(summary.p95), samples=summary.samples
    )

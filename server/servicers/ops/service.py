"""The operators' service of one process: status, report, usage and jobs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial

from google.protobuf.timestamp_pb2 import Timestamp

from hexar.core.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, StoreUnavailable, Unavailable
from hexar.core.jobs import Job, JobState
from hexar.core.ledger import Period, Usage
from hexar.core.paging import PageTokens
from hexar.core.telemetry.alerts import Alert
from hexar.server.calls.rpc import Call, Handler
from hexar.server.engine.process import Process
from hexar.server.servicers.ops import messages
from hexar.server.servicers.ops.audit import audited
from hexar.server.servicers.ops.caching import CacheHandlers
from hexar.server.servicers.ops.messages import duration, timestamp
from hexar.server.servicers.ops.steering import SteeringHandlers
from hexar.v1 import common_pb2
from hexar.v1 import ops_pb2 as pb

SERVICE = "hexar.v1.OpsService"
#: The scopes that the methods ask for; "ops" holds "ops.read". A method that is not here is denied to everybody.
READ, STEER, ALL_TENANTS = "ops.read", "ops", "ops.all"
METHOD_SCOPES = {
    **dict.fromkeys(
        (
            f"{SERVICE}/{name}"
            for name in (
                "GetStatus",
                "GetReport",
                "GetCacheStats",
                "GetUsage",
                "ListJobs",
                "GetJob",
                "WatchJob",
                "InspectCache",
                "ListBreakers",
                "ListVendors",
                "ListOptions",
            )
        ),
        READ,
    ),
    **dict.fromkeys(
        (
            f"{SERVICE}/{name}"
            for name in ("InvalidateCache", "WarmCache", "CancelJob", "RetryJob", "ResetBreaker", "SetOption", "Drain")
        ),
        STEER,
    ),
}
_JOB_STATE = {state: f"JOB_STATE_{state.name}" for state in JobState}
_JOB_STATE_BACK = {pb.JobState.Value(name): state for state, name in _JOB_STATE.items()}
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
        self._caching = CacheHandlers(process)
        self._steering = SteeringHandlers(process)

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path; what changes something is written to the log, with who asked for it."""
        handlers: dict[str, Handler] = {
            "GetStatus": self.get_status,
            "GetReport": self.get_report,
            "GetUsage": self.get_usage,
            "ListJobs": self.list_jobs,
            "GetJob": self.get_job,
            "CancelJob": self.cancel_job,
            "RetryJob": self.retry_job,
            "WatchJob": self.watch_job,
            **self._caching.handlers(),
            **self._steering.handlers(),
        }
        return {
            f"{SERVICE}/{name}": handler if METHOD_SCOPES[f"{SERVICE}/{name}"] == READ else audited(handler)
            for name, handler in handlers.items()
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
                breaker=messages.BREAKER[bulkhead.breaker.state],
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
        """The figures since the start, and those of the last minute, five minutes and hour."""
        request = call.decode(pb.GetReportRequest)
        process, monitor = self._process, self._process.monitor
        report = await monitor.report(all_processes=request.all_processes)
        oldest = report["oldest"]
        # Who sees all tenants sees all calls.
        seen = (lambda row: True) if ALL_TENANTS in call.scopes else (lambda row: row["tenant"] == call.tenant)
        return pb.GetReportResponse(
            methods=messages.methods(report),
            agents=messages.called_agents(report),
            since=timestamp(report["since"]),
            instance=process.instance,
            worker=process.index.number,
            workers=process.index.of,
            operations=map(messages.operation, report["operations"]),
            slow_calls=map(messages.call_record, filter(seen, report["slow"])),
            recent_calls=map(messages.call_record, filter(seen, report["recent"])),
            targets=self._targets(report["targets"]),
            alerts=(messages.alert(Alert(**row)) for row in report["alerts"]),
            counted=report["counted"],
            caches=messages.caches(report),
            tiers=messages.tiers(report),
            models=messages.models(report),
            answers=messages.answers(report),
            in_flight=report["in_flight"],
            queued_jobs=report["queued"],
            oldest_job_age=None if oldest is None else duration(oldest),
            loop_lag=duration(report["lag"]),
            agents_now=messages.agents(report),
            options=self._steering.shown(),
        ).SerializeToString()

    def _targets(self, values: Mapping[str, float]) -> Iterable[pb.Target]:
        for name, target in self._process.monitor.targets.items():
            value = values.get(name)
            most, least = target.at_most, target.at_least
            limit = most if most is not None else least
            met = value is None or ((most is None or value <= most) and (least is None or value >= least))
            yield pb.Target(name=name, description=target.text, limit=limit, value=value, met=met)

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
        tenants = [call.tenant]
        if request.all_tenants:
            if ALL_TENANTS not in call.scopes:
                raise PermissionDenied(ALL_TENANTS)
            tenants = await self._engine.database.run(self._engine.ledger.tenants)
        usage: list[pb.ModelUsage] = []
        for tenant in tenants:
            read = partial(self._engine.ledger.usage, tenant, since, until, period=_PERIOD[request.period], model=request.model)
            usage += [_usage(tenant, row) for row in await self._engine.database.run(read)]
        return pb.GetUsageResponse(usage=usage).SerializeToString()

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

    async def retry_job(self, call: Call) -> bytes:
        """Queue a job again that is dead or cancelled."""
        job_id = call.decode(pb.RetryJobRequest).id
        before = await self._find(call, job_id)
        if before.state not in (JobState.DEAD, JobState.CANCELLED):
            raise FailedPrecondition(f"the job is {before.state.value}; only dead and cancelled ones are queued again")
        job = await self._engine.jobs.retry(call.tenant, job_id)
        if job is None:
            raise NotFound("job", job_id)
        if job.state in (JobState.DEAD, JobState.CANCELLED):
            raise FailedPrecondition("the same work is queued already")
        return pb.RetryJobResponse(job=self._job(job)).SerializeToString()

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
        if engine.redis is not None and not engine.redis.up:
            problems.append("Redis does not answer: every process is on its own until it does")
        problems += [f"alert {alert.rule}: {alert.text}" for alert in self._process.monitor.alerts.firing]
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

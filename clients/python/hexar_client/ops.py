"""Operators' calls, blocking and asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, TypedDict, Unpack, cast

from hexar.v1 import ops_pb2 as pb
from hexar.v1 import ops_pb2_grpc
from hexar_client._rpc.calls import AsyncCalls, Calls


class Target(TypedDict, total=False):
    """What to forget, of which exactly one is given.

    A cache kind, what depends on a name, everything of the tenant, a portfolio's answers, a vendor's products, a product by its
    id, one entry by its key.
    """

    kind: str
    dependency: str
    everything: bool
    portfolio: str
    vendor: str
    product: str
    entry: str


def _invalidation(target: Target) -> pb.InvalidateCacheRequest:
    named = {name: value for name, value in target.items() if value}
    if len(named) != 1:
        raise ValueError(f"give exactly one of {', '.join(Target.__annotations__)}")
    return pb.InvalidateCacheRequest(**cast("dict[str, Any]", named))


class Ops:
    """OpsService for blocking code; each method returns the response message, or what it holds."""

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._stub: Any = ops_pb2_grpc.OpsServiceStub(client.channel)

    def status(self) -> pb.GetStatusResponse:
        """One glance at the process."""
        return cast("pb.GetStatusResponse", self._client.unary(self._stub.GetStatus, pb.GetStatusRequest()))

    def report(self, *, all_processes: bool = False) -> pb.GetReportResponse:
        """The figures of the process that answers, or the sums of all under its supervisor."""
        return cast(
            "pb.GetReportResponse", self._client.unary(self._stub.GetReport, pb.GetReportRequest(all_processes=all_processes))
        )

    def cache_stats(self) -> pb.GetCacheStatsResponse:
        """Hits and misses by kind and tier."""
        return cast("pb.GetCacheStatsResponse", self._client.unary(self._stub.GetCacheStats, pb.GetCacheStatsRequest()))

    def cache_entries(self, kind: str = "", *, limit: int = 0) -> pb.InspectCacheResponse:
        """What the memory of the process keeps for the tenant, the latest used first; 100 entries where ``limit`` is 0."""
        return cast(
            "pb.InspectCacheResponse",
            self._client.unary(self._stub.InspectCache, pb.InspectCacheRequest(kind=kind, limit=limit)),
        )

    def invalidate(self, **target: Unpack[Target]) -> pb.InvalidateCacheResponse:
        """Forget what :class:`Target` names. ValueError where not exactly one is given."""
        request = _invalidation(target)
        return cast("pb.InvalidateCacheResponse", self._client.unary(self._stub.InvalidateCache, request))

    def warm(self, queries: list[str] | None = None, vendors: list[str] | None = None) -> pb.WarmCacheResponse:
        """Queue jobs that fill caches ahead."""
        return cast(
            "pb.WarmCacheResponse",
            self._client.unary(self._stub.WarmCache, pb.WarmCacheRequest(queries=queries or (), vendors=vendors or ())),
        )

    def usage(self, request: pb.GetUsageRequest | None = None) -> pb.GetUsageResponse:
        """What the tenant has used of the language models."""
        return cast("pb.GetUsageResponse", self._client.unary(self._stub.GetUsage, request or pb.GetUsageRequest()))

    def vendors(self) -> pb.ListVendorsResponse:
        """The configured vendors with their figures."""
        return cast("pb.ListVendorsResponse", self._client.unary(self._stub.ListVendors, pb.ListVendorsRequest()))

    def breakers(self) -> pb.ListBreakersResponse:
        """The circuit breakers of vendors and models."""
        return cast("pb.ListBreakersResponse", self._client.unary(self._stub.ListBreakers, pb.ListBreakersRequest()))

    def reset_breaker(self, agent: str) -> pb.Breaker:
        """Close the circuit breaker of an agent, so that it is asked again at once."""
        return cast("pb.Breaker", self._client.unary(self._stub.ResetBreaker, pb.ResetBreakerRequest(agent=agent)).breaker)

    def options(self) -> pb.ListOptionsResponse:
        """What can be turned off and on while the server runs."""
        return cast("pb.ListOptionsResponse", self._client.unary(self._stub.ListOptions, pb.ListOptionsRequest()))

    def set_option(self, name: str, *, on: bool) -> pb.Option:
        """Turn an option off or on, until the process ends."""
        return cast("pb.Option", self._client.unary(self._stub.SetOption, pb.SetOptionRequest(name=name, on=on)).option)

    def drain(self, instance: str) -> pb.DrainResponse:
        """Take a process out of service: it lets its calls end, and ends. ``instance`` as :meth:`status` tells it."""
        return cast("pb.DrainResponse", self._client.unary(self._stub.Drain, pb.DrainRequest(instance=instance)))

    def jobs(self, request: pb.ListJobsRequest | None = None) -> pb.ListJobsResponse:
        """A page of jobs, the newest first."""
        return cast("pb.ListJobsResponse", self._client.unary(self._stub.ListJobs, request or pb.ListJobsRequest()))

    def all_jobs(self, *, state: pb.JobState | None = None, kind: str = "") -> Iterator[pb.Job]:
        """All jobs, the newest first, page by page."""
        return self._client.pages(self._stub.ListJobs, pb.ListJobsRequest(state=state, kind=kind), lambda page: page.jobs)

    def watch_job(self, job_id: str, timeout: float | None = None) -> Iterator[pb.Job]:
        """A job each time that its state changes, until it has ended."""
        for event in self._client.stream(self._stub.WatchJob, pb.WatchJobRequest(id=job_id), timeout):
            yield event.message.job

    def job(self, job_id: str) -> pb.Job:
        """One job."""
        return cast("pb.Job", self._client.unary(self._stub.GetJob, pb.GetJobRequest(id=job_id)).job)

    def cancel_job(self, job_id: str) -> pb.Job:
        """Stop a job that has not ended."""
        return cast("pb.Job", self._client.unary(self._stub.CancelJob, pb.CancelJobRequest(id=job_id)).job)

    def retry_job(self, job_id: str) -> pb.Job:
        """Queue a job again that is dead or cancelled."""
        return cast("pb.Job", self._client.unary(self._stub.RetryJob, pb.RetryJobRequest(id=job_id)).job)


class AsyncOps:
    """OpsService on the event loop; each method returns the response message, or what it holds."""

    def __init__(self, client: AsyncCalls) -> None:
        self._client = client
        self._stub: Any = ops_pb2_grpc.OpsServiceStub(client.channel)

    async def status(self) -> pb.GetStatusResponse:
        """One glance at the process."""
        return cast("pb.GetStatusResponse", await self._client.unary(self._stub.GetStatus, pb.GetStatusRequest()))

    async def report(self, *, all_processes: bool = False) -> pb.GetReportResponse:
        """The figures of the process that answers, or the sums of all under its supervisor."""
        return cast(
            "pb.GetReportResponse",
            await self._client.unary(self._stub.GetReport, pb.GetReportRequest(all_processes=all_processes)),
        )

    async def cache_stats(self) -> pb.GetCacheStatsResponse:
        """Hits and misses by kind and tier."""
        return cast("pb.GetCacheStatsResponse", await self._client.unary(self._stub.GetCacheStats, pb.GetCacheStatsRequest()))

    async def cache_entries(self, kind: str = "", *, limit: int = 0) -> pb.InspectCacheResponse:
        """What the memory of the process keeps for the tenant, the latest used first; 100 entries where ``limit`` is 0."""
        return cast(
            "pb.InspectCacheResponse",
            await self._client.unary(self._stub.InspectCache, pb.InspectCacheRequest(kind=kind, limit=limit)),
        )

    async def invalidate(self, **target: Unpack[Target]) -> pb.InvalidateCacheResponse:
        """Forget what :class:`Target` names. ValueError where not exactly one is given."""
        request = _invalidation(target)
        return cast("pb.InvalidateCacheResponse", await self._client.unary(self._stub.InvalidateCache, request))

    async def warm(self, queries: list[str] | None = None, vendors: list[str] | None = None) -> pb.WarmCacheResponse:
        """Queue jobs that fill caches ahead."""
        return cast(
            "pb.WarmCacheResponse",
            await self._client.unary(self._stub.WarmCache, pb.WarmCacheRequest(queries=queries or (), vendors=vendors or ())),
        )

    async def usage(self, request: pb.GetUsageRequest | None = None) -> pb.GetUsageResponse:
        """What the tenant has used of the language models."""
        return cast("pb.GetUsageResponse", await self._client.unary(self._stub.GetUsage, request or pb.GetUsageRequest()))

    async def vendors(self) -> pb.ListVendorsResponse:
        """The configured vendors with their figures."""
        return cast("pb.ListVendorsResponse", await self._client.unary(self._stub.ListVendors, pb.ListVendorsRequest()))

    async def breakers(self) -> pb.ListBreakersResponse:
        """The circuit breakers of vendors and models."""
        return cast("pb.ListBreakersResponse", await self._client.unary(self._stub.ListBreakers, pb.ListBreakersRequest()))

    async def reset_breaker(self, agent: str) -> pb.Breaker:
        """Close the circuit breaker of an agent, so that it is asked again at once."""
        return cast(
            "pb.Breaker", (await self._client.unary(self._stub.ResetBreaker, pb.ResetBreakerRequest(agent=agent))).breaker
        )

    async def options(self) -> pb.ListOptionsResponse:
        """What can be turned off and on while the server runs."""
        return cast("pb.ListOptionsResponse", await self._client.unary(self._stub.ListOptions, pb.ListOptionsRequest()))

    async def set_option(self, name: str, *, on: bool) -> pb.Option:
        """Turn an option off or on, until the process ends."""
        return cast("pb.Option", (await self._client.unary(self._stub.SetOption, pb.SetOptionRequest(name=name, on=on))).option)

    async def drain(self, instance: str) -> pb.DrainResponse:
        """Take a process out of service: it lets its calls end, and ends. ``instance`` as :meth:`status` tells it."""
        return cast("pb.DrainResponse", await self._client.unary(self._stub.Drain, pb.DrainRequest(instance=instance)))

    async def jobs(self, request: pb.ListJobsRequest | None = None) -> pb.ListJobsResponse:
        """A page of jobs, the newest first."""
        return cast("pb.ListJobsResponse", await self._client.unary(self._stub.ListJobs, request or pb.ListJobsRequest()))

    def all_jobs(self, *, state: pb.JobState | None = None, kind: str = "") -> AsyncIterator[pb.Job]:
        """All jobs, the newest first, page by page."""
        return self._client.pages(self._stub.ListJobs, pb.ListJobsRequest(state=state, kind=kind), lambda page: page.jobs)

    async def watch_job(self, job_id: str, timeout: float | None = None) -> AsyncIterator[pb.Job]:
        """A job each time that its state changes, until it has ended."""
        async for event in self._client.stream(self._stub.WatchJob, pb.WatchJobRequest(id=job_id), timeout):
            yield event.message.job

    async def job(self, job_id: str) -> pb.Job:
        """One job."""
        return cast("pb.Job", (await self._client.unary(self._stub.GetJob, pb.GetJobRequest(id=job_id))).job)

    async def cancel_job(self, job_id: str) -> pb.Job:
        """Stop a job that has not ended."""
        return cast("pb.Job", (await self._client.unary(self._stub.CancelJob, pb.CancelJobRequest(id=job_id))).job)

    async def retry_job(self, job_id: str) -> pb.Job:
        """Queue a job again that is dead or cancelled."""
        return cast("pb.Job", (await self._client.unary(self._stub.RetryJob, pb.RetryJobRequest(id=job_id))).job)

"""Operators' calls, blocking and asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from hexar.v1 import ops_pb2 as pb
from hexar.v1 import ops_pb2_grpc
from hexar_client._rpc.calls import AsyncCalls, Calls


def _invalidation(kind: str, dependency: str, everything: bool) -> pb.InvalidateCacheRequest:
    if kind:
        return pb.InvalidateCacheRequest(kind=kind)
    if dependency:
        return pb.InvalidateCacheRequest(dependency=dependency)
    return pb.InvalidateCacheRequest(everything=everything)


class Ops:
    """OpsService for blocking code; each method returns the response message."""

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._stub: Any = ops_pb2_grpc.OpsServiceStub(client.channel)

    def status(self) -> pb.GetStatusResponse:
        """One glance at the process."""
        return cast("pb.GetStatusResponse", self._client.unary(self._stub.GetStatus, pb.GetStatusRequest()))

    def report(self) -> pb.GetReportResponse:
        """The figures behind it."""
        return cast("pb.GetReportResponse", self._client.unary(self._stub.GetReport, pb.GetReportRequest()))

    def cache_stats(self) -> pb.GetCacheStatsResponse:
        """Hits and misses by kind and tier."""
        return cast("pb.GetCacheStatsResponse", self._client.unary(self._stub.GetCacheStats, pb.GetCacheStatsRequest()))

    def invalidate(self, *, kind: str = "", dependency: str = "", everything: bool = False) -> pb.InvalidateCacheResponse:
        """Forget a cache kind, a dependency's answers, or everything of the tenant."""
        request = _invalidation(kind, dependency, everything)
        return cast("pb.InvalidateCacheResponse", self._client.unary(self._stub.InvalidateCache, request))

    def warm(self, queries: list[str] | None = None, vendors: list[str] | None = None) -> pb.WarmCacheResponse:
        """Queue jobs that fill caches ahead."""
        request = pb.WarmCacheRequest(queries=queries or (), vendors=vendors or ())
        return cast("pb.WarmCacheResponse", self._client.unary(self._stub.WarmCache, request))

    def usage(self, request: pb.GetUsageRequest | None = None) -> pb.GetUsageResponse:
        """What the tenant has used of the language models."""
        return cast("pb.GetUsageResponse", self._client.unary(self._stub.GetUsage, request or pb.GetUsageRequest()))

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


class AsyncOps:
    """OpsService on the event loop; each method returns the response message."""

    def __init__(self, client: AsyncCalls) -> None:
        self._client = client
        self._stub: Any = ops_pb2_grpc.OpsServiceStub(client.channel)

    async def status(self) -> pb.GetStatusResponse:
        """One glance at the process."""
        return cast("pb.GetStatusResponse", await self._client.unary(self._stub.GetStatus, pb.GetStatusRequest()))

    async def report(self) -> pb.GetReportResponse:
        """The figures behind it."""
        return cast("pb.GetReportResponse", await self._client.unary(self._stub.GetReport, pb.GetReportRequest()))

    async def cache_stats(self) -> pb.GetCacheStatsResponse:
        """Hits and misses by kind and tier."""
        response = await self._client.unary(self._stub.GetCacheStats, pb.GetCacheStatsRequest())
        return cast("pb.GetCacheStatsResponse", response)

    async def invalidate(self, *, kind: str = "", dependency: str = "", everything: bool = False) -> pb.InvalidateCacheResponse:
        """Forget a cache kind, a dependency's answers, or everything of the tenant."""
        request = _invalidation(kind, dependency, everything)
        return cast("pb.InvalidateCacheResponse", await self._client.unary(self._stub.InvalidateCache, request))

    async def warm(self, queries: list[str] | None = None, vendors: list[str] | None = None) -> pb.WarmCacheResponse:
        """Queue jobs that fill caches ahead."""
        request = pb.WarmCacheRequest(queries=queries or (), vendors=vendors or ())
        return cast("pb.WarmCacheResponse", await self._client.unary(self._stub.WarmCache, request))

    async def usage(self, request: pb.GetUsageRequest | None = None) -> pb.GetUsageResponse:
        """What the tenant has used of the language models."""
        return cast("pb.GetUsageResponse", await self._client.unary(self._stub.GetUsage, request or pb.GetUsageRequest()))

    async def jobs(self, request: pb.ListJobsRequest | None = None) -> pb.ListJobsResponse:
        """A page of jobs, the newest first."""
        response = await self._client.unary(self._stub.ListJobs, request or pb.ListJobsRequest())
        return cast("pb.ListJobsResponse", response)

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

"""Jobs that another process runs: a server without workers and ``hexar worker`` beside it, over a real Valkey and real shops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest

from hexar.core.jobs import JobState
from hexar.server.demo import DemoShops
from hexar.server.process.app import App
from hexar.server.settings.config import JobsConfig, Settings
from hexar.v1 import common_pb2, ops_pb2, ops_pb2_grpc, query_pb2, query_pb2_grpc
from tests.fix.fleet import Fleet
from tests.fix.stores.redis_server import RedisServer

TEXT = "beginner snowboard under $400"
LEASE = 2.0


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[DemoShops]:
    """Three shops, and the file that names them."""
    with DemoShops() as running:
        (tmp_path / "vendors.yaml").write_text(running.vendors_yaml())
        yield running


@pytest.fixture
def redis_url(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server that both processes share."""
    monkeypatch.setenv("HEXAR_REDIS_URL", redis_server.url)
    return redis_server.url


@pytest.fixture
async def app(redis_url: str, shops: DemoShops, settings: Callable[..., Settings]) -> AsyncIterator[App]:
    """A server that queues jobs and runs none."""
    made = App(settings(jobs=JobsConfig(workers=0)))
    await made.start()
    yield made
    await made.stop(0)


@pytest.fixture
def worker(app: App, redis_url: str, tmp_path: Path) -> Iterator[Fleet]:
    """``hexar worker`` on the server's store."""
    settings = {"REDIS_URL": redis_url, "JOBS__LEASE_SECONDS": str(LEASE), "JOBS__POLL_SECONDS": "0.1"}
    with Fleet(tmp_path, "worker", "--threads", "2", **settings) as running:
        running.until("listening")
        yield running


@pytest.fixture
async def channel(app: App) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the server."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as made:
        yield made


async def ask(channel: grpc.aio.Channel, text: str, **fields: object) -> query_pb2.QueryCompleted:
    """The last event of a query that waits for its analyses."""
    request = query_pb2.QueryRequest(text=text, **fields)  # type: ignore[arg-type]
    request.wait_for_analysis.FromSeconds(60)
    shown: dict[str, query_pb2.Product] = {}
    completed = None
    async for event in query_pb2_grpc.QueryServiceStub(channel).Query(request, timeout=90):
        if event.HasField("upsert"):
            shown[event.upsert.product.product_id] = event.upsert.product
        if event.HasField("completed"):
            completed = event.completed
    assert completed is not None
    states = {shown[product].analysis_state for product in completed.product_ids}
    assert states == {query_pb2.ANALYSIS_STATE_READY}
    return completed


async def test_a_waiting_query_shows_what_another_process_learns(
    app: App, shops: DemoShops, worker: Fleet, channel: grpc.aio.Channel
) -> None:
    """Two queries that wait join the same jobs, which the worker runs once; both are complete; nothing is analysed again."""
    one, other = await asyncio.gather(ask(channel, TEXT), ask(channel, f"{TEXT} please"))
    assert one.jobs
    assert list(one.jobs) == list(other.jobs)
    for job_id in one.jobs:
        job = await app.engine.jobs.get("default", job_id)
        assert job is not None
        assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    shops.reset_calls()
    again = await ask(channel, TEXT)
    assert not again.jobs
    assert shops.total() == 0
    refreshed = await ask(channel, TEXT, cache_policy=common_pb2.CACHE_POLICY_REFRESH)
    assert not refreshed.jobs


async def test_a_job_of_another_process_is_watched_listed_and_cancelled(
    app: App, shops: DemoShops, worker: Fleet, channel: grpc.aio.Channel
) -> None:
    """The server's clients see the worker's job begin, cancel it, and see it end; the worker does not end it after that."""
    ops = ops_pb2_grpc.OpsServiceStub(channel)
    for name in shops.urls:
        shops.behave(name, delay=1.0)
    request = query_pb2.QueryRequest(text=TEXT)
    completed = [event async for event in query_pb2_grpc.QueryServiceStub(channel).Query(request, timeout=60)][-1].completed
    (job_id,) = completed.jobs
    states: list[int] = []
    async for reply in ops.WatchJob(ops_pb2.WatchJobRequest(id=job_id), timeout=60):
        states.append(reply.job.state)
        if reply.job.state == ops_pb2.JOB_STATE_RUNNING and len(states) < 9:
            listed = await ops.ListJobs(ops_pb2.ListJobsRequest(state=ops_pb2.JOB_STATE_RUNNING))
            assert [job.id for job in listed.jobs] == [job_id]
            cancelled = await ops.CancelJob(ops_pb2.CancelJobRequest(id=job_id))
            assert cancelled.job.state == ops_pb2.JOB_STATE_CANCELLED
    assert states[-2:] == [ops_pb2.JOB_STATE_RUNNING, ops_pb2.JOB_STATE_CANCELLED]
    worker.until("job_lease_lost", job=job_id)
    after = (await ops.GetJob(ops_pb2.GetJobRequest(id=job_id))).job
    assert (after.state, after.attempts) == (ops_pb2.JOB_STATE_CANCELLED, 1)

"""What operators see and do over the wire: reports, breakers, cached entries, options, retries; scopes, audit, draining."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from hexar.core.jobs import JobState
from hexar.server.process.app import App
from hexar.server.servicers.ops import METHOD_SCOPES
from hexar.server.settings.config import Settings
from hexar.v1 import ops_pb2 as pb
from hexar.v1 import ops_pb2_grpc, portfolio_pb2, portfolio_pb2_grpc


@pytest.fixture
def ops(channel: grpc.aio.Channel) -> Any:
    """The operators' service of the started server."""
    return ops_pb2_grpc.OpsServiceStub(channel)


async def code_of(call: Any) -> grpc.StatusCode:
    """The status that ``call`` ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code()


def test_every_method_has_a_scope() -> None:
    """What is not in the table is denied to everybody, so nothing may be forgotten."""
    service = pb.DESCRIPTOR.services_by_name["OpsService"]
    assert set(METHOD_SCOPES) == {f"{service.full_name}/{method.name}" for method in service.methods}


async def test_a_report_says_what_its_caller_knows_it_sent(channel: grpc.aio.Channel, ops: Any) -> None:
    """Counts, errors by code, windows and the last calls."""
    portfolios = portfolio_pb2_grpc.PortfolioServiceStub(channel)
    for _ in range(7):
        await portfolios.ListPortfolios(portfolio_pb2.ListPortfoliosRequest())
    for _ in range(3):
        missing = portfolios.GetPortfolio(portfolio_pb2.GetPortfolioRequest(portfolio_id="nowhere"))
        assert await code_of(missing) is grpc.StatusCode.NOT_FOUND
    report = await ops.GetReport(pb.GetReportRequest(all_processes=True))
    rpcs = {row.name: row for row in report.operations if row.kind == pb.OPERATION_KIND_RPC}
    listed, got = rpcs["hexar.v1.PortfolioService/ListPortfolios"], rpcs["hexar.v1.PortfolioService/GetPortfolio"]
    assert (listed.count, dict(listed.errors), got.count, dict(got.errors)) == (7, {}, 3, {"NOT_FOUND": 3})
    minute = listed.windows[0]
    assert (minute.span.seconds, minute.count, minute.errors, minute.latency.samples) == (60, 7, 0, 7)
    assert listed.min.ToTimedelta() <= minute.latency.median.ToTimedelta() * 2
    assert not got.windows[0].HasField("latency")
    assert (got.windows[0].errors, got.windows[0].faults) == (3, 0)
    assert [call.code for call in report.recent_calls[:10]] == ["NOT_FOUND"] * 3 + ["OK"] * 7
    assert all(target.met for target in report.targets)
    assert {tier.tier for tier in report.tiers} == {"memory", "memo", "logs", "disk"}
    assert report.counted == 1


async def test_options_go_off_and_on(app: App, ops: Any) -> None:
    """Each of them, and unknown names are an error."""
    names = {option.name for option in (await ops.ListOptions(pb.ListOptionsRequest())).options}
    assert names == {"caching", "semantic_cache", "dynamic_context", "heavy_analysis", "parallel_tools"}
    for name in names:
        for on in (False, True):
            answer = await ops.SetOption(pb.SetOptionRequest(name=name, on=on))
            assert answer.option.on is on
            assert app.options[name].read() is on
    assert await code_of(ops.SetOption(pb.SetOptionRequest(name="gravity"))) is grpc.StatusCode.NOT_FOUND


async def test_without_caching_nothing_is_found(app: App, ops: Any) -> None:
    """Neither what was kept before, nor what is made meanwhile."""
    caches = app.engine.caches
    kind, key, depends = next(iter(caches.kinds)), b"k" * 32, caches.snapshot("default", next(iter(caches.kinds)))
    caches.put(kind, key, b"value", depends)
    await ops.SetOption(pb.SetOptionRequest(name="caching", on=False))
    assert await caches.get(kind, key) is None
    caches.put(kind, b"x" * 32, b"value", depends)
    await ops.SetOption(pb.SetOptionRequest(name="caching", on=True))
    assert await caches.get(kind, key) is not None
    assert await caches.get(kind, b"x" * 32) is None


async def test_entries_are_listed_and_forgotten_one_by_one(app: App, ops: Any) -> None:
    """Those of the caller's tenant only, from all tiers; an unknown one is an error."""
    caches = app.engine.caches
    kind = next(iter(caches.kinds))
    for tenant, key in (("default", b"a" * 32), ("default", b"b" * 32), ("other", b"c" * 32)):
        caches.put(kind, key, b"value", caches.snapshot(tenant, kind))
    listed = await ops.InspectCache(pb.InspectCacheRequest(kind=kind, limit=1))
    assert (listed.total, [entry.key for entry in listed.entries]) == (2, [(b"b" * 32).hex()])
    assert listed.entries[0].valid
    forget = pb.InvalidateCacheRequest
    await ops.InvalidateCache(forget(entry=(b"a" * 32).hex()))
    assert await caches.get(kind, b"a" * 32) is None
    assert await caches.get(kind, b"b" * 32) is not None
    for key in (b"a" * 32, b"c" * 32):
        assert await code_of(ops.InvalidateCache(forget(entry=key.hex()))) is grpc.StatusCode.NOT_FOUND
    for request in (forget(portfolio="nowhere"), forget(vendor="nobody"), forget(product="p_0")):
        assert await code_of(ops.InvalidateCache(request)) is grpc.StatusCode.NOT_FOUND


async def test_a_breaker_is_listed_and_reset(app: App, ops: Any) -> None:
    """Of a model as of a vendor; an unknown one is an error."""
    breaker = app.engine.models.models.breakers[0]
    for _ in range(breaker.threshold):
        breaker.failed()
    (shown,) = [one for one in (await ops.ListBreakers(pb.ListBreakersRequest())).breakers if one.agent == breaker.name]
    assert shown.state == pb.BREAKER_STATE_OPEN
    assert shown.opens_for.seconds > 0
    answer = await ops.ResetBreaker(pb.ResetBreakerRequest(agent=breaker.name))
    assert (answer.breaker.state, answer.breaker.consecutive_failures) == (pb.BREAKER_STATE_CLOSED, 0)
    assert await code_of(ops.ResetBreaker(pb.ResetBreakerRequest(agent="x"))) is grpc.StatusCode.NOT_FOUND


async def test_a_dead_job_is_queued_again(app: App, ops: Any) -> None:
    """With all its attempts; one that has ended well is not."""
    fails = [True]

    def work(payload: bytes, context: Any) -> bytes | None:
        if fails[0]:
            raise ValueError("no")
        return None

    app.engine.jobs.handler("test.retry", work)
    job = await app.engine.jobs.submit("test.retry", b"", max_attempts=1)
    dead = await app.engine.jobs.wait(job.id, 30)
    assert dead is not None
    assert dead.state is JobState.DEAD
    fails[0] = False
    assert (await ops.RetryJob(pb.RetryJobRequest(id=job.id))).job.id == job.id
    done = await app.engine.jobs.wait(job.id, 30)
    assert done is not None
    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)
    assert await code_of(ops.RetryJob(pb.RetryJobRequest(id=job.id))) is grpc.StatusCode.FAILED_PRECONDITION
    report = await ops.GetReport(pb.GetReportRequest())
    (row,) = [row for row in report.operations if (row.kind, row.name) == (pb.OPERATION_KIND_JOB, "test.retry")]
    assert (row.count, dict(row.errors)) == (2, {"ValueError": 1})


async def test_what_changes_something_is_written_to_the_log(ops: Any) -> None:
    """Who, what and how it went; what only looks is not."""
    with capture_logs() as lines:
        await ops.ListOptions(pb.ListOptionsRequest())
        await ops.SetOption(pb.SetOptionRequest(name="caching", on=True))
        await code_of(ops.SetOption(pb.SetOptionRequest(name="gravity")))
    audit = [(line["method"], line["tenant"], line["code"]) for line in lines if line["event"] == "operator_call"]
    assert audit == [("SetOption", "default", "OK"), ("SetOption", "default", "NOT_FOUND")]


async def test_who_may_look_may_not_steer(settings: Callable[..., Settings]) -> None:
    """ops.read looks, ops steers as well, only ops.all sees other tenants."""
    rows = [{"token": word * 20, "tenant": word, "scopes": [scope, "use"]} for word, scope in (("r", "ops.read"), ("o", "ops"))]
    rows.append({"token": "a" * 20, "tenant": "a", "scopes": ["ops", "ops.all", "use"]})
    app = App(settings(auth={"tokens": rows}))
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            stub = ops_pb2_grpc.OpsServiceStub(channel)

            def of(word: str) -> Any:
                return {"metadata": (("authorization", f"Bearer {word * 20}"),)}

            refused = grpc.StatusCode.PERMISSION_DENIED
            assert (await stub.GetReport(pb.GetReportRequest(), **of("r"))).workers == 1
            assert await code_of(stub.SetOption(pb.SetOptionRequest(name="caching", on=True), **of("r"))) is refused
            assert (await stub.SetOption(pb.SetOptionRequest(name="caching", on=True), **of("o"))).option.on
            assert await code_of(stub.GetUsage(pb.GetUsageRequest(all_tenants=True), **of("o"))) is refused
            await stub.GetUsage(pb.GetUsageRequest(all_tenants=True), **of("a"))
            portfolios = portfolio_pb2_grpc.PortfolioServiceStub(channel)
            for word in "roa":
                await portfolios.ListPortfolios(portfolio_pb2.ListPortfoliosRequest(), **of(word))
            seen = (await stub.GetReport(pb.GetReportRequest(), **of("o"))).recent_calls
            assert {call.tenant for call in seen} == {"o"}
            seen = (await stub.GetReport(pb.GetReportRequest(), **of("a"))).recent_calls
            assert {"a", "o", "r"} == {call.tenant for call in seen}
    finally:
        await app.stop(0)


async def test_a_process_drains_when_it_is_asked(settings: Callable[..., Settings]) -> None:
    """It answers, and ends by itself; a request that names no process, or another one, ends none."""
    app = App(settings())
    started = asyncio.Event()

    async def told() -> None:
        started.set()

    running = asyncio.create_task(app.run(started=told))
    await started.wait()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        stub = ops_pb2_grpc.OpsServiceStub(channel)
        for wrong in ("", "elsewhere:1"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Drain(pb.DrainRequest(instance=wrong))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        answer = await stub.Drain(pb.DrainRequest(instance=app.instance))
    assert answer.instance == app.instance
    await asyncio.wait_for(running, 60)

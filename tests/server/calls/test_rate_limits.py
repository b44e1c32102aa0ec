"""Request rates over a real channel: who is refused, with what, and who is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import ValidationError

from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.v1 import chat_pb2, chat_pb2_grpc, ops_pb2, ops_pb2_grpc, portfolio_pb2, portfolio_pb2_grpc
from tests.fix.stores.redis_server import RedisServer
from tests.server.calls.test_errors import details, failure
from tests.server.calls.test_operations import environment

TOKENS = {"tokens": [{"token": name, "tenant": name, "scopes": ["use", "ops"]} for name in ("acme", "globex", "initech")]}


Serve = Callable[..., Awaitable[tuple[App, grpc.aio.Channel]]]


@pytest.fixture
async def serve(settings: Callable[..., Settings]) -> AsyncIterator[Serve]:
    """Start servers with the tenants' tokens, each with a channel to it."""
    apps: list[App] = []
    channels: list[grpc.aio.Channel] = []

    async def start(**changes: Any) -> tuple[App, grpc.aio.Channel]:
        apps.append(App(settings(auth=TOKENS, **changes)))
        await apps[-1].start()
        channels.append(grpc.aio.insecure_channel(f"127.0.0.1:{apps[-1].port}"))
        return apps[-1], channels[-1]

    yield start
    for channel in channels:
        await channel.close()
    for app in apps:
        await app.stop(0)


def by(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def lists(channel: grpc.aio.Channel, token: str, times: int) -> int:
    """How many of so many calls at once were admitted; the rest ended with RESOURCE_EXHAUSTED."""
    stub = portfolio_pb2_grpc.PortfolioServiceStub(channel)
    outcomes = await asyncio.gather(
        *(stub.ListPortfolios(portfolio_pb2.ListPortfoliosRequest(), metadata=by(token)) for _ in range(times)),
        return_exceptions=True,
    )
    for outcome in outcomes:
        if isinstance(outcome, grpc.aio.AioRpcError):
            assert outcome.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return sum(isinstance(outcome, portfolio_pb2.ListPortfoliosResponse) for outcome in outcomes)


async def test_a_tenant_over_its_rate_is_told_when_to_come_back(serve: Serve) -> None:
    """Refused with RESOURCE_EXHAUSTED and the true RetryInfo; other tenants, health and operators are not touched."""
    rate = {"requests_per_second": 0.5, "burst": 3, "tenants": {"globex": {"requests_per_second": 100}, "initech": None}}
    app, channel = await serve(limits={"rate": rate}, metrics_port=0)
    # A slow machine gives time for more tokens: half a one a second.
    began = time.monotonic()
    admitted = await lists(channel, "acme", 10)
    assert 3 <= admitted <= 3 + 0.5 * (time.monotonic() - began)
    error = await failure(
        portfolio_pb2_grpc.PortfolioServiceStub(channel).ListPortfolios(
            portfolio_pb2.ListPortfoliosRequest(), metadata=by("acme")
        )
    )
    (retry,) = details(error, error_details_pb2.RetryInfo)
    (info,) = details(error, error_details_pb2.ErrorInfo)
    seconds = retry.retry_delay.ToMicroseconds() / 1e6
    assert 0 < seconds <= 2
    assert info.reason == "RateExceeded"
    assert await lists(channel, "globex", 50) == 50
    assert await lists(channel, "initech", 50) == 50
    for _ in range(10):
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        await ops_pb2_grpc.OpsServiceStub(channel).GetStatus(ops_pb2.GetStatusRequest(), metadata=by("acme"))
    await asyncio.sleep(seconds)
    assert await lists(channel, "acme", 1) == 1
    url = f"http://127.0.0.1:{app.metrics_port}/metrics"
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read().decode())
    assert (
        'hexar_rate_limited_total{method="hexar.v1.PortfolioService/ListPortfolios"} ' + str(float(10 - admitted + 1)) in text
    )
    assert "acme" not in text


async def test_a_method_may_have_a_rate_of_its_own(serve: Serve) -> None:
    """Chats are limited for each tenant, beside its rate over all; a stream counts once, however many events it has."""
    rate = {"methods": {"hexar.v1.ChatService/Chat": {"requests_per_second": 0.01, "burst": 2}}}
    _, channel = await serve(limits={"rate": rate})
    stub = chat_pb2_grpc.ChatServiceStub(channel)
    portfolios = portfolio_pb2_grpc.PortfolioServiceStub(channel)
    made = await portfolios.CreatePortfolio(portfolio_pb2.CreatePortfolioRequest(title="p"), metadata=by("acme"))
    request = chat_pb2.ChatRequest(portfolio_id=made.portfolio.portfolio_id, message="hello")
    for _ in range(2):
        assert len([event async for event in stub.Chat(request, metadata=by("acme"))]) > 2

    async def chat() -> None:
        async for _ in stub.Chat(request, metadata=by("acme")):
            raise AssertionError("an event of a refused stream")

    error = await failure(chat())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "hexar.v1.ChatService/Chat" in str(error.details())
    (retry,) = details(error, error_details_pb2.RetryInfo)
    assert 90 < retry.retry_delay.ToMicroseconds() / 1e6 <= 100
    assert await lists(channel, "acme", 20) == 20


async def test_two_servers_on_one_redis_share_a_tenants_rate(serve: Serve, redis_server: RedisServer) -> None:
    """However a tenant spreads its calls, both servers together admit its burst once."""
    limits = {"rate": {"requests_per_second": 0.01, "burst": 20}}
    channels = []
    for _ in range(2):
        app, channel = await serve(limits=limits, redis_url=redis_server.url)
        assert app.engine.redis is not None and await app.engine.redis.ready(20)
        channels.append(channel)
    admitted = await asyncio.gather(*(lists(channel, "acme", 30) for channel in channels))
    assert sum(admitted) == 20
    assert await asyncio.gather(*(lists(channel, "globex", 8) for channel in channels)) == [8, 8]


def test_a_rate_that_cannot_be_meant_is_named(settings: Callable[..., Settings], tmp_path: Path) -> None:
    """No rate of zero, no burst of nothing, no method that is not in the contract."""
    with pytest.raises(ValidationError, match=r"limits\.rate\.requests_per_second"):
        settings(limits={"rate": {"requests_per_second": 0}})
    with pytest.raises(ValidationError, match=r"limits\.rate\.tenants\.acme\.burst"):
        settings(limits={"rate": {"tenants": {"acme": {"requests_per_second": 1, "burst": 0}}}})
    with pytest.raises(ValidationError, match="burst needs requests_per_second"):
        settings(limits={"rate": {"burst": 5}})
    for name in ("hexar.v1.ChatService/Chatt", "ChatService"):
        with pytest.raises(ValidationError, match=rf"limits\.rate\.methods: {name}: no such method"):
            settings(limits={"rate": {"methods": {name: {"requests_per_second": 1}}}})
    for url in ("http://localhost", "redis+sentinel://localhost", "redis+sentinel://host:port/service"):
        with pytest.raises(ValidationError, match="redis_url"):
            settings(redis_url=url)
    done = subprocess.run(
        [sys.executable, "-m", "hexar.server"],
        env=environment(tmp_path, HEXAR_LIMITS__RATE='{"methods": {"Chat": {"requests_per_second": 1}}}'),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "limits.rate.methods" in done.stderr and "Chat: no such method" in done.stderr
    assert "Traceback" not in done.stderr

"""Three times the load that a process carries: it goes on answering as much as it can, and says no at once to the rest.

The load is open: calls come whether earlier ones have ended or not. Times are compared with those of health checks in the same
seconds, which measure how busy the machine is.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_status import rpc_status

from hexar.server.demo import DemoShops
from hexar.v1 import query_pb2
from tests.fix.server_process import ServerProcess

#: Calls that work at once, and the seconds that the shop takes for each request.
LIMIT, SHOP_SECONDS = 8, 0.5
#: Seconds for which what is carried is measured, and for which the overload lasts.
CLOSED_SECONDS, OPEN_SECONDS = 4.0, 12.0
OVERLOAD, GOODPUT = 3.0, 0.9
#: Seconds that a refusal may take, or three times what a health check takes at that time.
REFUSAL_SECONDS = 0.02


@dataclass
class _Seen:
    """What became of the calls: when each answer was complete, and how long each other end took."""

    complete: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    replayed: list[float] = field(default_factory=list)
    healthy: list[float] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)


class _Caller:
    """Calls over one channel; the SDK would repeat what is refused."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._query = channel.unary_stream(
            "/hexar.v1.QueryService/Query",
            request_serializer=query_pb2.QueryRequest.SerializeToString,
            response_deserializer=query_pb2.QueryEvent.FromString,
        )
        self._check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self._number = itertools.count()

    async def fresh(self, seen: _Seen) -> None:
        """A query that nobody asked before: the shop is asked."""
        begun = time.perf_counter()
        try:
            events = [
                event async for event in self._query(query_pb2.QueryRequest(text=f"board b{next(self._number)}"), timeout=30)
            ]
            if events[-1].completed.partial:
                seen.unlike.append("partial")
            else:
                seen.complete.append(time.perf_counter())
        except grpc.aio.AioRpcError as error:
            taken = time.perf_counter() - begun
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and _comes_back(error) > 0:
                seen.refused.append(taken)
            else:
                seen.unlike.append(f"fresh {error.code().name} {error.details()}")

    async def kept(self, seen: _Seen) -> None:
        """A query whose answer is in the cache."""
        begun = time.perf_counter()
        try:
            events = [event async for event in self._query(query_pb2.QueryRequest(text="board"), timeout=10)]
            assert events[-1].HasField("completed")
            seen.replayed.append(time.perf_counter() - begun)
        except grpc.aio.AioRpcError as error:
            seen.unlike.append(f"kept {error.code().name} {error.details()}")

    async def health(self, seen: _Seen) -> None:
        """A health check."""
        begun = time.perf_counter()
        try:
            answer = await self._check(health_pb2.HealthCheckRequest(), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            seen.healthy.append(time.perf_counter() - begun)
        except grpc.aio.AioRpcError as error:
            seen.unlike.append(f"health {error.code().name} {error.details()}")


def _comes_back(error: grpc.aio.AioRpcError) -> float:
    """Seconds after which the caller is told to come back; 0 where it is not told."""
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else ():
        told = error_details_pb2.RetryInfo()
        if detail.Unpack(told):
            return told.retry_delay.ToTimedelta().total_seconds()
    return 0.0


async def _closed(call: Callable[[_Seen], Awaitable[None]], seen: _Seen, seconds: float) -> None:
    """As many callers as may work at once, each of which asks again when it has its answer."""
    until = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < until:
            await call(seen)

    await asyncio.gather(*(one() for _ in range(LIMIT)))


async def _open(call: Callable[[_Seen], Awaitable[None]], seen: _Seen, rate: float) -> None:
    """``rate`` calls a second, whatever becomes of them."""
    begun = time.perf_counter()
    tasks = []
    for number in range(int(rate * OPEN_SECONDS)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(call(seen)))
    await asyncio.gather(*tasks)


def _rate(ends: list[float]) -> float:
    """Answers a second between the first and the last."""
    return (len(ends) - 1) / (ends[-1] - ends[0])


@pytest.mark.chaos
@pytest.mark.timeout(180)
async def test_three_times_the_load_is_answered_as_much_as_can_be_and_refused_at_once(tmp_path: Path) -> None:
    """Goodput of nine tenths of what is carried without overload; refusals with RetryInfo; health and replays go on."""
    with DemoShops(delay=SHOP_SECONDS) as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml(("alpine",)), encoding="utf-8")
        settings = {
            "data_dir": str(tmp_path / "data"),
            "vendors": str(tmp_path / "vendors.yaml"),
            "limits": {"concurrent_calls": LIMIT},
            "dispatch": {"threads": 4 * LIMIT},
            "jobs": {"workers": 0},
        }
        async with ServerProcess(tmp_path, "server", **settings) as server:
            async with server.channel() as channel, server.channel() as other:
                before, over, after = _Seen(), _Seen(), _Seen()
                caller, beside = _Caller(channel), _Caller(other)
                await caller.kept(before)
                await _closed(caller.fresh, before, CLOSED_SECONDS)
                rate = OVERLOAD * _rate(before.complete)
                await asyncio.gather(
                    _open(caller.fresh, over, rate), _open(beside.health, over, 20.0), _open(beside.kept, over, 20.0)
                )
                await _closed(caller.fresh, after, CLOSED_SECONDS)
    # A machine that is busy with something else carries less, before or after.
    capacity, goodput = min(_rate(before.complete), _rate(after.complete)), _rate(over.complete)
    refused, healthy, replayed = (float(np.quantile(times, 0.95)) for times in (over.refused, over.healthy, over.replayed))
    print(
        f"n={len(over.complete) + len(over.refused)} calls at {rate:.1f}/s, {capacity:.1f}/s are carried: {len(over.complete)} answered,"
        f" {goodput:.1f}/s ({goodput / capacity:.0%}); {len(over.refused)} refused, p95 {refused * 1e3:.1f} ms;"
        f" {len(over.healthy)} health checks, p95 {healthy * 1e3:.1f} ms; {len(over.replayed)} replays, p95 {replayed * 1e3:.1f} ms"
    )
    assert not (before.unlike or over.unlike or after.unlike)
    assert goodput >= GOODPUT * capacity
    assert len(over.refused) >= len(over.complete)
    assert refused <= max(REFUSAL_SECONDS, 3 * healthy)

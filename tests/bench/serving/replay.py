"""Cached answers a second: in the compacted form, as they were sent, and beside a bare server that sends the same messages.

Four processes: demo shops and a local model behind the server under its own command (defaults, all interceptors), the server,
a bare grpc.aio server on uvloop that writes the same compacted messages, and a raw HTTP/2 load generator that decodes nothing.
A chat answer of 40 tokens and a query of 12 products are kept once; then each is asked for in alternating rounds: compacted,
``hexar-log: original``, and from the bare server. ``p50`` is one caller's time, call by call, over a Python channel;
``chat_turn_per_s`` keeps a turn of a conversation with each answer.

``vs_echo`` and ``vs_original_form`` are medians of the rounds' ratios, ``vs_echo_cpu`` and ``vs_original_form_cpu`` the same of
the server processes' CPU time an answer, which depends less on what else the machine does. ``vs_original`` compares with a server
of an older checkout that kept no compacted form: ``--before PATH`` (or ``BENCH_BEFORE``) names its folder, with a built
``.venv`` in it. It answers the same requests in the same rounds.

Run: ``python tests/bench/serving/replay.py [--quick] [--before PATH]``.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import grpc
from google.protobuf.message import Message

from hexar.v1 import chat_pb2, query_pb2
from tests.bench.harness import report
from tests.bench.serving.chat import Load, cpu_seconds, prepare, serving
from tests.bench.serving.query import SHOPS, line, start
from tests.upstream import Upstream

CHAT, QUERY = "/hexar.v1.ChatService/Chat", "/hexar.v1.QueryService/Query"
RAWLOAD = Path(__file__).with_name("rawload.py")
# The generator looks at its connections every 30 ms: with fewer in flight it would be what limits.
CONNECTIONS, STREAMS = 4, 64

ECHO = """
import asyncio, sys
import grpc, uvloop
frames, data = [], open(sys.argv[1], "rb").read()
while data:
    size = int.from_bytes(data[:4], "big")
    frames.append(data[4:4 + size])
    data = data[4 + size:]
async def answer(request, context):
    for frame in frames:
        await context.write(frame)
async def main():
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service, method = sys.argv[2].strip("/").split("/")
    handler = grpc.unary_stream_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()
uvloop.run(main())
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load."""

    address: str
    pid: int

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])


def load(server: Server, path: str, body: bytes, seconds: float, **metadata: str) -> tuple[float, float]:
    """Of one closed-loop load: answers a second, and microseconds of the server's CPU time an answer."""
    pairs = [f"{name.replace('_', '-')}={value}" for name, value in metadata.items()]
    command = [sys.executable, str(RAWLOAD), str(server.port), path, str(seconds), str(CONNECTIONS), str(STREAMS), *pairs]
    spent = cpu_seconds(server.pid)
    figures = json.loads(subprocess.run(command, input=body, capture_output=True, check=True).stdout)
    spent = cpu_seconds(server.pid) - spent
    return float(figures["answers"] / figures["seconds"]), spent / figures["answers"] * 1e6


async def ask(address: str, path: str, body: bytes, **metadata: str) -> list[bytes]:
    """The events of one call, as they came."""
    async with grpc.aio.insecure_channel(address) as channel:
        pairs = tuple((name.replace("_", "-"), value) for name, value in metadata.items())
        return [event async for event in channel.unary_stream(path)(body, timeout=60, metadata=pairs)]


async def settled(address: str, path: str, body: bytes) -> list[bytes]:
    """The kept answer, once it is the same twice and its analyses have landed."""
    before: list[bytes] = []
    for _ in range(60):
        again = await ask(address, path, body)
        if again == before:
            return again
        before = again
        await asyncio.sleep(1.0)
    raise RuntimeError("the answer does not settle")


async def p50_ms(address: str, path: str, body: bytes, count: int) -> float:
    """The median time of one call at a time, milliseconds."""
    async with grpc.aio.insecure_channel(address) as channel:
        method, times = channel.unary_stream(path), []
        for _ in range(count):
            began = time.perf_counter()
            async for _ in method(body, timeout=30):
                pass
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


@contextmanager
def echoing(path: str, kept: list[bytes], folder: Path) -> Iterator[Server]:
    """A bare server that sends ``kept``."""
    frames = folder / "frames"
    frames.write_bytes(b"".join(len(event).to_bytes(4, "big") + event for event in kept))
    bare = start("-c", ECHO, str(frames), path)
    try:
        yield Server(f"127.0.0.1:{line(bare)}", bare.pid)
    finally:
        bare.terminate()
        bare.wait(10)


def system(server: Server, before: Server | None, path: str, request: Message, folder: Path, quick: bool) -> dict[str, Any]:
    """All figures of one kept answer."""
    body, seconds = request.SerializeToString(), 1.5
    kept = asyncio.run(settled(server.address, path, body))
    sent = asyncio.run(ask(server.address, path, body, hexar_log="original"))
    figures: dict[str, Any] = {"messages": len(kept), "messages_original": len(sent), "bytes": sum(map(len, kept))}
    if before is not None:
        figures["messages_before"] = len(asyncio.run(settled(before.address, path, body)))
    rows: dict[str, list[tuple[float, float]]] = {}
    with echoing(path, kept, folder) as echo:
        assert asyncio.run(ask(echo.address, path, body)) == kept
        for _ in range(3 if quick else 8):
            rows.setdefault("ours", []).append(load(server, path, body, seconds))
            rows.setdefault("echo", []).append(load(echo, path, body, seconds))
            rows.setdefault("original_form", []).append(load(server, path, body, seconds, hexar_log="original"))
            if before is not None:
                rows.setdefault("original", []).append(load(before, path, body, seconds))
        figures["echo_p50_ms"] = asyncio.run(p50_ms(echo.address, path, body, 300 if quick else 1500))
    figures["p50_ms"] = asyncio.run(p50_ms(server.address, path, body, 300 if quick else 1500))
    ours = rows.pop("ours")
    figures["per_s"], figures["cpu_us"] = (statistics.median(each) for each in zip(*ours, strict=True))
    for name, theirs in rows.items():
        pairs = list(zip(ours, theirs, strict=True))
        figures[f"vs_{name}"] = statistics.median(mine[0] / other[0] for mine, other in pairs)
        figures[f"vs_{name}_cpu"] = statistics.median(other[1] / mine[1] for mine, other in pairs)
    return figures


async def ready(address: str) -> None:
    load = Load(address)
    try:
        await prepare(load, ["fixed"])
    finally:
        await load.close()


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cached answers a second")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--before", type=Path, default=os.environ.get("BENCH_BEFORE"), help="a checkout to compare with")
    return parser.parse_args()


def main() -> None:
    asked = options()
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hexar-bench-")))
        vendors = folder / "vendors.yaml"
        shops = start("-c", SHOPS, str(vendors))
        stack.callback(shops.wait, 10)
        stack.callback(shops.terminate)
        line(shops)
        models = [{"name": "fixed", "base_url": upstream.base_url, "model": "m?tokens=40&rate=50&first=0.01"}]
        config = folder / "hexar.yaml"
        config.write_text(json.dumps({"llm": {"models": models}, "log_level": "error"}))
        chat = chat_pb2.ChatRequest(
            portfolio_id="bench", message="How often shall the brake be inspected?", agent_id="fixed", ephemeral=True
        )
        query = query_pb2.QueryRequest(text="snowboard", limit=12)

        def served(name: str, checkout: Path | None) -> Server:
            server = serving(config, checkout, DATA_DIR=f"{folder}/{name}", VENDORS=str(vendors))
            address, pid = stack.enter_context(server)
            asyncio.run(ready(address))
            return Server(address, pid)

        ours = served("data", None)
        before = served("before", Path(asked.before).resolve()) if asked.before else None
        figures: dict[str, Any] = {"vs": "none" if before is None else commit(Path(asked.before))}
        for name, path, request in (("chat", CHAT, chat), ("query", QUERY, query)):
            found = system(ours, before, path, request, folder, asked.quick)
            figures |= {f"cached_{name}_{key}": value for key, value in found.items()}
        chat.ephemeral = False
        figures["chat_turn_per_s"], _ = load(ours, CHAT, chat.SerializeToString(), 1.5)
    report("replay", figures)


def commit(checkout: Path) -> str:
    """What stands in the folder that is compared with."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


if __name__ == "__main__":
    main()

"""Cached answers a second: in the compacted form, as they were sent, and beside a bare server that sends the same messages.

Four processes: demo shops and a local model behind the server under its own command (defaults, all interceptors), the server,
a bare grpc.aio server on uvloop that writes the same compacted messages, and a raw HTTP/2 load generator that decodes nothing.
A chat answer of 40 tokens and a query of 12 products are kept once; then each is asked for in alternating rounds: compacted,
``hexar-log: original``, and from the bare server. ``vs_original`` and ``vs_echo`` are medians of the rounds' ratios. ``p50`` is
one caller's time, call by call, over a Python channel; ``chat_turn_per_s`` keeps a turn of a conversation with each answer.

Run: ``python tests/bench/serving/replay.py [--quick]``.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import grpc
from google.protobuf.message import Message

from hexar.v1 import chat_pb2, query_pb2
from tests.bench.harness import options, report
from tests.bench.serving.chat import Load, prepare, serving
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


def per_second(port: int, path: str, body: bytes, seconds: float, **metadata: str) -> float:
    """Answers a second of one closed-loop load."""
    pairs = [f"{name.replace('_', '-')}={value}" for name, value in metadata.items()]
    command = [sys.executable, str(RAWLOAD), str(port), path, str(seconds), str(CONNECTIONS), str(STREAMS), *pairs]
    figures = json.loads(subprocess.run(command, input=body, capture_output=True, check=True).stdout)
    return float(figures["answers"] / figures["seconds"])


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


def rounds(address: str, path: str, body: bytes, kept: list[bytes], folder: Path, count: int) -> dict[str, float]:
    """Compacted, as sent, and bare, in turn; medians of the rounds' ratios."""
    frames = folder / "frames"
    frames.write_bytes(b"".join(len(event).to_bytes(4, "big") + event for event in kept))
    bare = start("-c", ECHO, str(frames), path)
    try:
        port, echo = int(address.rsplit(":", 1)[1]), int(line(bare))
        assert asyncio.run(ask(f"127.0.0.1:{echo}", path, body)) == kept
        rows = []
        for _ in range(count):
            ours = per_second(port, path, body, 1.5)
            sent = per_second(port, path, body, 1.5, hexar_log="original")
            rows.append((ours, ours / sent, ours / per_second(echo, path, body, 1.5)))
    finally:
        bare.terminate()
        bare.wait(10)
    rate, vs_original, vs_echo = (statistics.median(row[place] for row in rows) for place in range(3))
    return {"per_s": rate, "vs_original": vs_original, "vs_echo": vs_echo}


def system(address: str, path: str, request: Message, folder: Path, quick: bool) -> dict[str, Any]:
    """All figures of one kept answer."""
    body = request.SerializeToString()
    kept = asyncio.run(settled(address, path, body))
    sent = asyncio.run(ask(address, path, body, hexar_log="original"))
    figures: dict[str, Any] = {"messages": len(kept), "messages_original": len(sent), "bytes": sum(map(len, kept))}
    figures |= rounds(address, path, body, kept, folder, 3 if quick else 8)
    figures["p50_ms"] = asyncio.run(p50_ms(address, path, body, 300 if quick else 1500))
    return figures


async def ready(address: str) -> None:
    load = Load(address)
    try:
        await prepare(load, ["fixed"])
    finally:
        await load.close()


def main() -> None:
    quick = options("Cached answers a second").quick
    with Upstream() as upstream, tempfile.TemporaryDirectory(prefix="hexar-bench-") as name:
        folder = Path(name)
        shops = start("-c", SHOPS, str(folder / "vendors.yaml"))
        line(shops)
        models = [{"name": "fixed", "base_url": upstream.base_url, "model": "m?tokens=40&rate=50&first=0.01"}]
        config = folder / "hexar.yaml"
        config.write_text(json.dumps({"port": 0, "llm": {"models": models}, "log_level": "error"}))
        question = "How often shall the brake be inspected?"
        chat = chat_pb2.ChatRequest(portfolio_id="bench", message=question, agent_id="fixed", ephemeral=True)
        query = query_pb2.QueryRequest(text="snowboard", limit=12)
        try:
            with serving(config, DATA_DIR=f"{folder}/data", VENDORS=str(folder / "vendors.yaml")) as (address, _):
                asyncio.run(ready(address))
                figures = {f"cached_chat_{key}": value for key, value in system(address, CHAT, chat, folder, quick).items()}
                figures |= {f"cached_query_{key}": value for key, value in system(address, QUERY, query, folder, quick).items()}
                chat.ephemeral = False
                port = int(address.rsplit(":", 1)[1])
                figures["chat_turn_per_s"] = per_second(port, CHAT, chat.SerializeToString(), 1.5)
        finally:
            shops.terminate()
            shops.wait(10)
    report("replay", figures)


if __name__ == "__main__":
    main()

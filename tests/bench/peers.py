"""``make bench-peers``: Hexar's chat and the LiteLLM proxy in front of the same model server, in one run, by turns.

Both run as they are installed: one process of Hexar with a portfolio of 200 documents, one worker of LiteLLM with its cache in
memory, whose environment is its own (``build/peers``). The model is ``tests/upstream.py``, which all three phases share: every
round is measured for one and at once for the other, so that noise of the machine falls on both. Nothing but loopback is contacted.

* ``cached_answers_per_s``: one answer of 20 chunks that both have in their cache, with 256 requests open at any time. Hexar streams
  it; LiteLLM gives it as one JSON body, which is the faster of its two ways. Both load generators read bytes and decode nothing.
* ``added_ttft_ms_N``: N streams open at a time, 20 chunks a second each: median over the streams of the time to the first chunk at
  the client, less the model server's own from the request to its first chunk written. Hexar searches its documents in that time.
* ``chunks_per_s``: chunks of the model that reach 16 clients while it writes as fast as it is read.
* ``memory_mb``: resident memory after all that, with the children of a process.

``*_cpu_us`` is processor time of the server for each answer or chunk, which other work on the machine changes less than rates.

Run: ``make bench-peers``, or ``python tests/bench/peers.py [--quick]`` once its packages are there.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import distributions
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import uvloop

from hexar.v1 import chat_pb2, ops_pb2, ops_pb2_grpc
from tests.bench.harness import options, report
from tests.bench.serving.chat import Load, cpu_seconds, free_port, prepare, questions, rss_kb, serving
from tests.upstream import Upstream

HERE = Path(__file__).resolve().parent
PEER = HERE.parents[1] / "build" / "peers" / "bin"
RATE, FIRST, TOKENS, MANY = 20, 0.2, 40, 1000
CALLERS, OPEN = 16, 256
CACHED = "How many minutes does it take to clean the clutch of series 11?"
#: What every chunk of the model has in the proxy's answer.
MARK = b'"content":"tok'
MODELS = {
    "short": "m?tokens=20",
    "steady": f"m?tokens={TOKENS}&rate={RATE}&first={FIRST}&timed=1",
    "fast": f"m?tokens={MANY}",
}


class Side:
    """One of both servers, as its caller sees it."""

    name: str
    pids: list[int]

    async def answer(self, model: str, message: str) -> tuple[float, int]:
        """Stream one answer: seconds to its first chunk, and its chunks."""
        raise NotImplementedError

    async def cached(self, seconds: float) -> tuple[int, float]:
        """Get the answer that is in the cache for a while, again and again: how often, and the wall seconds."""
        raise NotImplementedError

    def cpu(self) -> float:
        return sum(map(cpu_seconds, self.pids))


class Hexar(Side):
    """Over gRPC: four channels, events counted as they are."""

    name = "hexar"

    def __init__(self, load: Load, address: str, pid: int) -> None:
        self._load, self._port, self.pids = load, address.rpartition(":")[2], [pid]
        self._next = count()

    def _call(self, model: str, message: str) -> Any:
        request = chat_pb2.ChatRequest(portfolio_id="bench", message=message, agent_id=model)
        return self._load._calls[next(self._next) % 4](request, timeout=120)

    async def answer(self, model: str, message: str) -> tuple[float, int]:
        start, first, found = time.perf_counter(), 0.0, 0
        async for event in self._call(model, message):
            chunks = event.count(b"tok")
            if chunks and not found:
                first = time.perf_counter() - start
            found += chunks
        return first, found

    async def cached(self, seconds: float) -> tuple[int, float]:
        body = chat_pb2.ChatRequest(portfolio_id="bench", message=CACHED, agent_id="short").SerializeToString()
        command = [
            str(HERE / "serving" / "rawload.py"),
            self._port,
            "/hexar.v1.ChatService/Chat",
            str(seconds),
            "16",
            str(OPEN // 16),
        ]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdin=pipe, stdout=pipe)
        out, _ = await process.communicate(body)
        found = json.loads(out)
        # It counts ends of streams: that they were answers is what the server says.
        ops = ops_pb2_grpc.OpsServiceStub(self._load.channel)
        report = await ops.GetReport(ops_pb2.GetReportRequest())
        [chat] = [row for row in report.methods if row.method.endswith("/Chat")]
        assert not {code for code in chat.errors if code != "CANCELLED"}, chat.errors
        return found["answers"], found["seconds"]


class LiteLLM(Side):
    """Over HTTP: connections that are kept, bodies counted as they are."""

    name = "litellm"

    def __init__(self, port: int, pid: int) -> None:
        self._port = port
        self.pids = [pid, *children(pid)]
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def _ask(self, model: str, message: str, stream: bool) -> Any:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": message}], "stream": stream}).encode()
        # One that was idle for long is closed by the server.
        self._idle = [pair for pair in self._idle if not pair[0].at_eof()]
        reader, writer = (
            self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        )
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answered = await reader.readuntil(b"\r\n\r\n")
        assert answered.startswith(b"HTTP/1.1 200"), answered + await reader.read(2000)
        return reader, writer, answered.lower()

    async def answer(self, model: str, message: str) -> tuple[float, int]:
        start, first, found, tail = time.perf_counter(), 0.0, 0, b""
        reader, writer, _ = await self._ask(model, message, stream=True)
        while not tail.endswith(b"0\r\n\r\n"):
            data = await reader.read(1 << 16)
            assert data, "the peer closed a stream"
            # The last bytes of a read are fewer than a mark, so that one that a read cuts in two is counted once.
            chunks = (tail + data).count(MARK)
            if chunks and not found:
                first = time.perf_counter() - start
            found += chunks
            tail = (tail + data)[1 - len(MARK) :]
        self._idle.append((reader, writer))
        return first, found

    async def cached(self, seconds: float) -> tuple[int, float]:
        async def one() -> int:
            reader, writer, head = await self._ask("short", CACHED, stream=False)
            body = await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            assert b"tok19" in body, body
            self._idle.append((reader, writer))
            return 1

        return await for_a_while(seconds, OPEN, one)


def children(pid: int) -> list[int]:
    """The processes below one (Linux)."""
    task = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(each) for each in task.read_text().split()] if task.exists() else []
    return [*below, *(each for child in below for each in children(child))]


@dataclass
class Measured:
    """What was seen of one side, round by round."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    costs: dict[str, list[float]] = field(default_factory=dict)
    firsts: dict[int, list[float]] = field(default_factory=dict)

    def rate(self, name: str, number: int, wall: float, cpu: float) -> None:
        self.rates.setdefault(name, []).append(number / wall)
        self.costs.setdefault(name, []).append(cpu / number * 1e6)


async def for_a_while(seconds: float, callers: int, work: Callable[[], Awaitable[int]]) -> tuple[int, float]:
    """What ``callers`` get done, one call after the other each, and the wall seconds."""
    start = time.perf_counter()

    async def caller() -> int:
        done = 0
        while time.perf_counter() - start < seconds:
            done += await work()
        return done

    return sum(await asyncio.gather(*(caller() for _ in range(callers)))), time.perf_counter() - start


async def cached_round(side: Side, seen: Measured, seconds: float) -> None:
    cpu = side.cpu()
    number, wall = await side.cached(seconds)
    seen.rate("cached_answers", number, wall, side.cpu() - cpu)


async def chunks_round(side: Side, seen: Measured, seconds: float, asked: Iterator[str]) -> None:
    async def one() -> int:
        chunks = (await side.answer("fast", next(asked)))[1]
        assert chunks == MANY, f"{side.name}: {chunks} of {MANY} chunks"
        return chunks

    cpu = side.cpu()
    number, wall = await for_a_while(seconds, CALLERS, one)
    seen.rate("chunks", number, wall, side.cpu() - cpu)


async def first_round(side: Side, seen: Measured, streams: int, asked: Iterator[str], upstream: Upstream) -> None:
    """``streams`` open at a time: they begin evenly over two lives of one."""
    life = FIRST + (TOKENS - 1) / RATE

    async def later(index: int) -> tuple[str, float]:
        message = next(asked)
        await asyncio.sleep(life * index / streams)
        return message, (await side.answer("steady", message))[0]

    found = await asyncio.gather(*(later(index) for index in range(max(2 * streams, 4))))
    theirs = await asyncio.to_thread(upstream.timings)
    seen.firsts.setdefault(streams, []).extend(first - theirs[message] for message, first in found)


async def measure(sides: list[Side], upstream: Upstream, quick: bool) -> dict[str, float | int | str | None]:
    rounds, seconds = (2, 2.0) if quick else (5, 4.0)
    seen = {side.name: Measured() for side in sides}
    asked = questions()
    for side in sides:
        # Until its imports, pools and caches are there.
        for _ in range(20):
            await side.answer("steady", next(asked))
        await side.answer("short", CACHED)
        await side.cached(0.5)
    await asyncio.sleep(1.0)
    for at in range(rounds):
        turn = sides if at % 2 == 0 else sides[::-1]
        for side in turn:
            await cached_round(side, seen[side.name], seconds)
        for side in turn:
            await chunks_round(side, seen[side.name], seconds, asked)
        for streams in (1, 16, 100):
            for side in turn:
                await first_round(side, seen[side.name], streams, asked, upstream)
    figures: dict[str, float | int | str | None] = {"litellm": version()}
    ours, theirs = (seen[side.name] for side in sides)
    for name in ("cached_answers", "chunks"):
        figures[f"{name}_ratio"] = statistics.median(a / b for a, b in zip(ours.rates[name], theirs.rates[name], strict=True))
        for side, found in zip(sides, (ours, theirs), strict=True):
            figures[f"{side.name}_{name}_per_s"] = statistics.median(found.rates[name])
            figures[f"{side.name}_{name.removesuffix('s')}_cpu_us"] = statistics.median(found.costs[name])
    for streams in ours.firsts:
        for side, found in zip(sides, (ours, theirs), strict=True):
            figures[f"{side.name}_added_ttft_ms_{streams}"] = statistics.median(found.firsts[streams]) * 1e3
    for side in sides:
        figures[f"{side.name}_memory_mb"] = sum(map(rss_kb, side.pids)) / 1024
    return figures


def version() -> str:
    """The version of the peer that is installed."""
    site = next((PEER.parent / "lib").glob("python*/site-packages"))
    return next(each.version for each in distributions(path=[str(site)]) if each.metadata["Name"] == "litellm")


@contextmanager
def peer(upstream: Upstream, folder: Path) -> Iterator[tuple[int, int]]:
    """The port and process id of a proxy with one worker, its cache in memory."""
    rows = [
        {"model_name": name, "litellm_params": {"model": f"openai/{model}", "api_base": upstream.base_url, "api_key": "none"}}
        for name, model in MODELS.items()
    ]
    cache = {"cache": True, "cache_params": {"type": "local", "ttl": 3600}, "telemetry": False, "num_retries": 0}
    config = folder / "litellm.yaml"
    config.write_text(json.dumps({"model_list": rows, "litellm_settings": cache}))
    port = free_port()
    own = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "NO_PROXY": "*",
        "PATH": f"{PEER}:{os.environ['PATH']}",
    }
    command = [str(PEER / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen([*command, "--telemetry", "False"], env=os.environ | own, stdout=log, stderr=log, cwd=folder)
        try:
            until = time.monotonic() + 180
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=2).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise SystemExit((folder / "litellm.log").read_text()[-4000:]) from None
                    time.sleep(0.5)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    quick = options("Hexar's chat and the LiteLLM proxy, in front of the same model server").quick
    if not (PEER / "litellm").exists():
        raise SystemExit("the peer is not installed: make bench-peers does")
    with Upstream() as upstream, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = [{"name": each, "base_url": upstream.base_url, "model": model} for each, model in MODELS.items()]
        (folder / "hexar.yaml").write_text(json.dumps({"llm": {"models": models}, "log_level": "warning"}))
        with (
            serving(folder / "hexar.yaml", DATA_DIR=f"{name}/data") as (address, pid),
            peer(upstream, folder) as (port, peer_pid),
        ):

            async def run() -> dict[str, float | int | str | None]:
                load = Load(address)
                await prepare(load, list(MODELS))
                try:
                    return await measure([Hexar(load, address, pid), LiteLLM(port, peer_pid)], upstream, quick)
                finally:
                    await load.close()

            figures = uvloop.run(run())
    report("peers", figures)


if __name__ == "__main__":
    main()

"""Chat streams: what Hexar adds to the model's time to its first token, many streams at once, cached answers, search.

Three processes share the machine: a local OpenAI-compatible server that sends 20 tokens a second to each stream, the server
under its own command, and this load generator. ``added_ttft`` and ``burst_ttft`` are, stream by stream, the time from the call
to the first token at the client less the upstream's own from the request to its first token written, which the upstream reports
(about 200 ms, and what its timer was late). The client's own share, and both ways through the loopback, count against the server.
``tokens_lost`` counts tokens that are missing, doubled or out of order; ``stream_wall_ratio`` is the time of all streams
over the time that the upstream needs at its rate. ``search_*`` are measured in this process over a portfolio of
``search_chunks`` chunks, recall against comparing every vector. ``echo_p50_ms`` is one unary call of the health service
through the same channel, the machine's own share in ``cached_p50_ms``. ``burst_ttft`` is over the streams of five
bursts of 100; the cached answer is asked for 100 times before them and after each. ``*_bound`` are those of another
server, which keeps its threads to one CPU (``HEXAR_CPU_AFFINITY=true``).

Run: ``python tests/bench/serving/chat.py [--quick]``.
"""

import asyncio
import gc
import json
import os
import random
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import grpc
import numpy as np
import sqlalchemy as sa
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hexar.agents.llm.embeddings import embedded
from hexar.agents.portfolio.documents.chunking import Chunk
from hexar.agents.portfolio.documents.library import Library, dependency, index_terms
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.tables import TABLES, chunks, documents, portfolios, vectors
from hexar.core.cache.versions import Versions
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.v1 import chat_pb2, chat_pb2_grpc, portfolio_pb2, portfolio_pb2_grpc
from tests.bench.harness import options, percentile, report
from tests.upstream import Upstream

RATE, FIRST = 20, 0.2
STREAMS, BURST, BURSTS = 500, 100, 5
TOPICS = "engine brake tire mirror window battery filter pump sensor valve gasket clutch radiator belt hose lamp".split()  # noqa: SIM905
VERBS = "replace clean order inspect measure store ship return repair install".split()  # noqa: SIM905


def document(number: int) -> bytes:
    """A short text about its own part."""
    topic = TOPICS[number % len(TOPICS)]
    lines = [f"To {verb} the {topic} of series {number}, plan {number + at} minutes." for at, verb in enumerate(VERBS)]
    return f"# The {topic} of series {number}\n\n{' '.join(lines)}\n".encode()


def questions() -> Iterator[str]:
    """Questions that differ from each other by what they ask for."""
    number = 0
    while True:
        topic, verb = TOPICS[number % len(TOPICS)], VERBS[number // len(TOPICS) % len(VERBS)]
        yield f"How many minutes does it take to {verb} the {topic} of series {number}?"
        number += 1


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream as the client saw it: its question, seconds to the first token and to the end, and its text."""

    message: str
    first: float
    total: float
    text: str


class Load:
    """The client: one stub over a few channels, so that one connection does not carry everything."""

    def __init__(self, address: str, channels: int = 4) -> None:
        self._channels = [
            grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(channels)
        ]
        self._calls: list[Any] = [
            channel.unary_stream("/hexar.v1.ChatService/Chat", request_serializer=chat_pb2.ChatRequest.SerializeToString)
            for channel in self._channels
        ]
        self._next = 0
        self._questions = questions()

    @property
    def channel(self) -> grpc.aio.Channel:
        return self._channels[0]

    async def ask(self, agent: str, message: str = "", *, ephemeral: bool = False) -> Stream:
        """Stream one answer; decoded only after its end, so that the load does not slow itself."""
        call = self._calls[self._next % len(self._calls)]
        self._next += 1
        message = message or next(self._questions)
        request = chat_pb2.ChatRequest(portfolio_id="bench", message=message, agent_id=agent, ephemeral=ephemeral)
        start = time.perf_counter()
        first = 0.0
        raw: list[bytes] = []
        async for event in call(request, timeout=120):
            raw.append(event)
            if len(raw) == 2:
                first = time.perf_counter() - start
        total = time.perf_counter() - start
        events = [chat_pb2.ChatEvent.FromString(event) for event in raw]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return Stream(message, first, total, "".join(event.token.text for event in events))

    async def wave(self, agent: str, count: int, spread: float) -> tuple[list[Stream], float]:
        """Start ``count`` streams evenly over ``spread`` seconds; the streams and the wall seconds."""
        start = time.perf_counter()

        async def later(index: int) -> Stream:
            await asyncio.sleep(spread * index / count)
            return await self.ask(agent)

        streams = await asyncio.gather(*(later(index) for index in range(count)))
        return list(streams), time.perf_counter() - start

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


def lost(streams: list[Stream], tokens: int) -> int:
    """Tokens that are missing or not in their place."""
    wanted = [f"tok{i} " for i in range(tokens)]
    missing = 0
    for stream in streams:
        got = [f"{word} " for word in stream.text.split()]
        missing += sum(x != y for x, y in zip(got, wanted, strict=False)) + abs(len(got) - len(wanted))
    return missing


def rss_kb(pid: int) -> int:
    """Resident memory of a process (Linux); 0 where the system does not tell."""
    statm = Path(f"/proc/{pid}/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() // 1024 if statm.exists() else 0


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux); 0 where the system does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def prepare(load: Load, models: list[str]) -> None:
    """A portfolio, and an agent for each model."""
    stub = portfolio_pb2_grpc.PortfolioServiceStub(load.channel)

    def frames() -> Iterator[portfolio_pb2.UpsertDocumentsRequest]:
        target = portfolio_pb2.UpsertTarget(portfolio_id="bench", create=True)
        yield portfolio_pb2.UpsertDocumentsRequest(target=target)
        for number in range(200):
            header = portfolio_pb2.DocumentHeader(document_id=f"part-{number}.md")
            yield portfolio_pb2.UpsertDocumentsRequest(document=header)
            yield portfolio_pb2.UpsertDocumentsRequest(data=document(number))

    await stub.UpsertDocuments(frames(), timeout=120)
    chat = chat_pb2_grpc.ChatServiceStub(load.channel)
    for model in models:
        await chat.CreateAgent(chat_pb2.CreateAgentRequest(agent=chat_pb2.Agent(agent_id=model, model=model)))


async def bursts(load: Load) -> tuple[list[Stream], list[float]]:
    """The streams of all bursts, and seconds of cached answers before, between and after them."""
    question = "How many minutes does it take to clean the clutch of series 11?"
    await load.ask("steady", question)
    cached = [(await load.ask("steady", question)).total for _ in range(100)]
    burst = []
    for _ in range(BURSTS):
        await asyncio.sleep(1.0)  # what the one before left behind is done
        burst += (await load.wave("steady", BURST, 0.0))[0]
        cached += [(await load.ask("steady", question)).total for _ in range(100)]
    return burst, cached


async def warmed(address: str) -> Load:
    """A load on a server that has answered before. From now on this process does not look for cycles: a pause of its collector
    stops all of its streams at once, for longer than what is measured."""
    load = Load(address)
    await prepare(load, ["steady", "load"])
    await load.wave("steady", 30, 1.0)
    gc.collect()
    gc.disable()
    return load


def median_ms(seconds: list[float]) -> float:
    """The median in milliseconds."""
    return statistics.median(seconds) * 1e3


async def bound_figures(address: str, upstream: Upstream) -> dict[str, float | int | str | None]:
    """What a server does that keeps its threads to one CPU."""
    load = await warmed(address)
    burst, cached = await bursts(load)
    await load.close()
    theirs = upstream.timings()
    rushed = [stream.first - theirs[stream.message] for stream in burst]
    return {"cached_p50_bound_ms": median_ms(cached), "burst_ttft_p50_bound_ms": median_ms(rushed)}


async def stream_figures(address: str, upstream: Upstream, pid: int, load_tokens: int) -> dict[str, float | int | str | None]:
    load = await warmed(address)
    steady, _ = await load.wave("steady", 300, 6.0)  # each lives two seconds: 100 at once
    burst, cached = await bursts(load)
    health: Any = health_pb2_grpc.HealthStub(load.channel)
    echo = []
    for _ in range(300):
        start = time.perf_counter()
        await health.Check(health_pb2.HealthCheckRequest())
        echo.append(time.perf_counter() - start)

    before, peak = rss_kb(pid), 0
    spent = cpu_seconds(pid), time.process_time()
    work = asyncio.create_task(load.wave("load", STREAMS, 1.0))
    while not work.done():
        await asyncio.sleep(0.5)
        peak = max(peak, rss_kb(pid))
    streams, wall = await work
    spent = cpu_seconds(pid) - spent[0], time.process_time() - spent[1]
    await load.close()
    ideal = 1.0 + FIRST + (load_tokens - 1) / RATE
    theirs = upstream.timings()
    added = [stream.first - theirs[stream.message] for stream in steady]
    rushed = [stream.first - theirs[stream.message] for stream in burst]
    return {
        "cached_p50_ms": median_ms(cached),
        "cached_p99_ms": percentile(cached, 0.99) * 1e3,
        "echo_p50_ms": median_ms(echo),
        "added_ttft_p50_ms": median_ms(added),
        "added_ttft_p99_ms": percentile(added, 0.99) * 1e3,
        "burst_ttft_p50_ms": median_ms(rushed),
        "burst_ttft_p99_ms": percentile(rushed, 0.99) * 1e3,
        "streams": STREAMS,
        "stream_wall_ratio": wall / ideal,
        "tokens_lost": lost(steady, 40) + lost(burst, 40) + lost(streams, load_tokens),
        "server_cpu_us_per_token": spent[0] / (STREAMS * load_tokens) * 1e6,
        "client_cpu_us_per_token": spent[1] / (STREAMS * load_tokens) * 1e6,
        "rss_per_stream_kb": max(0, peak - before) / STREAMS,
    }


def fill(database: Database, versions: Versions, library: Library, count: int) -> None:
    """A portfolio of ``count`` chunks, written in bulk: three sentences each of the Python reference that every interpreter
    carries (``pydoc_data.topics``), with a number of their own."""
    words = embedded()
    assert words is not None
    chance = random.Random(7)
    prose = " ".join(" ".join(text.split()) for text in topics.values())
    sentences = [part for part in re.split(r"(?<=[.:;]) +", prose) if 30 < len(part) < 300]
    library.create("bench", "large")
    with database.write() as connection:
        key = library.key(connection, "bench", "large")
        row = {"portfolio_key": key, "document_id": "all", "title": "all", "version": 1, "format": "text", "language": "en"}
        sizes = {"byte_count": 0, "character_count": 0, "chunk_count": count, "checksum": "", "url": "", "updated_at": 0.0}
        made = connection.execute(sa.insert(documents).values(**row, **sizes, text=""))
        parent = made.inserted_primary_key
        assert parent is not None
        for begin in range(0, count, 5000):
            rows, texts, lines = [], [], []
            for number in range(begin, min(begin + 5000, count)):
                text = f"Entry {number}. " + " ".join(chance.sample(sentences, 3))
                terms, length = index_terms(Chunk(0, len(text), text, (), "en", ""))
                place = {"key": number + 1, "portfolio_key": key, "document_key": parent[0], "ordinal": number}
                span = {"start": 0, "end": len(text), "language": "en", "checksum": str(number), "headings": []}
                rows.append({**place, **span, "chunk_id": f"c-{number}", "text": text, "terms": terms, "term_count": length})
                texts.append(text)
                lines.append((number + 1, terms))
            connection.execute(sa.insert(chunks), rows)
            library.lexical.add(connection, key, lines)
            kept = words.embed(texts).astype(np.float16)
            named_rows = [
                {"chunk_key": row["key"], "identity": words.identity, "portfolio_key": key, "vector": vector.tobytes()}
                for row, vector in zip(rows, kept, strict=True)
            ]
            connection.execute(sa.insert(vectors), named_rows)
        name = dependency("bench", "large")
        version = versions.bump_in(connection, name)
        connection.execute(sa.update(portfolios).where(portfolios.c.key == key).values(version=version))
    versions.published(name, version)


def search_figures(count: int) -> dict[str, float | int | str | None]:
    """Time of a whole search, and how much of the exact neighbours the graph finds."""
    words = embedded()
    if words is None:
        return {"search_chunks": count, "search_p50_ms": None, "search_recall": None}
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/store.db")
        create_tables(database, (TABLES,))
        versions = Versions(database)
        library = Library(database, versions, words)
        fill(database, versions, library, count)
        retriever = Retriever(database, library, words=words)
        with database.read() as connection:
            texts = list(connection.execute(sa.select(chunks.c.text).where(chunks.c.key % (count // 200) == 1)).scalars())
        asked = [" ".join(text.split()[4:12]) for text in texts]
        retriever.search("bench", "large", asked[0], 10)  # loads the vectors and has the graph built
        retriever.close()
        index = retriever.resident_index("bench", "large")
        times, recall = [], []
        for text in asked:
            start = time.perf_counter()
            retriever.search("bench", "large", text, 10)
            times.append(time.perf_counter() - start)
            vector = words.embed([text])[0]
            near, exact = index.search(vector, 10).keys, index.exact_search(vector, 10).keys
            recall.append(len(set(near) & set(exact)) / len(exact))
        database.close()
    return {
        "search_chunks": count,
        "search_p50_ms": median_ms(times),
        "search_p99_ms": percentile(times, 0.99) * 1e3,
        "search_recall": statistics.fmean(recall),
        "search_exact": int(index.exact),
    }


@contextmanager
def serving(config: Path, checkout: Path | None = None, **settings: str) -> Iterator[tuple[str, int]]:
    """The address and process id of a server of ``config`` and of ``settings``, as its environment names them.

    ``checkout``: another checkout than this one, with a ``.venv`` of its own.
    """
    python = sys.executable if checkout is None else str(checkout / ".venv" / "bin" / "python")
    port = free_port()
    named = {f"HEXAR_{name}": value for name, value in settings.items()} | {
        "HEXAR_CONFIG": str(config),
        "HEXAR_PORT": str(port),
    }
    server = subprocess.Popen([python, "-m", "hexar.server"], env=os.environ | named, cwd=checkout)
    try:
        grpc.channel_ready_future(grpc.insecure_channel(f"127.0.0.1:{port}")).result(60)
        yield f"127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    quick = options("Chat: first token, many streams, cached answers, search").quick
    seconds = 8 if quick else 30
    tokens = seconds * RATE
    with Upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        models = [
            {"name": "steady", "base_url": upstream.base_url, "model": f"m?tokens=40&rate={RATE}&first={FIRST}&timed=1"},
            {"name": "load", "base_url": upstream.base_url, "model": f"m?tokens={tokens}&rate={RATE}&first={FIRST}"},
        ]
        config = Path(folder) / "hexar.yaml"
        config.write_text(json.dumps({"llm": {"models": models}, "log_level": "warning"}))
        with serving(config, DATA_DIR=f"{folder}/plain") as (address, pid):
            figures = uvloop.run(stream_figures(address, upstream, pid, tokens))
        with serving(config, DATA_DIR=f"{folder}/bound", CPU_AFFINITY="true") as (address, _):
            figures |= uvloop.run(bound_figures(address, upstream))
    figures |= search_figures(25_000 if quick else 100_000)
    report("chat", figures)


if __name__ == "__main__":
    main()

"""Streams of a language model through the thread pool to the event loop: completeness, time to the first token, cost.

A local OpenAI-compatible server in a process of its own sends 20 tokens a second to each stream. ``wall_ratio`` is the
time all streams took over the time the server needs at that rate; ``added_ttft`` is what our side adds to the server's
own time to its first token.

Run: ``python tests/bench/serving/models.py [--quick]``.
"""

import asyncio
import resource
import statistics
import sys
import time
from contextlib import aclosing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from hexar.agents.llm import Delta, Message, ModelConfig, Models, Request, Timeouts
from hexar.core.deadline import Deadline
from hexar.core.resilience.dispatch import Dispatcher
from tests.bench.harness import options, percentile, report
from tests.upstream import Upstream

RATE = 20
FIRST = 0.2


async def one(models: Models, name: str, tokens: int) -> tuple[float, bool]:
    """(seconds to the first token, every token came once and in order)."""
    start = time.perf_counter()
    first = 0.0
    parts: list[str] = []
    request = Request((Message("user", "hello"),), max_tokens=tokens)
    async with aclosing(models.stream(request, Deadline.after(300), model=name)) as batches:
        async for events in batches:
            if not first:
                first = time.perf_counter() - start
            parts += [event.text for event in events if isinstance(event, Delta)]
    return first, parts == [f"tok{i} " for i in range(tokens)]


async def wave(models: Models, name: str, streams: int, tokens: int, spread: float) -> tuple[list[float], int, float]:
    """Start ``streams`` evenly over ``spread`` seconds; (first token times, incomplete streams, wall seconds)."""
    start = time.perf_counter()

    async def later(index: int) -> tuple[float, bool]:
        await asyncio.sleep(spread * index / streams)
        return await one(models, name, tokens)

    results = await asyncio.gather(*(later(index) for index in range(streams)))
    return [first for first, _ in results], sum(not whole for _, whole in results), time.perf_counter() - start


async def lag(stop: asyncio.Event, samples: list[float]) -> None:
    """How late the loop is, seconds."""
    while not stop.is_set():
        start = time.perf_counter()
        await asyncio.sleep(0.01)
        samples.append(time.perf_counter() - start - 0.01)


def rss_kb() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1024


async def measure(upstream: Upstream, quick: bool) -> dict[str, float | int | str | None]:
    streams, seconds = (500, 8) if quick else (500, 30)
    tokens = seconds * RATE
    steady = f"m?tokens=40&rate={RATE}&first={FIRST}"
    load = f"m?tokens={tokens}&rate={RATE}&first={FIRST}"
    dispatcher = Dispatcher()
    names = {"steady": steady, "load": load}
    configs = [
        ModelConfig(name, base_url=upstream.base_url, model=model, timeouts=Timeouts(first_token=60))
        for name, model in names.items()
    ]
    models = Models(configs, dispatcher)
    await wave(models, "steady", 20, 40, 0.5)  # warm
    firsts, lost_steady, _ = await wave(models, "steady", 300, 40, 6.0)  # two seconds each: 100 at once
    burst, lost_burst, _ = await wave(models, "steady", 100, 40, 0.0)
    before = rss_kb()
    peak = 0
    samples: list[float] = []
    stop = asyncio.Event()
    watcher = asyncio.create_task(lag(stop, samples))
    cpu = time.process_time()
    work = asyncio.create_task(wave(models, "load", streams, tokens, 1.0))
    while not work.done():
        await asyncio.sleep(0.5)
        peak = max(peak, rss_kb())
    _, lost, wall = await work
    cpu = time.process_time() - cpu
    stop.set()
    await watcher
    models.close()
    dispatcher.close()
    ideal = 1.0 + FIRST + (tokens - 1) / RATE
    added = [first - FIRST for first in firsts]
    return {
        "streams": streams,
        "added_ttft_p50_ms": statistics.median(added) * 1e3,
        "added_ttft_p99_ms": percentile(added, 0.99) * 1e3,
        "burst_ttft_p50_ms": (statistics.median(burst) - FIRST) * 1e3,
        "wall_ratio": wall / ideal,
        "broken_streams": lost + lost_steady + lost_burst,
        "rss_per_stream_kb": (peak - before) / streams,
        "cpu_us_per_token": cpu / (streams * tokens) * 1e6,
        "loop_lag_p99_ms": percentile(samples, 0.99) * 1e3,
    }


def main() -> None:
    quick = options("Model streams: completeness, first token, cost").quick
    with Upstream() as upstream:
        figures = asyncio.run(measure(upstream, quick))
    report("models", figures)


if __name__ == "__main__":
    main()

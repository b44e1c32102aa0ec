"""Parts discovery on the real catalogue: import, cold and cached answers, parallel gain, memory, hits, matching.

Figures: ``import_s`` and ``import_rss_mb`` of an import in a process of its own; ``cold_p50_ms`` and ``cold_p95_ms`` of a
5-component report over nothing in memory; ``cached_speedup`` of the same report replayed from the answer cache;
``parallel_speedup`` of five workers over one with a store that takes 50 ms a statement; ``memory_growth_mb`` over the second
half of 10,000 reports; ``hit_rate`` of answers on a Zipf workload of 10,000 reports; ``label_top1`` and ``side_swaps`` on
tests/agents/parts/labels.csv. ``--quick`` uses 2,000 reports, fewer cold ones, and says so in ``reports``.
"""

from __future__ import annotations

import asyncio
import csv
import gc
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT)]

from hexar.agents.parts.catalogue.reading import CatalogueStore  # noqa: E402
from hexar.agents.parts.catalogue.tables import TABLES  # noqa: E402
from hexar.agents.parts.catalogue.view import Catalogues, CatalogueView  # noqa: E402
from hexar.agents.parts.kinds import KINDS  # noqa: E402
from hexar.agents.parts.pipeline import PartsPipeline  # noqa: E402
from hexar.agents.parts.plan import KIND  # noqa: E402
from hexar.core.cache import Caches  # noqa: E402
from hexar.core.cache.versions import Versions  # noqa: E402
from hexar.core.deadline import Deadline  # noqa: E402
from hexar.core.eventlog import Answers, AnswerSpec, Completion, EventLog  # noqa: E402
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher  # noqa: E402
from hexar.core.store import Database  # noqa: E402
from hexar.core.store.migrations import create_tables  # noqa: E402
from hexar.v1 import parts_pb2 as pb  # noqa: E402
from tests.bench.harness import data_folder, options, percentile, report  # noqa: E402

LABELS = ROOT / "tests" / "agents" / "parts" / "labels.csv"
MEGABYTE = 1024 * 1024
COMPONENTS = ("front bumper", "O/S headlight", "front brake pads", "air filter", "left wing mirror", "rear shock absorber",
              "cabin filter", "wiper blade", "tailgate strut", "brake caliper n/s", "oil filter", "alternator")  # fmt: skip
#: The Zipf exponent of the workload's reports.
ZIPF = 1.0

IMPORT = """
import resource, sys, time
from pathlib import Path
from hexar.agents.parts.importers.run import import_catalogue
from hexar.agents.parts.catalogue.tables import TABLES
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
database = Database(f"sqlite:///{sys.argv[1]}")
create_tables(database, (TABLES,))
begun = time.perf_counter()
import_catalogue(database, Path(sys.argv[2]))
print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def resident_mb() -> float:
    """What this process holds now, megabytes (Linux); its peak elsewhere."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / MEGABYTE


def imported(store: Path, source: Path) -> tuple[float, float]:
    """(seconds, peak megabytes) of an import in a process of its own."""
    done = subprocess.run([sys.executable, "-c", IMPORT, str(store), str(source)], capture_output=True, text=True, check=True)
    seconds, peak = done.stdout.split()
    return float(seconds), float(peak) / 1024


class Bench:
    """A pipeline with its answer cache, as a server has them, without the wire."""

    def __init__(self, database: Database) -> None:
        self.catalogues = Catalogues(CatalogueStore(database))
        self.view: CatalogueView = self.catalogues.view("default")
        self.pool = Dispatcher(BulkheadConfig(threads=8, queue=4096))
        self.pipeline = PartsPipeline(self.catalogues, self.pool)
        self.caches = Caches(Versions(database), None, memory_bytes=256 * MEGABYTE, kinds=KINDS)
        self.answers = Answers(self.caches)

    def request(self, variant: str, names: tuple[str, ...]) -> pb.DiscoverRequest:
        components = [pb.DamagedComponent(name=name, severity=pb.SEVERITY_SEVERE) for name in names]
        return pb.DiscoverRequest(vehicle=pb.VehicleQuery(variant_id=variant), components=components)

    async def ask(self, request: pb.DiscoverRequest) -> bool:
        """Answer as a server does; True where the answer came from the cache."""
        deadline = Deadline.after(60)
        plan = await self.pipeline.prepare(request, "bench", deadline)
        depends = self.caches.snapshot("bench", KIND, *plan.depends)

        async def produce(events: EventLog) -> Completion:
            return await self.pipeline.produce(plan, lambda event: events.append(event.SerializeToString()), deadline)

        answer = self.answers.replay(KIND, plan.key)
        hit = answer is not None
        if answer is None:
            answer = await self.answers.open(AnswerSpec(KIND, plan.key, produce, depends), deadline)
        try:
            async for _ in answer.batches():
                pass
        finally:
            answer.close()
        return hit


async def cold_and_cached(bench: Bench, rng: random.Random, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of a report with nothing in memory, and of the same report replayed, in alternation."""
    cold, cached = [], []
    for variant in rng.sample(list(bench.view.vehicles.variants), rounds):
        request = bench.request(variant.id, tuple(rng.sample(COMPONENTS, 5)))
        bench.view.forget()
        begun = time.perf_counter()
        await bench.ask(request)
        cold.append((time.perf_counter() - begun) * 1e3)
        begun = time.perf_counter()
        for _ in range(10):
            await bench.ask(request)
        cached.append((time.perf_counter() - begun) * 1e2)
    return cold, cached


async def parallel(bench: Bench, rng: random.Random, rounds: int) -> float:
    """Sequential time over parallel time, with a store that takes 50 ms longer for each statement."""
    store = bench.view.store
    slowed: dict[str, Callable[..., Any]] = {"listed": store.listed, "articles": store.articles}

    def slow(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            time.sleep(0.05)
            return function(*args)

        return call

    for name, function in slowed.items():
        setattr(store, name, slow(function))
    try:
        times = {1: 0.0, 5: 0.0}
        for variant in rng.sample(list(bench.view.vehicles.variants), rounds):
            request = bench.request(variant.id, COMPONENTS[:5])
            for workers in times:
                bench.view.forget()
                pipeline = PartsPipeline(bench.catalogues, bench.pool, workers=workers)
                begun = time.perf_counter()
                await pipeline.answer(request, "bench", lambda _: None, Deadline.after(60))
                times[workers] += time.perf_counter() - begun
        return times[1] / times[5]
    finally:
        for name in slowed:
            delattr(store, name)


async def workload(bench: Bench, rng: random.Random, count: int) -> tuple[float, float]:
    """(hit rate, megabytes gained over the second half) of reports drawn from 3,000 by Zipf's law."""
    variants = list(bench.view.vehicles.variants)
    population = [
        bench.request(rng.choice(variants).id, tuple(rng.sample(COMPONENTS, rng.randint(1, 5)))) for _ in range(3_000)
    ]
    weights = [1 / (rank + 1) ** ZIPF for rank in range(len(population))]
    hits, middle = 0, 0.0
    for number, request in enumerate(rng.choices(population, weights, k=count)):
        if number == count // 2:
            gc.collect()
            middle = resident_mb()
        hits += await bench.ask(request)
    gc.collect()
    return hits / count, resident_mb() - middle


async def flat(bench: Bench, rng: random.Random, count: int) -> float:
    """Megabytes gained over the second half of ``count`` different cold reports, the answer cache left out."""
    variants = list(bench.view.vehicles.variants)
    middle = 0.0
    for number in range(count):
        if number == count // 2:
            gc.collect()
            middle = resident_mb()
        request = bench.request(rng.choice(variants).id, tuple(rng.sample(COMPONENTS, 2)))
        request.max_parts = 5
        request.skip_propagation = True
        await bench.pipeline.answer(request, "bench", lambda _: None, Deadline.after(60))
    gc.collect()
    return resident_mb() - middle


def labelled(view: CatalogueView) -> tuple[float, int]:
    """(top-1, swaps of side or position) on the labelled names."""
    with LABELS.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    right = swaps = 0
    for row in rows:
        reading = view.components.read(row["text"])
        said = [value.name.lower() if value else "" for value in (reading.side, reading.position)]
        swaps += {said[0], row["side"]} == {"left", "right"} or {said[1], row["position"]} == {"front", "rear"}
        matches = view.components.match(reading, 1)
        top = view.groups[matches[0].target.rows[0].group_key].name if matches and matches[0].target.rows else ""
        right += top in row["groups"].split("|")
    return right / len(rows), swaps


async def measure(folder: Path, quick: bool) -> dict[str, float | int | str | None]:
    """All figures."""
    rng = random.Random(11)
    count = 2_000 if quick else 10_000
    with tempfile.TemporaryDirectory() as temporary:
        store = Path(temporary) / "store.db"
        import_s, import_rss = imported(store, folder)
        database = Database(f"sqlite:///{store}")
        create_tables(database, (TABLES,))
        bench = Bench(database)
        await bench.ask(bench.request(bench.view.vehicles.variants[0].id, COMPONENTS[:1]))
        top1, swaps = labelled(bench.view)
        cold, cached = await cold_and_cached(bench, rng, 40 if quick else 200)
        gain = await parallel(bench, rng, 2 if quick else 10)
        hit_rate, _ = await workload(bench, rng, count)
        growth = await flat(bench, rng, count)
        bench.pool.close()
        await bench.caches.close()
        database.close()
    return {
        "import_s": round(import_s, 2),
        "import_rss_mb": round(import_rss, 1),
        "cold_p50_ms": round(percentile(cold, 0.5), 3),
        "cold_p95_ms": round(percentile(cold, 0.95), 3),
        "cached_p50_ms": round(percentile(cached, 0.5), 4),
        "cached_speedup": round(percentile(cold, 0.5) / percentile(cached, 0.5), 1),
        "parallel_speedup": round(gain, 2),
        "memory_growth_mb": round(growth, 1),
        "hit_rate": round(hit_rate, 4),
        "label_top1": round(top1, 4),
        "side_swaps": swaps,
        "reports": count,
    }


def main() -> None:
    chosen = options(__doc__ or "")
    folder = data_folder()
    if folder is None:
        report("parts", {"skipped": "HEXAR_DATA is not set: the real catalogue is not part of the project"})
        return
    report("parts", asyncio.run(measure(folder / "parts", chosen.quick)))


if __name__ == "__main__":
    main()

"""The fuzzy index beside rapidfuzz.process.extract: speed, exactness, memory, scaling, and what it gets right.

Run as ``python tests/bench/kernels/fuzzy.py [--quick]``; ``--quick`` uses 200,000 names instead of 1,000,000.
"""

import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from rapidfuzz import fuzz, process  # noqa: E402

from hexar.core.fuzzy import FuzzyIndex  # noqa: E402
from tests.bench.harness import options, percentile, report  # noqa: E402
from tests.bench.kernels.fuzzy_names import Part, Variant, mistyped_query, parts, variants  # noqa: E402

TABLES: dict[str, Any] = json.loads((ROOT / "tests" / "core" / "fuzzy_tables.json").read_text("utf-8"))

#: Names and queries of the comparison with scoring every name.
RECALL_NAMES, RECALL_QUERIES = 100_000, 1_000
#: Names and variants of the quality comparison.
QUALITY_NAMES, QUALITY_VARIANTS = 10_000, 500

_MEMORY = """
import json, sys
sys.path.insert(0, {root!r})
from tests.bench.kernels.fuzzy import TABLES, FuzzyIndex, parts
from tests.bench.kernels.fuzzy_names import mistyped_query
import random
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
list(parts(10))
before = resident()
index = FuzzyIndex((str(part) for part in parts({count})), **TABLES)
rng = random.Random(3)
for part in list(parts(200)):
    index.search(mistyped_query(part, rng))
print(json.dumps(resident() - before))
"""


def workload() -> int:
    """A small deterministic build and search, for counting instructions. Returns how many names were found."""
    catalogue = list(parts(3_000, seed=5))
    index = FuzzyIndex([str(part) for part in catalogue], **TABLES)
    rng = random.Random(6)
    return sum(len(index.search(mistyped_query(part, rng))) for part in catalogue[:200])


def timed(index: FuzzyIndex, queries: Sequence[str]) -> list[float]:
    """Seconds of each search."""
    times = []
    for query in queries:
        start = time.perf_counter()
        index.search(query, limit=10)
        times.append(time.perf_counter() - start)
    return times


def speed(index: FuzzyIndex, names: list[str], queries: list[str], rounds: int) -> dict[str, float]:
    """Search times and their ratio to the peers', whose calls alternate with ours so that noise falls on both."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {"token_sort_ratio": [], "wratio": []}
    share = len(queries) // rounds
    for number in range(rounds):
        ours += timed(index, queries[number * share : (number + 1) * share])
        for name, scorer in (("token_sort_ratio", fuzz.token_sort_ratio), ("wratio", fuzz.WRatio)):
            start = time.perf_counter()
            process.extract(queries[number * share], names, scorer=scorer, limit=10)
            theirs[name].append(time.perf_counter() - start)
    typical = percentile(ours, 0.5)
    ratios = {f"vs_{name}": statistics.median(times) / typical for name, times in theirs.items()}
    return {**ratios, "p50_ms": typical * 1e3, "p99_ms": percentile(ours, 0.99) * 1e3}


def scaling(index: FuzzyIndex, queries: list[str], threads: int = 8) -> float:
    """Throughput of eight threads over that of one, the same searches in both."""

    def work(mine: Sequence[str]) -> None:
        for query in mine:
            index.search(query)

    ratios = []
    for _ in range(3):
        start = time.perf_counter()
        work(queries)
        alone = time.perf_counter() - start
        workers = [threading.Thread(target=work, args=(queries[slot::threads],)) for slot in range(threads)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        ratios.append(alone / (time.perf_counter() - start))
    return statistics.median(ratios)


def recall() -> float:
    """Share of the true best ten, by the same scorer over every name, that the search returned in the same order."""
    catalogue = list(parts(RECALL_NAMES, seed=7))
    index = FuzzyIndex([str(part) for part in catalogue], **TABLES)
    rng = random.Random(8)
    right = total = 0
    for part in rng.sample(catalogue, RECALL_QUERIES):
        query = mistyped_query(part, rng)
        truth = index._search_exhaustive(query)
        total += len(truth)
        right += sum(mine == true for mine, true in zip(index.search(query), truth, strict=False))
    return right / total


def quality() -> dict[str, float]:
    """Share of labelled variants whose first answer is right, and the answers that name the opposite side or end."""
    catalogue = list(dict.fromkeys(parts(QUALITY_NAMES, seed=20)))
    names = [str(part) for part in catalogue]
    asked = list(variants(catalogue, QUALITY_VARIANTS, seed=21))
    index, plain = FuzzyIndex(names, **TABLES), FuzzyIndex(names, synonyms={}, constraints={})

    def share(answers: list[int | None]) -> float:
        right = [at is not None and variant.answered_by(catalogue[at]) for at, variant in zip(answers, asked, strict=True)]
        return sum(right) / len(right)

    def peer(scorer: Any) -> list[int | None]:
        choices = [name.lower() for name in names]
        found = [process.extractOne(variant.query.lower(), choices, scorer=scorer) for variant in asked]
        return [None if answer is None else answer[2] for answer in found]

    def ours(which: FuzzyIndex) -> list[int | None]:
        return [next((match.index for match in which.search(variant.query, limit=1)), None) for variant in asked]

    return {
        "top1_index": share(ours(index)),
        "top1_index_no_tables": share(ours(plain)),
        "top1_wratio": share(peer(fuzz.WRatio)),
        "top1_token_set_ratio": share(peer(fuzz.token_set_ratio)),
        "side_swaps": sum(
            opposite(variant, catalogue[match.index]) for variant in asked for match in index.search(variant.query, limit=10)
        ),
    }


def opposite(variant: Variant, part: Part) -> bool:
    """Does ``part`` name a side or an end that contradicts the variant's?"""
    mine, theirs = set(variant.target.place.split()), set(part.place.split())
    return any(
        {one, other} <= mine | theirs and not (one in mine and one in theirs) and not (other in mine and other in theirs)
        for one, other in (("left", "right"), ("front", "rear"))
    )


def memory(count: int) -> float:
    """Megabytes that a process grows by when it builds an index of ``count`` names, without the names, and searches it."""
    script = _MEMORY.format(root=str(ROOT), count=count)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def main() -> None:
    """Measure and report."""
    quick = options("Fuzzy index against rapidfuzz").quick
    count = 200_000 if quick else 1_000_000
    print(f"{count:,} names{' (--quick)' if quick else ''}")
    catalogue = list(parts(count))
    names = [str(part) for part in catalogue]
    start = time.perf_counter()
    index = FuzzyIndex(names, **TABLES)
    build = time.perf_counter() - start
    rng = random.Random(2)
    queries = [mistyped_query(part, rng) for part in rng.sample(catalogue, 400)]
    timed(index, queries[:50])
    figures: dict[str, float | int | str | None] = {"names": count}
    figures |= speed(index, names, queries, rounds=5)
    figures |= {"build_s": build, "threads_scaling": scaling(index, queries)}
    del catalogue, names, index
    figures |= {"rss_mb": memory(count), "recall": recall()}
    figures |= quality()
    report("fuzzy", figures)


if __name__ == "__main__":
    main()

"""What a budget costs a call: reservations in memory and shared commits, against one commit for each.

Run: ``python tests/bench/serving/ledger.py [--quick]``.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from sqlalchemy import text

from hexar.core.ledger import Charge, Ledger
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.bench.harness import options, percentile, report


async def calls(ledger: Ledger, count: int) -> tuple[list[float], float]:
    """(seconds of each reservation, wall seconds) of ``count`` calls, a hundred at once."""
    gate = asyncio.Semaphore(100)
    waits: list[float] = []

    async def one() -> None:
        async with gate:
            start = time.perf_counter()
            held = await ledger.reserve_async("tenant", 5000)
            waits.append(time.perf_counter() - start)
            await held.settle_async(Charge(1234, "USD"))

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return waits, time.perf_counter() - start


def commits(database: Database, count: int) -> float:
    """Seconds of one durable commit, median."""
    times = []
    for index in range(count):
        start = time.perf_counter()
        with database.write() as connection:
            connection.execute(text("INSERT INTO peer VALUES (:id)"), {"id": index})
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    quick = options("Budgets: what a reservation and a settlement cost").quick
    count = 2000 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/store.db")
        create_tables(database)
        with database.write() as connection:
            connection.execute(text("CREATE TABLE peer (id INTEGER)"))
        ledger = Ledger(database)
        ledger.set_budget("tenant", 10**12)
        commit = commits(database, 100)
        waits, wall = asyncio.run(calls(ledger, count))
        totals = ledger.totals("tenant")
        budget = ledger.budget("tenant")
        ledger.close()
        assert budget is not None
        figures: dict[str, float | int | str | None] = {
            "reserve_p50_us": statistics.median(waits) * 1e6,
            "reserve_p99_us": percentile(waits, 0.99) * 1e6,
            "reserve_p50_over_commit": statistics.median(waits) / commit,
            "commit_ms": commit * 1e3,
            "calls_per_commit_time": count * commit / wall,
            "charges_missing": count - totals.calls,
            "spent_minus_charged": budget.spent_micros - totals.cost_micros,
        }
        database.close()
    report("ledger", figures)


if __name__ == "__main__":
    main()

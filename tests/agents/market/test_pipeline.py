"""Deadlines, failures, and callers who leave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hexar.agents.market.demo import write_table
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.pipeline import MarketPipeline
from hexar.agents.market.request.plan import make_plan
from hexar.agents.market.tables.library import Entry
from hexar.agents.market.tables.model import ReadTable
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import FailedPrecondition, InvalidArgument, Unavailable
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher
from hexar.v1 import common_pb2
from hexar.v1 import market_pb2 as pb
from tests.agents.market.conftest import Reads


class Slow:
    """A source that answers the first ``quick`` statements, and hangs on the others until it is cancelled."""

    dialect = "duckdb"

    def __init__(self, duck: DuckEngine, quick: int) -> None:
        self._duck = duck
        self._left = quick
        self._lock = threading.Lock()
        self.stopped = threading.Event()
        self.hanging = threading.Event()

    def rows(self, statement: str, cancel: Cancel) -> Sequence[tuple[Any, ...]]:
        with self._lock:
            self._left -= 1
            quick = self._left >= 0
        if not quick:
            # A statement that does not end by itself.
            statement = "SELECT sum(a.range * b.range) FROM range(100000000) a, range(100000000) b"
            self.hanging.set()
        try:
            return self._duck.rows(statement, cancel)
        finally:
            if not quick:
                self.stopped.set()


class Broken:
    """A source that is away."""

    dialect = "duckdb"

    def rows(self, statement: str, cancel: Cancel) -> Sequence[tuple[Any, ...]]:
        raise Unavailable("the warehouse does not answer")


@pytest.fixture
def read(reads: Reads, tmp_path: Path) -> ReadTable:
    return reads(write_table(tmp_path / "demo.csv"))


@pytest.fixture
async def pool() -> AsyncIterator[Dispatcher]:
    made = Dispatcher(BulkheadConfig(threads=16, queue=64))
    yield made
    made.close()


def plan(read: ReadTable, source: Any, **fields: Any) -> Any:
    return make_plan(
        pb.AnalyzeRequest(table="t", **fields), "default", Entry(read.description, read.profile, source, "c"), None, None
    )


async def test_a_deadline_ends_the_scans_and_the_answer_says_what_is_missing(
    duck: DuckEngine, read: ReadTable, pool: Dispatcher
) -> None:
    """What ended in time is there; the answer is not kept."""
    source = Slow(duck, 2)
    tools = [pb.MARKET_TOOL_OVERVIEW, pb.MARKET_TOOL_TREND, pb.MARKET_TOOL_BRAND]
    made = plan(read, source, tools=tools, optimization=pb.OPTIMIZATION_LEVEL_NONE, skip_analysts=True)
    events: list[pb.AnalyzeEvent] = []
    # The first tool asks for more than two groups: it hangs, and so would the rest.
    with pytest.raises(Unavailable):
        await MarketPipeline(pool, None).produce(made, events.append, Deadline.after(1.5))
    assert source.stopped.wait(30)
    one = plan(read, Slow(duck, 1), tools=[pb.MARKET_TOOL_TREND, pb.MARKET_TOOL_ANOMALIES], skip_analysts=True)
    events = []
    completion = await MarketPipeline(pool, None).produce(one, events.append, Deadline.after(3))
    done = events[-1].completed
    assert completion.cacheable is False
    assert done.partial
    assert [row.partition(":")[0] for row in done.missing] == ["anomalies"]
    results = {event.tool.tool: event.tool for event in events if event.HasField("tool")}
    assert results[pb.MARKET_TOOL_TREND].figures
    assert "deadline" in results[pb.MARKET_TOOL_ANOMALIES].problem


async def test_leaving_stops_the_scans(duck: DuckEngine, read: ReadTable, pool: Dispatcher) -> None:
    """When the answer is given up, DuckDB's statement is interrupted."""
    source = Slow(duck, 0)
    made = plan(read, source, tools=[pb.MARKET_TOOL_OVERVIEW])
    task = asyncio.create_task(MarketPipeline(pool, None).produce(made, lambda _: None, Deadline.after(120)))
    await asyncio.to_thread(source.hanging.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(source.stopped.wait, 30)


async def test_a_source_that_is_away_is_unavailable(read: ReadTable, pool: Dispatcher) -> None:
    """No tool could read the table."""
    with pytest.raises(Unavailable, match="the warehouse does not answer"):
        await MarketPipeline(pool, None).produce(plan(read, Broken()), lambda _: None, Deadline.after(30))


async def test_only_caches_are_read_where_that_was_asked(duck: DuckEngine, read: ReadTable, pool: Dispatcher) -> None:
    """Nothing is scanned."""
    made = plan(read, duck, cache_policy=common_pb2.CACHE_POLICY_ONLY)
    with pytest.raises(Unavailable, match="only caches"):
        await MarketPipeline(pool, None).produce(made, lambda _: None, Deadline.after(30))


def test_a_tool_that_was_named_must_be_able_to_run(duck: DuckEngine, read: ReadTable) -> None:
    """The missing role is named; among many it is only left out."""
    with pytest.raises(FailedPrecondition, match="MARKET_TOOL_STORE cannot run on this table: no column has the role store"):
        plan(read, duck, tools=[pb.MARKET_TOOL_STORE])
    made = plan(read, duck)
    assert pb.MARKET_TOOL_STORE not in made.tools
    assert pb.MARKET_TOOL_STORE in {entry.tool for entry in made.unavailable}
    with pytest.raises(InvalidArgument, match="the table has no column with the role store"):
        filters = pb.AnalyzeFilters(dimensions=[pb.DimensionFilter(role=pb.COLUMN_ROLE_STORE, values=["x"])])
        plan(read, duck, filters=filters)


def test_the_key_holds_what_matters(duck: DuckEngine, read: ReadTable) -> None:
    """Not the order of tools, analysts or values; but kind, analysts, filters, level and the content."""

    def key(**fields: Any) -> bytes:
        return bytes(plan(read, duck, **fields).key)

    def brands(*values: str) -> pb.AnalyzeFilters:
        return pb.AnalyzeFilters(dimensions=[pb.DimensionFilter(role=pb.COLUMN_ROLE_BRAND, values=list(values))])

    assert key(filters=brands("Korva", "Ulme")) == key(filters=brands("Ulme ", "Korva"))
    different = [
        key(),
        key(kind=pb.ANALYSIS_KIND_OUTLOOK),
        key(analysts=[pb.ANALYST_DATA]),
        key(filters=brands("Korva")),
        key(optimization=pb.OPTIMIZATION_LEVEL_FULL),
        key(top_n=3),
        key(granularity=pb.GRANULARITY_WEEK),
        key(budget=common_pb2.Money(micros=5_000_000)),
        key(horizon=3),
        key(confidence=0.9),
    ]
    assert len(set(different)) == len(different)

"""The same figures where the table lies in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hexar.agents.market.figures.aggregates import Condition, Frame
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.figures.postgres import PostgresWarehouse
from hexar.agents.market.figures.spans import make_scope
from hexar.agents.market.tables.warehouse import read_relation
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import Aborted, InvalidArgument, NotFound, Unavailable
from hexar.v1 import market_pb2 as pb
from tests.agents.market import oracle
from tests.agents.market.conftest import Reads
from tests.agents.market.test_figures import LEVELS, check, run, sales, serialized, write

COLUMNS = {
    "date": "date", "brand": "text", "category": "text", "region": "text", "store": "text", "channel": "text",
    "units": "integer", "revenue": "numeric(12,2)", "cost": "numeric(12,2)", "profit": "numeric(12,2)", "spend": "double precision",
}  # fmt: skip


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return sales(2500, seed=8)


@pytest.fixture
def url(make_postgres_url: Callable[[], str]) -> str:
    return make_postgres_url()


@pytest.fixture
def warehouse(url: str, rows: list[dict[str, Any]]) -> Iterator[PostgresWarehouse]:
    """A warehouse with the sales in shop."Daily sales"'s plain sister, shop.sales."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE SCHEMA shop")
        listed = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
        connection.execute(f"CREATE TABLE shop.sales ({listed})")
        with connection.cursor().copy("COPY shop.sales FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row[name] for name in COLUMNS])
    made = PostgresWarehouse(url)
    yield made
    made.close()


def test_every_figure_equals_pandas_and_duckdb(
    warehouse: PostgresWarehouse, rows: list[dict[str, Any]], reads: Reads, duck: DuckEngine, tmp_path: Path
) -> None:
    """At every level, with and without filters, byte for byte."""
    there = read_relation(warehouse, "shop.sales", pb.TableOptions(name="t"), Cancel())
    here = reads(write(tmp_path / "sales.csv", rows))
    table = oracle.frame(rows)
    assert there.profile.roles == here.profile.roles
    assert there.description.rows == len(rows)
    excluded = (Condition("brand", ("bel", "a'b%s"), exclude=True),)
    for bounds in ((), (oracle.day("2023-01-01"), oracle.day("2023-12-31"), excluded)):
        kept = table[table["brand"] != "Bel"] if bounds else table
        expected = serialized(run(duck, here.profile, make_scope(here.profile, "month", *bounds), "partial"))
        for level in LEVELS:
            scope = make_scope(there.profile, "month", *bounds)
            results = run(warehouse, there.profile, scope, level)
            check(results, kept, scope)
            assert serialized(results) == expected


def test_a_dimension_with_many_values_is_ranked_there(
    warehouse: PostgresWarehouse, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the best and the worst travel."""
    monkeypatch.setattr("hexar.agents.market.figures.aggregates.MANY", 30)
    read = read_relation(warehouse, "shop.sales", pb.TableOptions(name="t"), Cancel())
    frame = Frame(warehouse, read.profile, make_scope(read.profile, "month"))
    found = frame.ranked("store", "revenue", 5)
    sums = oracle.by(oracle.frame(rows), "store", "revenue")
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    assert {name for name, _ in found.groups} == {*ranked[:5], *ranked[-5:]}
    assert found.count == len(sums)


def test_it_is_read_only_and_unknown_relations_are_not_found(warehouse: PostgresWarehouse) -> None:
    """Nothing can be written through it; names are names."""
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        warehouse.rows("DELETE FROM shop.sales RETURNING 1", Cancel())
    with pytest.raises(NotFound):
        read_relation(warehouse, "shop.nothing", pb.TableOptions(name="t"), Cancel())
    for relation in ("shop.sales; DROP TABLE shop.sales", 'shop."sales"', "a.b.c.d", "", "sales'"):
        with pytest.raises(InvalidArgument):
            read_relation(warehouse, relation, pb.TableOptions(name="t"), Cancel())


def test_a_statement_that_nobody_waits_for_is_stopped_there(warehouse: PostgresWarehouse) -> None:
    """Also one that has not begun."""
    import threading

    cancel = Cancel()
    timer = threading.Timer(0.3, cancel.cancel)
    timer.start()
    with pytest.raises(Aborted):
        warehouse.rows("SELECT pg_sleep(60)", cancel)
    timer.join()
    with pytest.raises(Aborted):
        warehouse.rows("SELECT 1", cancel)
    assert list(warehouse.rows("SELECT CAST(1.50 AS numeric)", Cancel())) == [(Decimal("1.50"),)]


def test_a_warehouse_that_is_away_is_unavailable() -> None:
    """Not an internal error."""
    away = PostgresWarehouse("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        away.rows("SELECT 1", Cancel())
    away.close()


def test_missing_values_in_sums_count_as_nothing(url: str) -> None:
    """NULL revenue, NaN, and dates that are missing."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE odd (sale_date date, brand text, revenue double precision)")
        connection.execute(
            "INSERT INTO odd VALUES ('2024-01-01', 'A', 1.5), ('2024-01-02', NULL, NULL), (NULL, 'A', 7), ('2024-02-01', 'A', 'NaN')"
        )
    warehouse = PostgresWarehouse(url)
    try:
        read = read_relation(warehouse, "odd", pb.TableOptions(name="t"), Cancel())
        frame = Frame(warehouse, read.profile, make_scope(read.profile, "month"))
        assert sum((frame.value(sums, "revenue") for sums in frame.groups("brand").values()), Decimal(0)) == Decimal("1.5")
        assert read.description.rejected_rows == 2
    finally:
        warehouse.close()

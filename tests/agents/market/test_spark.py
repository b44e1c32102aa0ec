"""The same figures where the table lies in Spark: a cluster of two executors on this machine (``make test-spark``)."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyspark", reason="pyspark is not installed: `make test-spark` has an environment with it")
if shutil.which("java") is None:
    pytest.skip("Java is not installed", allow_module_level=True)

import pyspark

from hexar.agents.market.figures.aggregates import Condition, Frame
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.figures.spans import make_scope
from hexar.agents.market.figures.spark import SparkWarehouse
from hexar.agents.market.figures.warehouses import open_warehouse
from hexar.agents.market.tables.reading import Source, TableReader
from hexar.agents.market.tables.warehouse import read_relation
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import Aborted, InvalidArgument, NotFound, Unavailable
from hexar.v1 import market_pb2 as pb
from tests.agents.market import oracle
from tests.agents.market.test_figures import LEVELS, check, run, sales, serialized, write

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    # Hundreds of small statements, each a job of two executors.
    pytest.mark.timeout(1800),
]

MASTER = "local-cluster[2,1,1024]"
#: Seconds for a JVM and two executors to start on a slow machine.
PATIENCE = 180


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Spark Connect server over two executors of one core."""
    folder = tmp_path_factory.mktemp("spark")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = Path(pyspark.__file__).parent
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.sql.shuffle.partitions": 2,
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
    }
    options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(home / "bin" / "spark-submit"), "--master", MASTER, *options, "--class", server, "spark-internal"],
            cwd=folder, stdout=log, stderr=log, env=os.environ | {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"},
        )  # fmt: skip
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail((folder / "log").read_text(errors="replace")[-4000:])
                time.sleep(0.2)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return sales(2500, seed=8)


@pytest.fixture(scope="module")
def here(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DuckEngine, Any]]:
    """The table as DuckDB has it, and its copy in Parquet."""
    folder = tmp_path_factory.mktemp("here")
    duck = DuckEngine(folder / "engine", [folder])
    path = write(folder / "sales.csv", rows)
    (folder / "engine").mkdir()
    read = TableReader(duck, folder / "engine", 1 << 28).read(
        [Source(path.name, path, "paths[0]")], pb.TableOptions(name="t"), Cancel()
    )
    yield duck, read
    duck.close()


@pytest.fixture(scope="module")
def warehouse(url: str, here: tuple[DuckEngine, Any]) -> Iterator[SparkWarehouse]:
    """A warehouse with the sales in shop.sales."""
    duck, read = here
    made = open_warehouse(url)
    assert isinstance(made, SparkWarehouse)
    made.rows("CREATE SCHEMA shop", Cancel())
    made.rows(f"CREATE TABLE shop.sales USING parquet AS SELECT * FROM parquet.`{duck.folder / read.copy}`", Cancel())
    yield made
    made.close()


def test_two_executors_answer(warehouse: SparkWarehouse) -> None:
    """Not the driver alone."""
    statement = "SELECT DISTINCT java_method('java.lang.ProcessHandle', 'current') AS process FROM range(0, 100000, 1, 16)"
    assert len(warehouse.rows(statement, Cancel())) == 2


@pytest.mark.parametrize("filtered", [False, True])
def test_every_figure_equals_pandas_and_duckdb(
    warehouse: SparkWarehouse, rows: list[dict[str, Any]], here: tuple[DuckEngine, Any], filtered: bool
) -> None:
    """At every level, with and without filters, byte for byte."""
    duck, read = here
    there = read_relation(warehouse, "shop.sales", pb.TableOptions(name="t"), Cancel())
    table = oracle.frame(rows)
    assert there.profile.roles == read.profile.roles
    assert there.description.rows == len(rows)
    excluded = (Condition("brand", ("bel", "a'b%s\\"), exclude=True),)
    bounds = (oracle.day("2023-01-01"), oracle.day("2023-12-31"), excluded) if filtered else ()
    kept = table[table["brand"] != "Bel"] if filtered else table
    expected = serialized(run(duck, read.profile, make_scope(read.profile, "month", *bounds), "partial"))
    for level in LEVELS:
        scope = make_scope(there.profile, "month", *bounds)
        results = run(warehouse, there.profile, scope, level)
        check(results, kept, scope)
        assert serialized(results) == expected


def test_a_dimension_with_many_values_is_ranked_there(
    warehouse: SparkWarehouse, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the best and the worst travel."""
    monkeypatch.setattr("hexar.agents.market.figures.aggregates.MANY", 30)
    read = read_relation(warehouse, "shop.sales", pb.TableOptions(name="t"), Cancel())
    found = Frame(warehouse, read.profile, make_scope(read.profile, "month")).ranked("store", "revenue", 5)
    sums = oracle.by(oracle.frame(rows), "store", "revenue")
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    assert {name for name, _ in found.groups} == {*ranked[:5], *ranked[-5:]}
    assert found.count == len(sums)


@pytest.mark.parametrize("value", ["x\\' OR 1=1 --", "x' OR 1=1 --", "\\", "`; DROP TABLE shop.sales; --", "${spark.master}"])
def test_nothing_in_a_filter_is_ever_a_statement(warehouse: SparkWarehouse, value: str) -> None:
    """Quotes and backslashes are text in Spark's words too."""
    read = read_relation(warehouse, "shop.sales", pb.TableOptions(name="t"), Cancel())
    frame = Frame(warehouse, read.profile, make_scope(read.profile, "month", None, None, (Condition("brand", (value,)),)))
    assert frame.groups("brand") == {}


def test_unknown_relations_are_not_found(warehouse: SparkWarehouse) -> None:
    """Names are names."""
    with pytest.raises(NotFound):
        read_relation(warehouse, "shop.nothing", pb.TableOptions(name="t"), Cancel())
    with pytest.raises(InvalidArgument):
        read_relation(warehouse, "shop.sales; DROP TABLE shop.sales", pb.TableOptions(name="t"), Cancel())


def test_a_statement_that_nobody_waits_for_is_stopped_there(warehouse: SparkWarehouse) -> None:
    """A cross join of a billion rows ends when its reader leaves."""
    cancel = Cancel()
    timer = threading.Timer(1.0, cancel.cancel)
    timer.start()
    with pytest.raises(Aborted):
        warehouse.rows("SELECT sum(a.id * b.id % 7) FROM range(1000000) a CROSS JOIN range(1000000) b", cancel)
    timer.join()
    assert warehouse.rows("SELECT 1", Cancel()) == [(1,)]


def test_a_warehouse_that_is_away_is_unavailable() -> None:
    """Not an internal error, and within seconds."""
    away = open_warehouse("sc://127.0.0.1:1")
    with pytest.raises(Unavailable):
        away.rows("SELECT 1", Cancel())
    away.close()

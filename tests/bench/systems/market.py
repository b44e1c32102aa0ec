"""A whole analysis of five million generated rows: every tool, reading included, against pandas and polars; levels and memory.

The peers run the same tools over groups that they sum themselves (each group once, as at level ``partial``), so that what
differs is reading and adding up. Figures are compared: ``figures_differ`` counts those of any level or of polars (which adds
decimals) that are not the same, and those of pandas (which adds floats) that differ in the tenth digit.

Figures: ``vs_pandas`` and ``vs_polars``: their time over ours at level ``full``; ``partial_vs_none`` and ``full_vs_partial``;
``partial_vs_none_latency``: the same where each request of a tool takes 50 ms more at its source; ``cached_speedup``: a first
answer over a replayed one, through a server; ``peak_rss_mb`` of a process that makes one analysis; ``small_p50_ms``: everything
at level ``full`` over 15,000 rows, nothing in memory; ``csv_vs_polars``: reading the same rows from CSV and analysing them.
Forecast, at six months on the last eighteen months of 50 generated series, from three origins each: ``forecast_mape`` with
``forecast_mape_naive`` and ``forecast_mape_mean``, ``forecast_not_worse`` (share of the series), ``coverage_80`` of the outcomes.
pandas reads no Parquet by itself: it is handed the columns as polars read them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT)]

import duckdb  # noqa: E402
import numpy as np  # noqa: E402

from hexar.agents.market.figures.aggregates import Frame, Groups, Keys, Ranked, Source  # noqa: E402
from hexar.agents.market.figures.duck import DuckEngine  # noqa: E402
from hexar.agents.market.figures.spans import make_scope  # noqa: E402
from hexar.agents.market.forecast import models  # noqa: E402
from hexar.agents.market.forecast.backtest import forecast, mape  # noqa: E402
from hexar.agents.market.tables.model import Profile  # noqa: E402
from hexar.agents.market.tables.reading import Source as File  # noqa: E402
from hexar.agents.market.tables.reading import TableReader  # noqa: E402
from hexar.agents.market.tables.roles import unavailable  # noqa: E402
from hexar.agents.market.tools.registry import TOOLS, foresee  # noqa: E402
from hexar.agents.market.tools.result import Asked, Result  # noqa: E402
from hexar.agents.transport.cancel import Cancel  # noqa: E402
from hexar.v1 import market_pb2 as pb  # noqa: E402
from hexar.v1 import market_pb2_grpc  # noqa: E402
from tests.bench.harness import options, report  # noqa: E402

MEASURES = ("units", "revenue", "cost", "profit", "spend")
LATENCY = 0.05
ASKED = Asked(budget=Decimal(1_000_000))


def generate(path: Path, rows: int) -> None:
    """Five years of sales: 24 brands, 8 categories, 30 countries in 6 regions, 1,500 stores, 4 channels."""
    kind = "parquet" if path.suffix == ".parquet" else "csv"
    duckdb.connect().execute(
        f"""COPY (
        WITH r AS (SELECT i, hash(i) AS h FROM range({rows}) t(i)),
        q AS (SELECT DATE '2020-01-01' + CAST(h % 1827 AS INTEGER) AS sale_date,
            'Brand ' || (h // 7 % 24) AS brand, 'Category ' || (h // 7 % 8) AS category,
            'Country ' || (h // 4001 % 30) AS country, 'Region ' || (h // 4001 % 30 % 6) AS region,
            'ST' || (1000 + h // 104729 % 1500) AS store_id,
            CASE h // 31 % 4 WHEN 0 THEN 'Online' WHEN 1 THEN 'Retail' WHEN 2 THEN 'Wholesale' ELSE 'Direct' END AS channel,
            CAST(1 + h // 13 % 400 AS INTEGER) AS units_sold, CAST(0.5 + (h // 17 % 900) / 100 AS DECIMAL(10, 2)) AS price, h FROM r)
        SELECT sale_date, brand, category, country, region, store_id, channel, units_sold,
            CAST(units_sold * price AS DECIMAL(18, 2)) AS total_revenue,
            CAST(units_sold * CAST(price * (50 + h // 19 % 60) / 100 AS DECIMAL(10, 2)) AS DECIMAL(18, 2)) AS total_cost,
            CAST((h // 23 % 5000) / 100 AS DECIMAL(10, 2)) AS ad_spend
        FROM q) TO '{path}' (FORMAT {kind})"""
    )


def read(engine: DuckEngine, folder: Path, path: Path) -> Profile:
    """A table as a server reads it."""
    reader = TableReader(engine, folder, 1 << 36)
    return reader.read([File(path.name, path, "paths[0]")], pb.TableOptions(name="t"), Cancel(), in_place=True).profile


def tools(profile: Profile) -> list[pb.MarketTool]:
    """Those that the table has the columns for."""
    return [number for number in TOOLS if unavailable(number, profile.roles) is None]


def analyse(frame: Frame, pause: float = 0.0) -> list[Result]:
    """All tools as the pipeline runs them: one after another at level ``none``, else side by side."""
    from concurrent.futures import ThreadPoolExecutor

    numbers = tools(frame.profile)
    foresee(frame, numbers)

    def run(number: pb.MarketTool) -> Result:
        if pause:
            time.sleep(pause)
        return TOOLS[number].run(frame, ASKED)

    with ThreadPoolExecutor(1 if frame.level == "none" else 8) as pool:
        return list(pool.map(run, numbers))


def figures(results: Sequence[Result]) -> dict[str, pb.Figure]:
    """Every figure by its id."""
    return {figure.id: figure for result in results for figure in result.figures}


# -- peers --------------------------------------------------------------------------------------------------------------------


class PeerFrame(Frame):
    """The same tools over groups that a peer adds up in memory."""

    def __init__(self, source: Source, profile: Profile, scope: Any, group: Callable[[Keys], list[tuple[Any, ...]]]) -> None:
        super().__init__(source, profile, scope, "partial")
        self._peer = group

    def _group(self, keys: Keys) -> Groups:
        return self._collect(keys, self._peer(keys))

    def _rank(self, role: str, measure: str, n: int) -> Ranked:
        raise NotImplementedError


def polars_group(path: Path, scope: Any, measures: Sequence[str]) -> Callable[[Keys], list[tuple[Any, ...]]]:
    """Read by polars, add up by polars; decimals."""
    import polars as pl

    names = {"sale_date": "date", "units_sold": "units", "total_revenue": "revenue", "total_cost": "cost", "ad_spend": "spend"}
    names["store_id"] = "store"
    table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, try_parse_dates=True)
    table = table.rename(names)
    table = table.with_columns(
        (pl.col("revenue") - pl.col("cost")).alias("profit"),
        pl.when(pl.col("date").is_between(scope.current.first, scope.current.last)).then(2)
        .when(pl.col("date").is_between(scope.previous.first, scope.previous.last)).then(1).otherwise(0).alias("span"),
        pl.col("date").dt.truncate("1mo").alias("period"),
    )  # fmt: skip
    zero = pl.lit(0).cast(table.schema["profit"])
    table = table.with_columns(
        pl.when(pl.col("profit") < 0).then(pl.col("profit")).otherwise(zero).alias("loss"),
        (pl.col("profit") < 0).cast(pl.Int64).alias("loss_rows"),
    )

    def group(keys: Keys) -> list[tuple[Any, ...]]:
        sums = [pl.len().alias("n"), *(pl.col(name).sum() for name in measures)]
        return table.group_by(list(keys)).agg(*sums).rows() if keys else table.select(*sums).rows()

    return group


def pandas_group(path: Path, scope: Any, measures: Sequence[str]) -> Callable[[Keys], list[tuple[Any, ...]]]:
    """Handed the columns, add up by pandas; floats."""
    import pandas as pd
    import polars as pl

    names = {"sale_date": "date", "units_sold": "units", "total_revenue": "revenue", "total_cost": "cost", "ad_spend": "spend"}
    names["store_id"] = "store"
    source = pl.read_parquet(path).rename(names)
    columns = {}
    for name in source.columns:
        column = source[name].cast(pl.Float64) if source.schema[name].is_decimal() else source[name]
        columns[name] = column.to_numpy()
    table = pd.DataFrame(columns)
    del source, columns
    table["profit"] = table["revenue"] - table["cost"]
    day = table["date"]
    current = (day >= pd.Timestamp(scope.current.first)) & (day <= pd.Timestamp(scope.current.last))
    previous = (day >= pd.Timestamp(scope.previous.first)) & (day <= pd.Timestamp(scope.previous.last))
    table["span"] = np.where(current, 2, np.where(previous, 1, 0))
    table["period"] = day.dt.to_period("M").dt.start_time
    table["loss"] = table["profit"].where(table["profit"] < 0, 0.0)
    table["loss_rows"] = (table["profit"] < 0).astype("int64")

    def group(keys: Keys) -> list[tuple[Any, ...]]:
        grouped = table.groupby(list(keys), sort=False)
        sums = grouped[list(measures)].sum()
        sums.insert(0, "n", grouped.size())
        rows = []
        for key, row in zip(sums.index, sums.itertuples(index=False), strict=True):
            named = key if isinstance(key, tuple) else (key,)
            named = tuple(part.date() if isinstance(part, dt.datetime) else part for part in named)
            rows.append((*named, int(row[0]), *(Decimal(repr(float(value))) for value in row[1:])))
        return rows

    return group


def differ(left: dict[str, pb.Figure], right: dict[str, pb.Figure], places: int = 0) -> int:
    """How many figures are not the same; ``places``: only in so many digits."""
    count = len(left.keys() ^ right.keys())
    for name in left.keys() & right.keys():
        a, b = left[name], right[name]
        if places:
            count += abs(a.value - b.value) > 10.0**-places * max(1.0, abs(a.value))
        else:
            count += a.SerializeToString(deterministic=True) != b.SerializeToString(deterministic=True)
    return count


# -- parts of the measurement -------------------------------------------------------------------------------------------------


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds, result)."""
    begun = time.perf_counter()
    made = work()
    return time.perf_counter() - begun, made


def once(folder: Path, path: Path, times: dict[str, list[float]]) -> int:
    """One round of all levels and peers; how many figures differ."""
    engine = DuckEngine(folder / "engine", [folder])
    taken, profile = seconds(lambda: read(engine, folder, path))
    times.setdefault("reading", []).append(taken)
    scope = make_scope(profile, "month")

    def timed(name: str, frame: Callable[[], Frame], pause: float = 0.0) -> dict[str, pb.Figure]:
        took, results = seconds(lambda: analyse(frame(), pause))
        times.setdefault(name, []).append(took)
        return figures(results)

    full = timed("full", lambda: Frame(engine, profile, scope, "full"))
    wrong = 0
    for level in ("partial", "none"):

        def frame(level: str = level) -> Frame:
            return Frame(engine, profile, scope, level)

        wrong += differ(full, timed(level, frame))
        timed(f"{level}_latency", frame, LATENCY)
    measures = Frame(engine, profile, scope).measures
    engine.close()
    for peer, group, places in (("polars", polars_group, 0), ("pandas", pandas_group, 9)):

        def other(group: Any = group) -> Frame:
            return PeerFrame(engine, profile, scope, group(path, scope, measures))

        wrong += differ(full, timed(peer, other), places)
    return wrong


def big(folder: Path, path: Path, rounds: int) -> dict[str, float]:
    """Levels and peers over the large table, in alternating rounds."""
    times: dict[str, list[float]] = {}
    wrong = sum(once(folder, path, times) for _ in range(rounds))
    middle = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    ours = middle["reading"] + middle["full"]
    return {
        "full_s": ours,
        "vs_pandas": middle["pandas"] / ours,
        "vs_polars": middle["polars"] / ours,
        "partial_vs_none": middle["none"] / middle["partial"],
        "partial_vs_none_latency": middle["none_latency"] / middle["partial_latency"],
        "full_vs_partial": middle["partial"] / middle["full"],
        "figures_differ": wrong,
    }


def from_csv(folder: Path, rows: int) -> dict[str, float]:
    """The same from CSV."""
    path = folder / "big.csv"
    generate(path, rows)
    engine = DuckEngine(folder / "engine-csv", [folder])
    (folder / "engine-csv").mkdir(exist_ok=True)
    ours, profile = seconds(lambda: read(engine, folder / "engine-csv", path))
    scope = make_scope(profile, "month")
    more, _ = seconds(lambda: analyse(Frame(engine, profile, scope, "full")))
    measures = Frame(engine, profile, scope).measures
    peer, _ = seconds(lambda: analyse(PeerFrame(engine, profile, scope, polars_group(path, scope, measures))))
    engine.close()
    path.unlink()
    return {"csv_vs_polars": peer / (ours + more), "csv_s": ours + more}


MEMORY = """
import sys; sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from tests.bench.systems.market import *
folder, path = Path(sys.argv[2]), Path(sys.argv[3])
engine = DuckEngine(folder / "engine-memory", [folder])
(folder / "engine-memory").mkdir(exist_ok=True)
profile = read(engine, folder / "engine-memory", path)
analyse(Frame(engine, profile, make_scope(profile, "month"), "full"))
# Not ru_maxrss: a child begins with the peak of its parent there.
print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) / 1024)
"""


def peak_memory(folder: Path, path: Path) -> float:
    """Megabytes of a process that reads and analyses once."""
    command = [sys.executable, "-c", MEMORY, str(ROOT), str(folder), str(path)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def small(folder: Path, rounds: int) -> float:
    """Milliseconds of everything over 15,000 rows of a new table, nothing in memory; the median."""
    path = folder / "small.csv"
    generate(path, 15_000)
    taken = []
    for at in range(rounds + 1):
        place = folder / f"small-{at}"
        place.mkdir()
        engine = DuckEngine(place, [folder])

        def everything(engine: DuckEngine = engine, place: Path = place) -> Any:
            profile = read(engine, place, path)
            return analyse(Frame(engine, profile, make_scope(profile, "month"), "full"))

        took, _ = seconds(everything)
        taken.append(took)
        engine.close()
    # The first one imports what all others find imported.
    return sorted(taken[1:])[rounds // 2] * 1e3


async def cached(folder: Path, path: Path) -> float:
    """A first answer over a replayed one, through a server and a real channel."""
    import grpc

    from hexar.server.process.app import App
    from hexar.server.systems import make_settings

    app = App(make_settings(port=0, data_dir=folder / "data", drain_seconds=0, log_level="error", market={"roots": [folder]}))
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            stub: Any = market_pb2_grpc.MarketServiceStub(channel)
            await stub.RegisterTable(pb.RegisterTableRequest(options=pb.TableOptions(name="t"), paths=[path.name]))
            taken = []
            for _ in range(8):
                begun = time.perf_counter()
                async for _event in stub.Analyze(pb.AnalyzeRequest(table="t")):
                    pass
                taken.append(time.perf_counter() - begun)
    finally:
        await app.stop(0)
    return taken[0] / sorted(taken[1:])[3]


def series(seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Sales by month of a known shape: trend, season, both, a break, or intermittent."""
    chance = np.random.default_rng(seed)
    count = int(chance.integers(42, 73))
    t = np.arange(count)
    season = 1 + 0.3 * np.sin(2 * np.pi * (t + chance.integers(12)) / 12) + 0.1 * np.cos(4 * np.pi * t / 12)
    noise = 1 + chance.normal(0, 0.06, count)
    shapes = (
        1000 * (1 + 0.015 * t) * noise,
        1000 * season * noise,
        1000 * (1 + 0.01 * t) * season * noise,
        1000 * np.where(t < 0.6 * count, 1, 1.6) * season * noise,
        np.where(chance.random(count) < 0.35, 0.0, 1000 * chance.gamma(4, 0.25, count)),
    )
    return shapes[seed % len(shapes)]


def forecasts(count: int) -> dict[str, float]:
    """Errors on what the forecast did not see."""
    rows, held, known = [], 0, 0
    for seed in range(count):
        y = series(1000 + seed)
        errors = []
        for back in (0, 6, 12):
            seen = y[: len(y) - back]
            past, actual = seen[:-6], seen[-6:]
            found = forecast(past, 12, 6)
            low, high = found.intervals[0.8]
            held, known = held + int(((actual >= low) & (actual <= high)).sum()), known + 6
            naive, mean = models.seasonal_naive(past, 12, 6), models.mean(past, 12, 6)
            errors.append((mape(actual, found.values), mape(actual, naive), mape(actual, mean)))
        rows.append(np.mean(errors, axis=0))
    table = np.array(rows)
    ours, naive, mean = table.mean(axis=0)
    return {
        "forecast_mape": float(ours),
        "forecast_mape_naive": float(naive),
        "forecast_mape_mean": float(mean),
        "forecast_not_worse": float(np.mean(table[:, 0] <= table[:, 1:].min(axis=1) + 1e-9)),
        "coverage_80": held / known,
    }


def main() -> None:
    """Measure, and print."""
    quick = options(__doc__ or "").quick
    rows, rounds = (300_000, 1) if quick else (5_000_000, 3)
    with tempfile.TemporaryDirectory(prefix="hexar-market-") as name:
        folder = Path(name)
        (folder / "engine").mkdir()
        path = folder / "big.parquet"
        generate(path, rows)
        measured: dict[str, Any] = {"rows": rows}
        measured |= big(folder, path, rounds)
        measured["peak_rss_mb"] = peak_memory(folder, path)
        measured["cached_speedup"] = asyncio.run(cached(folder, path))
        measured["small_p50_ms"] = small(folder, 3 if quick else 7)
        measured |= from_csv(folder, rows // 5)
        measured |= forecasts(20 if quick else 50)
    report("market", measured)


if __name__ == "__main__":
    main()

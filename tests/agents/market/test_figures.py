"""Every tool against pandas, at every level."""

from __future__ import annotations

import csv
import datetime as dt
import random
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hexar.agents.market.figures.aggregates import Condition, Frame, Scope, Source
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.figures.spans import make_scope
from hexar.agents.market.tables.model import Profile
from hexar.agents.market.tables.reading import TableReader
from hexar.agents.market.tables.roles import unavailable
from hexar.agents.market.tools.registry import TOOLS, foresee
from hexar.agents.market.tools.result import Asked, Result
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import FailedPrecondition
from hexar.v1 import market_pb2 as pb
from tests.agents.market import oracle
from tests.agents.market.conftest import Reads

LEVELS = ("none", "partial", "full")


def sales(rows: int = 4000, *, seed: int = 5) -> list[dict[str, Any]]:
    """Sales with losses, missing brands, names with quotes, and products that come and go."""
    chance = random.Random(seed)
    brands = ["Aura", "Bel", "Cen'to", 'Do"ra', "Éther", None]
    made = []
    for _ in range(rows):
        day = dt.date(2021, 3, 10) + dt.timedelta(days=chance.randrange(1100))
        brand = chance.choice(brands[:3] if day.year < 2022 else brands)
        units, price = chance.randrange(1, 40), Decimal(chance.randrange(199, 9999)) / 100
        cost = (price * Decimal(chance.randrange(40, 120)) / 100).quantize(Decimal("0.01"))
        channel = chance.choice(["Online", "Retail", "Wholesale"])
        made.append(
            {
                "date": day,
                "brand": brand,
                "category": chance.choice(["Tea", "Coffee", "Juice; mixed"]),
                "region": chance.choice(["North", "South"]),
                "store": f"S{chance.randrange(60):03d}",
                "channel": channel,
                "units": Decimal(units),
                "revenue": units * price,
                "cost": units * cost,
                "profit": units * price - units * cost,
                "spend": Decimal(chance.randrange(0, 5000)) / 100,
            }
        )
    return made


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
    return path


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    return sales()


@pytest.fixture
def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return oracle.frame(rows)


@pytest.fixture
def profile(rows: list[dict[str, Any]], reads: Reads, tmp_path: Path) -> Profile:
    return reads(write(tmp_path / "sales.csv", rows)).profile


def run(source: Source, profile: Profile, scope: Scope, level: str, asked: Asked | None = None) -> dict[str, Result]:
    """All tools that the table allows."""
    frame = Frame(source, profile, scope, level)
    tools = [number for number in TOOLS if unavailable(number, profile.roles) is None]
    foresee(frame, tools)
    return {TOOLS[number].name: TOOLS[number].run(frame, asked or Asked(budget=Decimal(1000))) for number in tools}


def one(result: Result, name: str, **dimensions: str) -> Any:
    found = [figure for figure in result.figures if figure.name == name and dict(figure.dimensions) == dimensions]
    assert len(found) == 1, f"{result.tool}: {len(found)} figures {name} {dimensions}"
    return found[0]


def check(results: dict[str, Result], table: pd.DataFrame, scope: Scope) -> None:
    """Every sum to the last digit, every ratio and effect to float precision."""
    window = oracle.within(table, scope.window)
    now, before = oracle.within(table, scope.current), oracle.within(table, scope.previous)
    for measure in ("revenue", "units", "cost", "profit", "spend"):
        for tool in ("overview", "kpi"):
            assert Decimal(one(results[tool], measure).exact) == oracle.total(window, measure)
    for measure in ("revenue", "units", "profit"):
        change = (oracle.total(now, measure) - oracle.total(before, measure)) / oracle.total(before, measure)
        assert one(results["overview"], f"{measure}_change").value == pytest.approx(float(change))
    assert one(results["overview"], "rows").value == len(window)
    profitability = results["profitability"]
    losses = window[window["profit"] < 0]
    assert Decimal(one(profitability, "loss").exact) == oracle.total(losses, "profit")
    assert one(profitability, "loss_rows").value == len(losses)
    whole = oracle.total(window, "revenue")
    for role in ("brand", "category", "region", "store", "channel"):
        sums, current, previous = (oracle.by(part, role, "revenue") for part in (window, now, before))
        told = {figure.dimensions[role]: figure for figure in results[role].figures if figure.name == "revenue"}
        ranked = sorted(sums, key=lambda name: (-sums[name], name))
        expected = ranked if len(ranked) <= 20 else ranked[:10] + ranked[-10:][::-1]
        assert list(told) == expected
        for name, figure in told.items():
            assert Decimal(figure.exact) == sums[name]
            assert one(results[role], "revenue_share", **{role: name}).value == pytest.approx(float(sums[name] / whole))
            if previous.get(name):
                change = (current.get(name, Decimal(0)) - previous[name]) / previous[name]
                assert one(results[role], "revenue_change", **{role: name}).value == pytest.approx(float(change))
            else:
                assert not [f for f in results[role].figures if f.name == "revenue_change" and f.dimensions[role] == name]
        shares = [float(value / whole) for value in sums.values()]
        assert one(results["share"], "concentration", of=role).value == pytest.approx(sum(share**2 for share in shares))
        profits = oracle.by(window, role, "profit")
        for figure in (figure for figure in profitability.figures if figure.name == "profit" and role in figure.dimensions):
            name = figure.dimensions[role]
            assert Decimal(figure.exact) == profits[name]
            margin = float(profits[name] / sums[name])
            assert one(profitability, "margin", **{role: name}).value == pytest.approx(margin)
    months = oracle.monthly(window, "revenue")
    for figure in (figure for figure in results["trend"].figures if figure.name == "revenue"):
        assert Decimal(figure.exact) == months.get(figure.dimensions["month"], Decimal(0))
    effects = oracle.mix(before.fillna({"brand": "(none)"}), now.fillna({"brand": "(none)"}), ["brand", "category"])
    for name, value in effects.items():
        assert one(results["price_volume_mix"], f"{name}_effect").value == pytest.approx(value, abs=1e-6)
    parts = sum(one(results["price_volume_mix"], f"{name}_effect").value for name in effects)
    assert parts == pytest.approx(one(results["price_volume_mix"], "revenue_change_amount").value, abs=1e-6)
    for name, value in oracle.by(window, "channel", "spend").items():
        assert Decimal(one(results["roi"], "spend", channel=name).exact) == value


def serialized(results: dict[str, Result]) -> list[bytes]:
    return [figure.SerializeToString(deterministic=True) for name in sorted(results) for figure in results[name].figures]


def test_every_figure_equals_pandas_at_every_level(duck: DuckEngine, profile: Profile, table: pd.DataFrame) -> None:
    """The three levels give the same bytes, and they are what pandas finds."""
    scope = make_scope(profile, "month")
    results = {level: run(duck, profile, scope, level) for level in LEVELS}
    check(results["partial"], table, scope)
    assert serialized(results["none"]) == serialized(results["partial"]) == serialized(results["full"])
    assert len(serialized(results["none"])) > 400


def test_filters_narrow_every_figure(duck: DuckEngine, profile: Profile, table: pd.DataFrame) -> None:
    """A window, values in another case, and a dimension that is excluded."""
    conditions = (Condition("category", ("TEA", "coffee")), Condition("brand", ("bel",), exclude=True))
    scope = make_scope(profile, "month", oracle.day("2023-01-01"), oracle.day("2023-12-31"), conditions)
    assert scope.previous is not None
    assert (str(scope.previous.first), str(scope.previous.last)) == ("2022-01-01", "2022-12-31")
    kept = table[table["category"].isin(["Tea", "Coffee"]) & (table["brand"] != "Bel")]
    results = {level: run(duck, profile, scope, level) for level in LEVELS}
    check(results["partial"], kept, scope)
    assert serialized(results["none"]) == serialized(results["partial"]) == serialized(results["full"])


def test_a_window_without_a_whole_span_before_is_compared_with_what_there_is(profile: Profile) -> None:
    """Of 2022 only the days from March on have a year before."""
    scope = make_scope(profile, "month", oracle.day("2022-01-01"), oracle.day("2022-12-31"))
    assert scope.current is not None
    assert scope.previous is not None
    assert profile.first is not None
    assert scope.previous.first == profile.first
    assert scope.current.first == profile.first.replace(year=2022)
    assert str(scope.current.last) == "2022-12-31"


def test_many_values_are_ranked_in_the_engine(
    duck: DuckEngine, profile: Profile, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best and the worst are the same, though only they leave the engine."""
    monkeypatch.setattr("hexar.agents.market.figures.aggregates.MANY", 30)
    scope = make_scope(profile, "month")
    results = {level: run(duck, profile, scope, level) for level in LEVELS}
    sums = oracle.by(table, "store", "revenue")
    ranked = sorted(sums, key=lambda name: (-sums[name], name))
    told = [figure for figure in results["full"]["store"].figures if figure.name == "revenue"]
    assert [figure.dimensions["store"] for figure in told] == ranked[:10] + ranked[-10:][::-1]
    assert all(Decimal(figure.exact) == sums[figure.dimensions["store"]] for figure in told)
    assert one(results["full"]["store"], "stores").value == len(sums)
    assert serialized(results["none"]) == serialized(results["partial"]) == serialized(results["full"])


def test_what_two_tools_need_is_scanned_once(duck: DuckEngine, profile: Profile) -> None:
    """One scan a request at "partial", one or two for all at "full"."""
    scans = {}
    for level in LEVELS:
        frame = Frame(duck, profile, make_scope(profile, "month"), level)
        tools = [number for number in TOOLS if unavailable(number, profile.roles) is None]
        foresee(frame, tools)
        for number in tools:
            TOOLS[number].run(frame, Asked())
        scans[level] = frame.scans
    assert scans["full"] <= 2
    assert scans["none"] > 2 * scans["partial"] > 4


@pytest.mark.parametrize("granularity", ["day", "week", "month", "quarter"])
def test_a_series_has_every_period(duck: DuckEngine, profile: Profile, table: pd.DataFrame, granularity: str) -> None:
    """Its periods add up to the total, whatever their length."""
    results = run(duck, profile, make_scope(profile, granularity), "partial")
    told = [Decimal(figure.exact) for figure in results["trend"].figures if figure.name == "revenue"]
    if granularity == "day":
        assert len(told) == 400
        assert any("400" in note for note in results["trend"].notes)
    else:
        assert sum(told) == oracle.total(table, "revenue")


def test_the_shipped_table(hexar_data: Path, duck: DuckEngine, reads: Reads, tmp_path: Path) -> None:
    """Totals of the beverage sales to the cent."""
    path = tmp_path / "beverage.csv"
    path.write_bytes((hexar_data / "market" / "beverage_sales.csv").read_bytes())
    read = reads(path)
    frame = pd.read_csv(path, dtype=str)
    for level in LEVELS:
        results = run(duck, read.profile, make_scope(read.profile, "month"), level)
        assert one(results["overview"], "revenue").exact == "9229355.66"
        for measure, column in (
            ("revenue", "total_revenue"),
            ("cost", "total_cost"),
            ("profit", "profit"),
            ("units", "units_sold"),
        ):
            assert Decimal(one(results["overview"], measure).exact) == sum(map(Decimal, frame[column]))
        for role in ("brand", "category", "region", "country"):
            for name, part in frame.groupby(role):
                told = [
                    f for f in results["region" if role == "country" else role].figures if dict(f.dimensions) == {role: name}
                ]
                exact = [f.exact for f in told if f.name == "revenue"]
                assert not exact or Decimal(exact[0]) == sum(map(Decimal, part["total_revenue"]))


def test_a_server_without_duckdb_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever asks first: a reading, or a figure."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    engine = DuckEngine(tmp_path)
    with pytest.raises(FailedPrecondition, match=r"hexar\[market\]"):
        TableReader(engine, tmp_path, 1 << 20).read([], pb.TableOptions(), Cancel())
    with pytest.raises(FailedPrecondition, match=r"hexar\[market\]"):
        engine.rows("SELECT 1", Cancel())

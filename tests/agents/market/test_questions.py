"""Questions in words: what they choose, how they were read, and their answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hexar.agents.market.figures.aggregates import Frame
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.questions.answer import answer
from hexar.agents.market.questions.reading import read
from hexar.agents.market.request.plan import make_plan
from hexar.agents.market.tables.library import Entry
from hexar.agents.market.tables.model import Profile, ReadTable
from hexar.agents.market.tables.roles import ROLES
from hexar.agents.market.tools.registry import TOOLS
from hexar.v1 import market_pb2 as pb
from tests.agents.market.conftest import Reads

PROFILE = Profile(
    roles=("date", "brand", "category", "region", "country", "channel", "units", "revenue", "cost", "profit"),
    distinct={"brand": 3, "category": 2, "region": 3, "country": 2, "channel": 2},
    first=dt.date(2021, 1, 1),
    last=dt.date(2024, 10, 20),
    rows=100,
    values={
        "brand": ("7UP", "Coca-Cola", "Dr Pepper"),
        "category": ("Cola", "Juice"),
        "region": ("Asia Pacific", "Europe", "North"),
        "country": ("Germany", "Spain"),
        "channel": ("Online", "Retail"),
    },
)


def tools(*names: str) -> set[int]:
    return {number for number, tool in TOOLS.items() if tool.name in names}


@pytest.mark.parametrize(
    ("question", "language", "chosen", "dimensions", "measure", "days"),
    [
        ("¿Qué marca perdió más margen en 2023?", "es", {"profitability"}, ("brand",), "margin", ("2023-01-01", "2023-12-31")),
        ("Which brand lost most margin in 2023?", "en", {"profitability"}, ("brand",), "margin", ("2023-01-01", "2023-12-31")),
        ("Top countries by revenue in Q3 2022", "en", {"region"}, ("country",), "revenue", ("2022-07-01", "2022-09-30")),
        ("ventas por región en marzo de 2024", "es", {"region"}, ("region",), "revenue", ("2024-03-01", "2024-03-31")),
        ("Profit by channel since May 2023", "en", {"profitability", "channel"}, ("channel",), "profit", ("2023-05-01", "")),
        ("sales from 2022 to 2023", "en", {"overview", "trend"}, (), "revenue", ("2022-01-01", "2023-12-31")),
        ("revenue in the last 3 months", "en", {"overview", "trend"}, (), "revenue", ("2024-07-21", "2024-10-20")),
        ("unidades vendidas el año pasado", "es", {"overview", "trend"}, (), "units", ("2023-01-01", "2023-12-31")),
        ("Is there anything unusual?", "en", {"anomalies"}, (), "", ("", "")),
        ("previsión de ventas para los próximos 9 meses", "es", {"forecast"}, (), "revenue", ("", "")),
        ("How should we allocate the budget?", "en", {"budget"}, (), "", ("", "")),
        ("did revenue change because of price or mix?", "en", {"price_volume_mix"}, (), "price", ("", "")),
        ("key figures please", "en", {"kpi"}, (), "", ("", "")),
    ],
)  # fmt: skip
def test_words_choose_tools_dimensions_and_days(
    question: str, language: str, chosen: set[str], dimensions: tuple[str, ...], measure: str, days: tuple[str, str]
) -> None:
    """In both languages."""
    found = read(question, PROFILE)
    assert found.language == language
    if chosen != {"profitability", "channel"}:
        assert set(found.tools) == tools(*chosen)
    else:
        assert set(found.tools) & tools(*chosen)
    assert (found.dimensions, found.measure) == (dimensions, measure)
    assert (found.filters.from_date, found.filters.to_date) == days
    assert not found.unread
    assert found.sentence().endswith(".")


@pytest.mark.parametrize(
    ("question", "filters"),
    [
        ("revenue of Coca-Cola in Europe", {"brand": (["Coca-Cola"], False), "region": (["Europe"], False)}),
        ("ventas de coca-cola en Europa", {"brand": (["Coca-Cola"], False), "region": (["Europe"], False)}),
        ("ventas en España sin 7up", {"brand": (["7UP"], True), "country": (["Spain"], False)}),
        ("sales except Juice", {"category": (["Juice"], True)}),
        ("sales of dr pepper online", {"brand": (["Dr Pepper"], False), "channel": (["Online"], False)}),
        ("sales of cola", {"category": (["Cola"], False)}),
    ],
)
def test_names_in_the_table_are_filters(question: str, filters: dict[str, Any]) -> None:
    """Without case and accents, and in the other language where a place has two names."""
    found = read(question, PROFILE)
    names = {role.number: name for name, role in ROLES.items()}
    assert {names[entry.role]: (list(entry.values), entry.exclude) for entry in found.filters.dimensions} == filters
    assert not found.unread


def test_what_is_not_understood_is_told() -> None:
    """Nothing is guessed."""
    found = read("revenue of Zorbcola in Atlantis", PROFILE)
    assert found.unread == ("zorbcola", "atlantis")
    assert "zorbcola" in found.sentence()


TABLE = """date,brand,region,units,revenue,cost
2022-03-01,A,North,10,100,50
2022-06-01,B,South,10,200,150
2022-09-01,C,North,5,50,20
2023-03-01,A,North,10,90,60
2023-06-01,B,South,12,260,150
2023-09-01,C,South,5,49,20
"""


@pytest.fixture
def table(reads: Reads) -> ReadTable:
    return reads(TABLE)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Which brand lost most revenue in 2023?", "A: its revenue fell by 10.0 %."),
        ("¿Qué marca perdió más margen en 2023?", "La marca A: su margen bajó 16.67 puntos porcentuales."),
        ("Which brand lost least revenue in 2023?", "C: its revenue fell by 2.0 %."),
        ("Which brand grew most in 2023?", "B: its revenue rose by 30.0 %."),
        ("¿Qué región tuvo más ventas en 2023?", "La región South, con 309.00 de ventas."),
        ("Which brand has the highest margin?", "C, with a margin of 59.6 %."),
        ("What was total revenue in 2023?", "Revenue: 399.00."),
        ("¿Cuántas unidades vendimos en 2022?", "Unidades: 25 unidades."),
        ("What is the market share of B in 2023?", "B, with 65.2 % of share."),
        ("Which brand lost units?", ""),
        ("Which brand lost most revenue in Atlantis?", ""),
    ],
)
def test_answers_are_figures(duck: DuckEngine, table: ReadTable, question: str, said: str) -> None:
    """And nothing where a word was not understood, or the figures do not hold it."""
    reading = read(question, table.profile)
    entry = Entry(table.description, table.profile, duck, "c")
    plan = make_plan(pb.AnalyzeRequest(table="t", question=question), "default", entry, None, reading)
    frame = Frame(duck, table.profile, plan.scope)
    results = [TOOLS[tool].run(frame, replace(plan.asked, top_n=100)) for tool in plan.tools]
    text, figures = answer(reading, results, plan.scope)
    assert text.partition(" (2")[0] == said
    assert bool(figures) is bool(said)
    if reading.move and said:
        assert "2022" in text or "2023" in text
    assert sum((frame.value(sums, "revenue") for sums in frame.groups().values()), Decimal(0)) > 0


@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("sales on 15 May 2023", "2023-05-15", "2023-05-15"),
        ("sales on May 15, 2023", "2023-05-15", "2023-05-15"),
        ("ventas del 15 de mayo de 2023", "2023-05-15", "2023-05-15"),
        ("sales on 15/05/2023", "2023-05-15", "2023-05-15"),
        ("sales on 05/25/2023", "2023-05-25", "2023-05-25"),
        ("sales since 15 July 2023", "2023-07-15", ""),
        ("sales after 15 July 2023", "2023-07-16", ""),
        ("revenue after 2022", "2023-01-01", ""),
        ("How much did we sell before 2023?", "", "2022-12-31"),
        ("ventas antes de marzo de 2023", "", "2023-02-28"),
        ("¿Cuánto vendimos hasta 2022?", "", "2022-12-31"),
        ("revenue between January and March 2023", "2023-01-01", "2023-03-31"),
        ("ventas de enero a marzo de 2023", "2023-01-01", "2023-03-31"),
        ("sales in the first half of 2023", "2023-01-01", "2023-06-30"),
        ("ventas del segundo semestre de 2023", "2023-07-01", "2023-12-31"),
        ("units in H2 2023", "2023-07-01", "2023-12-31"),
        ("sales in 2022 and 2023", "2022-01-01", "2023-12-31"),
    ],
)
def test_dates_are_the_days_that_are_meant(question: str, first: str, last: str) -> None:
    """A day is no month, before and after leave the date out, and all of it is understood."""
    reading = read(question, PROFILE)
    assert (reading.filters.from_date, reading.filters.to_date) == (first, last)
    assert not reading.unread


@pytest.mark.parametrize(
    ("question", "unread"),
    [
        ("sales in 2021 and 2023", {"2021", "2023"}),
        ("sales on 05/06/2023", {"05", "06", "2023"}),
        ("sales on 31 June 2023", {"31"}),
        ("sales above 500", {"above", "500"}),
    ],
)
def test_a_number_that_was_not_understood_is_told(question: str, unread: set[str]) -> None:
    """Years that are no one span, days that fit two orders or none, amounts: nothing answers such a question."""
    reading = read(question, PROFILE)
    assert set(reading.unread) == unread


def test_several_of_the_best_are_not_answered_by_one() -> None:
    """The number is read, and no single part is called the answer."""
    for question in ("top 2 brands by revenue in 2023", "las 3 mejores marcas en 2023"):
        reading = read(question, PROFILE)
        assert (reading.end, reading.unread) == ("", ())
    assert read("top brand by revenue", PROFILE).end == "high"

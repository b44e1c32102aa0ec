"""Return on spend and the budget: from one table or two, and never more than the data say."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from hexar.agents.market.figures.aggregates import Frame
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.figures.spans import make_scope
from hexar.agents.market.tools.investment import budget, roi
from hexar.agents.market.tools.result import Asked, Result
from tests.agents.market.conftest import Reads


def rows(curved: bool, periods: int = 48) -> list[tuple[dt.date, float, float, float]]:
    """(month, tv, radio, revenue): radio does nothing."""
    chance = np.random.default_rng(4)
    made = []
    for at in range(periods):
        tv, radio = float(chance.uniform(10, 400)), float(chance.uniform(10, 100))
        effect = 600 * np.log1p(tv / 100) if curved else 3 * tv
        month = dt.date(2020 + at // 12, at % 12 + 1, 1)
        made.append((month, round(tv, 2), round(radio, 2), round(1000 + effect + float(chance.normal(0, 20)), 2)))
    return made


def frame(duck: DuckEngine, reads: Reads, text: str, name: str = "t.csv") -> Frame:
    read = reads(text, name)
    return Frame(duck, read.profile, make_scope(read.profile, "month"))


def wide(curved: bool = False) -> str:
    return "date,TV,Radio,revenue\n" + "".join(f"{day},{tv},{radio},{sold}\n" for day, tv, radio, sold in rows(curved))


def of(result: Result, name: str) -> dict[str, Any]:
    return {figure.dimensions["channel"]: figure for figure in result.figures if figure.name == name}


def test_a_response_is_found_where_there_is_one(duck: DuckEngine, reads: Reads) -> None:
    """With its interval; what did nothing says that its interval holds zero; nothing is called an effect."""
    result = roi(frame(duck, reads, wide()), Asked())
    found = of(result, "response")
    assert found["TV"].low <= 3 <= found["TV"].high
    assert found["TV"].low > 2.8
    assert found["Radio"].low <= 0 <= found["Radio"].high
    assert "holds zero" in found["Radio"].reason
    assert Decimal(of(result, "spend")["TV"].exact) == sum(Decimal(str(row[1])) for row in rows(False))
    assert any("linear" in note for note in result.notes)
    assert any("not what spend would cause" in note for note in result.notes)


def test_falling_returns_are_seen_where_the_data_have_them(duck: DuckEngine, reads: Reads) -> None:
    """And not where they have not."""
    assert any("logarithmic" in note for note in roi(frame(duck, reads, wide(True)), Asked()).notes)


def test_a_second_table_gives_the_same(duck: DuckEngine, reads: Reads) -> None:
    """Spend by date and channel, joined by period."""
    sales = frame(duck, reads, "date,revenue\n" + "".join(f"{row[0]},{row[3]}\n" for row in rows(False)), "s.csv")
    long = "date,channel,spend\n" + "".join(f"{day},TV,{tv}\n{day},Radio,{radio}\n" for day, tv, radio, _ in rows(False))
    spend = frame(duck, reads, long, "p.csv")
    one, two = roi(frame(duck, reads, wide()), Asked()), roi(sales, Asked(spend=spend))
    for name, figure in of(one, "response").items():
        assert of(two, "response")[name].value == pytest.approx(figure.value)


def test_a_budget_is_given_out_within_bounds(duck: DuckEngine, reads: Reads) -> None:
    """All of it where there is room; more to what responds; a channel without a response keeps its share."""
    table = frame(duck, reads, wide())
    result = budget(table, Asked(budget=Decimal(1500), horizon=6))
    plan = {name: figure.value for name, figure in of(result, "planned_spend").items()}
    assert sum(plan.values()) == pytest.approx(1500, abs=0.02)
    bounds = {"TV": (None, Decimal(500)), "Radio": (Decimal(900), None)}
    bounded = of(budget(table, Asked(budget=Decimal(1500), horizon=6, bounds=bounds)), "planned_spend")
    assert bounded["TV"].value <= 500.01
    assert bounded["Radio"].value >= 899.99
    refused = budget(table, Asked(budget=Decimal(100), horizon=6, bounds=bounds))
    assert "more than the budget" in refused.problem
    assert not refused.figures


def test_too_little_data_says_so(duck: DuckEngine, reads: Reads) -> None:
    """No response is made up of few periods, nor of channels that move together."""
    few = roi(frame(duck, reads, "date,TV,Radio,revenue\n2024-01-01,1,2,3\n2024-02-01,2,1,4\n2024-03-01,3,3,5\n"), Asked())
    assert not of(few, "response")
    assert any("needs 15 observations for 2 channels; there are 3" in note for note in few.notes)
    same = "date,TV,Radio,revenue\n" + "".join(f"{day},{tv},{tv},{sold}\n" for day, tv, _, sold in rows(False))
    together = roi(frame(duck, reads, same), Asked())
    assert not of(together, "response")
    assert any("cannot be told apart" in note for note in together.notes)

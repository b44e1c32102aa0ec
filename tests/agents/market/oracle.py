"""Every figure of the tools once more, in pandas with decimals: slow, and as obvious as can be."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd

from hexar.agents.market.figures.aggregates import Days


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows with decimals in object columns."""
    made = pd.DataFrame(rows)
    made["date"] = pd.to_datetime(made["date"]).dt.date
    return made


def within(table: pd.DataFrame, days: Days | None) -> pd.DataFrame:
    """The rows of a span."""
    return table if days is None else table[(table["date"] >= days.first) & (table["date"] <= days.last)]


def total(table: pd.DataFrame, column: str) -> Decimal:
    """An exact sum."""
    return sum(table[column], Decimal(0))


def by(table: pd.DataFrame, role: str, column: str) -> dict[str, Decimal]:
    """Exact sums by a dimension; a missing value is "(none)"."""
    named = table[role].where(table[role].notna(), "(none)")
    return {str(name): total(part, column) for name, part in table.groupby(named)}


def monthly(table: pd.DataFrame, column: str) -> dict[str, Decimal]:
    """Exact sums by month."""
    keys = table["date"].map(lambda day: f"{day:%Y-%m}")
    return {str(name): total(part, column) for name, part in table.groupby(keys)}


def mix(before: pd.DataFrame, now: pd.DataFrame, keys: list[str]) -> dict[str, float]:
    """The five effects of a change of revenue."""
    old = before.groupby(keys)[["revenue", "units"]].sum().astype(float)
    new = now.groupby(keys)[["revenue", "units"]].sum().astype(float)
    both = old.join(new, how="inner", suffixes=("0", "1"))
    both = both[(both.units0 > 0) & (both.units1 > 0)]
    p0, p1 = both.revenue0 / both.units0, both.revenue1 / both.units1
    price = float(((p1 - p0) * both.units1).sum())
    volume = float((both.units1.sum() - both.units0.sum()) * both.revenue0.sum() / both.units0.sum())
    return {
        "price": price,
        "volume": volume,
        "mix": float(((both.units1 - both.units0) * p0).sum()) - volume,
        "new": float(new[~new.index.isin(both.index)].revenue.sum()),
        "gone": -float(old[~old.index.isin(both.index)].revenue.sum()),
    }


def day(text: str) -> dt.date:
    """A day."""
    return dt.date.fromisoformat(text)

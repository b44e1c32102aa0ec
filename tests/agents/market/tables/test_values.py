"""What the engine makes of single values: the expressions against the same rules in Python."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.market.tables import values
from hexar.agents.market.tables.columns import cleaned, filled
from hexar.agents.market.tables.model import EMPTY

PIECES = [*sorted(EMPTY), " ", "  ", "x", "0", "NA ", "Null", "longer than any", "-5", "ß", "日本"]


def one(expression: str, text: str | None) -> object:
    """The value of an expression over the column ``v``."""
    found = duckdb.execute(f"SELECT {expression} FROM (SELECT CAST(? AS VARCHAR) AS v)", [text]).fetchone()
    assert found is not None
    return found[0]


@given(st.lists(st.sampled_from(PIECES), min_size=0, max_size=3).map("".join))
def test_words_for_no_value_are_none(text: str) -> None:
    """Whatever space stands around them; a value keeps its text."""
    bare = text.strip(" ")
    expected = None if bare.lower() in EMPTY else bare
    assert one(cleaned("v"), text) == expected
    assert one(filled("v"), text) == (None if expected is None else 1)


@pytest.mark.parametrize(
    ("known", "text", "day"),
    [
        (values.YMD, "2024-02-29", dt.date(2024, 2, 29)),
        (values.YMD, "2024/2/9", dt.date(2024, 2, 9)),
        (values.YMD, " 2024.02.29 ", dt.date(2024, 2, 29)),
        (values.YMD, "2024-02-29T10:11:12Z", dt.date(2024, 2, 29)),
        (values.YMD, "2023-02-29", None),
        (values.YMD, "29/02/2024", None),
        (values.YMD, "infinity", None),
        (values.YMD, "", None),
        (values.DMY, "29/02/24", dt.date(2024, 2, 29)),
        (values.DMY, "29.2.1969", None),
        (values.DMY, "1-2-70", dt.date(1970, 2, 1)),
        (values.DMY, "2024-02-01", None),
        (values.DMY, "13/13/2024", None),
        (values.MDY, "2/29/2024 8:00", dt.date(2024, 2, 29)),
    ],
)
def test_a_date_is_read_in_its_format_only(known: values.DateFormat, text: str, day: dt.date | None) -> None:
    """A day that no calendar has, and another format, are none."""
    assert one(known.sql("v"), text) == day


@pytest.mark.parametrize(
    ("known", "text", "number"),
    [
        (values.NumberFormat(".", plain=True), " 12.5 ", "12.5"),
        (values.NumberFormat(".", plain=True), "n/a", None),
        (values.NumberFormat(","), "1.234,5", "1234.5"),
        (values.NumberFormat(","), "-1.234,5", "-1234.5"),
        (values.NumberFormat(","), "(7,25 €)", "-7.25"),
        (values.NumberFormat(","), "7,25-", "-7.25"),
        (values.NumberFormat(","), "1,234.5", None),
        (values.NumberFormat("."), "1,5", None),
        (values.NumberFormat("."), "-", None),
        (values.NumberFormat("."), "$1,234.50", "1234.5"),
        (values.NumberFormat(".", percent=True), "-12.5%", "-0.125"),
    ],
)
def test_a_number_is_read_in_its_format_only(known: values.NumberFormat, text: str, number: str | None) -> None:
    """Signs before or behind, brackets, groups of three; anything else is none."""
    found = one(known.sql("v"), text)
    assert found == (None if number is None else Decimal(number))

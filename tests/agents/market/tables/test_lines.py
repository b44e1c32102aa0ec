"""Lines of a table that are no rows, and headings that say more than a name: totals, titles, two lines of names, thousands."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import InvalidArgument
from hexar.v1 import market_pb2 as pb
from tests.agents.market.conftest import Reads
from tests.agents.market.tables.test_tables import roles, span, totals

ROWS = [("2024-01-05", "Fir", 3, "10.50"), ("2024-01-20", "Elm", 4, "20.25"), ("2024-02-03", "Fir", 5, "-3.75")]
SUM = {"units": Decimal(12), "revenue": Decimal("27.00")}


def table(*rows: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize(
    "label",
    [
        "Total",
        "TOTAL",
        "Grand total",
        "Totals:",
        "Total general",
        "Suma",
        "Summe",
        "Gesamt",
        "All",
        "All brands",
        "Todas",
        "Overall",
    ],
)
def test_a_line_that_adds_up_the_others_is_no_row(duck: DuckEngine, reads: Reads, label: str) -> None:
    """With its own date, without one, in a table that has none; it is counted as left out, and told."""
    body = [("date", "brand", "units", "revenue"), *ROWS]
    for text in (
        table(*body, ("2024-02-28", label, 12, "27.00")),
        table(*body, ("", label, 12, "27.00")),
        table(*(row[1:] for row in body), (label, 12, "27.00")),
    ):
        read = reads(text)
        assert totals(duck, read) == SUM
        assert (read.description.rows, read.description.rejected_rows) == (3, 1)
        assert label not in read.profile.values["brand"]
    assert any("1 row adds up the others and is left out" in note for note in read.description.notes)


def test_a_brand_called_total_is_a_brand(duck: DuckEngine, reads: Reads) -> None:
    """What is not the sum of the others is a row, and a note says that it was counted."""
    read = reads(table(("date", "brand", "units", "revenue"), *ROWS, ("2024-02-28", "Total", 7, "99.00")))
    assert totals(duck, read) == {"units": Decimal(19), "revenue": Decimal("126.00")}
    assert any("counted as rows" in note for note in read.description.notes)


def test_totals_of_parts_and_of_every_region_are_no_rows(duck: DuckEngine, reads: Reads) -> None:
    """Subtotals of each brand, a total of each month beside its regions, a total over two columns."""
    parts = reads(
        table(
            ("brand", "region", "units", "revenue"), ("Fir", "North", 3, "10.50"), ("Fir", "South", 5, "-3.75"), ("Subtotal Fir", "", 8, "6.75"),
            ("Elm", "North", 4, "20.25"), ("Subtotal Elm", "", 4, "20.25"), ("Total", "", 12, "27.00"),
        )
    )  # fmt: skip
    assert totals(duck, parts) == SUM
    months = reads(
        table(
            ("date", "region", "units", "revenue"), ("2024-01-01", "North", 3, "10.50"), ("2024-01-01", "South", 4, "20.25"),
            ("2024-01-01", "Total", 7, "30.75"), ("2024-02-01", "North", 5, "-3.75"), ("2024-02-01", "Total", 5, "-3.75"),
        )
    )  # fmt: skip
    assert totals(duck, months) == SUM
    both = reads(
        table(
            ("date", "brand", "region", "units"), *((*row[:2], "N", row[2]) for row in ROWS), ("2024-03-01", "All", "All", 12)
        )
    )
    assert totals(duck, both) == {"units": SUM["units"]}


def test_a_total_of_wide_months_is_no_row(duck: DuckEngine, reads: Reads) -> None:
    """Neither the column of totals nor the line of them."""
    read = reads("Marca;Ene 2024;Feb 2024;Mar 2024;Total\nFir;10,5;1;0;11,5\nElm;20,25;2;5;27,25\nTotal;30,75;3;5;38,75\n")
    assert totals(duck, read) == {"revenue": Decimal("38.75")}


def test_titles_stand_above_the_heading(duck: DuckEngine, reads: Reads, tmp_path: Path) -> None:
    """In a workbook, whose every line has all columns, with a line of totals at its end; in a text with empty fields."""
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    for row in (
        ["Informe de ventas 2024"], ["Generado el 02/03/2024"], [], ["Fecha", "Marca", "Unidades", "Ventas (€)"],
        *([dt.date.fromisoformat(day), brand, units, float(revenue)] for day, brand, units, revenue in ROWS),
        [], ["Total", None, 12, 27.0],
    ):  # fmt: skip
        sheet.append(row)
    book.save(tmp_path / "report.xlsx")
    read = reads(tmp_path / "report.xlsx")
    assert roles(read) == {"date": "Fecha", "brand": "Marca", "units": "Unidades", "revenue": "Ventas (€)"}
    assert totals(duck, read) == SUM
    assert span(read) == ("2024-01-05", "2024-02-03")
    assert read.profile.money_unit == "EUR"
    text = reads(table(("Sales report", "", "", ""), ("", "", "", ""), ("date", "brand", "units", "revenue"), *ROWS))
    assert totals(duck, text) == SUM


@pytest.mark.parametrize(
    ("upper", "lower", "revenue"),
    [
        (("", "", "Sales", "Sales"), ("Date", "Brand", "Units", "Revenue"), "Revenue"),
        (("Date", "Brand", "Sales", "Sales"), ("", "", "Units", "Revenue"), "Revenue"),
        (("", "Item", "", "Result"), ("Date", "Brand", "Units", "Revenue"), "Revenue"),
    ],
)
def test_a_heading_of_two_lines(
    duck: DuckEngine, reads: Reads, upper: Sequence[str], lower: Sequence[str], revenue: str
) -> None:
    """Groups over names: the names count, and groups where a column has no name of its own."""
    read = reads(table(upper, lower, *ROWS))
    assert roles(read) == {"date": "Date", "brand": "Brand", "units": "Units", "revenue": revenue}
    assert totals(duck, read) == SUM


@pytest.mark.parametrize(
    ("heading", "times", "unit"),
    [
        ("Revenue (000 EUR)", 1000, "EUR"),
        ("Revenue (in thousands)", 1000, "currency unknown"),
        ("Ventas (miles de €)", 1000, "EUR"),
        ("Revenue k€", 1000, "EUR"),
        ("Ventas en millones", 10**6, "currency unknown"),
        ("Revenue (M$)", 10**6, "$"),
        ("Revenue", 1, "currency unknown"),
    ],
)
def test_thousands_that_a_heading_names_are_thousands(
    duck: DuckEngine, reads: Reads, heading: str, times: int, unit: str
) -> None:
    """The amounts are multiplied, and a note says so; a price stays as it is."""
    read = reads(table(("date", "brand", "units", heading), *ROWS))
    assert totals(duck, read) == {"units": SUM["units"], "revenue": SUM["revenue"] * times}
    assert read.profile.money_unit == unit
    assert bool(times > 1) == any("its numbers are in" in note for note in read.description.notes)


def test_dates_in_both_orders_are_refused(reads: Reads) -> None:
    """Which day 02/03 is cannot be told where other rows say 28/11 and 07/18; the order may be chosen."""
    days = ["28/11/2023", "07/18/2024", "02/03/2024", "30/01/2024", "12/31/2023", "25/12/2023", "11/30/2023"]
    text = table(("date", "revenue"), *((day, 1) for day in days))
    with pytest.raises(InvalidArgument, match="two orders"):
        reads(text)
    assert reads(text, date_order=pb.DATE_ORDER_DMY).description.rejected_rows == 3


def test_the_only_dates_are_the_date_and_moments_are_days_of_utc(duck: DuckEngine, reads: Reads, tmp_path: Path) -> None:
    """Whatever the column is called; in Parquet with a zone, on a server in any zone."""
    with duck.cursor(Cancel()) as cursor:
        cursor.execute(
            "COPY (SELECT TIMESTAMPTZ '2024-01-05 23:30:00+00' + i * INTERVAL 1 DAY AS sold_at, CAST(1.25 AS DECIMAL(12, 2)) AS revenue "
            f"FROM range(3) t(i)) TO '{tmp_path}/p.parquet' (FORMAT parquet)"
        )
    read = reads(tmp_path / "p.parquet")
    assert roles(read)["date"] == "sold_at"
    assert span(read) == ("2024-01-05", "2024-01-07")
    assert totals(duck, read) == {"revenue": Decimal("3.75")}

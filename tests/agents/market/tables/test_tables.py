"""Tables as people have them: read right, or refused with what is missing."""

from __future__ import annotations

import codecs
import gzip
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from hexar.agents.market.figures.aggregates import Frame
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.figures.spans import make_scope
from hexar.agents.market.tables.model import ReadTable
from hexar.agents.market.tables.reading import Source, TableReader
from hexar.agents.market.tables.roles import BY_NUMBER
from hexar.agents.market.tools.result import whole
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import InvalidArgument
from hexar.v1 import market_pb2 as pb
from tests.agents.market.conftest import Reads


def roles(read: ReadTable) -> dict[str, str]:
    """Role → column."""
    return {BY_NUMBER[column.role].name: column.name for column in read.description.columns if column.role}


def totals(duck: DuckEngine, read: ReadTable, currency: str = "") -> dict[str, Decimal]:
    """The sums of all measures."""
    frame = Frame(duck, read.profile, make_scope(read.profile, "month", currency=currency))
    total = whole(frame).total
    return {measure: frame.value(total, measure) for measure in read.profile.measures}


def span(read: ReadTable) -> tuple[str, str]:
    return read.description.span.first, read.description.span.last


def test_german_with_decimal_commas_and_semicolons(duck: DuckEngine, reads: Reads) -> None:
    """Thousands with points, a euro sign in the heading, days first."""
    read = reads(
        "Datum;Marke;Umsatz (€);Menge\n31.12.2023;Ahorn;1.234,56;12\n01.01.2024;Birke;-7,5;3\n15.01.2024;Ahorn;2.000,00;8\n"
    )
    assert roles(read) == {"date": "Datum", "brand": "Marke", "revenue": "Umsatz (€)", "units": "Menge"}
    assert totals(duck, read) == {"revenue": Decimal("3227.06"), "units": Decimal(23)}
    assert (span(read), read.description.currency_code) == (("2023-12-31", "2024-01-15"), "EUR")


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (("13/01/2024", "02/03/2024"), "2024-01-13"),
        (("01/13/2024", "03/02/2024"), "2024-01-13"),
        (("2024-01-13", "2024-03-02"), "2024-01-13"),
        (("2024/1/13", "2024/3/2"), "2024-01-13"),
        (("13.01.24", "02.03.24"), "2024-01-13"),
        (("13-Jan-2024", "02-Mar-2024"), "2024-01-13"),
        (("13 de enero de 2024", "2 de marzo de 2024"), "2024-01-13"),
        (("January 13, 2024", "March 2, 2024"), "2024-01-13"),
        (("2024-01-13T10:30:00", "2024-03-02T00:00:00"), "2024-01-13"),
        (("13/01/2024 10:30", "02/03/2024 11:00"), "2024-01-13"),
        (("20240113", "20240302"), "2024-01-13"),
        (("2024-01", "2024-03"), "2024-01-01"),
        (("Jan 2024", "Mar 2024"), "2024-01-01"),
        (("ene-24", "mar-24"), "2024-01-01"),
        (("2024 Q1", "2024 Q2"), "2024-01-01"),
        (("2024-W03", "2024-W09"), "2024-01-15"),
    ],
)
def test_dates_in_many_orders(reads: Reads, dates: tuple[str, str], first: str) -> None:
    """A date that fits one order only decides for its column."""
    read = reads("date,revenue\n" + "".join(f'"{day}",1.5\n' for day in dates))
    assert read.description.span.first == first
    assert not read.description.rejected_rows


def test_an_ambiguous_order_is_told_and_the_caller_decides(reads: Reads) -> None:
    """Days and months that fit either way are read days first, and a note says so."""
    text = "date,revenue\n01/02/2024,1\n03/04/2024,2\n05/06/2024,4\n"
    read = reads(text)
    assert read.description.span.first == "2024-02-01"
    assert any("date_order decides" in note for note in read.description.notes)
    decided = reads(text, date_order=pb.DATE_ORDER_MDY)
    assert decided.description.span.first == "2024-01-02"
    assert not any("date_order" in note for note in decided.description.notes)


def test_monthly_figures_tell_the_order(reads: Reads) -> None:
    """Where under one reading every date is the first of a month, it is that reading."""
    read = reads("date,revenue\n" + "".join(f"{month}/1/2024,1\n" for month in range(1, 13)))
    assert span(read) == ("2024-01-01", "2024-12-01")
    assert read.profile.step == "month"


def test_numbers_with_signs_separators_and_percent(duck: DuckEngine, reads: Reads) -> None:
    """Currency signs, thousands, brackets and trailing minus for negatives."""
    read = reads(
        'Date,Revenue,Profit\n2024-01-01,"$1,234.50",(20.25)\n2024-01-02,"$ 99.00",15-\n2024-01-03,"$1,000,000","1,000.10"\n'
    )
    assert totals(duck, read) == {
        "revenue": Decimal("1001333.50"), "profit": Decimal("964.85"), "cost": Decimal("1000368.65"),
    }  # fmt: skip
    assert read.description.currency_code == ""
    assert read.profile.money_unit == "$"


def test_an_ambiguous_separator_follows_the_other_columns(duck: DuckEngine, reads: Reads) -> None:
    """1.234 is a thousand where another column has decimal commas; alone, it is told."""
    read = reads("fecha;ventas;coste\n01/01/2024;1.234;10,5\n13/01/2024;2.000;20,25\n")
    assert totals(duck, read)["revenue"] == 3234
    alone = reads("fecha;ventas\n01/01/2024;1.234\n13/01/2024;2.000\n")
    assert totals(duck, alone)["revenue"] == Decimal("3.234")
    assert any("decimal_separator decides" in note for note in alone.description.notes)
    decided = reads("fecha;ventas\n01/01/2024;1.234\n13/01/2024;2.000\n", decimal_separator=",")
    assert totals(duck, decided)["revenue"] == 3234


def test_a_byte_order_mark_and_other_encodings(reads: Reads) -> None:
    """UTF-8 with BOM, UTF-16 and Windows-1252 are the same table."""
    text = "Fecha,Categoría,Ventas\n2024-01-01,Té,1\n2024-02-01,Café,2\n"
    for data in (codecs.BOM_UTF8 + text.encode(), text.encode("utf-16"), text.encode("cp1252")):
        read = reads(data)
        assert roles(read) == {"date": "Fecha", "category": "Categoría", "revenue": "Ventas"}
        assert read.profile.values["category"] == ("Café", "Té")


def test_packed_files_and_parquet_are_what_their_bytes_say(duck: DuckEngine, reads: Reads, tmp_path: Path) -> None:
    """Gzip, ZIP with one member, Parquet, whatever their names."""
    text = "date,revenue\n2024-01-01,1.25\n2024-02-01,2\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sales.csv", text)
    with duck.cursor(Cancel()) as cursor:
        cursor.execute(
            "COPY (SELECT DATE '2024-01-01' + CAST(i AS INTEGER) * 31 AS date, 1.25 + i * 0.75 AS revenue FROM range(2) t(i)) "
            f"TO '{tmp_path}/p.parquet' (FORMAT parquet)"
        )
    for data in (text.encode(), gzip.compress(text.encode()), packed.getvalue(), (tmp_path / "p.parquet").read_bytes()):
        read = reads(data, "anything.bin")
        assert totals(duck, read) == {"revenue": Decimal("3.25")}


def test_several_files_are_one_table(duck: DuckEngine, tmp_path: Path) -> None:
    """Their columns may stand in another order, with another delimiter, but must be the same."""
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    paths[0].write_text("date,brand,revenue\n2024-01-01,A,1\n")
    paths[1].write_text("revenue;date;brand\n2,5;2024-02-01;B\n")
    paths[2].write_text("date,brand\n2024-01-01,A\n")
    reader = TableReader(duck, tmp_path / "engine", 1 << 20)
    given = [Source(path.name, path, f"paths[{at}]") for at, path in enumerate(paths)]
    read = reader.read(given[:1] * 2, pb.TableOptions(name="t"), Cancel())
    assert read.description.rows == 2
    with pytest.raises(InvalidArgument, match=r"paths\[2\]: c.csv has other columns than the first file: it lacks revenue"):
        reader.read(given, pb.TableOptions(name="t"), Cancel())


def test_months_as_columns_become_rows(duck: DuckEngine, reads: Reads) -> None:
    """A column for each month, with an empty one."""
    read = reads("Brand,Region,Jan 2024,Feb 2024,Mar 2024,Apr 2024\nA,N,10,20.5,,40\nB,S,1,2,3,4\n")
    assert totals(duck, read) == {"revenue": Decimal("80.5")}
    assert span(read) == ("2024-01-01", "2024-04-01")
    assert any("are periods" in note for note in read.description.notes)
    given = [pb.ColumnMapping(role=pb.COLUMN_ROLE_UNITS, columns=["2024-01", "2024-02", "2024-03"])]
    units = reads("marca,2024-01,2024-02,2024-03\nA,1,2,3\n", columns=given)
    assert totals(duck, units) == {"units": Decimal(6)}


def test_year_and_month_columns_are_a_date(reads: Reads) -> None:
    """Also with the month by name."""
    for rows in ("2023,11,1\n2024,2,2\n", "2023,Nov,1\n2024,February,2\n"):
        read = reads("Year,Month,Sales\n" + rows)
        assert span(read) == ("2023-11-01", "2024-02-01")


def test_losses_and_missing_brands_are_kept(duck: DuckEngine, reads: Reads) -> None:
    """An empty brand is a group of its own, a negative profit a loss."""
    read = reads("date,brand,revenue,profit\n2024-01-01,,10,-3\n2024-01-02,N/A,5,1\n2024-01-03,A,1,-0.5\n")
    frame = Frame(duck, read.profile, make_scope(read.profile, "month"))
    groups = {name: frame.value(sums, "loss") for (name,), sums in frame.groups("brand").items()}
    assert groups == {"": Decimal(-3), "A": Decimal("-0.5")}
    assert next(column for column in read.description.columns if column.name == "brand").empty_values == 2


def test_several_currencies_are_never_added_up(duck: DuckEngine, reads: Reads) -> None:
    """By a column, or by the signs beside the numbers."""
    for text in (
        "date,revenue,currency\n2024-01-01,10,USD\n2024-01-02,20,eur\n2024-01-03,5,USD\n",
        "date,revenue\n2024-01-01,US$10\n2024-01-02,€20\n2024-01-03,US$5\n",
    ):
        read = reads(text)
        assert (read.description.currency_code, list(read.description.currencies)) == ("", ["EUR", "USD"])
        assert totals(duck, read, "USD") == {"revenue": Decimal(15)}
        assert totals(duck, read, "EUR") == {"revenue": Decimal(20)}


def test_rows_that_cannot_be_read_are_counted_and_shown(duck: DuckEngine, reads: Reads) -> None:
    """With line, column, text and reason; the others are kept."""
    lines = [f"2024-01-{day:02d},{day}" for day in range(1, 29)]
    lines[3], lines[9] = "2024-02-31,4", "2024-01-10,many"
    read = reads("date,revenue\n" + "\n".join(lines) + "\n")
    assert (read.description.rows, read.description.rejected_rows) == (26, 2)
    assert [(row.line, row.column, row.text) for row in read.description.rejected_samples] == [
        (5, "date", "2024-02-31"),
        (11, "revenue", "many"),
    ]
    assert totals(duck, read)["revenue"] == sum(range(1, 29)) - 4 - 10


def test_ragged_rows_are_counted(reads: Reads) -> None:
    """Too few values, and too many."""
    read = reads("date,brand,revenue\n2024-01-01,A,1\n2024-01-02,B\n2024-01-03,C,3,9,9\n2024-01-04,D,4\n")
    assert (read.description.rows, read.description.rejected_rows) == (2, 2)
    assert {row.reason for row in read.description.rejected_samples} == {
        "fewer values than columns",
        "more values than columns",
    }


def test_lines_before_the_heading_are_passed_over(duck: DuckEngine, reads: Reads) -> None:
    """A title and an empty line, as spreadsheets have them."""
    read = reads("Sales report 2024\n\nDate,Brand,Revenue\n2024-01-01,A,1\n2024-01-02,B,2\n")
    assert roles(read) == {"date": "Date", "brand": "Brand", "revenue": "Revenue"}
    assert totals(duck, read)["revenue"] == 3


def test_what_is_missing_is_named(reads: Reads) -> None:
    """A table without any measure is refused with its columns; one with some disables exactly the tools that need others."""
    with pytest.raises(InvalidArgument, match="no column has the role revenue, units or spend"):
        reads("date,brand\n2024-01-01,A\n2024-01-02,B\n")
    read = reads("date,brand,units\n2024-01-01,A,5\n2024-02-01,B,6\n")
    lacking = {pb.MarketTool.Name(entry.tool): entry.reason for entry in read.description.unavailable}
    assert "MARKET_TOOL_PROFITABILITY" in lacking
    assert "MARKET_TOOL_BRAND" not in lacking
    assert lacking["MARKET_TOOL_CATEGORY"] == "no column has the role category"


def test_the_callers_mapping_holds(duck: DuckEngine, reads: Reads) -> None:
    """Whatever the names say; an unknown column and a wrong type are refused with the field."""
    text = "d,x,y,name\n2024-01-01,10,1,A\n2024-01-02,20,2,B\n"
    mapping = [
        pb.ColumnMapping(role=pb.COLUMN_ROLE_DATE, columns=["d"]),
        pb.ColumnMapping(role=pb.COLUMN_ROLE_REVENUE, columns=["x"]),
        pb.ColumnMapping(role=pb.COLUMN_ROLE_BRAND, columns=["NAME"]),
    ]
    read = reads(text, columns=mapping)
    assert roles(read) == {"date": "d", "revenue": "x", "brand": "name"}
    assert totals(duck, read) == {"revenue": Decimal(30)}
    wrong = [*mapping[:1], pb.ColumnMapping(role=pb.COLUMN_ROLE_REVENUE, columns=["zz"])]
    with pytest.raises(InvalidArgument, match=r"options.columns\[1\].columns\[0\]: the table has no column 'zz'"):
        reads(text, columns=wrong)
    with pytest.raises(InvalidArgument, match=r"'name' holds text, but the role revenue needs number"):
        reads(text, columns=[pb.ColumnMapping(role=pb.COLUMN_ROLE_REVENUE, columns=["name"])])


def test_names_and_values_are_never_statements(duck: DuckEngine, reads: Reads) -> None:
    """Quotes, brackets and comments in headings and in values are text."""
    read = reads(
        '"date","brand ""x""; DROP TABLE raw; --","revenue\'); --"\n2024-01-01,"a\'; DROP TABLE raw; --",1\n2024-01-02,"b""",2\n',
        columns=[
            pb.ColumnMapping(role=pb.COLUMN_ROLE_BRAND, columns=['brand "x"; DROP TABLE raw; --']),
            pb.ColumnMapping(role=pb.COLUMN_ROLE_REVENUE, columns=["revenue'); --"]),
        ],
    )
    frame = Frame(duck, read.profile, make_scope(read.profile, "month"))
    assert {name for (name,) in frame.groups("brand")} == {"a'; DROP TABLE raw; --", 'b"'}


def _workbook() -> bytes:
    """A small .xlsx with a date, text and numbers, by hand."""
    rows = [["Date", "Brand", "Revenue"], [45292, "A", 10.5], [45323, "B", 0.1]]
    cells = ""
    for at, row in enumerate(rows, 1):
        values = ""
        for letter, value in zip("ABC", row, strict=True):
            style = ' s="1"' if letter == "A" and at > 1 else ""
            if isinstance(value, str):
                values += f'<c r="{letter}{at}" t="inlineStr"><is><t>{value}</t></is></c>'
            else:
                values += f'<c r="{letter}{at}"{style}><v>{value}</v></c>'
        cells += f'<row r="{at}">{values}</row>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Sales" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/s.xml"/>'
        f'<Relationship Id="r2" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/worksheets/s.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
    return out.getvalue()


def test_a_workbook_is_read_by_its_sheet(duck: DuckEngine, reads: Reads) -> None:
    """Dates are dates; an unknown sheet is refused."""
    read = reads(_workbook(), "book.xlsx")
    assert totals(duck, read) == {"revenue": Decimal("10.6")}
    assert span(read) == ("2024-01-01", "2024-02-01")
    with pytest.raises(InvalidArgument, match=r"options.sheet: book.xlsx has the sheets Sales"):
        reads(_workbook(), "book.xlsx", sheet="Other")


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


_GOOD = b"date,revenue\n2024-01-01,1\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "holds no text"),
        (b"revenue\n1\n2\n", "one column only"),
        (b"date,revenue\n", "holds no rows"),
        (b"1,2\n3,4\n5,6\n", "must name the columns"),
        (b",".join(b"c%d" % at for at in range(10_000)) + b"\n" + b",".join(b"1" for _ in range(10_000)) + b"\n", "10000 columns"),
        (b"PAR1" + b"\0" * 200 + b"\xff\xff\xff\x7fPAR1", "damaged"),
        (b"PAR1PAR1", "damaged"),
        (gzip.compress(_GOOD)[:-10], "damaged or ends early"),
        (b"\x1f\x8b" + b"\0" * 50, "damaged or ends early"),
        (_zip({"a.csv": _GOOD, "b.csv": _GOOD}), "holds 2 files"),
        (_zip({"a.zip": _zip({"a.csv": _GOOD})}), "an archive in an archive"),
        (b"PK\x03\x04" + b"\0" * 100, "no archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "old workbook"),
        (bytes(range(256)) * 10, "is not text"),
        (b"date,revenue\nsoon,much\nlater,more\n", "no column has the role revenue"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)  # fmt: skip
def test_bad_files_are_refused_with_the_field(reads: Reads, data: bytes, said: str) -> None:
    """A clear error, and nothing left behind."""
    with pytest.raises(InvalidArgument) as refused:
        reads(data, "file.csv")
    assert said in refused.value.message
    assert refused.value.violations[0][0] in ("paths[0]", "options.columns")


def test_bombs_are_refused(reads: Reads, tmp_path: Path) -> None:
    """By what a ZIP says of itself, and by what a gzip unpacks to."""
    zeros = b"0" * (80 << 20)
    for data in (_zip({"a.csv": zeros}), gzip.compress(zeros, 9)):
        assert len(data) < 1 << 20
        with pytest.raises(InvalidArgument, match="unpacks to"):
            reads(data, "bomb.csv", limit=1 << 30)
    assert not list((tmp_path / "engine").glob("reading-*"))


def test_a_lying_footer_is_a_damaged_file(duck: DuckEngine, reads: Reads, tmp_path: Path) -> None:
    """A Parquet file whose footer is longer than the file, or that lacks its second half."""
    with duck.cursor(Cancel()) as cursor:
        cursor.execute(
            "COPY (SELECT DATE '2024-01-01' + CAST(i % 300 AS INTEGER) AS date, i * 1.5 AS revenue FROM range(20000) t(i)) "
            f"TO '{tmp_path}/good.parquet' (FORMAT parquet)"
        )
    good = (tmp_path / "good.parquet").read_bytes()
    for data in (good[:-8] + (0x7FFFFFF0).to_bytes(4, "little") + b"PAR1", good[: len(good) // 2] + good[-4:]):
        with pytest.raises(InvalidArgument):
            reads(data, "lying.parquet")

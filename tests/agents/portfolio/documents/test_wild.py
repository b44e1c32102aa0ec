"""Documents as people have them: tracked changes, text boxes, merged cells, formats of numbers, titles above tables."""

import io
import re
import zipfile
from collections.abc import Callable, Sequence

import openpyxl
import pytest
from docx import Document
from docx.oxml import parse_xml

from hexar.agents.portfolio.documents.formats import Rejected, read

_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_COMPATIBLE = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'


def word(*parts: str) -> str:
    """The text of a Word document whose body holds ``parts``, as XML."""
    document = Document()
    for part in parts:
        element = parse_xml(part.replace(">", f" {_WORD} {_COMPATIBLE}>", 1))
        document.element.body.insert(len(document.element.body) - 1, element)
    out = io.BytesIO()
    document.save(out)
    return read(out.getvalue(), "a.docx").text


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(text: str) -> str:
    return f"<w:p>{run(text)}</w:p>"


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(text)}</w:tc>"


def workbook(fill: Callable[[openpyxl.Workbook], None]) -> str:
    made = openpyxl.Workbook()
    fill(made)
    out = io.BytesIO()
    made.save(out)
    return read(out.getvalue(), "a.xlsx").text


def test_tracked_changes_are_read_as_accepted() -> None:
    """What was inserted or moved here is text; what was deleted or moved away is none, rows too."""
    gone = "<w:del w:id='1'><w:r><w:delText>50</w:delText></w:r></w:del>"
    moved = f"<w:moveFrom w:id='3'>{run('away')}</w:moveFrom><w:moveTo w:id='4'>{run('Moved.')}</w:moveTo>"
    row = f"<w:tr><w:trPr><w:del w:id='5'/></w:trPr>{cell('old')}</w:tr><w:tr>{cell('new')}</w:tr>"
    text = word(
        f"<w:p>{run('The fee is ')}{gone}<w:ins w:id='2'>{run('60')}</w:ins>{run(' EUR.')}</w:p>",
        f"<w:p>{moved}</w:p>",
        f"<w:tbl>{row}</w:tbl>",
    )
    assert text == "The fee is 60 EUR.\n\nMoved.\n\nnew"


def test_text_boxes_and_content_controls_are_read() -> None:
    """A text box once, though it is written for two generations of readers; hidden text not at all."""
    box = f"<w:txbxContent>{paragraph('The deposit is 70 EUR.')}</w:txbxContent>"
    drawn = f"<mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    hidden = "<w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r>"
    control = f"<w:sdt><w:sdtContent>{paragraph('Within 12 days.')}</w:sdtContent></w:sdt>"
    text = word(f"<w:p>{run('Before')}<w:r>{drawn}</w:r>{hidden}</w:p>", control)
    assert text == "Before\n\nThe deposit is 70 EUR.\n\nWithin 12 days."


def test_merged_cells_of_a_word_table_leave_the_columns_aligned() -> None:
    """A header over two columns is of both; a cell over two rows is told in both."""
    wide, begins, goes_on = "<w:gridSpan w:val='2'/>", "<w:vMerge w:val='restart'/>", "<w:vMerge/>"
    text = word(
        f"<w:tbl><w:tr>{cell('Room', wide)}{cell('Price')}</w:tr>"
        f"<w:tr>{cell('North', begins)}{cell('1')}{cell('50')}</w:tr>"
        f"<w:tr>{cell('', goes_on)}{cell('2')}{cell('55')}</w:tr></w:tbl>"
    )
    assert text == "Room | Room | Price\nNorth | 1 | 50\nNorth | 2 | 55"


def test_a_document_nested_without_end_is_refused() -> None:
    """Content controls inside content controls, deeper than anybody writes."""
    with pytest.raises(Rejected, match="nested"):
        word("<w:sdt>" + "<w:sdtContent>" * 120 + paragraph("x") + "</w:sdtContent>" * 120 + "</w:sdt>")


def test_a_sheet_shows_merged_cells_units_and_its_title() -> None:
    """As it looks on the screen: the percentage, the currency, the region of every row; a title is no header."""

    def fill(made: openpyxl.Workbook) -> None:
        sheet = made["Sheet"]
        rows: Sequence[Sequence[object]] = (["Fares"], ["region", "port", "fare", "share"], ["North", "Ribe", 12.5, 0.075])
        for row in (*rows, [None, "Oslo", 13, 0.5], ["South", "Rome", 9, 1]):
            sheet.append(row)
        sheet.merge_cells("A3:A4")
        for at, euros in ((3, '#,##0.00 "€"'), (4, "[$€-407] #,##0.00"), (5, "[$-409]0")):
            sheet[f"C{at}"].number_format = euros
            sheet[f"D{at}"].number_format = "0.0%"

    assert workbook(fill) == (
        "Sheet\n\nFares\n\nregion | port | fare | share\nNorth | Ribe | 12.50 € | 7.5 %\nNorth | Oslo | 13.00 € | 50.0 %\n"
        "South | Rome | 9 | 100.0 %"
    )


def test_a_long_sheet_is_read_whatever_its_reader_pads_it_with() -> None:
    """The limit counts the cells that there are: 5,000 rows of two are no more than 10,000, wherever the last cell stands."""

    def fill(made: openpyxl.Workbook) -> None:
        for number in range(5000):
            made["Sheet"].append([number, "x"])
        made["Sheet"]["SZ1"] = "far"

    assert "4999 | x" in workbook(fill)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Report of May\n\nregion;units\nNorth;5\n", "Report of May\n\nregion | units\nNorth | 5"),
        (b"sep=;\r\nname;fee\r\nAna;1,5\r\n", "name | fee\nAna | 1,5"),
        (b"name\nAna\nBo\n", "name\nAna\nBo"),
    ],
)
def test_lines_above_a_table_are_not_its_header(data: bytes, text: str) -> None:
    """A title stands apart, the line that names the delimiter is none, and a list of single cells stays a list."""
    assert read(data, "a.csv").text == text


def test_html_cells_that_span_keep_the_columns_aligned() -> None:
    """A header over two columns is of both, a cell over two rows of both; what is struck out is not text."""
    table = (
        "<table><tr><th rowspan=2>City</th><th colspan=2>Fare</th></tr><tr><th>adult</th><th>child</th></tr>"
        "<tr><td rowspan=2>Ribe</td><td>12</td><td>6</td></tr><tr><td>13</td><td><s>9</s> 7</td></tr></table>"
    )
    text = read(f"<html><body>{table}</body></html>".encode(), "a.html").text
    assert text == "City | Fare | Fare\nCity | adult | child\nRibe | 12 | 6\nRibe | 13 | 7"


def test_a_document_without_properties_has_no_made_up_title() -> None:
    """Its title is its first heading, or nothing."""
    document, out = io.BytesIO(), io.BytesIO()
    made = Document()
    made.add_paragraph("No dogs.")
    made.save(document)
    source = zipfile.ZipFile(document)
    with zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            if name.startswith("docProps"):
                continue
            part = source.read(name)
            target.writestr(name, re.sub(rb"<Relationship [^>]*docProps[^>]*>", b"", part) if name == "_rels/.rels" else part)
    assert read(out.getvalue(), "a.docx").title == ""

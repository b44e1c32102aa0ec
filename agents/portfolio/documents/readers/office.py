"""DOCX and XLSX to blocks. Both are ZIP archives of XML: what they unpack to is bounded before anything is read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

from hexar.agents.portfolio.documents.blocks import BlockBuilder, BlockKind

#: Bytes that an archive may unpack to, in all and for each byte packed, and its files.
MAX_UNPACKED = 200 * 1024 * 1024
MAX_RATIO = 200
MAX_FILES = 5000
#: Cells of one workbook; columns of a row.
MAX_CELLS = 2_000_000
MAX_COLUMNS = 500
#: Tables inside tables.
MAX_NESTING = 8


def docx_blocks(data: bytes, builder: BlockBuilder) -> str:
    """Fill ``builder`` from a Word document and return its title. ValueError with a reason where it cannot be read."""
    _check_archive(data, "word/document.xml", "Word document")
    from docx import Document
    from docx.table import Table

    try:
        document = Document(io.BytesIO(data))
        for item in document.iter_inner_content():
            if isinstance(item, Table):
                _table(item, builder, 0)
            else:
                _paragraph(item, builder)
        return str(document.core_properties.title or "")[:200]
    except (KeyError, AttributeError, TypeError, IndexError, SyntaxError, LookupError, OSError, zipfile.BadZipFile) as error:
        raise ValueError("the Word document is damaged") from error


def _paragraph(paragraph: Any, builder: BlockBuilder) -> None:
    text = paragraph.text.replace("\N{SOFT HYPHEN}", "")
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    level = _heading_level(paragraph, style)
    if level:
        builder.add(BlockKind.HEADING, " ".join(text.split()), level)
    elif _in_list(paragraph, style) and text.strip():
        builder.add(BlockKind.PARAGRAPH, "- " + text.strip())
    else:
        builder.add(BlockKind.PARAGRAPH, text)


def _heading_level(paragraph: Any, style: str) -> int:
    """The level of a heading: by the outline level that its style or itself names, whatever the style is called; else 0."""
    if style == "Title":
        return 1
    style_element = paragraph.style.element if paragraph.style is not None else None
    for element in (paragraph._p, style_element):
        found = element.xpath("./w:pPr/w:outlineLvl/@w:val") if element is not None else []
        if found and found[0].isdigit() and int(found[0]) < 9:
            return int(found[0]) + 1
    name, _, number = style.rpartition(" ")
    return int(number) if name == "Heading" and number.isdigit() else 0


def _in_list(paragraph: Any, style: str) -> bool:
    return style.startswith("List") or bool(paragraph._p.xpath("./w:pPr/w:numPr"))


def _table(table: Any, builder: BlockBuilder, depth: int) -> None:
    if depth > MAX_NESTING:
        raise ValueError("the tables are too deeply nested")
    for row in table.rows:
        # A cell that spans several columns or rows is listed for each.
        distinct = {cell._tc: cell for cell in row.cells}
        cells = [" ".join(cell.text.replace("\N{SOFT HYPHEN}", "").split()) for cell in distinct.values()]
        if any(cells):
            builder.add(BlockKind.ROW, " | ".join(cells))
        for cell in distinct.values():
            for inner in cell.tables:
                _table(inner, builder, depth + 1)


def xlsx_blocks(data: bytes, builder: BlockBuilder) -> str:
    """Fill ``builder`` from a workbook: a heading for each sheet, a row for each of its rows; the values, not the formulas."""
    _check_archive(data, "xl/workbook.xml", "workbook")
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        left = MAX_CELLS
        for sheet in workbook.worksheets:
            if sheet.sheet_state != "visible":
                continue
            titled = False
            for row in sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS):
                left -= max(1, len(row))
                if left < 0:
                    raise ValueError(f"the workbook has more than {MAX_CELLS} cells")
                cells = [_cell(value) for value in row]
                while cells and not cells[-1]:
                    cells.pop()
                if any(cells):
                    if not titled:
                        builder.add(BlockKind.HEADING, str(sheet.title), 1)
                        titled = True
                    builder.add(BlockKind.ROW, " | ".join(cells))
        return str(workbook.properties.title or "")[:200]
    except (
        KeyError,
        AttributeError,
        TypeError,
        IndexError,
        SyntaxError,
        OSError,
        zipfile.BadZipFile,
        InvalidFileException,
    ) as error:
        raise ValueError("the workbook is damaged") from error


def _cell(value: object) -> str:
    """A cell as a person reads it: no ".0" that nobody typed, dates in ISO form."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    return " ".join(str(value).split())


def _check_archive(data: bytes, part: str, kind: str) -> None:
    """Refuse what is no such archive, or one that unpacks to more than it may. ValueError with a reason."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            unpacked = sum(_sizes(archive, entries))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ValueError(f"the document is not a {kind}") from error
    if part not in names:
        raise ValueError(f"the document is not a {kind}")
    if len(entries) > MAX_FILES or unpacked > MAX_UNPACKED or unpacked > MAX_RATIO * len(data) + 1_000_000:
        raise ValueError(f"the {kind} unpacks to more than it may")


def _sizes(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> Iterator[int]:
    """What each entry says it unpacks to; zipfile itself stops reading one there."""
    for entry in entries:
        if entry.flag_bits & 1:
            raise ValueError("encrypted")
        yield entry.file_size

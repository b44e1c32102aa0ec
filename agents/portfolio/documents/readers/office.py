"""XLSX to blocks; and what a ZIP archive of XML, such as it and DOCX are, may unpack to before anything is read."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from hexar.agents.portfolio.documents.blocks import BlockBuilder
from hexar.agents.portfolio.documents.readers.sheets import Rows

#: Bytes that an archive may unpack to, in all and for each byte packed, and its files.
MAX_UNPACKED = 200 * 1024 * 1024
MAX_RATIO = 200
MAX_FILES = 5000
#: Cells of one workbook; columns of a row.
MAX_CELLS = 2_000_000
MAX_COLUMNS = 500
#: Spans of rows that are filled.
MAX_MERGED = 100_000

_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]{0,20}ref="([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})"')
#: A currency with a place ("[$€-407]"), or by its sign or code.
_IN_BRACKETS = re.compile(r"\[\$([^\]-]{0,5})[^\]]{0,20}\]")
_CURRENCY = re.compile(r"[€£¥$]|\b(?:EUR|USD|GBP|CHF|JPY)\b", re.I)


def xlsx_blocks(data: bytes, builder: BlockBuilder) -> str:
    """Fill ``builder`` from a workbook: a heading for each sheet, a row for each of its rows; the values, not the formulas."""
    check_archive(data, "xl/workbook.xml", "workbook")
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        left = MAX_CELLS
        formats: dict[int, _Format | None] = {}
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for sheet in workbook.worksheets:
                if sheet.sheet_state != "visible":
                    continue
                merged = _Merged(archive, sheet._worksheet_path)
                table = Rows(builder, str(sheet.title))
                blank = None  # what stands for every row that is not there
                for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), 1):
                    if row is blank:
                        continue
                    last = next((at for at in range(len(row) - 1, -1, -1) if row[at].value is not None), -1)
                    if last < 0:
                        blank = row
                        continue
                    # Cells that a reader pads a row with are none of the workbook's.
                    left -= last + 1
                    if left < 0:
                        raise ValueError(f"the workbook has more than {MAX_CELLS} cells")
                    table.add(merged.filled(number, [_shown(cell, formats) for cell in row[: last + 1]]))
                table.end()
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


@dataclass(frozen=True, slots=True)
class _Format:
    """How a number is shown: times a hundred with a percent sign, or with a currency; to so many decimals, or as it is."""

    percent: bool
    currency: str
    decimals: int | None


def _shown(cell: Any, formats: dict[int, _Format | None]) -> str:
    """A cell with the unit that its format gives it: 0.075 is "7.5 %" where the sheet shows a percentage."""
    value = cell.value
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _cell(value)
    style = cell._style_id
    if style not in formats:
        formats[style] = _format_of(cell.number_format)
    form = formats[style]
    if form is None:
        return _cell(value)
    number = value * 100 if form.percent else value
    text = _cell(float(f"{number:.12g}")) if form.decimals is None else f"{number:.{form.decimals}f}"
    return f"{text} {'%' if form.percent else form.currency}"


def _format_of(code: str) -> _Format | None:
    """What a number format adds to a number; None where it adds no unit."""
    positive = code.split(";", 1)[0][:200]
    percent = "%" in positive
    in_brackets = _IN_BRACKETS.search(positive)
    plain = _IN_BRACKETS.sub("", positive)
    currency = in_brackets.group(1) if in_brackets is not None else ""
    if not currency and (found := _CURRENCY.search(plain)) is not None:
        currency = found.group().upper()
    if not percent and not currency:
        return None
    decimals = re.search(r"0\.(0+)", plain)
    return _Format(percent, currency.strip(), min(len(decimals.group(1)), 6) if decimals is not None else None)


class _Merged:
    """The cells of a sheet that span rows: what the first of them says holds for all."""

    def __init__(self, archive: zipfile.ZipFile, path: str) -> None:
        #: Row and column of a span's begin → its last row.
        self._begins: dict[tuple[int, int], int] = {}
        self._open: dict[int, tuple[int, str]] = {}
        before = b""
        with archive.open(path) as part:
            while piece := part.read(1 << 20):
                # A mark may be cut in two.
                for found in _MERGED.finditer(before + piece):
                    column, first, last = found.group(1), int(found.group(2)), int(found.group(3))
                    if first < last and len(self._begins) < MAX_MERGED:
                        self._begins[first, _column(column)] = last
                before = piece[-100:]

    def filled(self, number: int, cells: list[str]) -> list[str]:
        """The cells of row ``number``, those below the begin of a span filled."""
        for column, (last, text) in list(self._open.items()):
            if number > last:
                del self._open[column]
            elif any(cells):
                cells += [""] * (column + 1 - len(cells))
                cells[column] = cells[column] or text
        if self._begins:
            for column, text in enumerate(cells):
                until = self._begins.get((number, column))
                if text and until is not None:
                    self._open[column] = (until, text)
        return cells


def _column(letters: bytes) -> int:
    """The number of a column from 0: "A" is 0, "AA" is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def check_archive(data: bytes, part: str, kind: str) -> None:
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

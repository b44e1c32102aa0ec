"""CSV to blocks: a row of cells for each record, by the delimiter that the file keeps to."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import islice

from hexar.agents.portfolio.documents.blocks import BlockBuilder, BlockKind

#: Records that are looked at to find the delimiter, and characters of a field.
SAMPLE_RECORDS = 30
MAX_FIELD = 200_000
#: Lines above a table that may be its title.
MAX_TITLES = 10
_NAMED = re.compile(r"sep=(.)", re.I)
_DELIMITERS = ",;\t|"

csv.field_size_limit(MAX_FIELD)


def csv_blocks(text: str, builder: BlockBuilder) -> None:
    """Fill ``builder`` with the records of ``text``. ValueError where it is no CSV."""
    try:
        lines = text.splitlines(keepends=True)
        # Excel writes the delimiter into a line of its own.
        named = _NAMED.fullmatch(lines[0].strip().lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")) if lines else None
        delimiter = named.group(1) if named is not None else _delimiter(text)
        table = Rows(builder)
        for record in csv.reader(lines[1:] if named is not None else lines, delimiter=delimiter):
            table.add([" ".join(cell.split()) for cell in record])
        table.end()
    except csv.Error as error:
        raise ValueError("the document is not a table of comma-separated values") from error


class Rows:
    """The rows of one table. Lines of a single cell before the first row are its title, not its header; ``heading``, where
    given, is put above all that is there."""

    def __init__(self, builder: BlockBuilder, heading: str = "") -> None:
        self._builder = builder
        self._heading = heading
        self._titles: list[str] | None = []

    def add(self, cells: list[str]) -> None:
        """Add a row; blank cells at its end, and a row of blanks, are left out."""
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            return
        if self._heading:
            self._builder.add(BlockKind.HEADING, self._heading, 1)
            self._heading = ""
        filled = [cell for cell in cells if cell]
        if self._titles is not None and len(filled) == 1 and len(self._titles) < MAX_TITLES:
            self._titles.append(filled[0])
            return
        self._begin(BlockKind.PARAGRAPH if len(filled) > 1 else BlockKind.ROW)
        self._builder.add(BlockKind.ROW, " | ".join(cells))

    def end(self) -> None:
        """There are no more rows: what was single cells only is a list."""
        self._begin(BlockKind.ROW)

    def _begin(self, kind: BlockKind) -> None:
        for title in self._titles or ():
            self._builder.add(kind, title)
        self._titles = None


def _delimiter(text: str) -> str:
    """The delimiter by which most of the first records have the same number of fields, and more than one."""
    sample = text[:50_000].splitlines(keepends=True)
    best, most = ",", (0, 0)
    for delimiter in _DELIMITERS:
        try:
            widths = Counter(
                len(record) for record in islice(csv.reader(sample, delimiter=delimiter), SAMPLE_RECORDS) if record
            )
        except csv.Error:
            continue
        width, count = max(widths.items(), key=lambda row: (row[1], row[0]), default=(0, 0))
        if width > 1 and (count, width) > most:
            best, most = delimiter, (count, width)
    return best

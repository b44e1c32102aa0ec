"""CSV to blocks: a row of cells for each record, by the delimiter that the file keeps to."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import islice

from hexar.agents.portfolio.documents.blocks import BlockBuilder, BlockKind

#: Records that are looked at to find the delimiter, and characters of a field.
SAMPLE_RECORDS = 30
MAX_FIELD = 200_000
_DELIMITERS = ",;\t|"

csv.field_size_limit(MAX_FIELD)


def csv_blocks(text: str, builder: BlockBuilder) -> None:
    """Fill ``builder`` with the records of ``text``. ValueError where it is no CSV."""
    try:
        for record in csv.reader(text.splitlines(keepends=True), delimiter=_delimiter(text)):
            cells = [" ".join(cell.split()) for cell in record]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                builder.add(BlockKind.ROW, " | ".join(cells))
    except csv.Error as error:
        raise ValueError("the document is not a table of comma-separated values") from error


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

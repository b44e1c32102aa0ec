"""How a text is delimited, and which of its lines name the columns.

A table's heading is often not its first line: titles and blank lines stand above it, and it may take two lines, one of groups
("Sales", "Sales") over one of names ("Units", "Revenue").
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hexar.agents.market.tables.files import Plain
from hexar.core.errors import InvalidArgument

DELIMITERS = (",", ";", "\t", "|")
MAX_COLUMNS = 1000
#: Lines that are looked at to find how a text is delimited, and the characters that they may have.
LOOKED_AT, LOOKED_AT_CHARACTERS = 60, 1 << 20
#: Lines in which a heading ends, counted from the first of the table's width.
HEADING_LINES = 12


@dataclass(frozen=True, slots=True)
class Shape:
    """How a text is delimited: its columns, and how many lines stand before the first row."""

    delimiter: str
    columns: tuple[str, ...]
    skip: int


def shape(plain: Plain, field: str) -> Shape:
    """The delimiter under which most lines have the same number of fields, and the first of them as the heading."""
    with plain.path.open("r", encoding="utf-8", newline="") as file:
        text = file.read(LOOKED_AT_CHARACTERS)
    lines = text.splitlines(keepends=True)
    if len(text) == LOOKED_AT_CHARACTERS:
        lines = lines[:-1] or lines
    lines = lines[:LOOKED_AT]
    best: tuple[float, int, str, list[list[str]]] | None = None
    for delimiter in DELIMITERS:
        try:
            rows = list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue
        widths = [len(row) for row in rows if any(cell.strip() for cell in row)]
        if not widths:
            raise InvalidArgument(field, f"{plain.name} holds no text")
        width = max(set(widths), key=lambda value: (widths.count(value), value))
        share = widths.count(width) / len(widths)
        if width > 1 and (best is None or (share, width) > best[:2]):
            best = (share, width, delimiter, rows)
    if best is None:
        raise InvalidArgument(field, f"{plain.name} has one column only; a table needs at least two, divided by , ; tab or |")
    _, width, delimiter, rows = best
    if width > MAX_COLUMNS:
        raise InvalidArgument(field, f"{plain.name} has {width} columns; at most {MAX_COLUMNS} can be read")
    first = next(index for index, row in enumerate(rows) if len(row) == width)
    at, header = heading(rows, first)
    numbers = sum(1 for cell in header if _is_amount(cell))
    if numbers > len(header) / 2:
        raise InvalidArgument(field, f"the first line of {plain.name} holds numbers; it must name the columns")
    return Shape(delimiter, unique(header), sum(1 + cell.count("\n") for cell in ("".join(row) for row in rows[: at + 1])))


def heading(rows: Sequence[Sequence[str]], first: int) -> tuple[int, list[str]]:
    """(the last line of the heading, its names), where the first line of the table's width is ``first``.

    A first line with a name for every column is the heading. Else the next lines are looked at, up to the first with values.
    """
    given = [cell.strip() for cell in rows[first]]
    if all(given) and len(set(given)) == len(given):
        return first, list(rows[first])
    above = given
    for at in range(first + 1, min(first + HEADING_LINES, len(rows))):
        names = [cell.strip() for cell in rows[at]]
        if len(names) != len(given) or not any(names):
            continue
        if sum(map(_is_value, names)) > 0:
            break
        joined = names if all(names) else [name or upper for name, upper in zip(names, above, strict=True)]
        if len(set(joined)) < len(joined):
            groups = _carried(above)
            joined = [
                f"{group} {name}".strip() if name and joined.count(name) > 1 else name
                for group, name in zip(groups, joined, strict=True)
            ]
        if all(joined) and len(set(joined)) == len(joined) and _has_values(rows[at + 1 :]):
            return at, joined
        above = [name or upper for name, upper in zip(names, above, strict=True)]
    return first, list(rows[first])


def _carried(groups: Sequence[str]) -> list[str]:
    """Names of groups over all columns that they stand above."""
    found: list[str] = []
    for group in groups:
        found.append(group or (found[-1] if found else ""))
    return found


def _has_values(rows: Sequence[Sequence[str]]) -> bool:
    """Whether most of the lines that follow hold a value."""
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    return bool(filled) and sum(1 for row in filled if any(map(_is_value, row))) > len(filled) / 2


def _is_value(cell: str) -> bool:
    """Whether a cell is a number, with its sign or unit, or a day in figures."""
    return bool(re.fullmatch(r"[^A-Za-zÀ-ÿ]*\d[^A-Za-zÀ-ÿ]*(?:[A-Z]{3})?", cell.strip()))


def _is_amount(cell: str) -> bool:
    text = cell.strip()
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    # A year may name a column.
    return not (text.isdigit() and len(text) == 4 and text[:2] in ("19", "20"))


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Names of columns, each once and none empty."""
    seen: dict[str, int] = {}
    found = []
    for at, raw in enumerate(names, 1):
        name = raw.replace("\0", "").strip().strip("\ufeff") or f"column {at}"
        key = name.casefold()
        seen[key] = seen.get(key, 0) + 1
        found.append(name if seen[key] == 1 else f"{name} ({seen[key]})")
    return tuple(found)

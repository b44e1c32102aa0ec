"""From runs of text with places on a page to lines in reading order: columns, rows of a table, running heads and feet.

Coordinates are a page's: points, upwards from its lower left corner.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

#: Lines at the top and at the bottom of a page that may be repeated ones, and on which share of the pages.
EDGE_LINES = 3
REPEATED_SHARE = 0.6
#: A gap between two runs of a row that is wider than so many heights of a line separates columns.
GUTTER = 1.0
_NUMBER = re.compile(r"\d++|\b[ivxlc]{1,6}\b")


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text that stands together."""

    text: str
    left: float
    right: float
    bottom: float
    top: float

    @property
    def height(self) -> float:
        return self.top - self.bottom


@dataclass(frozen=True, slots=True)
class Line:
    """A line in reading order. ``cells``: a table's row has several. ``gap``: distance from the line before, in its heights."""

    cells: tuple[str, ...]
    height: float
    gap: float

    @property
    def text(self) -> str:
        return " ".join(self.cells)


def lines(runs: Sequence[Run]) -> list[Line]:
    """The lines of a page in the order in which they are read."""
    ordered: list[Line] = []
    for rows in _in_columns(_rows(runs)):
        before: list[Run] | None = None
        for row in rows:
            height = max(run.height for run in row)
            gap = 9.0 if before is None else (min(run.bottom for run in before) - max(run.top for run in row)) / (height or 1.0)
            ordered.append(Line(tuple(run.text for run in row), height, gap))
            before = row
    return ordered


def _rows(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs at one height, from left to right; rows from the top."""
    rows: list[list[Run]] = []
    for run in sorted(runs, key=lambda run: -(run.top + run.bottom)):
        if rows:
            last = rows[-1][0]
            if min(last.top, run.top) - max(last.bottom, run.bottom) > 0.5 * min(last.height, run.height):
                rows[-1].append(run)
                continue
        rows.append([run])
    return [sorted(row, key=lambda run: run.left) for row in rows]


def _in_columns(rows: list[list[Run]]) -> Iterator[list[list[Run]]]:
    """Parts of the page one after the other: what spans it, and of two columns the left before the right."""
    middle = _gutter(rows)
    if middle is None:
        yield rows
        return
    spanning: list[list[Run]] = []
    left: list[list[Run]] = []
    right: list[list[Run]] = []
    for row in rows:
        if any(run.left < middle < run.right for run in row):
            if left or right:
                yield left
                yield right
                left, right = [], []
            spanning.append(row)
            continue
        if spanning:
            yield spanning
            spanning = []
        for side, runs in ((left, [run for run in row if run.right <= middle]), (right, [r for r in row if r.left >= middle])):
            if runs:
                side.append(runs)
    yield from (part for part in (spanning, left, right) if part)


def _gutter(rows: list[list[Run]]) -> float | None:
    """Where the space between two columns of running text is; None where the page has one column, or a table."""
    runs = [run for row in rows for run in row]
    if len(runs) < 12:
        return None
    start, end = min(run.left for run in runs), max(run.right for run in runs)
    width = end - start
    best: float | None = None
    fewest = len(rows) * 0.34
    for step in range(35, 66):
        at = start + width * step / 100
        crossing = sum(any(run.left < at < run.right for run in row) for row in rows)
        if crossing < fewest:
            fewest, best = crossing, at
    if best is None:
        return None
    left = [run for run in runs if run.right <= best]
    right = [run for run in runs if run.left >= best]
    # Columns of text are full lines; the cells of a table are short.
    if min(len(left), len(right)) < 6 or any(
        median(run.right - run.left for run in side) < 0.28 * width for side in (left, right)
    ):
        return None
    return best


def without_repeated(pages: Sequence[list[Line]]) -> list[list[Line]]:
    """The pages' lines without running heads and feet, but for their first time. Page numbers do not make them differ."""
    if len(pages) < 3:
        return list(pages)
    counts = Counter(key for page in pages for key in {_key(line) for line in _edges(page)})
    enough = max(3, REPEATED_SHARE * len(pages))
    repeated = {key for key, count in counts.items() if count >= enough}
    shown: set[str] = set()
    kept = []
    for page in pages:
        edge = {id(line) for line in _edges(page)}
        rest = []
        for line in page:
            key = _key(line)
            if id(line) in edge and key in repeated:
                if key in shown or not any(character.isalpha() for character in key):
                    continue
                shown.add(key)
            rest.append(line)
        kept.append(rest)
    return kept


def _edges(page: list[Line]) -> list[Line]:
    return page if len(page) <= 2 * EDGE_LINES else page[:EDGE_LINES] + page[-EDGE_LINES:]


def _key(line: Line) -> str:
    return _NUMBER.sub("#", " ".join(line.text.split()).lower())[:200]

"""Passages as quotable units: sentences, list items and table rows, each with what stands above it.

A passage is Markdown or plain text. A table is rows of cells between bars, in Markdown's form or without the outer bars; its
first row is its header. A short line of its own without an end mark is read as a heading, a run of them as a list: that is what
is left of them in the text of a web page or a PDF.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from hexar.core.memo import remembered

#: Letters and words of a line that may be a heading without being marked as one.
HEADING_LETTERS = 80
HEADING_WORDS = 9

_MARKER = re.compile(r"\[\d+\]")
_SPACES = re.compile(r"\s+")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*$")
_UNDERLINE = re.compile(r"(=|-){3,}\s*$")
_ITEM = re.compile(r"\s*(?:[-*+•‣–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+(?=\S)")
_RULE = re.compile(r"[\s|:+=-]*$")
_EMPHASIS = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
# After an end mark and before what can begin a sentence, unless the mark is of an abbreviation.
_END = re.compile(r"(?<=[.!?…])[\"”»)]*\s+(?=[\"“«(¿¡]?[A-ZÁÉÍÓÚÑÜ0-9])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|Dr|Mrs?|Ms|St|vs|Nr|Jr|Co|Inc|Ltd|[Ff]ig|[Aa]rt|Gen|Col|Rev|Hon|Prof|Sgt|[Aa]pprox|[Aa]prox|"
    r"Sra?|Srta|Dra|Ing|ej|[Pp]ág|[Nn]úm|[Tt]el|Avda|c|aka|e\.g|i\.e|[A-Z](?:\.[A-Z])+)\.$"
)
# A line that says one thing of its own: "Weight: 11.8 kg".
_ENTRY = re.compile(r"[^\W_][^.:;?!|]{0,40}: \S")
_ENDED = re.compile(r"[.!?…:;,][\"”»)]*$")


class Kind(Enum):
    """What a unit is."""

    SENTENCE = "sentence"
    ITEM = "item"
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Unit:
    """What may be quoted.

    ``text`` is as it stands in the passage, without list marks and bars. ``path`` are the headings above it, the outermost
    first; ``lead`` is the line before a list that introduces it. ``cells`` of a row are (header, cell), the header empty where
    the table has none. ``group`` numbers the list, table or paragraph that it belongs to, ``section`` what stands under one
    heading.
    """

    text: str
    kind: Kind
    path: tuple[str, ...]
    lead: str
    cells: tuple[tuple[str, str], ...]
    group: int
    section: int


def sentences_of(text: str) -> list[str]:
    """The sentences of one paragraph; markers of an earlier citation are left out."""
    body = _SPACES.sub(" ", _EMPHASIS.sub(r"\2", _MARKER.sub("", text))).strip()
    found: list[str] = []
    begin = 0
    for end in _END.finditer(body):
        if _ABBREVIATION.search(body, max(begin, end.start() - 10), end.start()):
            continue
        found.append(body[begin : end.start() + len(end.group().rstrip())])
        begin = end.end()
    found.append(body[begin:])
    return [part.strip() for part in found if len(part.strip()) > 2]


@remembered("answers.units")
def units_of(text: str, title: str) -> tuple[Unit, ...]:
    """The units of a passage in order. ``title``: the document's, then the headings above it, `` › `` between."""
    return tuple(_Reader(tuple(part.strip() for part in title.split("›") if part.strip())).read(text))


class _Reader:
    """Walks the blocks of one passage, and knows the headings above each."""

    def __init__(self, path: Sequence[str]) -> None:
        # A passage from the middle of a table brings the table's header along.
        self._header = _cells(path[-1]) if path and _is_row(path[-1]) else []
        self._outer = tuple(path[:-1] if self._header else path)
        self._path: list[tuple[int, str]] = []
        self._group = 0
        self._section = 0
        self._lead = ""

    def read(self, text: str) -> Iterator[Unit]:
        blocks = list(_blocks(text))
        for at, lines in enumerate(blocks):
            following = blocks[at + 1] if at + 1 < len(blocks) else []
            yield from self._block(lines, following, blocks[at - 1] if at else [])
            self._header = []

    def _block(self, lines: list[str], following: list[str], before: list[str]) -> Iterator[Unit]:
        heading = _HEADING.match(lines[0])
        if heading is not None:
            self._head(len(heading.group(1)), heading.group(2))
            lines = lines[1:]
            if not lines:
                return
        elif len(lines) == 2 and _UNDERLINE.fullmatch(lines[1]) and "|" not in lines[0]:
            self._head(1 if lines[1][0] == "=" else 2, lines[0])
            return
        self._group += 1
        if _is_table(lines):
            yield from self._table(lines)
        elif _ITEM.match(lines[0]):
            yield from self._items(lines)
        elif len(lines) == 1 and _bare(lines[0]):
            yield from self._bare_line(lines[0], following, before)
        elif len(lines) > 1 and all(map(_ENTRY.match, lines)):
            for line in lines:
                yield self._unit(_EMPHASIS.sub(r"\2", _MARKER.sub("", line)), Kind.ITEM)
        else:
            yield from self._paragraph(lines)

    def _head(self, level: int, title: str) -> None:
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._path.append((level, _EMPHASIS.sub(r"\2", title)))
        self._section += 1
        self._lead = ""

    def _bare_line(self, line: str, following: list[str], before: list[str]) -> Iterator[Unit]:
        """A short line without an end mark: a heading, where text stands below it that is not such a line too; else an item."""
        beside = (len(following) == 1 and _bare(following[0])) or (len(before) == 1 and _bare(before[0]) and bool(self._lead))
        if following and not beside and not _HEADING.match(following[0]):
            self._head(6, line)
            return
        yield self._unit(line, Kind.ITEM)

    def _items(self, lines: list[str]) -> Iterator[Unit]:
        item: list[str] = []
        for line in [*lines, ""]:
            if item and (not line or _ITEM.match(line)):
                text = _SPACES.sub(" ", _EMPHASIS.sub(r"\2", _MARKER.sub("", " ".join(item)))).strip()
                if len(text) > 1:
                    yield self._unit(text, Kind.ITEM)
                item = []
            item.append(_ITEM.sub("", line, count=1) if _ITEM.match(line) else line.strip())

    def _table(self, lines: list[str]) -> Iterator[Unit]:
        rows = [_cells(line) for line in lines if not _RULE.fullmatch(line)]
        ruled = len(rows) < len(lines)
        brought = self._header if rows and len(self._header) == len(rows[0]) else []
        header = brought or (rows[0] if rows and (ruled or _heads(rows)) else [])
        for row in rows[1:] if header and not brought else rows:
            cells = tuple((header[i] if i < len(header) else "", cell) for i, cell in enumerate(row) if cell)
            if cells:
                yield self._unit(", ".join(cell for _, cell in cells), Kind.ROW, cells)
        self._lead = ""

    def _paragraph(self, lines: list[str]) -> Iterator[Unit]:
        for text in sentences_of(" ".join(lines)):
            yield self._unit(text, Kind.SENTENCE)
            self._lead = text if text.endswith(":") else ""

    def _unit(self, text: str, kind: Kind, cells: tuple[tuple[str, str], ...] = ()) -> Unit:
        path = self._outer + tuple(title for _, title in self._path if title not in self._outer)
        if kind is Kind.SENTENCE:
            self._lead = ""
        return Unit(text, kind, path, self._lead, cells, self._group, self._section)


def _blocks(text: str) -> Iterator[list[str]]:
    """Lines that stand together; a heading begins a block, and a list or a table stands apart from the text around it."""
    block: list[str] = []
    shape = ""
    fenced = False
    for raw in [*text.split("\n"), ""]:
        line = raw.strip()
        if line.startswith(("```", "~~~")):
            fenced = not fenced
            continue
        kind = "" if not line else "row" if _is_row(line) else "item" if _ITEM.match(line) else "text"
        joins = kind == shape or (kind == "text" and shape == "item")
        if block and (not kind or _HEADING.match(line) or not joins):
            yield block
            block = []
        if kind:
            block.append(line)
            shape = kind
            if _HEADING.match(line):
                yield block
                block = []
    if block:
        yield block


def _is_row(line: str) -> bool:
    return "|" in line and (line.startswith("|") or " | " in line)


def _is_table(lines: Sequence[str]) -> bool:
    return all(map(_is_row, lines))


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [_SPACES.sub(" ", _EMPHASIS.sub(r"\2", cell.replace("\\|", "|"))).strip() for cell in re.split(r"(?<!\\)\|", inner)]


def _heads(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table without a rule is its header: it holds no figure, and a row below does."""
    return len(rows) > 1 and not any(map(_figure, rows[0])) and any(_figure(cell) for row in rows[1:] for cell in row)


def _figure(cell: str) -> bool:
    return any(c.isdigit() for c in cell)


def _bare(line: str) -> bool:
    short = len(line) <= HEADING_LETTERS and len(line.split()) <= HEADING_WORDS
    return short and not _ENDED.search(line) and not _is_row(line) and not _ITEM.match(line) and not _HEADING.match(line)

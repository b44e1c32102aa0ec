"""The items of a Google Merchant feed, read as its bytes come: RSS or Atom with ``g:`` fields, and delimited text.

Text is separated by tabs; where its first line has none, by commas, semicolons or bars, quoted as spreadsheets do.

XML with a document type is refused: a feed needs none, and entities are how a small file becomes a large one.
"""

from __future__ import annotations

import codecs
import csv
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.parsers import expat

from hexar.core.memo import remembered

#: Nesting and length of one field that are read; deeper is refused, longer is cut.
MAX_DEPTH = 16
MAX_FIELD = 100_000
MAX_FIELDS = 500
_GZIP = b"\x1f\x8b"
_PIECE = 65536
#: Line ends inside one quoted field that are read.
MAX_LINES = 200
_OPENS = re.compile(r'(?:^|\t)"')
_LEFT_OPEN = re.compile(r'(?:^|\t)"(?:[^"]|"")*+$')
_QUOTED = re.compile(r'("(?:[^"]|"")*+")(?=\t|\Z)')
_UNQUOTED = re.compile(r"((?!\")[^\t\n]*+)(?=\t|\Z)")
_WHOLLY_QUOTED = re.compile(r'"((?:[^"]|"")*+)"', re.S)
_ITEMS = frozenset({"item", "entry"})

#: A field of an item: its text, or the fields inside it (shipping, product_detail).
Field = str | dict[str, str]
Item = dict[str, list[Field]]


class BadFeed(ValueError):
    """The feed breaks its own format."""


def read_items(chunks: Iterable[bytes], kind: str = "auto", *, limit: int = 1 << 30) -> Iterator[Item]:
    """The items of a feed, as its bytes come. ``kind`` is auto, xml or tsv. Raises BadFeed.

    A feed that is kept as a gzip file is decompressed, up to ``limit`` bytes.
    """
    head, source = _head(iter(chunks))
    if head.startswith(_GZIP):
        head, source = _head(_gunzipped(_chain(head, source), limit))
    if kind == "auto":
        start = head.lstrip(codecs.BOM_UTF8 + b"\xff\xfe\x00 \t\r\n")
        kind = "xml" if start.startswith(b"<") else "tsv"
    if not head.strip():
        raise BadFeed("it is empty")
    whole = _chain(head, source)
    return _xml_items(whole) if kind == "xml" else _tsv_items(whole)


def _head(source: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, enough to tell a format, and what follows them."""
    head = b""
    for chunk in source:
        head += chunk
        if len(head) >= 64:
            break
    return head, source


def _gunzipped(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """The content of a gzip file of one or several members. Raises BadFeed where it is broken, cut off or too large."""
    inflater: Any = None
    for chunk in chunks:
        data = chunk
        while data:
            if inflater is None:
                # What follows the last member is padding.
                if not (data := data.lstrip(b"\0")):
                    break
                inflater = zlib.decompressobj(wbits=31)
            try:
                piece = inflater.decompress(data, _PIECE)
            except zlib.error as error:
                raise BadFeed("its gzip data is broken") from error
            limit -= len(piece)
            if limit < 0:
                raise BadFeed("it is larger than allowed")
            if piece:
                yield piece
            data = inflater.unconsumed_tail
            if inflater.eof:
                data, inflater = inflater.unused_data, None
    if inflater is not None:
        raise BadFeed("its gzip data ends too soon")


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


class _XmlReader:
    """Collects the items of one XML feed; only the fields of the item at hand are in memory."""

    def __init__(self) -> None:
        self.done: list[Item] = []
        self.seen_root = False
        self._path: list[str] = []
        self._item: Item | None = None
        self._inner: dict[str, str] | None = None
        self._text: list[str] = []
        self._length = 0
        self._base = 0

    def doctype(self, *_: Any) -> None:
        raise BadFeed("it declares a document type")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = _field_name(tag.rpartition(":")[2])
        self._path.append(name)
        if len(self._path) > MAX_DEPTH + 8:
            raise BadFeed("it is nested too deep")
        if self._item is None:
            if name in _ITEMS:
                self._item, self._base = {}, len(self._path)
        else:
            depth = len(self._path) - self._base
            if depth == 1:
                self._inner = None
                if name == "link" and attributes.get("href") and attributes.get("rel", "alternate") == "alternate":
                    self._add(name, attributes["href"])
            elif depth == 2 and self._inner is None:
                self._inner = {}
        self._text, self._length = [], 0

    def data(self, piece: str) -> None:
        if self._item is not None and self._length < MAX_FIELD:
            self._text.append(piece)
            self._length += len(piece)

    def end(self, _: str) -> None:
        name = self._path.pop()
        if self._item is None:
            return
        depth = len(self._path) + 1 - self._base
        said = "".join(self._text)[:MAX_FIELD].strip()
        if depth == 0:
            self.done.append(self._item)
            self._item = None
        elif depth == 1:
            if self._inner:
                self._add(name, self._inner)
            elif said:
                self._add(name, said)
            self._inner = None
        elif depth == 2 and self._inner is not None and said and len(self._inner) < 50:
            self._inner.setdefault(name, said)
        self._text, self._length = [], 0

    def _add(self, name: str, value: Field) -> None:
        if self._item is not None and sum(map(len, self._item.values())) < MAX_FIELDS:
            self._item.setdefault(name, []).append(value)


def _xml_items(chunks: Iterator[bytes]) -> Iterator[Item]:
    reader = _XmlReader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
            yield from reader.done
            reader.done.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise BadFeed(f"its XML is wrong at line {error.lineno}") from error
    except (ValueError, LookupError) as error:
        if isinstance(error, BadFeed):
            raise
        raise BadFeed("its encoding is unknown") from error
    yield from reader.done


def _tsv_items(chunks: Iterator[bytes]) -> Iterator[Item]:
    lines = _lines(chunks)
    first = next(lines, "")
    delimiter = _delimiter(first)
    header = _unquoted(first.split("\t")) if delimiter == "\t" else next(csv.reader([first], delimiter=delimiter), [])
    names = [_field_name(name.strip().removeprefix("g:")) for name in header]
    if "id" not in names or "title" not in names:
        raise BadFeed("its first line names no id and title")
    for row in _rows(lines, len(names)) if delimiter == "\t" else _csv_rows(lines, delimiter):
        item: Item = {}
        for name, value in zip(names, row, strict=False):
            said = value.strip()
            if said:
                item.setdefault(name, []).extend(_tsv_fields(name, said))
        if item:
            yield item


def _delimiter(first: str) -> str:
    """What separates the names of the first line: a tab, else the most frequent of the others."""
    return "\t" if "\t" in first else max(",;|", key=first.count)


def _csv_rows(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader((line + "\n" for line in lines), delimiter=delimiter)
    except csv.Error as error:
        raise BadFeed("its quotes are wrong") from error


def _rows(lines: Iterator[str], width: int) -> Iterator[list[str]]:
    """The rows of tab-separated lines. A quote is a character like any other, unless a spreadsheet put it there.

    Spreadsheets quote a field that holds a tab or a line end. So quotes are believed where the row has its ``width`` with
    them and not without: a title that begins with an inch mark takes no row behind it along.
    """
    ahead = _Ahead(lines)
    for line in ahead:
        row = line.split("\t")
        if '"' not in line:
            yield row
            continue
        if _OPENS.search(line) and (len(row) != width or _LEFT_OPEN.search(line)):
            row = _quoted_row(line, row, ahead, width)
        yield _unquoted(row)


class _Ahead:
    """Lines with a look at those that follow; ``work`` is how many characters may be looked at in vain."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._held: deque[str] = deque()
        self.work = MAX_FIELD * 100

    def __iter__(self) -> Iterator[str]:
        while True:
            line = self._held.popleft() if self._held else next(self._lines, None)
            if line is None:
                return
            yield line

    def peek(self, place: int) -> str | None:
        """The line ``place`` lines ahead, 0 for the next one; None behind the end."""
        while len(self._held) <= place:
            line = next(self._lines, None)
            if line is None:
                return None
            self._held.append(line)
        return self._held[place]

    def drop(self, count: int) -> None:
        for _ in range(count):
            self._held.popleft()


def _quoted_row(line: str, row: list[str], ahead: _Ahead, width: int) -> list[str]:
    """The row that begins with ``line``, with its quoted fields; ``row``, its plain reading, where quotes make none."""
    joined = line
    for count in range(MAX_LINES):
        if ahead.work <= 0 or len(joined) > MAX_FIELD * 10:
            return row
        quoted = _quoted(joined, width)
        if quoted is not None:
            ahead.drop(count)
            return quoted
        ahead.work -= len(joined)
        following = ahead.peek(count)
        # A line that is a row by itself is no part of another one's field.
        if following is None or following.count("\t") + 1 == width:
            return row
        joined += "\n" + following
    return row


def _quoted(text: str, width: int) -> list[str] | None:
    """``text`` as a row of ``width`` fields, some of them in quotes; None where it is none."""
    row: list[str] = []
    position = 0
    while True:
        match = _QUOTED.match(text, position) or _UNQUOTED.match(text, position)
        if match is None or len(row) >= width:
            return None
        row.append(match.group(1))
        position = match.end() + 1
        if match.end() >= len(text):
            return row if len(row) == width else None


def _unquoted(row: list[str]) -> list[str]:
    return [match.group(1).replace('""', '"') if (match := _WHOLLY_QUOTED.fullmatch(value)) else value for value in row]


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    decoder: codecs.IncrementalDecoder | None = None
    rest = ""
    for chunk in chunks:
        if decoder is None:
            wide = chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            decoder = codecs.getincrementaldecoder("utf-16" if wide else "utf-8-sig")("replace")
        rest += decoder.decode(chunk).replace("\x00", "")
        *lines, rest = rest.split("\n")
        for line in lines:
            yield line.removesuffix("\r")
        if len(rest) > MAX_FIELD * 10:
            raise BadFeed("a line is too long")
    if rest:
        yield rest.removesuffix("\r")


def _tsv_fields(name: str, value: str) -> list[Field]:
    if name == "shipping":
        # country:region:service:price, several behind commas.
        return [{"price": part.rpartition(":")[2]} for part in value.split(",") if part.strip()]
    if name == "productdetail":
        details: list[Field] = []
        for part in value.split(","):
            pieces = part.split(":", 2)
            if len(pieces) == 3:
                details.append({"attributename": pieces[1], "attributevalue": pieces[2]})
        return details
    return [value]


@remembered("vendors.field")
def _field_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())

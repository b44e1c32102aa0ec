"""The adapter for Google Merchant feeds: RSS or Atom with ``g:`` fields, and tab-separated text. Read as the bytes come.

XML with a document type is refused: a feed needs none, and entities are how a small file becomes a large one.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal
from xml.parsers import expat

from hexar.agents.transport.cancel import Cancel
from hexar.agents.vendors import text
from hexar.agents.vendors.config import VendorConfig
from hexar.agents.vendors.formats.adapter import CatalogueAgent
from hexar.agents.vendors.model import Listing, Money, Variant
from hexar.agents.vendors.money import money
from hexar.agents.vendors.page.common import (
    ReadContext,
    add_attribute,
    availability,
    best_availability,
    cheapest,
    is_used,
    list_price,
    unique,
    variants_of,
    web_url,
)
from hexar.agents.vendors.text import words
from hexar.agents.vendors.transport.http import Validators
from hexar.core.deadline import Deadline

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
_TAKEN = frozenset(
    words(
        """id title description summary content link imagelink additionalimagelink availability price saleprice
    salepriceeffectivedate brand gtin mpn itemgroupid size producttype googleproductcategory shipping productdetail
    producthighlight updated published guid tax installment"""
    )
)

#: A field of an item: its text, or the fields inside it (shipping, product_detail).
Field = str | dict[str, str]
Item = dict[str, list[Field]]


class BadFeed(ValueError):
    """The feed breaks its own format."""


class FeedConfig(VendorConfig):
    """A merchant feed; ``url`` is its own address."""

    adapter: Literal["feed"]
    #: The feed's form; ``auto`` looks at the first bytes.
    feed_format: Literal["auto", "xml", "tsv"] = "auto"


class FeedAgent(CatalogueAgent[FeedConfig]):
    """Reads the feed at ``url``; an unchanged feed (ETag, Last-Modified) is not read twice."""

    def read(
        self, deadline: Deadline, validators: Validators | None, cancel: Cancel | None
    ) -> tuple[list[Listing], Validators] | None:
        """Fetch the feed. Raises VendorError."""
        accept = "application/xml, text/xml, text/tab-separated-values, */*;q=0.1"
        with self.client.stream(self.config.url, deadline, accept=accept, validators=validators, cancel=cancel) as answer:
            if answer.status == 304:
                return None
            try:
                items = read_items(answer.chunks, self.config.feed_format, limit=self.config.max_bytes)
                found = listings(items, self._reading(answer.url), limit=self.config.max_products)
            except BadFeed as error:
                raise self._malformed(f"the feed cannot be read: {error}") from error
            return found, Validators.of(answer.headers)


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


def listings(items: Iterable[Item], reading: ReadContext, *, limit: int = 1_000_000) -> list[Listing]:
    """The products of a feed. Items of one ``item_group_id`` are variants of one product."""
    groups: dict[str, list[_Read]] = {}
    for item in items:
        row = _read(item, reading)
        if row is None:
            continue
        key = f"g:{row.group}" if row.group else f"i:{row.listing.sku}"
        if key in groups or len(groups) < limit:
            groups.setdefault(key, []).append(row)
    return [_grouped(rows, reading) for rows in groups.values()]


class _Read:
    __slots__ = ("listing", "group", "size")

    def __init__(self, listing: Listing, group: str, size: str) -> None:
        self.listing = listing
        self.group = group
        self.size = size


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
    names = [_field_name(name.strip().removeprefix("g:")) for name in _unquoted(next(lines, "").split("\t"))]
    if "id" not in names or "title" not in names:
        raise BadFeed("its first line names no id and title")
    for row in _rows(lines, len(names)):
        item: Item = {}
        for name, value in zip(names, row, strict=False):
            said = value.strip()
            if said:
                item.setdefault(name, []).extend(_tsv_fields(name, said))
        if item:
            yield item


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


@lru_cache(maxsize=1024)
def _field_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _said(item: Item, *names: str) -> str:
    for name in names:
        for value in item.get(name, ()):
            if isinstance(value, str) and value:
                return value
    return ""


def _read(item: Item, reading: ReadContext) -> _Read | None:
    name = text.clean(_said(item, "title"), text.MAX_NAME)
    link = _said(item, "link")
    sku = text.clean(_said(item, "id") or _said(item, "guid") or link, 200)
    if not name or not sku:
        return None
    regular = money(_said(item, "price"), reading.currency, decimals=reading.decimals, coded=True)
    sale = money(_said(item, "saleprice"), reading.currency, decimals=reading.decimals, coded=True)
    if not _runs(_said(item, "salepriceeffectivedate"), reading.fetched_at):
        sale = None
    price = sale or regular
    kinds = [text.clean(_said(item, key)) for key in ("producttype", "googleproductcategory")]
    listing = Listing(
        vendor=reading.vendor,
        sku=sku,
        name=name,
        fetched_at=reading.fetched_at,
        url=web_url(link, reading.url),
        brand=text.clean(_said(item, "brand"), text.MAX_NAME),
        gtin=text.gtin(_said(item, "gtin")),
        mpn=text.clean(_said(item, "mpn"), 120),
        category=next((kind for kind in kinds if kind and not kind.isdigit()), ""),
        year=text.year(name),
        description=text.plain(_said(item, "description", "summary", "content")),
        image_url=web_url(_said(item, "imagelink"), reading.url),
        attributes=_attributes(item),
        price=price,
        list_price=list_price(price, regular),
        availability=availability(_said(item, "availability")),
        shipping=_shipping(item, reading),
    )
    return _Read(listing, text.clean(_said(item, "itemgroupid"), 120), text.clean(_said(item, "size"), 60))


def _attributes(item: Item) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in item.get("productdetail", ()):
        if isinstance(value, dict):
            add_attribute(found, value.get("attributename"), value.get("attributevalue"))
    for value in item.get("producthighlight", ()):
        add_attribute(found, "highlights", value)
    for name, values in item.items():
        if name not in _TAKEN and not name.endswith("link") and not name.startswith("customlabel"):
            for value in values[:5]:
                if isinstance(value, str) and len(value) <= 300:
                    add_attribute(found, _SHOWN_NAMES.get(name, name), value)
    return found


_SHOWN_NAMES = {"agegroup": "age group", "sizesystem": "size system", "sizetype": "size type", "productweight": "weight",
                "productlength": "length", "productwidth": "width", "productheight": "height"}  # fmt: skip


def _shipping(item: Item, reading: ReadContext) -> Money | None:
    costs = []
    for value in item.get("shipping", ()):
        stated = value.get("price") if isinstance(value, dict) else value
        cost = money(stated, reading.currency, decimals=reading.decimals, zero=True, coded=True)
        if cost is not None:
            costs.append(cost)
    return min(costs, key=lambda row: row.micros) if costs else None


def _runs(period: str, now: float) -> bool:
    """True when ``now`` is inside "start/end" (ISO 8601); also where no period, or an unreadable one, is stated."""
    start, mark, end = period.partition("/")
    if not mark:
        return True
    try:
        first, last = (datetime.fromisoformat(part.strip()).timestamp() for part in (start, end))
    except ValueError:
        return True
    return first <= now <= last


def _grouped(rows: list[_Read], reading: ReadContext) -> Listing:
    first = rows[0]
    if not first.group:
        return replace(first.listing, sizes=unique([first.size], 1))
    # A used piece in a group of new ones is not what the product costs.
    rows = [row for row in rows if not is_used(row.listing.attributes.get("condition"))] or rows
    first, parts = rows[0], [row.listing for row in rows]
    price, before = cheapest([(part.price, part.list_price, part.availability) for part in parts], reading.currency)
    gtins = {part.gtin for part in parts}
    shippings = [part.shipping for part in parts if part.shipping is not None]
    return replace(
        first.listing,
        sku=first.group,
        name=_common_name(rows),
        gtin=first.listing.gtin if len(gtins) == 1 else "",
        price=price,
        list_price=list_price(price, before),
        availability=best_availability(part.availability for part in parts),
        sizes=unique((row.size for row in rows), 200),
        shipping=min(shippings, key=lambda row: row.micros) if shippings else None,
        variants=variants_of(
            Variant(
                row.listing.sku,
                row.listing.name,
                row.size,
                row.listing.price,
                row.listing.list_price,
                row.listing.availability,
                row.listing.gtin,
            )
            for row in rows
        ),
    )


def _common_name(rows: list[_Read]) -> str:
    """The title without the size that a variant's title ends in, where all agree then."""
    names = {row.listing.name for row in rows}
    if len(names) == 1:
        return names.pop()
    bare = {
        re.sub(rf"[\s,(/|-]*\b{re.escape(row.size)}\)?$", "", row.listing.name).strip() if row.size else row.listing.name
        for row in rows
    }
    return bare.pop() if len(bare) == 1 else rows[0].listing.name

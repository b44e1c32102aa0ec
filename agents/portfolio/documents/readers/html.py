"""HTML to blocks: what a reader sees, without scripts and styles, and without navigation where there is anything else.

The tree is walked with a loop, never by recursion, and every size is bounded: a page may be hostile, and an HTML parser takes
quadratic time for some. :mod:`hexar.agents.portfolio.documents.apart` runs this in a process of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from hexar.agents.portfolio.documents.blocks import BlockBuilder, BlockKind

#: Elements of one page.
MAX_NODES = 400_000
#: Elements inside elements.
MAX_DEPTH = 512
#: Characters of a cell beyond which its table lays out a page, and its cells are paragraphs.
LAYOUT_CELL = 600
#: Columns or rows that a cell may cover, and characters of one that is told in each of its rows.
MAX_SPAN, SPAN_TEXT = 100, 120

#: What a reader does not see, or sees struck out.
_UNSEEN = frozenset(
    "script style noscript template iframe object svg math canvas head select datalist del s strike".split()  # noqa: SIM905
)
#: What repeats on every page of a site; it is read where a page has nothing else.
_NAVIGATION = frozenset(("nav", "footer"))
_BREAKING = frozenset(
    """address article aside blockquote button dd dialog div dl dt fieldset figcaption figure footer form header hr li main nav
    ol p section thead tbody tfoot ul body html caption details summary center legend""".split()  # noqa: SIM905
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_TAG = re.compile(rb"<(/?)([a-zA-Z][a-zA-Z0-9]*+)")
#: Elements that end without an end tag, or at what follows them.
_VOID = frozenset(b"area base br col embed hr img input link meta source track wbr p li td tr th option dt dd".split())
_SPACES = re.compile(r"[ \t\r\n\f\v\u00a0]++")


def _too_deep(source: bytes) -> bool:
    """A cheap look at the raw tags before a parser builds a tree of them."""
    depth = deepest = 0
    for number, found in enumerate(_TAG.finditer(source)):
        if number > 4 * MAX_NODES:
            return True
        if found.group(2).lower() in _VOID:
            continue
        depth = max(0, depth - 1) if found.group(1) else depth + 1
        deepest = max(deepest, depth)
    return deepest > 4 * MAX_DEPTH


def html_title(tree: LexborHTMLParser) -> str:
    """The page's title element, or empty."""
    node = tree.css_first("title")
    return _squeeze(node.text()).strip()[:200] if node is not None else ""


def html_blocks(source: str, builder: BlockBuilder) -> str:
    """Fill ``builder`` from a page and return its title. ValueError with a reason where the page exceeds a bound."""
    if _too_deep(source.encode("utf-8", "replace")):
        raise ValueError("the HTML has too many or too deeply nested elements")
    tree = LexborHTMLParser(source)
    if tree.body is not None:
        _Walk(builder, _UNSEEN | _NAVIGATION).over(tree.body)
        if not builder.blocks:
            _Walk(builder, _UNSEEN).over(tree.body)
    return html_title(tree)


@dataclass(slots=True)
class _Row:
    """The row of a table that is being read: the cells so far, each with the columns it spans, and whether one is open.

    ``below`` are the cells of rows above that span this one: column → rows left, text. ``first``: no row was read yet.
    """

    cells: list[tuple[str, int]] = field(default_factory=list)
    open: bool = False
    columns: int = 1
    rows: int = 1
    below: dict[int, tuple[int, str]] = field(default_factory=dict)
    begun: dict[int, tuple[int, str]] = field(default_factory=dict)
    first: bool = True
    at: int = 0

    def fill(self) -> None:
        """Tell the cells of rows above that reach down to here."""
        while (held := self.below.get(self.at)) is not None:
            self.cells.append((held[1], 1))
            self.at += 1

    def add(self, text: str) -> None:
        """Add the cell that was open."""
        self.fill()
        if self.rows > 1:
            self.begun[self.at] = (self.rows - 1, text if len(text) <= SPAN_TEXT else "")
        self.cells.append((text, self.columns))
        self.at += self.columns

    def take(self) -> list[str]:
        """The row's cells, one a column, and begin the next. Of a header, a cell over several columns is of each."""
        if self.cells:
            self.fill()
        header = self.first and len(self.cells) > 1
        cells = [each for text, columns in self.cells for each in (text, *[text if header else ""] * (columns - 1))]
        while len(cells) > 1 and not cells[-1]:
            cells.pop()
        if self.cells:
            left = {at: (rows - 1, text) for at, (rows, text) in self.below.items() if rows > 1}
            self.below, self.begun, self.first = left | self.begun, {}, False
        self.cells, self.at = [], 0
        return cells


class _Walk:
    """One walk over a tree. ``words`` is the text since the last block, or of the open cell."""

    def __init__(self, builder: BlockBuilder, skipped: frozenset[str]) -> None:
        self._builder = builder
        self._skipped = skipped
        self._words: list[str] = []
        self._kind, self._level = BlockKind.PARAGRAPH, 0
        self._rows: list[_Row] = []

    def over(self, root: LexborNode) -> None:
        """Read ``root`` and what is in it."""
        current, depth, seen = root, 0, 0
        while True:
            seen += 1
            if seen > MAX_NODES or depth > MAX_DEPTH:
                raise ValueError("the HTML has too many or too deeply nested elements")
            tag = current.tag or ""
            child: LexborNode | None = None
            if tag == "-text":
                self._words.append((current.text_content or "").replace("\N{SOFT HYPHEN}", ""))
            elif tag not in self._skipped and not tag.startswith(("-", "!")):
                self._enter(tag, current)
                child = current.child
                if child is None:
                    self._leave(tag)
            if child is not None:
                current, depth = child, depth + 1
                continue
            while current.next is None and current.parent is not None and depth > 0:
                current, depth = current.parent, depth - 1
                self._leave(current.tag or "")
            following = current.next
            if depth <= 0 or following is None:
                break
            current = following
        self._flush()

    @property
    def _cell(self) -> bool:
        return bool(self._rows) and self._rows[-1].open

    def _enter(self, tag: str, node: LexborNode) -> None:
        if tag == "br":
            self._words.append("\n" if self._kind is BlockKind.CODE else " ")
        elif tag in _HEADINGS or tag == "pre":
            self._emit_row() if self._cell else self._flush()
            self._kind, self._level = (BlockKind.CODE, 0) if tag == "pre" else (BlockKind.HEADING, _HEADINGS[tag])
        elif tag == "table":
            # One inside a cell comes between what the cell holds before and after it.
            self._emit_row() if self._cell else self._flush()
            self._rows.append(_Row())
        elif tag in ("td", "th"):
            self._begin_cell(node)
        elif tag == "tr":
            self._end_row()
        elif tag in _BREAKING:
            self._break()

    def _leave(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag == "table":
            self._end_row()
            if self._rows:
                self._rows.pop()
        elif tag in _HEADINGS or tag == "pre":
            self._flush()
        elif tag in _BREAKING:
            self._break()

    def _break(self) -> None:
        if self._kind is BlockKind.CODE:
            return
        if self._cell:
            self._words.append("\v")
        else:
            self._flush()

    def _begin_cell(self, node: LexborNode) -> None:
        if not self._rows:
            self._rows.append(_Row())
        self._end_cell()
        if not self._rows[-1].cells:
            self._flush()
        self._words.clear()
        row = self._rows[-1]
        row.open = True
        spans = node.attributes
        row.columns, row.rows = _span(spans.get("colspan")), _span(spans.get("rowspan"))

    def _end_cell(self) -> None:
        if self._cell:
            self._rows[-1].add("".join(self._words).strip())
            self._rows[-1].open = False
            self._words.clear()
            self._kind, self._level = BlockKind.PARAGRAPH, 0

    def _end_row(self) -> None:
        self._end_cell()
        if self._rows:
            self._emit(self._rows[-1].take())
        else:
            self._flush()

    def _emit_row(self) -> None:
        """The open row so far, with what its open cell holds; the cell stays open."""
        row = self._rows[-1]
        self._emit([*(text for text, _ in row.cells), "".join(self._words).strip()])
        row.cells, row.at = [], 0
        self._words.clear()

    def _emit(self, cells: list[str]) -> None:
        if any(len(cell) > LAYOUT_CELL for cell in cells):
            for cell in dict.fromkeys(cells):
                for part in cell.split("\v"):
                    self._builder.add(BlockKind.PARAGRAPH, _squeeze(part))
        elif any(cells):
            self._builder.add(BlockKind.ROW, " | ".join(_squeeze(cell).strip() for cell in cells))

    def _flush(self) -> None:
        text = "".join(self._words)
        self._words.clear()
        if self._kind is not BlockKind.CODE:
            text = _squeeze(text)
        self._builder.add(self._kind, text, self._level)
        self._kind, self._level = BlockKind.PARAGRAPH, 0


def _span(value: str | None) -> int:
    """How many columns or rows a cell covers."""
    return min(max(int(value), 1), MAX_SPAN) if value and value.isascii() and value.isdigit() and len(value) < 6 else 1


def _squeeze(text: str) -> str:
    return _SPACES.sub(" ", text)

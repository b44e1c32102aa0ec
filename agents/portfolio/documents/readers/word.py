"""DOCX to blocks: the text as it stands once all tracked changes are accepted, with content controls and text boxes.

What is hidden or deleted is left out. A cell that spans columns leaves the columns below aligned; one that spans rows is told
in each of them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from hexar.agents.portfolio.documents.blocks import BlockBuilder, BlockKind
from hexar.agents.portfolio.documents.readers.office import MAX_COLUMNS, check_archive

#: Tables inside tables, text boxes included; elements inside elements.
MAX_NESTING = 8
MAX_DEPTH = 100

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
#: What is deleted, moved elsewhere, or about the text and not of it.
_UNSEEN = frozenset(
    f"{_WORD}{name}" for name in ("del", "moveFrom", "pPr", "rPr", "tblPr", "tcPr", "trPr", "sdtPr", "instrText", "delText")
)
_SIGNS = {f"{_WORD}tab": "\t", f"{_WORD}br": "\n", f"{_WORD}cr": "\n", f"{_WORD}noBreakHyphen": "-"}
_P, _TBL, _TR, _TC, _R, _T, _BOX = (f"{_WORD}{name}" for name in ("p", "tbl", "tr", "tc", "r", "t", "txbxContent"))
_VALUE = f"{_WORD}val"


def docx_blocks(data: bytes, builder: BlockBuilder) -> str:
    """Fill ``builder`` from a Word document and return its title. ValueError with a reason where it cannot be read."""
    check_archive(data, "word/document.xml", "Word document")
    from docx import Document

    try:
        document = Document(io.BytesIO(data))
        _Body(document, builder).read(document.element.body, 0)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # Where a document has no properties, the library makes some up.
            titled = "docProps/core.xml" in archive.namelist()
        return str(document.core_properties.title or "")[:200] if titled else ""
    except (KeyError, AttributeError, TypeError, IndexError, SyntaxError, LookupError, OSError, zipfile.BadZipFile) as error:
        raise ValueError("the Word document is damaged") from error


class _Body:
    """Reads the blocks of one document."""

    def __init__(self, document: Any, builder: BlockBuilder) -> None:
        from docx.text.paragraph import Paragraph

        self._paragraph_of = Paragraph
        self._story = document._body
        self._builder = builder

    def read(self, root: Any, nesting: int) -> None:
        """Paragraphs and tables of ``root`` in order."""
        if nesting > MAX_NESTING:
            raise ValueError("the tables are too deeply nested")
        for element in _within(root, (_P, _TBL)):
            if element.tag == _TBL:
                self._table(element, nesting)
            else:
                self._paragraph(element, nesting)

    def _paragraph(self, element: Any, nesting: int) -> None:
        boxes: list[Any] = []
        text = "".join(_text(element, boxes))
        paragraph = self._paragraph_of(element, self._story)
        style = (paragraph.style.name or "") if paragraph.style is not None else ""
        level = _heading_level(paragraph, style)
        if level:
            self._builder.add(BlockKind.HEADING, " ".join(text.split()), level)
        elif _in_list(paragraph, style) and text.strip():
            self._builder.add(BlockKind.PARAGRAPH, "- " + text.strip())
        else:
            self._builder.add(BlockKind.PARAGRAPH, text)
        for box in boxes:
            self.read(box, nesting + 1)

    def _table(self, table: Any, nesting: int) -> None:
        above: dict[int, str] = {}
        first = True
        for row in _within(table, (_TR,)):
            if row.find(f"{_WORD}trPr/{_WORD}del") is not None:
                continue
            cells: list[str] = []
            inner: list[Any] = []
            elements = list(_within(row, (_TC,)))
            for cell in elements:
                text = above.get(len(cells), "") if _goes_on(cell) else self._cell(cell, inner)
                above[len(cells)] = text
                # A heading over several columns is of each; below, the columns are kept apart.
                rest = text if first and len(elements) > 1 else ""
                cells += [text, *[rest] * (_span(cell) - 1)]
            if any(cells):
                while len(cells) > 1 and not cells[-1]:
                    cells.pop()
                self._builder.add(BlockKind.ROW, " | ".join(cells[:MAX_COLUMNS]))
                first = False
            for each in inner:
                self._table(each, nesting + 1) if each.tag == _TBL else self.read(each, nesting + 1)

    def _cell(self, cell: Any, inner: list[Any]) -> str:
        """The text of a cell; tables and text boxes in it are added to ``inner``."""
        parts: list[str] = []
        for element in _within(cell, (_P, _TBL)):
            if element.tag == _TBL:
                inner.append(element)
            else:
                parts.append("".join(_text(element, inner)))
        return " ".join(" ".join(parts).split())


def _within(root: Any, tags: tuple[str, ...], depth: int = 0) -> Iterator[Any]:
    """The nearest elements of ``tags`` in ``root``, in order, through content controls and insertions."""
    if depth > MAX_DEPTH:
        raise ValueError("the document is too deeply nested")
    for child in root:
        if child.tag in tags:
            yield child
        elif child.tag not in _UNSEEN and child.tag not in (_P, _TBL, _TR, _TC):
            yield from _within(child, tags, depth + 1)


def _text(element: Any, boxes: list[Any], depth: int = 0) -> Iterator[str]:
    """The text of a paragraph or of a part of one; text boxes in it are added to ``boxes``."""
    if depth > MAX_DEPTH:
        raise ValueError("the document is too deeply nested")
    for child in element:
        tag = child.tag
        if tag == _T:
            yield (child.text or "").replace("\N{SOFT HYPHEN}", "")
        elif tag in _SIGNS:
            yield _SIGNS[tag]
        elif tag == _BOX:
            boxes.append(child)
        elif tag == f"{_COMPATIBLE}AlternateContent":
            # The same twice, for newer and for older readers.
            yield from _text(next(iter(child), child), boxes, depth + 1)
        elif tag not in _UNSEEN and not (tag == _R and _hidden(child)):
            yield from _text(child, boxes, depth + 1)


def _hidden(run: Any) -> bool:
    mark = run.find(f"{_WORD}rPr/{_WORD}vanish")
    return mark is not None and mark.get(_VALUE) not in ("0", "false", "off")


def _goes_on(cell: Any) -> bool:
    """Whether a cell continues the one above it."""
    merged = cell.find(f"{_WORD}tcPr/{_WORD}vMerge")
    return merged is not None and merged.get(_VALUE, "continue") == "continue"


def _span(cell: Any) -> int:
    span = cell.find(f"{_WORD}tcPr/{_WORD}gridSpan")
    value = span.get(_VALUE, "") if span is not None else ""
    return min(max(int(value), 1), MAX_COLUMNS) if value.isascii() and value.isdigit() and len(value) < 6 else 1


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

"""PDF to blocks: the text layer in reading order, paragraph by paragraph, by PDFium.

PDFium is not made for threads, and its input may be hostile: :mod:`hexar.agents.portfolio.documents.apart` runs this
in a process of its own. A document that only restricts its readers (an owner's password) opens as everybody's reader opens it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from statistics import median

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from hexar.agents.portfolio.documents.blocks import BlockBuilder, BlockKind
from hexar.agents.portfolio.documents.readers.hyphens import join_lines, words_of
from hexar.agents.portfolio.documents.readers.layout import GUTTER, Line, Run, lines, without_repeated

#: Pages of one document, and characters of all.
MAX_PAGES = 2000
MAX_CHARACTERS = 10_000_000
#: A line is a heading where it is taller than the page's text by this, and short. Levels by height.
HEADING_HEIGHT = 1.18
HEADING_CHARACTERS = 120
#: Space between two lines of a paragraph, in heights of a line.
PARAGRAPH_GAP = 0.75
#: What PDFium puts where it takes a hyphen at a line's end away, and with it the line's end.
_CUT = 2


def pdf_blocks(data: bytes, builder: BlockBuilder) -> str:
    """Fill ``builder`` from a PDF and return its title. ValueError with a reason where it cannot be read."""
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        locked = "assword" in str(error) or "ecurity" in str(error) or b"/Encrypt" in data
        raise ValueError("the PDF is encrypted" if locked else "the PDF is damaged") from error
    try:
        if len(document) > MAX_PAGES:
            raise ValueError(f"the PDF has {len(document)} pages, more than {MAX_PAGES}")
        pages = without_repeated(list(_pages(document)))
        known = words_of(line.text for page in pages for line in page)
        for page in pages:
            _add(page, known, builder)
        title = str(document.get_metadata_dict().get("Title") or "")
    except pdfium.PdfiumError as error:
        raise ValueError("the PDF is damaged") from error
    finally:
        document.close()
    if not builder.blocks:
        raise ValueError("the PDF has no text layer")
    return title[:200]


def _pages(document: pdfium.PdfDocument) -> Iterator[list[Line]]:
    left = MAX_CHARACTERS
    for index in range(len(document)):
        page = document[index]
        text = page.get_textpage()
        left -= text.count_chars()
        if left < 0:
            raise ValueError("too long")
        yield lines(list(_runs(text)))
        text.close()
        page.close()


def _runs(page: pdfium.PdfTextPage) -> Iterator[Run]:
    """The page's text, cut at line ends and where a gap in a line is as wide as between columns."""
    handle, count = page.raw, page.count_chars()
    letters: list[str] = []
    first = last = -1
    space = False
    box = raw.FS_RECTF()
    reference = ctypes.byref(box)

    def edges(at: int) -> tuple[float, float, float, float]:
        raw.FPDFText_GetLooseCharBox(handle, at, reference)
        return box.left, box.right, box.bottom, box.top

    def run() -> Run | None:
        text = "".join(letters).strip()
        letters.clear()
        if not text:
            return None
        left, _, bottom, top = edges(first)
        _, right, last_bottom, last_top = edges(last)
        return Run(text, left, max(left, right), min(bottom, last_bottom), max(top, last_top))

    for at in range(count):
        code = raw.FPDFText_GetUnicode(handle, at)
        if code in (10, 13, _CUT):
            if code == _CUT:
                letters.append("-")
            if (found := run()) is not None:
                yield found
            space = False
        elif code <= 32 or code == 0xA0:
            space = bool(letters)
        elif code < 0xFFFE or code > 0xFFFF:
            if space:
                _, right, bottom, top = edges(last)
                left, _, next_bottom, _ = edges(at)
                # Without a line's end in between, PDFium goes on in the next line where it takes it for the same paragraph.
                if left - right > GUTTER * max(1.0, top - bottom) or left < right - (top - bottom) or next_bottom > top:
                    if (found := run()) is not None:
                        yield found
                else:
                    letters.append(" ")
            space = False
            if not letters:
                first = at
            letters.append(chr(code))
            last = at
    if (found := run()) is not None:
        yield found


def _add(page: list[Line], known: dict[str, int], builder: BlockBuilder) -> None:
    """One page's blocks: headings, rows of tables, paragraphs."""
    if not page:
        return
    usual = median(line.height for line in page)
    paragraph: list[str] = []

    def flush() -> None:
        if paragraph:
            builder.add(BlockKind.PARAGRAPH, join_lines(paragraph, known))  # type: ignore[arg-type]
            paragraph.clear()

    previous = usual
    for at, line in enumerate(page):
        if line.height > HEADING_HEIGHT * usual and len(line.text) <= HEADING_CHARACTERS:
            flush()
            level = 1 if line.height > 1.6 * usual else 2 if line.height > 1.35 * usual else 3
            builder.add(BlockKind.HEADING, line.text, level)
        elif len(line.cells) > 1 and _in_table(page, at):
            flush()
            builder.add(BlockKind.ROW, " | ".join(line.cells))
        else:
            if line.gap > PARAGRAPH_GAP or abs(line.height - previous) > 0.15 * usual:
                flush()
            paragraph.append(line.text)
        previous = line.height
    flush()


def _in_table(page: list[Line], at: int) -> bool:
    """A row with cells is a table's where the one above or below has as many."""
    near = [page[other] for other in (at - 1, at + 1) if 0 <= other < len(page)]
    return any(len(line.cells) == len(page[at].cells) for line in near)

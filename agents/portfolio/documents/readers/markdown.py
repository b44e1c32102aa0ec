"""Markdown and plain text to blocks: a line scanner that keeps every offset of the source."""

import re

from hexar.agents.portfolio.documents.blocks import Block, BlockKind

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARKS = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_UNDERLINE = re.compile(r" {0,3}(=++|-{2,}+)[ \t]*+$")
_ITEM = re.compile(r"\s{0,12}+(?:[-*+•]|\d{1,4}[.)])[ \t]++\S")


def heading_text(line: str) -> str:
    """The words of a heading line, without its marks."""
    found = _MARKS.match(line)
    return (_without_marks(line, found.end()) if found else line).strip().strip("*_`")


def _without_marks(line: str, start: int) -> str:
    """A heading's words from ``start``: a row of # after a space at its end is no part of them."""
    words = line[start:].strip(" \t")
    bare = words.rstrip("#")
    return bare.rstrip(" \t") if bare != words and (not bare or bare[-1] in " \t") else words


def markdown_blocks(text: str) -> list[Block]:
    """Blocks of Markdown: headings (both styles), fenced and indented code, table rows, list items, paragraphs.

    Each line is looked at once and no text is cut out on the way: the time is that of the text's length (docs/adr/0025).
    """
    blocks: list[Block] = []
    start = end = -1  # the paragraph that is being read
    single = True  # whether it has one line
    fence = ""
    fence_start = 0
    at = 0

    def close() -> None:
        nonlocal start
        if start >= 0:
            blocks.append(Block(BlockKind.PARAGRAPH, start, end))
            start = -1

    for line in text.splitlines(keepends=True):
        body = line.rstrip("\r\n")
        stop = at + len(body)
        if fence:
            if body.strip().startswith(fence) and not body.strip().strip(fence[0]):
                blocks.append(Block(BlockKind.CODE, fence_start, stop))
                fence = ""
        elif opened := _FENCE.match(body):
            close()
            fence, fence_start = opened.group(1), at
        elif not body.strip():
            close()
        elif found := _MARKS.match(body):
            close()
            blocks.append(Block(BlockKind.HEADING, at, stop, len(found.group(1))))
        elif start >= 0 and single and (under := _UNDERLINE.match(body)):
            blocks.append(Block(BlockKind.HEADING, start, stop, 1 if under.group(1)[0] == "=" else 2))
            start = -1
        elif body.lstrip().startswith("|"):
            close()
            blocks.append(Block(BlockKind.ROW, at, stop))
        elif start < 0 and body.startswith(("    ", "\t")) and not _ITEM.match(body):
            _add_code(blocks, at, stop)
        else:
            if _ITEM.match(body):
                close()
            single = start < 0
            if start < 0:
                start = at
            end = stop
        at += len(line)
    close()
    if fence:  # a fence that is never closed reaches to the end, as CommonMark says
        blocks.append(Block(BlockKind.CODE, fence_start, len(text.rstrip())))
    return blocks


def _add_code(blocks: list[Block], start: int, end: int) -> None:
    """Add an indented line of code, to the code before it where only blank lines are between."""
    if blocks and blocks[-1].kind is BlockKind.CODE:
        start = blocks.pop().start
    blocks.append(Block(BlockKind.CODE, start, end))


def text_blocks(text: str) -> list[Block]:
    """Blocks of plain text: paragraphs between blank lines, list items, lines with tabs as table rows."""
    blocks: list[Block] = []
    start = end = -1
    at = 0
    for line in text.splitlines(keepends=True):
        stop = at + len(line.rstrip("\r\n"))
        row = line.count("\t") >= 2
        if start >= 0 and (not line.strip() or row or _ITEM.match(line)):
            blocks.append(Block(BlockKind.PARAGRAPH, start, end))
            start = -1
        if row:
            blocks.append(Block(BlockKind.ROW, at, stop))
        elif line.strip():
            start = at if start < 0 else start
            end = stop
        at += len(line)
    if start >= 0:
        blocks.append(Block(BlockKind.PARAGRAPH, start, end))
    return blocks

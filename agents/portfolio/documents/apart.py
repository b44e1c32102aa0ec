"""Reading documents in another process: parsers of foreign formats may take any time and any memory for a few bytes.

A task is the name of a format, a zero byte, and the document. An answer is JSON: the text, its blocks and its title, or why the
document cannot be read.
"""

from __future__ import annotations

import orjson

from hexar.agents.portfolio.documents.blocks import Block, BlockBuilder, BlockKind, Format
from hexar.core.deadline import Deadline
from hexar.core.processes import Cancel, ProcessPool, TaskFailed, TaskTimedOut

#: Seconds and megabytes that one document may take.
SECONDS = 20.0
MEMORY_MB = 1024

_pool = ProcessPool(f"{__name__}:task", processes=2, seconds=SECONDS, memory_mb=MEMORY_MB)


def read(
    format: Format, data: bytes, limit: int, deadline: Deadline | None, cancel: Cancel | None
) -> tuple[str, list[Block], str]:
    """Text, blocks and title of a document. ValueError with a reason where it cannot be read, or takes too much."""
    try:
        answer = _pool.run(b"%s %d\0" % (format.value.encode(), limit) + data, deadline, cancel)
    except TaskTimedOut:
        raise ValueError("the document takes too long to read") from None
    except TaskFailed:
        raise ValueError("the document takes too much memory to read, or is damaged") from None
    found = orjson.loads(answer)
    if "reason" in found:
        raise ValueError(found["reason"])
    blocks = [Block(BlockKind(kind), start, end, level) for kind, start, end, level in found["blocks"]]
    return found["text"], blocks, found["title"]


def task(payload: bytes) -> bytes:
    """In the other process: one document."""
    head, _, data = payload.partition(b"\0")
    name, limit = head.decode().split(" ")
    builder = BlockBuilder(int(limit))
    try:
        title = _fill(Format(name), data, builder)
    except ValueError as error:
        return orjson.dumps({"reason": str(error)})
    except (RecursionError, OverflowError, ArithmeticError):
        return orjson.dumps({"reason": "the document is damaged"})
    blocks = [(block.kind.value, block.start, block.end, block.level) for block in builder.blocks]
    return orjson.dumps({"text": _sound(builder.text), "blocks": blocks, "title": _sound(title)})


def _fill(format: Format, data: bytes, builder: BlockBuilder) -> str:
    # Each parser is loaded where a document first needs it.
    if format is Format.PDF:
        from hexar.agents.portfolio.documents.readers.pdf import pdf_blocks

        if not data[:1024].lstrip().startswith(b"%PDF-"):
            raise ValueError("the document is not a PDF")
        return pdf_blocks(data, builder)
    if format is Format.HTML:
        from hexar.agents.portfolio.documents.readers.html import html_blocks

        return html_blocks(data.decode(), builder)
    from hexar.agents.portfolio.documents.readers.office import xlsx_blocks
    from hexar.agents.portfolio.documents.readers.word import docx_blocks

    return (docx_blocks if format is Format.DOCX else xlsx_blocks)(data, builder)


def _sound(text: str) -> str:
    """``text`` without what no store keeps, one character for one: control characters, and halves of surrogate pairs."""
    if text.isprintable():
        return text
    return "".join(c if (c >= " " and not "\ud800" <= c <= "\udfff") or c in "\n\t" else " " for c in text)

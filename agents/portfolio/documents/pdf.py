"""PDF to blocks: the text layer, page by page, paragraph by paragraph."""

import io
import logging
import re
import time

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from hexar.agents.portfolio.documents.blocks import BlockBuilder, BlockKind

#: Pages of one document.
MAX_PAGES = 2000
#: Seconds spent on one document; looked at between pages.
MAX_SECONDS = 60.0

_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_HYPHEN = re.compile(r"(\w)-\n(\w)")

# The library reports every oddity of a file as a warning; a damaged file is rejected with one reason instead.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def pdf_blocks(data: bytes, builder: BlockBuilder) -> str:
    """Fill ``builder`` from a PDF and return its title. ValueError with a reason where it cannot be read."""
    started = time.monotonic()
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted:
            raise ValueError("the PDF is encrypted")
        pages = len(reader.pages)
        if pages > MAX_PAGES:
            raise ValueError(f"the PDF has {pages} pages, more than {MAX_PAGES}")
        for page in reader.pages:
            if time.monotonic() - started > MAX_SECONDS:
                raise ValueError("the PDF takes too long to read")
            text = _HYPHEN.sub(r"\1\2", page.extract_text() or "").replace("\x00", "")
            for paragraph in _PARAGRAPH.split(text):
                builder.add(BlockKind.PARAGRAPH, paragraph)
        title = str((reader.metadata.title if reader.metadata else None) or "")
    except ValueError:
        raise
    except (PyPdfError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OSError, ArithmeticError) as error:
        # The library raises all of these for damaged files.
        raise ValueError("the PDF is damaged") from error
    if not builder.blocks:
        raise ValueError("the PDF has no text layer")
    return title[:200]

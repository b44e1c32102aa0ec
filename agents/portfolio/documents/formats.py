"""Bytes to documents: which format they are in, whether they may be kept, and what they say.

::

    InvalidArgument (core)
    └── Rejected    the bytes cannot be kept; ``reason`` says why in one clause, without quoting them

A rejection never carries exception text, and nothing here opens a file: names are names, not paths. Formats whose parsers are
not ours are read in another process (:mod:`hexar.agents.portfolio.documents.apart`).
"""

import re
import unicodedata

from hexar.agents.portfolio.documents import apart
from hexar.agents.portfolio.documents.blocks import Block, BlockBuilder, BlockKind, Format, ParsedDocument
from hexar.agents.portfolio.documents.readers.encodings import Undecodable, decode
from hexar.agents.portfolio.documents.readers.markdown import heading_text, markdown_blocks, text_blocks
from hexar.agents.portfolio.documents.readers.sheets import csv_blocks
from hexar.core.deadline import Deadline
from hexar.core.errors import InvalidArgument
from hexar.core.processes import Cancel
from hexar.core.text.terms import detect

#: Bytes of one document as sent.
MAX_BYTES = 25 * 1024 * 1024
#: Code points of one document as text.
MAX_CHARACTERS = 10_000_000

_MEDIA_TYPES = {
    "text/markdown": Format.MARKDOWN,
    "text/x-markdown": Format.MARKDOWN,
    "text/plain": Format.TEXT,
    "text/html": Format.HTML,
    "application/xhtml+xml": Format.HTML,
    "application/pdf": Format.PDF,
    "text/csv": Format.CSV,
    "text/tab-separated-values": Format.CSV,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": Format.DOCX,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": Format.XLSX,
}
_SUFFIXES = {
    "md": Format.MARKDOWN,
    "markdown": Format.MARKDOWN,
    "txt": Format.TEXT,
    "text": Format.TEXT,
    "html": Format.HTML,
    "htm": Format.HTML,
    "xhtml": Format.HTML,
    "pdf": Format.PDF,
    "csv": Format.CSV,
    "tsv": Format.CSV,
    "docx": Format.DOCX,
    "xlsx": Format.XLSX,
}
#: Formats that parsers which are not ours read.
_FOREIGN = frozenset((Format.HTML, Format.PDF, Format.DOCX, Format.XLSX))
_HTML_TAG = re.compile(rb"<(?:!doctype\s{1,20}html|html|head|body)\b", re.I)
_MARKDOWN_SIGNS = re.compile(r"^(?:#{1,6} \S|```|\|.{1,300}\|[ \t]{0,20}$|[-*] \S)", re.M)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DRIVE = re.compile(r"[A-Za-z]:")


class Rejected(InvalidArgument):
    """A document that cannot be kept; ``reason`` is safe to show."""

    def __init__(self, reason: str) -> None:
        super().__init__("document", reason)
        self.reason = reason


def check_name(name: str) -> None:
    """Refuse a document name that is empty, long, carries control characters, or means another place than it says."""
    if not name or not name.strip():
        raise Rejected("the document has no name")
    if len(name) > 200:
        raise Rejected("the name is longer than 200 characters")
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name):
        raise Rejected("the name has control characters")
    parts = name.split("/")
    if "\\" in name or name[0] in "/~" or _DRIVE.match(name) or "://" in name or any(part in ("", ".", "..") for part in parts):
        raise Rejected("the name looks like a path; use a plain relative name")


def find_format(data: bytes, name: str, media_type: str = "") -> Format:
    """The format by content where that is certain, else by media type, else by the name's suffix, else by the look of it."""
    if data[:1024].lstrip().startswith(b"%PDF-"):
        return Format.PDF
    if data.startswith(b"PK\x03\x04"):
        for part, format in ((b"word/document.xml", Format.DOCX), (b"xl/workbook.xml", Format.XLSX)):
            if part in data:
                return format
    declared = _MEDIA_TYPES.get(media_type.split(";")[0].strip().lower())
    if declared is not None:
        return declared
    suffix = _SUFFIXES.get(name.rsplit(".", 1)[-1].lower()) if "." in name else None
    if suffix is not None:
        return suffix
    if _looks_like_html(data[:2000]):
        return Format.HTML
    head = data[:4000].decode("utf-8", "ignore")
    return Format.MARKDOWN if len(_MARKDOWN_SIGNS.findall(head)) >= 2 else Format.TEXT


def _looks_like_html(head: bytes) -> bool:
    """True where a document's first element comes first, behind any comments."""
    at = 0
    while True:
        rest = head[at:].lstrip()
        if not rest.startswith(b"<!--"):
            return _HTML_TAG.match(rest) is not None
        end = rest.find(b"-->")
        if end < 0:
            return False
        at = len(head) - len(rest) + end + 3


def read(
    data: bytes,
    name: str,
    *,
    format: Format | None = None,
    media_type: str = "",
    language: str = "",
    deadline: Deadline | None = None,
    cancel: Cancel | None = None,
) -> ParsedDocument:
    """Read one document; Rejected where it is empty, too large, not in its format, encrypted or hostile.

    The text has ``\\n`` line ends; all offsets count its code points. ``cancel`` ends a reading whose caller has left.
    """
    check_name(name)
    if not data.strip():
        raise Rejected("the document is empty")
    if len(data) > MAX_BYTES:
        raise Rejected(f"the document is larger than {MAX_BYTES // (1024 * 1024)} MiB")
    chosen = format or find_format(data, name, media_type)
    text, blocks, title, encoding = _parts(data, chosen, media_type, deadline, cancel)
    if not blocks:
        raise Rejected("the document is empty")
    first = next((block for block in blocks if block.kind is BlockKind.HEADING), None)
    if first is not None and (not title or chosen is Format.MARKDOWN):
        title = heading_text(text[first.start : first.end].split("\n")[0])[:200]
    return ParsedDocument(text, tuple(blocks), chosen, title.strip(), language or detect(text), encoding)


def _parts(
    data: bytes, chosen: Format, media_type: str, deadline: Deadline | None, cancel: Cancel | None
) -> tuple[str, list[Block], str, str]:
    """Text, blocks, title and encoding of a document in the format ``chosen``."""
    title = encoding = ""
    try:
        if chosen not in _FOREIGN or chosen is Format.HTML:
            text, encoding = decode(data, media_type, html=chosen is Format.HTML)
            if len(text) > MAX_CHARACTERS and chosen is not Format.HTML:
                raise ValueError("too long")
            text = _clean(text)
            if chosen in _FOREIGN:
                data = text.encode()
        if chosen in _FOREIGN:
            text, blocks, title = apart.read(chosen, data, MAX_CHARACTERS, deadline, cancel)
        elif chosen is Format.CSV:
            builder = BlockBuilder(MAX_CHARACTERS)
            csv_blocks(text, builder)
            text, blocks = builder.text, builder.blocks
        else:
            blocks = markdown_blocks(text) if chosen is Format.MARKDOWN else text_blocks(text)
    except Undecodable as error:
        raise Rejected(str(error)) from None
    except ValueError as error:
        reason = str(error)
        raise Rejected(f"the text is longer than {MAX_CHARACTERS} characters" if reason == "too long" else reason) from None
    return text, blocks, title, encoding


def _clean(text: str) -> str:
    """Line ends as one character, soft hyphens gone, control characters as spaces."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\N{SOFT HYPHEN}", "")
    return _CONTROL.sub(" ", text)

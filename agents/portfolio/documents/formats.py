"""Bytes to documents: which format they are in, whether they may be kept, and what they say.

::

    InvalidArgument (core)
    └── Rejected    the bytes cannot be kept; ``reason`` says why in one clause, without quoting them

A rejection never carries exception text, and nothing here opens a file: names are names, not paths.
"""

import re
import unicodedata

from hexar.agents.portfolio.documents.blocks import BlockBuilder, BlockKind, Format, ParsedDocument
from hexar.agents.portfolio.documents.html import html_blocks
from hexar.agents.portfolio.documents.markdown import heading_text, markdown_blocks, text_blocks
from hexar.agents.portfolio.documents.pdf import pdf_blocks
from hexar.agents.portfolio.language import detect
from hexar.core.errors import InvalidArgument

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
}
_HTML_START = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{2,40})", re.I)
_MARKDOWN_SIGNS = re.compile(r"^(?:#{1,6} \S|```|\|.+\|\s*$|[-*] \S)", re.M)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BYTE_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_HTML_CHARSETS = frozenset(("utf-8", "utf8", "iso-8859-1", "iso-8859-15", "windows-1252", "latin1", "us-ascii", "ascii"))
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
    declared = _MEDIA_TYPES.get(media_type.split(";")[0].strip().lower())
    if declared is not None:
        return declared
    suffix = _SUFFIXES.get(name.rsplit(".", 1)[-1].lower()) if "." in name else None
    if suffix is not None:
        return suffix
    if _HTML_START.match(data[:2000]):
        return Format.HTML
    head = data[:4000].decode("utf-8", "ignore")
    return Format.MARKDOWN if len(_MARKDOWN_SIGNS.findall(head)) >= 2 else Format.TEXT


def decode(data: bytes, html: bool = False) -> str:
    """Text of bytes: UTF-8, or UTF-16 with a byte order mark, or what an HTML page declares. Rejected otherwise."""
    encoding = next((name for mark, name in _BYTE_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        declared = _META_CHARSET.search(data[:4096]) if html else None
        charset = declared.group(1).decode().lower() if declared else ""
        if charset not in _HTML_CHARSETS or charset in ("utf-8", "utf8"):
            raise Rejected(f"the text is not valid UTF-8 (at byte {error.start})") from None
        text = data.decode(charset, "replace")
    if "\x00" in text:
        raise Rejected("the text holds NUL characters; it is not text, or its encoding is not UTF-8")
    if len(_CONTROL.findall(text[:100_000])) > 20:
        raise Rejected("the bytes are not text")
    return text


def read(data: bytes, name: str, *, format: Format | None = None, media_type: str = "", language: str = "") -> ParsedDocument:
    """Read one document; Rejected where it is empty, too large, not in its format, encrypted or hostile.

    The text has ``\\n`` line ends; all offsets count its code points.
    """
    check_name(name)
    if not data.strip():
        raise Rejected("the document is empty")
    if len(data) > MAX_BYTES:
        raise Rejected(f"the document is larger than {MAX_BYTES // (1024 * 1024)} MiB")
    chosen = format or find_format(data, name, media_type)
    builder = BlockBuilder(MAX_CHARACTERS)
    title = ""
    try:
        if chosen is Format.PDF:
            if not data[:1024].lstrip().startswith(b"%PDF-"):
                raise Rejected("the document is not a PDF")
            title = pdf_blocks(data, builder)
            text, blocks = builder.text, builder.blocks
        elif chosen is Format.HTML:
            title = html_blocks(_clean(decode(data, html=True)), builder)
            text, blocks = builder.text, builder.blocks
        else:
            text = _clean(decode(data))
            if len(text) > MAX_CHARACTERS:
                raise ValueError("too long")
            blocks = markdown_blocks(text) if chosen is Format.MARKDOWN else text_blocks(text)
    except Rejected:
        raise
    except ValueError as error:
        reason = str(error)
        if reason == "too long":
            reason = f"the text is longer than {MAX_CHARACTERS} characters"
        raise Rejected(reason) from None
    if not blocks:
        raise Rejected("the document is empty")
    first = next((block for block in blocks if block.kind is BlockKind.HEADING), None)
    if first is not None and (not title or chosen is Format.MARKDOWN):
        title = heading_text(text[first.start : first.end].split("\n")[0])[:200]
    return ParsedDocument(text, tuple(blocks), chosen, title.strip(), language or detect(text))


def _clean(text: str) -> str:
    return _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))

"""What a document is once it is read: one text, and the blocks that its structure gives."""

from dataclasses import dataclass, field
from enum import StrEnum


class Format(StrEnum):
    """How a document's bytes are read; names as in the contract's DocumentFormat."""

    MARKDOWN = "markdown"
    TEXT = "text"
    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    DOCX = "docx"
    XLSX = "xlsx"


class BlockKind(StrEnum):
    """What a block is. PARAGRAPH may be cut between sentences; CODE and ROW are never cut."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    CODE = "code"
    ROW = "row"


@dataclass(frozen=True, slots=True)
class Block:
    """``text[start:end]`` of a document, in code points. ``level`` is a heading's depth from 1, else 0."""

    kind: BlockKind
    start: int
    end: int
    level: int = 0


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as text with blocks in order; ``title`` is its first heading, or empty.

    ``encoding`` names the encoding that its text was in, where that is not Unicode.
    """

    text: str
    blocks: tuple[Block, ...]
    format: Format
    title: str = ""
    language: str = ""
    encoding: str = ""


@dataclass(slots=True)
class BlockBuilder:
    """Builds text and blocks together, for formats whose text is not a slice of their source."""

    limit: int
    parts: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    length: int = 0

    def add(self, kind: BlockKind, text: str, level: int = 0) -> None:
        """Append a block; blank text is left out. ValueError where the whole grows beyond the limit."""
        text = text.strip("\n") if kind is BlockKind.CODE else text.strip()
        if not text.strip():
            return
        if self.parts:
            separator = "\n" if kind is BlockKind.ROW and self.blocks[-1].kind is BlockKind.ROW else "\n\n"
            self.parts.append(separator)
            self.length += len(separator)
        if self.length + len(text) > self.limit:
            raise ValueError("too long")
        self.blocks.append(Block(kind, self.length, self.length + len(text), level))
        self.parts.append(text)
        self.length += len(text)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.parts)

"""Text to chunks: about 4,000 characters with 500 of overlap, cut where the structure allows it.

A document becomes *units* that are never cut: a code block, a table row, a sentence (a sentence longer than a chunk is cut
between words). Units are packed into chunks. A heading begins a new chunk once the current one has some size, so an edit in one
section leaves the chunks of the others as they were. Overlap repeats whole units at the begin of the next chunk, inside a
section only. A chunk that begins inside a table carries the table's header as its last heading.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from hexar.agents.portfolio.documents.blocks import Block, BlockKind, ParsedDocument
from hexar.agents.portfolio.documents.readers.markdown import heading_text
from hexar.core.text.terms import detect

#: Code points that a chunk aims at; only a unit that is longer makes a longer chunk.
CHUNK_CHARACTERS = 4000
#: Code points that a chunk repeats of the one before, at most.
OVERLAP_CHARACTERS = 500
#: A heading ends a chunk of at least this size.
SECTION_CHARACTERS = 1000
#: The longest header that is repeated.
HEADER_CHARACTERS = 500

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'»”)\]]*\s+(?=[\"'«“(\[¿¡]*[^\W_a-z])|\n(?=\s*(?:[-*+•]|\d{1,4}[.)])\s)")
_RULE = re.compile(r"\|?[\s:|-]*-[\s:|-]*\|?")
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|[A-Z]\.[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|No|Nos|vs|etc|e\.g|i\.e|Inc|Ltd|Co|Corp|Fig|Art|art|Sr|Sra|Srta|"
    r"Ud|Uds|pág|núm|p\.ej|Jr|v))\.$"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """``text[start:end]`` of a document with the headings above it; ``checksum`` covers text and headings."""

    start: int
    end: int
    text: str
    headings: tuple[str, ...]
    language: str
    checksum: str


@dataclass(frozen=True, slots=True)
class _Unit:
    start: int
    end: int
    kind: BlockKind
    headings: tuple[str, ...]
    header: str = ""


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Spans of the sentences of ``text[start:end]`` without the blanks around them. Common abbreviations do not end one."""
    end = len(text) if end is None else end
    begin = start
    for found in _SENTENCE_END.finditer(text, start, end):
        if _ABBREVIATION.search(text, max(begin, found.start() - 8), found.start()):
            continue
        stop = found.start() + len(found.group().rstrip())
        if text[begin:stop].strip():
            yield begin, stop
        begin = found.end()
    if text[begin:end].strip():
        yield begin, end


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what is longer than a chunk between words (or anywhere, where there is no blank)."""
    while end - start > CHUNK_CHARACTERS:
        cut = text.rfind(" ", start + CHUNK_CHARACTERS // 2, start + CHUNK_CHARACTERS)
        cut = cut if cut > start else start + CHUNK_CHARACTERS
        yield start, cut
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end


def _units(document: ParsedDocument) -> Iterator[_Unit]:
    text = document.text
    path: list[tuple[int, str]] = []
    headers = _headers(document)
    for at, block in enumerate(document.blocks):
        if block.kind is BlockKind.HEADING:
            while path and path[-1][0] >= block.level:
                path.pop()
            above = tuple(title for _, title in path)
            path.append((block.level, heading_text(text[block.start : block.end].split("\n")[0])[:200]))
            yield _Unit(block.start, block.end, block.kind, above)
            continue
        headings = tuple(title for _, title in path)
        if block.kind is BlockKind.PARAGRAPH:
            for begin, stop in sentences(text, block.start, block.end):
                for start, end in _pieces(text, begin, stop):
                    yield _Unit(start, end, block.kind, headings)
        else:
            yield _Unit(block.start, block.end, block.kind, headings, headers.get(at, ""))


def _headers(document: ParsedDocument) -> dict[int, str]:
    """For each row below the header of its table, by its place among the blocks: the header as it stands."""
    text, blocks = document.text, document.blocks
    found: dict[int, str] = {}
    first = 0
    for at, block in enumerate(blocks):
        if block.kind is not BlockKind.ROW:
            continue
        before = blocks[at - 1] if at else block
        if before is block or before.kind is not BlockKind.ROW or text.count("\n", before.end, block.start) > 1:
            first = at
        elif header := _header(text, blocks[first], blocks[first + 1]):
            found[at] = header
    return found


def _header(text: str, first: Block, second: Block) -> str:
    """The first row of a table where it is its header: a rule stands below it, or it holds no figure."""
    row = text[first.start : first.end]
    ruled = _RULE.fullmatch(text[second.start : second.end].strip()) is not None
    return row if len(row) <= HEADER_CHARACTERS and (ruled or not any(map(str.isdigit, row))) else ""


def _overlap(units: list[_Unit]) -> list[_Unit]:
    """The last units that together fit into the overlap; a chunk of one unit gives none."""
    kept: list[_Unit] = []
    for unit in reversed(units[1:]):
        if unit.kind is BlockKind.HEADING or units[-1].end - unit.start > OVERLAP_CHARACTERS:
            break
        kept.insert(0, unit)
    return kept


def _without_tail(units: list[_Unit]) -> tuple[list[_Unit], list[_Unit]]:
    """A chunk's units without the headings at its end, and those: they belong to what follows.

    Of headings alone none is put off: each of them would become a chunk of its own.
    """
    count = next((at for at, unit in enumerate(reversed(units)) if unit.kind is not BlockKind.HEADING), 0)
    return (units[:-count], units[-count:]) if count else (units, [])


def _chunk(document: ParsedDocument, units: list[_Unit]) -> Chunk:
    start, end = units[0].start, units[-1].end
    text = document.text[start:end]
    headings = (*units[0].headings, units[0].header) if units[0].header else units[0].headings
    digest = hashlib.sha256("\x1f".join((*headings, "", text)).encode()).hexdigest()
    return Chunk(start, end, text, headings, detect(text) or document.language, digest)


def chunks(document: ParsedDocument) -> list[Chunk]:
    """The chunks of a document in order; every unit is in at least one."""
    made: list[Chunk] = []
    current: list[_Unit] = []
    fresh = 0  # units of `current` that are not overlap
    for unit in _units(document):
        size = unit.end - current[0].start if current else 0
        new_section = unit.kind is BlockKind.HEADING and current and current[-1].end - current[0].start >= SECTION_CHARACTERS
        if fresh and (size > CHUNK_CHARACTERS or new_section):
            current, tail = _without_tail(current)
            made.append(_chunk(document, current))
            current = tail if (new_section or tail) else _overlap(current)
            fresh = len(tail)
            while current and not fresh and unit.end - current[0].start > CHUNK_CHARACTERS:
                current.pop(0)
        current.append(unit)
        fresh += 1
    if fresh:
        made.append(_chunk(document, current))
    return made

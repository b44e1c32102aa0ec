"""A streaming XML reader for fitment and product data: one element at a time, no document types, no entities.

A file's memory is that of its largest record. A DOCTYPE is refused before anything it declares is read, which closes
entity expansion and external entities alike.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element
from xml.parsers import expat

from hexar.agents.parts.catalogue.report import CatalogueUnreadable
from hexar.agents.parts.catalogue.writer import Progress
from hexar.agents.parts.importers.source import Source

#: Deepest nesting inside a record.
MAX_DEPTH = 64
#: Longest text of one element, characters.
MAX_TEXT = 1_000_000


class _Refused(Exception):
    """Raised inside expat's callbacks; the message is for the user."""


class _Records:
    """Builds an Element for each element whose local name is in ``names``, and drops everything else."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.root = ""
        self.root_attributes: dict[str, str] = {}
        self.ready: list[tuple[int, Element]] = []
        self._open: list[Element] = []
        self._text: list[str] = []
        self._length = 0
        self._line = 0
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._doctype
        self.parser.ExternalEntityRefHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def _doctype(self, *_arguments: object) -> int:
        raise _Refused("a document type or an entity is declared, which is refused")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        if not self.root:
            self.root, self.root_attributes = name, attributes
        if self._open:
            if len(self._open) >= MAX_DEPTH:
                raise _Refused(f"elements are nested deeper than {MAX_DEPTH}")
            self._flush()
            child = Element(name, attributes)
            self._open[-1].append(child)
            self._open.append(child)
        elif name in self.names:
            self._line = self.parser.CurrentLineNumber
            self._open.append(Element(name, attributes))

    def _end(self, _tag: str) -> None:
        if not self._open:
            return
        self._flush()
        done = self._open.pop()
        if not self._open:
            self.ready.append((self._line, done))

    def _data(self, text: str) -> None:
        if self._open:
            self._length += len(text)
            if self._length > MAX_TEXT:
                raise _Refused(f"an element's text is longer than {MAX_TEXT} characters")
            self._text.append(text)

    def _flush(self) -> None:
        # Text before the first child is the element's own; text after a child has no meaning in these formats.
        if self._text and not len(self._open[-1]):
            self._open[-1].text = "".join(self._text)
        self._text.clear()
        self._length = 0


def records(source: Source, names: frozenset[str], progress: Progress) -> Iterator[tuple[int, Element]]:
    """(line, element) for each element named in ``names``, outermost ones only, names without namespaces.

    Raises CatalogueUnreadable where the file is not well-formed XML or declares a document type.
    """
    builder = _Records(names)
    try:
        for chunk in source.chunks(progress):
            builder.parser.Parse(chunk, False)
            yield from builder.ready
            builder.ready.clear()
        builder.parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise CatalogueUnreadable(f"{source.name}, line {error.lineno}: {expat.ErrorString(error.code)}") from None
    except _Refused as refusal:
        raise CatalogueUnreadable(f"{source.name}, line {builder.parser.CurrentLineNumber}: {refusal}") from None
    yield from builder.ready


def root(source: Source, progress: Progress) -> str:
    """The local name of the document element; empty where the file is not XML."""
    builder = _Records(frozenset())
    try:
        for chunk in source.chunks(progress, 1 << 14):
            builder.parser.Parse(chunk, False)
            if builder.root:
                return builder.root
    except (expat.ExpatError, _Refused, CatalogueUnreadable):
        return builder.root
    return builder.root


def text_of(element: Element | None) -> str:
    """The element's text with its space collapsed; empty where there is none."""
    return " ".join((element.text or "").split()) if element is not None else ""

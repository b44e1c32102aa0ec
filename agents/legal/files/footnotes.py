"""Footnotes of a DOCX file, which python-docx does not write: the part, its styles, and the references to it."""

from __future__ import annotations

from typing import Any

from docx.enum.style import WD_STYLE_TYPE
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml.ns import nsdecls, qn
from docx.shared import Pt
from lxml import etree

_CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
#: Word wants these two before all others.
_EMPTY = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:footnotes {nsdecls("w")}>
<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>
<w:footnote w:type="continuationSeparator" w:id="0"><w:p><w:r><w:continuationSeparator/></w:r></w:p></w:footnote>
</w:footnotes>"""


class Footnotes:
    """The footnotes of one document; :meth:`close` before it is saved."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._root = etree.fromstring(_EMPTY.encode())
        self._count = 0
        styles = document.styles
        text = styles.add_style("Footnote Text", WD_STYLE_TYPE.PARAGRAPH)
        text.font.size = Pt(9)
        mark = styles.add_style("Footnote Reference", WD_STYLE_TYPE.CHARACTER)
        mark.font.superscript = True
        self._text, self._mark = text.style_id, mark.style_id

    def add(self, paragraph: Any, text: str) -> None:
        """Put a footnote with ``text`` at the end of a paragraph."""
        self._count += 1
        note = etree.SubElement(self._root, qn("w:footnote"), {qn("w:id"): str(self._count)})
        body = etree.SubElement(note, qn("w:p"))
        etree.SubElement(etree.SubElement(body, qn("w:pPr")), qn("w:pStyle"), {qn("w:val"): self._text})
        self._run(body, "w:footnoteRef", {})
        run = etree.SubElement(body, qn("w:r"))
        words = etree.SubElement(run, qn("w:t"), {"{http://www.w3.org/XML/1998/namespace}space": "preserve"})
        words.text = f" {text}"
        self._run(paragraph._p, "w:footnoteReference", {qn("w:id"): str(self._count)})

    def _run(self, parent: Any, tag: str, attributes: dict[str, str]) -> None:
        run = parent.makeelement(qn("w:r"), {})
        properties = etree.SubElement(run, qn("w:rPr"))
        etree.SubElement(properties, qn("w:rStyle"), {qn("w:val"): self._mark})
        etree.SubElement(run, qn(tag), attributes)
        parent.append(run)

    def close(self) -> None:
        """Add the part to the document."""
        if not self._count:
            return
        package = self._document.part.package
        blob = etree.tostring(self._root, xml_declaration=True, encoding="UTF-8", standalone=True)
        part = Part(PackURI("/word/footnotes.xml"), _CONTENT_TYPE, blob, package)
        self._document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)

"""The finished document as a file: Markdown and DOCX, numbered clauses, authorities as footnotes.

Section texts are plain text: whatever looks like markup in them is shown as it stands.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hexar.agents.legal.corpus.passages import Passage
from hexar.agents.legal.messages.state import Citation, Section, State

#: Stands in every file that a person reads.
NOTICE = {
    "en": "Drafted automatically from templates and a corpus. This is not legal advice; have a lawyer review it.",
    "es": "Redactado automáticamente con plantillas y un corpus. No es asesoramiento jurídico; hágalo revisar.",
}
_NO_AUTHORITIES = {"en": "No authorities were consulted.", "es": "No se consultaron fuentes jurídicas."}
MARKDOWN, DOCX = "text/markdown; charset=utf-8", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~$!])")
_LEADING = re.compile(r"^(\s*)([-+]|\d+(?=[.)]\s))(?=\s|[.)])")


def notice(state: State) -> str:
    """The line for readers."""
    language = "es" if state.language == "es" else "en"
    line = NOTICE[language]
    return line if state.authorities else f"{_NO_AUTHORITIES[language]} {line}"


def escaped(text: str) -> str:
    """One line of plain text as Markdown that shows it as it is."""
    text = _MARKUP.sub(r"\\\1", text)
    return _LEADING.sub(lambda found: f"{found[1]}\\{found[2]}" if not found[2].isdigit() else found[0], text)


def footnote(passage: Passage, citation: Citation) -> str:
    """The words of a footnote: the citation, then the quote."""
    return f"{passage.citation or passage.title}: “{citation.quote}”"


def marked(section: Section, citations: Sequence[Citation]) -> list[tuple[str, int]]:
    """A section's text in pieces, each with the number of the footnote after it; 0: none."""
    pieces: list[tuple[str, int]] = []
    at = 0
    for citation in sorted(citations, key=lambda entry: (entry.end, entry.number)):
        pieces.append((section.text[at : citation.end], citation.number))
        at = citation.end
    pieces.append((section.text[at:], 0))
    return pieces


def heading(section: Section) -> str:
    """ "4. Term", "Signatures"."""
    return f"{section.number}. {section.heading}" if section.number and section.heading else section.heading


def markdown(state: State, passages: Mapping[str, Passage]) -> bytes:
    """The document as Markdown, UTF-8."""
    rows = [f"# {escaped(state.title)}", ""]
    for index, section in enumerate(state.sections):
        if section.heading:
            rows += [f"## {escaped(heading(section))}", ""]
        text = ""
        for piece, number in marked(section, [entry for entry in state.citations if entry.section == index]):
            text += "\n".join(escaped(line) for line in piece.split("\n")) + (f"[^{number}]" if number else "")
        rows += [_lines(text), ""]
    for citation in state.citations:
        rows.append(f"[^{citation.number}]: {escaped(' '.join(footnote(passages[citation.authority], citation).split()))}")
    rows += ["", "---", "", f"*{notice(state)}*", ""]
    return "\n".join(rows).encode()


def _lines(text: str) -> str:
    """Single line ends of a paragraph kept as line breaks."""
    return re.sub(r"(?<!\n)\n(?!\n)", "  \n", text)


def docx(state: State, passages: Mapping[str, Passage]) -> bytes:
    """The document as DOCX. The library is imported when it is first needed."""
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    from hexar.agents.legal.files.footnotes import Footnotes

    document: Any = Document()
    document.core_properties.title = state.title
    document.core_properties.author = ""
    document.core_properties.comments = ""
    notes = Footnotes(document)
    title = document.add_heading(_valid(state.title), level=0)
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for index, section in enumerate(state.sections):
        if section.heading:
            document.add_heading(_valid(heading(section)), level=1)
        paragraph = document.add_paragraph()
        for piece, number in marked(section, [entry for entry in state.citations if entry.section == index]):
            for at, block in enumerate(re.split(r"\n{2,}", piece)):
                if at:
                    paragraph = document.add_paragraph()
                paragraph.add_run(_valid(block))
            if number:
                citation = next(entry for entry in state.citations if entry.number == number)
                notes.add(paragraph, _valid(footnote(passages[citation.authority], citation)))
    line = document.sections[0].footer.paragraphs[0].add_run(notice(state))
    line.italic = True
    line.font.size = Pt(8)
    notes.close()
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _valid(text: str) -> str:
    """Text without characters that XML cannot hold."""
    return "".join(
        char
        for char in text
        if char in "\t\n" or 0x20 <= ord(char) < 0xD800 or 0xDFFF < ord(char) < 0xFFFE or ord(char) > 0xFFFF
    )

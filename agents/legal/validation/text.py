# ruff: noqa: E501  # a pattern is read in one line
"""A document as the checks read it: one text, its headings, its signatures, and where each place of it really stands.

Both kinds of document are read alike: sections of a draft, and a text that someone sent, plain or Markdown. Marks of Markdown
that are not words are left out, and every position is led back to where it stands.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hexar.agents.legal.messages.state import Finding, Section, Severity
from hexar.agents.legal.validation.wording.ordinals import ORDINAL, ROMAN
from hexar.core.text.terms import detect

_MARKS = re.compile(
    r"\*{1,3}|(?<![_\w])_{1,2}(?=[^\W_])|(?<=[^\W_])_{1,2}(?![\w_])|\\(?=[\\`*_{}\[\]()<>#+.!|~$-])|\[\^\w+\]:?|^#{1,6}[ \t]+|^>[ \t]?|\{#[\w-]+\}",
    re.MULTILINE,
)
_HEADS = r"Section|Article|Clause|Paragraph|Secci[óo]n|Art[íi]culo|Cl[áa]usula|Estipulaci[óo]n|Pacto"
_NUMBERED = re.compile(
    rf"^[ \t]*(?:(?P<word>{_HEADS}|{_HEADS.upper().replace('Ó', 'ÓO')})[ \t]+)?"
    rf"(?P<number>\d{{1,3}}(?:\.\d{{1,3}})*[º°]?|(?<=[A-Za-zóíÓÍ][ \t])[IVXLC]{{1,7}}(?![\w])|{ROMAN}(?=[.)][ \t]+[A-ZÁÉÍÓÚÑ])|(?i:{ORDINAL})(?=[ \t]*[.:)]))"
    r"(?P<mark>[.):]+[-–—]?|[ \t]*[-–—])?(?:[ \t]+(?P<title>\S.*)?)?$",
    re.MULTILINE,
)
_ATTACHED = re.compile(
    r"^[ \t]*(?P<word>Exhibit|Schedule|Annex|Appendix|Attachment|Anexo|Apéndice|EXHIBIT|SCHEDULE|ANNEX|APPENDIX|ATTACHMENT|ANEXO)"
    r"[ \t]+(?P<label>[A-Z]|\d{1,2}|[IVX]{1,5})\b(?P<title>[^\n]{0,100})$",
    re.MULTILINE,
)
#: How the part begins that is signed: forms of words, and lines that leave room for a hand.
_SIGNING = re.compile(
    r"^[ \t]*(?:IN WITNESS WHEREOF|EN FE DE LO CUAL|(?:Y )?EN PRUEBA DE|(?:Y )?PARA (?:QUE CONSTE|CONSTANCIA)|LE[ÍI]DO (?:QUE|EL|Y)|(?:SE )?FIRMAN? |FIRMADO"
    r"|Signatures?(?: Page)?:?[ \t]*$|Firmas?:?[ \t]*$|AGREED:?[ \t]*$"
    r"|(?:\d+[.)]?[ \t]+)?Signatures?[ \t]*$|Accepted and agreed|(?:EXECUTED|SIGNED|DULY SIGNED)\b|By:|By[ \t]*_{3,}|Firma:|Fdo\b|\(firma\)|/s/|p\.? ?[/p]\.? "
    r"|(?:For|Por)(?: and on behalf of)?(?: the| el| la)? [A-Z][^.\n]{2,60}$"
    r"|[_.–—-]{8,}(?:[ \t]+[_.–—-]{8,})?[ \t]*$)|^[^\n]{0,60}\b(?:signature|firma)s?: ?_{3,}|^[^\n:]{2,60}: ?_{6,}[^\n]*$",
    re.MULTILINE | re.IGNORECASE,
)


#: What a numbered paragraph says, and no heading does.
_SENTENCE = re.compile(
    r"\b(?:shall|will|may|must|is|are|was|has|have|agrees?|grants?|podrá|deberá|será|serán|es|son|se|entrega|pagará|\w+(?:ará|erá|irá|arán|erán|irán))\b"
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A numbered or titled place of the document."""

    number: str
    title: str
    start: int


@dataclass(slots=True)
class Place:
    """A stretch of the text that belongs to one section, or to the text that was sent."""

    start: int
    section: int
    origin: list[int] | None = None


@dataclass
class Document:
    """A document to check. Positions in ``text`` are led back by :meth:`finding`."""

    text: str
    places: list[Place]
    headings: list[Heading] = field(default_factory=list)
    language: str = "en"

    @classmethod
    def of_sections(cls, sections: Sequence[Section], language: str) -> Document:
        """The document that a draft's sections are."""
        text, places, headings = "", [], []
        for at, section in enumerate(sections):
            if section.heading:
                headings.append(Heading(section.number, section.heading, len(text)))
                text += f"{section.number + '. ' if section.number else ''}{section.heading}\n\n"
            places.append(Place(len(text), at))
            text += section.text
            places.append(Place(len(text), -1))
            text += "\n\n"
        document = cls(text, places, headings, language)
        document.headings = sorted(
            [*headings, *_headings(text, {heading.start for heading in headings})], key=lambda h: h.start
        )
        return document

    @classmethod
    def of_text(cls, text: str) -> Document:
        """The document that a text is, plain or Markdown."""
        kept: list[str] = []
        origin: list[int] = []
        titles: list[tuple[int, str]] = []
        at = 0
        for mark in _MARKS.finditer(text):
            kept.append(text[at : mark.start()])
            origin.extend(range(at, mark.start()))
            if mark.group().startswith("#"):
                end = text.find("\n", mark.end())
                titles.append((len(origin), text[mark.end() : end if end >= 0 else len(text)]))
            at = mark.end()
        kept.append(text[at:])
        origin.extend(range(at, len(text)))
        origin.append(len(text))
        cleaned = "".join(kept)
        headings = _headings(cleaned, set())
        known = {heading.start for heading in headings}
        headings += [Heading("", title.strip(" *_"), start) for start, title in titles if start not in known]
        headings.sort(key=lambda heading: heading.start)
        return cls(cleaned, [Place(0, -1, origin)], headings, detect(text) or "en")

    @cached_property
    def signing(self) -> int:
        """Where the signatures begin; the end of the text where there are none."""
        found = [match.start() for match in _SIGNING.finditer(self.text) if match.start() >= self._clauses_end]
        return min(found, default=len(self.text))

    @cached_property
    def _clauses_end(self) -> int:
        """Where the last numbered clause before any schedule begins, and at least a third of the text: nobody signs before."""
        third = len(self.text) // 3
        schedules = [at for at in self.attachments.values() if at > third]
        first = min(schedules, default=len(self.text))
        return max([third, *(heading.start for heading in self.headings if third < heading.start < first and heading.number)])

    @cached_property
    def body(self) -> str:
        """The text before the signatures."""
        return self.text[: self.signing]

    @cached_property
    def attachments(self) -> dict[str, int]:
        """Exhibits, schedules and annexes that stand in the document, by "exhibit a"."""
        return {f"{match['word']} {match['label']}".casefold(): match.start() for match in _ATTACHED.finditer(self.text)}

    def sentence(self, at: int) -> tuple[int, int]:
        """(start, end) of about the sentence around a position."""
        before = [self.text.rfind(mark, 0, at) + len(mark) for mark in ("\n", ". ", "; ") if mark in self.text[:at]]
        start = max(before, default=0)
        ends = [end for end in (self.text.find("\n", at), self.text.find(". ", at), self.text.find("; ", at)) if end >= 0]
        return start, min(ends, default=len(self.text))

    def finding(
        self,
        message: str,
        start: int,
        end: int,
        *,
        severity: Severity = Severity.ERROR,
        suggestion: str = "",
        field_name: str = "",
    ) -> Finding:
        """A finding at a stretch of :attr:`text`."""
        place = self.places[max(0, bisect_right([place.start for place in self.places], start) - 1)]
        if place.origin is not None:
            first, last = place.origin[start], place.origin[max(start, end - 1)] + 1
            return Finding(message, severity, -1, first, last, suggestion, field_name)
        if place.section < 0:
            return Finding(message, severity, -1, 0, 0, suggestion, field_name)
        return Finding(message, severity, place.section, start - place.start, end - place.start, suggestion, field_name)


def _headings(text: str, known: set[int]) -> list[Heading]:
    """Places that a line of the text numbers."""
    found: list[Heading] = []
    for match in _NUMBERED.finditer(text):
        if match.start() in known:
            continue
        number, title = match["number"], (match["title"] or "").strip()
        numbered = match["mark"] or match["word"] or "." in number
        # "30 days after …" is a wrapped line, "4 Confidentiality" a heading.
        if not numbered and not (title[:1].isupper() and len(title) < 60 and not title.endswith((".", ",", ";"))):
            continue
        short = re.split(r"(?<=[\w)])[.:](?:\s|$)|\s[-–—]\s", title, maxsplit=1)[0]
        titled = len(short) <= 80 and not _SENTENCE.search(short)
        found.append(Heading(number, short if titled else "", match.start()))
    return found

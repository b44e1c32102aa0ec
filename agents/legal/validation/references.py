# ruff: noqa: E501  # a pattern is read in one line
"""Cross-references: that every section, exhibit and schedule that is referred to is there, and is what it is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rapidfuzz import fuzz

from hexar.agents.legal.messages.state import Finding, Severity
from hexar.agents.legal.validation.text import Document, Heading

_LABEL = r"\d{1,4}[A-Z]?(?:\.\d{1,3})*(?:\([a-zA-Z0-9]{1,4}\))*|[IVXLC]{1,7}(?![a-z])"
_SECTIONS = re.compile(
    rf"\b(?P<word>Sections?|Clauses?|Articles?|Paragraphs?|[Ss]ecciones|[Ss]ecci[óo]n|[Cc]l[áa]usulas?|[Aa]rt[íi]culos?|section|clause|paragraph)\s+"
    rf"(?P<labels>(?:{_LABEL})(?:(?:,\s*|\s+(?:and|or|through|to|y|o|a)\s+)(?:{_LABEL}))*)",
)
_ATTACHED = re.compile(
    r"\b(?P<word>Exhibit|Schedule|Annex|Appendix|Attachment|Anexo|Apéndice)\s+(?P<label>[A-Z]|\d{1,2}|[IVX]{1,5})\b"
)
#: What makes a section one of a law, after it and before it.
_LAW_AFTER = re.compile(
    r"(?:\([a-z0-9]+\))*,?\s*(?:et seq\.?,?\s*)?(?:of|under|del?|de la)\s+(?:(?:the|title|that|said|such|chapter|part|division)\s+)*(?:[\w’'.&-]+\s+){0,8}?(?:Act|Code|Law|Laws|Rules?|Regulations?|Constitution|Statutes?|U\.?S\.?C|C\.?F\.?R|C[óo]digo|Ley|Estatuto|Directive|GDPR|Reglamento)\b|\s+election\b"
)
_LAW_BEFORE = re.compile(
    r"(?:Act|Code|Law|Stat\.|Statutes|Rules?|U\.?S\.?C\.?|C\.?F\.?R\.?|C[óo]digo(?: \w+)?|Ley|Regulations?)[,\s]*(?:§\s*)?$"
)
_TITLED = re.compile(
    r"^\s*(?:\(\s*[\"“]?([A-ZÁÉÍÓÚ][^()\"”\n]{2,60})[\"”]?\s*\)|,?\s+(?:titled|entitled|headed)\s+[\"“]([^\"”\n]{2,60})[\"”])"
)


def references(document: Document) -> Iterator[Finding]:
    """References that lead nowhere, or to a section of another name."""
    yield from _sections(document)
    yield from _attachments(document)


def _sections(document: Document) -> Iterator[Finding]:
    text = document.text
    numbered = {heading.number.rstrip("."): heading for heading in document.headings if heading.number}
    starts = {heading.start for heading in document.headings}
    titled = [heading for heading in document.headings if not heading.number and heading.title]
    for match in _SECTIONS.finditer(text):
        if _heading_line(text, match.start(), starts):
            continue
        if _LAW_AFTER.match(text[match.end() : match.end() + 120]) or _LAW_BEFORE.search(
            text[max(0, match.start() - 40) : match.start()]
        ):
            continue
        for label in re.finditer(_LABEL, match["labels"]):
            number = re.sub(r"\(.*$", "", label.group())
            if re.search(r"\d[A-Z]$", number):
                continue
            start = match.start("labels") + label.start()
            problem = _problem(document, numbered, len(titled), label.group(), number)
            if problem:
                yield document.finding(f"{match['word']} {label.group()} {problem}", start, start + len(label.group()))
                continue
            named = _TITLED.match(text[match.end() : match.end() + 90])
            heading = numbered.get(number)
            if named and heading is not None and heading.title and label.end() == len(match["labels"]):
                wanted = (named[1] or named[2]).strip()
                if fuzz.WRatio(wanted.casefold(), heading.title.casefold()) < 60:
                    message = f"{match['word']} {number} is {heading.title!r}, not {wanted!r}"
                    yield document.finding(message, start, match.end() + named.end())


def _heading_line(text: str, at: int, starts: set[int]) -> bool:
    line = text.rfind("\n", 0, at) + 1
    return not text[line:at].strip() and any(line <= start <= at for start in starts)


def _problem(document: Document, numbered: Mapping[str, Heading], titled: int, label: str, number: str) -> str:
    if number.isdigit() and int(number) >= 100 and not any(int(other) >= 50 for other in numbered if other.isdigit()):
        return ""  # a section of a law that is named elsewhere
    if not numbered:
        # Headings without numbers are counted.
        if number.isdigit() and titled and int(number) > titled:
            return "is not in the document"
        return "" if titled else "is not in the document: it has no numbered sections"
    known = number in numbered or any(other.startswith(f"{number}.") for other in numbered)
    if not known:
        parent = number.rsplit(".", 1)[0]
        if "." in number and parent in numbered and not any(other.startswith(f"{parent}.") for other in numbered):
            return f"is not in the document: Section {parent} has no parts"
        return "is not in the document"
    part = re.search(r"\(([a-z0-9]{1,4})\)", label)
    if part and number in numbered:
        body = _section_text(document, number)
        if "(" in body and re.search(r"\([a-z0-9]{1,4}\)", body) and f"({part[1]})" not in body:
            return f"is not in the document: Section {number} has no ({part[1]})"
    return ""


def _section_text(document: Document, number: str) -> str:
    """The text of a section, up to the next that is not a part of it."""
    at = next((i for i, heading in enumerate(document.headings) if heading.number.rstrip(".") == number), -1)
    if at < 0:
        return ""
    following = (h.start for h in document.headings[at + 1 :] if not h.number.startswith(f"{number}."))
    return document.text[document.headings[at].start : next(following, len(document.text))]


def _attachments(document: Document) -> Iterator[Finding]:
    present = document.attachments
    for match in _ATTACHED.finditer(document.text):
        key = f"{match['word']} {match['label']}".casefold()
        if key in present:
            continue
        # Where nothing of the kind is in the text, it may be a file of its own.
        others = any(name.startswith(match["word"].casefold()) for name in present)
        severity = Severity.ERROR if others else Severity.INFO
        yield document.finding(f"{match.group()} is not in the document", match.start(), match.end(), severity=severity)

# ruff: noqa: E501  # a pattern is read in one line
"""Every section, exhibit and schedule that is referred to is there, and is what it is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rapidfuzz import fuzz

from hexar.agents.legal.messages.state import Finding, Severity
from hexar.agents.legal.validation.text import Document, Heading
from hexar.agents.legal.validation.wording.ordinals import ORDINAL, canonical

_PARTS = r"(?:\([a-zA-Z0-9]{1,4}\))*"
_LABEL = rf"(?:\d{{1,4}}[A-Z]?(?:\.\d{{1,3}})*{_PARTS}|[IVXLC]{{1,7}}(?![\w])|(?i:{ORDINAL})(?!\w))"
_SECTIONS = re.compile(
    rf"\b(?P<word>(?i:Sections?|Clauses?|Articles?|Paragraphs?|Secciones|Secci[óo]n|Cl[áa]usulas?|Art[íi]culos?|Estipulaci(?:ón|ones)|Pactos?))\s+"
    rf"(?P<labels>{_LABEL}(?:(?:,\s*|,?\s+(?:and|or|through|to|y|o|a)\s+){_LABEL})*)",
)
_ATTACHED = re.compile(
    r"\b(?P<word>Exhibit|Schedule|Annex|Appendix|Attachment|Anexo|Apéndice)\s+(?P<label>[A-Z]|\d{1,2}|[IVX]{1,5})\b"
)
_LAWS = r"(?:Act|Code|Law|Laws|Rules?|Regulations?|Constitution|Statutes?|U\.?S\.?C|C\.?F\.?R|Order|Ordinance|Directive|Convention|GDPR|C[óo]digo|Ley|Leyes|Estatuto|Directiva|Reglamento|Constituci[óo]n|Decreto)"
#: What makes a section one of a law, after it and before it.
_LAW_AFTER = re.compile(
    rf"{_PARTS},?\s*(?:et seq\.?,?\s*)?(?:of|under|to|del?|de (?:la|esta|dicha|su))\s+[^.;:\n]{{0,90}}?\b{_LAWS}\b|,?\s*(?:[A-Z][\w’'.&]*\.?\s+){{0,4}}{_LAWS}\b|\s+election\b|\s+de (?:esta|dicha|la misma|la citada) ley\b|\s*(?:bis|ter)\b"
)
_LAW_BEFORE = re.compile(rf"(?:{_LAWS}|Stat\.)(?:\s+\w+)?[,\s]*(?:§\s*)?$|\b(?:its|su|sus|cuyo|dicho|whose)\s+$")
_TITLED = re.compile(
    r"^\s*(?:\(\s*[\"“]?([A-ZÁÉÍÓÚ][^()\"”\n]{2,60})[\"”]?\s*\)|,?\s+(?:titled|entitled|headed)\s+[\"“]([^\"”\n]{2,60})[\"”])"
)


def references(document: Document) -> Iterator[Finding]:
    """References that lead nowhere, or to a section of another name."""
    yield from _sections(document)
    yield from _attachments(document)


def _sections(document: Document) -> Iterator[Finding]:
    text = document.text
    numbered = {canonical(heading.number.rstrip("º°")): heading for heading in document.headings if heading.number}
    starts = {heading.start for heading in document.headings}
    titled = [heading for heading in document.headings if not heading.number and heading.title]
    for match in _SECTIONS.finditer(text):
        if _heading_line(text, match.start(), starts) or _of_a_law(text, match):
            continue
        for label in re.finditer(_LABEL, match["labels"]):
            number = canonical(re.sub(r"\(.*$", "", label.group()))
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


def _of_a_law(text: str, match: re.Match[str]) -> bool:
    """Whether a section is one of a law: the words around it name the law, or point back to one."""
    return bool(
        _LAW_AFTER.match(text[match.end() : match.end() + 140])
        or _LAW_BEFORE.search(text[max(0, match.start() - 40) : match.start()])
    )


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
        if re.search(r"\([a-z0-9]{1,4}\)", body) and f"({part[1]})" not in body:
            return f"is not in the document: Section {number} has no ({part[1]})"
    return ""


def _section_text(document: Document, number: str) -> str:
    """The text of a section, up to the next that is not a part of it."""
    labels = [canonical(heading.number.rstrip("º°")) for heading in document.headings]
    at = next((i for i, label in enumerate(labels) if label == number), -1)
    if at < 0:
        return ""
    following = (document.headings[i].start for i in range(at + 1, len(labels)) if not labels[i].startswith(f"{number}."))
    return document.text[document.headings[at].start : next(following, len(document.text))]


def _attachments(document: Document) -> Iterator[Finding]:
    present = document.attachments
    for match in _ATTACHED.finditer(document.text):
        key = f"{match['word']} {match['label']}".casefold()
        if key in present:
            continue
        # Where nothing of the kind is in the text, it may be a file of its own; a schedule to a law is no part of a contract.
        if re.match(rf"\s+(?:to|of)\s+the\s+[^.;\n]{{0,60}}\b{_LAWS}\b", document.text[match.end() : match.end() + 90]):
            continue
        others = any(name.startswith(match["word"].casefold()) for name in present)
        severity = Severity.ERROR if others else Severity.INFO
        yield document.finding(f"{match.group()} is not in the document", match.start(), match.end(), severity=severity)

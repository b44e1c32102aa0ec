# ruff: noqa: E501  # a pattern is read in one line
"""The law that governs: one place, the right one, and what its rules say of the document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from hexar.agents.legal.corpus.jurisdictions import display, lineage, named_in, places
from hexar.agents.legal.messages.state import Finding, Severity
from hexar.agents.legal.templates.model import DocumentType
from hexar.agents.legal.validation.text import Document

#: A place whose law governs stands right after one of these.
_GOVERNED = re.compile(
    r"\b(?:governed(?: exclusively)? by|construed (?:and enforced )?(?:in accordance with|under)|interpreted (?:in accordance with|under)|subject to)"
    r"[^.;\n]{0,80}?\blaws?(?:\s+and\s+regulations)?\b(?: of| in force in)?(?: the)?(?: State| Commonwealth| Province| Republic| laws)?(?: of)?\s*"
    r"|\b(?:reg(?:irá|irán|ido|ida)|rigen?|sujet[oa]s?|someten?|interpretará) (?:por|a|según|conforme a) (?:las leyes|la ley|la legislación|el derecho|las normas)(?: (?:vigentes?|aplicables?) (?:en|de))?(?: de(?:l)?(?: Estado de)?)?\s*"
    r"|^[ \t]*(?:Governing|Applicable) Law(?: Listed)?:\s*(?:(?:the )?laws? of (?:the )?(?:State of )?)?|^[ \t]*Ley aplicable:\s*"
    r"|\bgoverned by\s+(?:and construed in accordance with\s+)?(?=[A-Z][\w ]{2,40}\slaw\b)",
    re.IGNORECASE | re.MULTILINE,
)
#: "The laws of the State of … govern", "… law governs": a place between these.
_LAWS_OF = re.compile(
    r"\blaws? of (?:the )?(?:State |Commonwealth |Province |Republic )?(?:of )?$|\b(?:leyes|ley|legislación|derecho) de(?:l Estado de)?\s$",
    re.IGNORECASE,
)
_GOVERN = re.compile(r"[^.;\n]{0,60}?\b(?:governs?|controls?|appl(?:y|ies)|rigen?|regirán?)\b", re.IGNORECASE)
#: Characters between "the laws of" and the place.
NEAR = 40
#: English law, ley peruana: a law by the adjective of its place, in a sentence that says what governs.
_GOVERNING = re.compile(
    r"\b(?:govern\w*|construed|interpreted|subject to|appl(?:y|ies)|proper law|rige\w*|regir\w*|regid[oa]|someten?|sujet[oa]s?|aplica\w*|aplicará|interpretará)\b|\bs(?:e|erá) aplicable",
    re.IGNORECASE,
)
_LAW_GOVERNS = re.compile(r"(?:'s|’s)?\slaw\s(?:[a-z]+\s){0,2}(?:governs?|controls?|applies)\b")


def governing_places(document: Document) -> list[tuple[int, int, str]]:
    """Places that the document says govern it: (start, end, path)."""
    places = named_in(document.text)
    found: list[tuple[int, int, str]] = []
    for match in _GOVERNED.finditer(document.text):
        for start, end, path in places:
            if match.end() <= start <= match.end() + NEAR and "\n" not in document.text[match.end() : start]:
                found.append((start, end, path))
                break
    for start, end, path in places:
        after = document.text[end : end + 80]
        if _LAW_GOVERNS.match(after) or (_LAWS_OF.search(document.text[max(0, start - 50) : start]) and _GOVERN.match(after)):
            found.append((start, end, path))
    for match in _adjectives().finditer(document.text):
        first, last = document.sentence(match.start())
        if _GOVERNING.search(document.text[first:last]):
            word = match["en"] or match["es"]
            path = _law_of().get(word.casefold().removesuffix("s"), "") or _law_of()[word.casefold()]
            group = "en" if match["en"] else "es"
            found.append((match.start(group), match.end(group), path))
    return sorted(set(found))


@lru_cache(maxsize=1)
def _law_of() -> dict[str, str]:
    return {adjective.casefold(): place.path for place in places().values() for adjective in place.adjectives}


@lru_cache(maxsize=1)
def _adjectives() -> re.Pattern[str]:
    words = "|".join(sorted((re.escape(word) for word in _law_of()), key=len, reverse=True))
    return re.compile(
        rf"(?<![\w-])(?P<en>{words})\s(?:(?:domestic|federal|internal|national|substantive)\s)?laws?\b"
        rf"|\b(?:ley|leyes|legislación|derecho|normativa|código civil)\s(?:(?:civil|común|general|laboral|mercantil|nacional|vigente)\s)?(?P<es>(?:{words})s?)(?!\w)",
        re.IGNORECASE,
    )


def governing_law(document: Document, jurisdiction: str) -> Iterator[Finding]:
    """A place that is not the document's, or several that do not agree. ``jurisdiction`` empty: only whether they agree."""
    found = governing_places(document)
    applies = set(lineage(jurisdiction)) if jurisdiction else set()
    # A document for a country may be governed by the law of one of its states.
    wrong = [row for row in found if jurisdiction and row[2] not in applies and jurisdiction not in lineage(row[2])]
    for start, end, path in wrong:
        message = f"the law of {display(path)} governs, and the document is for {display(jurisdiction)}"
        yield document.finding(message, start, end, suggestion=display(jurisdiction, document.language))
    if not wrong and len({path for _, _, path in found}) > 1:
        first = found[0]
        for start, end, path in found[1:]:
            if path not in lineage(first[2]) and first[2] not in lineage(path):
                yield document.finding(f"the law of {display(first[2])} governs, and here that of {display(path)}", start, end)


def missing_law(document: Document, kind: DocumentType | None) -> Iterator[Finding]:
    """A document of a type that names its law, and does not."""
    if kind is not None and any(clause.key == "governing-law" for clause in kind.clauses) and not governing_places(document):
        yield Finding("no place is named whose law governs")


@lru_cache(maxsize=1)
def rules() -> list[dict[str, Any]]:
    """The rules by place."""
    rows: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("rules.yaml").read_text("utf-8"))
    return rows


def place_rules(document: Document, jurisdiction: str, kind: DocumentType | None) -> Iterator[Finding]:
    """What the rules of the place forbid, or ask for and do not find."""
    for rule in rules():
        if rule["jurisdiction"] not in lineage(jurisdiction):
            continue
        if rule.get("types") and (kind is None or kind.name not in rule["types"]):
            continue
        text = document.body
        if rule.get("when") and not re.search(rule["when"], text, re.IGNORECASE):
            continue
        severity = Severity(rule.get("severity", "error"))
        message = f"{rule['message']} ({rule['authority']})"
        if rule.get("forbids"):
            for match in re.finditer(rule["forbids"], text, re.IGNORECASE):
                first, last = document.sentence(match.start())
                if not (rule.get("unless") and re.search(rule["unless"], text[first:last], re.IGNORECASE)):
                    yield document.finding(message, match.start(), match.end(), severity=severity)
        elif not re.search(rule["requires"], text, re.IGNORECASE):
            yield Finding(message, severity)

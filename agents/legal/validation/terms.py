# ruff: noqa: E501  # a pattern is read in one line
"""Defined terms: those that are used and never defined, those that are defined and never used."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hexar.agents.legal.citations.recognise import recognise
from hexar.agents.legal.corpus.jurisdictions import named_in
from hexar.agents.legal.messages.state import Finding, Severity
from hexar.agents.legal.validation.parties import find_parties
from hexar.agents.legal.validation.text import Document
from hexar.agents.legal.validation.wording.nouns import habits, is_noun
from hexar.agents.legal.validation.wording.people import COMPANY

_START = "A-ZÁÉÍÓÚÑ"
_ARTICLE = r"(?:(?:[Tt]he|THE|[Aa]n?|[Ee]ach|[Ll]as?|[Ee]l|[Ll]os|LAS?|EL|LOS)\s+)"
_QUOTED = re.compile(rf"(?:[\"“«„]|\[\[){_ARTICLE}?([{_START}][^\"”»“\]\n]{{1,60}}?)(?:[\"”»“]|\]\])")
#: (Consultant), (the Disclosing Party): brackets that hold a capitalised name and no more.
_BRACKETED = re.compile(
    rf"\((?:each,?\s|together,?\s|collectively,?\s|hereinafter,?\s|en adelante,?\s)?{_ARTICLE}?['‘’]?([{_START}][\w’'/&-]*(?:\s[{_START}][\w’'/&-]*){{0,4}})['‘’]?\)"
)
#: hereinafter called the Author, en adelante EL ARRENDADOR, in its capacity as Borrower, como VENDEDOR.
_CALLED = re.compile(
    rf"\b(?:hereinafter|hereafter|referred to as|known as|called|en adelante|en lo sucesivo|denominar[áa]n?|denominad[oa]s?|as|como)\b(?:\s(?:as|referred to as|called|se le|se|denominará|denominad[oa]s?|individualmente|simplemente))*,?\s[\"“«‘]?{_ARTICLE}?"
    rf"([{_START}][\w’'/&-]+(?:\s[{_START}][\w’'/&-]+){{0,3}})"
)
_LABELLED = re.compile(
    rf"^[ \t]*(?:[-•]|\d+(?:\.\d+)*[.)]?|\([a-z]\)|[a-z]\))?[ \t]*[\"“«\[]{{0,2}}([{_START}][\w ’'/&-]{{1,50}}?)[\"”»\]]{{0,2}}(?:[ \t]*:|[ \t]+(?:means|shall mean|refers to|significa|es|son)\b)",
    re.MULTILINE,
)
#: A line that is a title: in capitals throughout, or a few words without a full stop.
_TITLE = re.compile(rf"^[ \t]*([{_START}][{_START}\d ’'&/,.:–—-]{{2,80}}?)[ \t.:]*$", re.MULTILINE)
#: A line of a few capitalised words, as forms label their entries.
_ENTRY = re.compile(
    rf"^[ \t]*([{_START}][\w’'-]+(?: (?:of|the|for|and|with|de|del|la|[{_START}][\w’'-]+)){{0,6}})[ \t]*$", re.MULTILINE
)
_WORD = rf"[{_START}][a-záéíóúñ]+(?:-[{_START}]?[a-záéíóúñ]+)?"
_PHRASE = rf"{_WORD}(?:\s(?:(?:of(?:\sthe)?|de(?:\sla)?|del|en)\s)?{_WORD}){{0,4}}"
#: A term as it is used: after a word that only stands before a thing; one of several words also after a preposition.
_USED = re.compile(
    rf"\b(?:[Tt]he|[Aa]ny|[Ss]uch|[Ee]ach|[Aa]ll|[Ii]ts|[Tt]heir|[Hh]is|[Hh]er|[Tt]hese|[Tt]hose|[Nn]o|[Ll]a|[Ee]l|[Aa]l|[Dd]el|[Ll]os|[Ll]as|[Ss]us?|[Cc]ada)\s"
    rf"(?P<term>{_PHRASE})(?![\w])"
    rf"|(?<![{_START}])\b[a-záéíóúñ]+\s(?:for|of|with|without|by|to|from|upon|after|before|during)\s(?P<bare>{_WORD}(?:\s{_WORD}){{1,3}})(?![\w])"
)
#: What stands behind a term that is explained elsewhere.
_EXPLAINED = (
    r"(?:(?:as\s)?(?:defined|described|identified|listed|named|specified|stated|set out|set forth|shown|attached)\s"
    r"(?:in|on|by|under|below|above|at|to)\b|in (?:the )?(?:[A-Z]\w+ Terms|Annex|Schedule|Exhibit|Order|Particulars|Summary)\b)"
)
#: Words inside a name.
_NAMING = r"of|the|for|on|and|to|de|del|la|las|los|el|al|y|en|para|sobre"
_JOINING = frozenset(("of", "the", "de", "del", "la", "en", "and"))


def defined_terms(document: Document) -> dict[str, int]:
    """What the document defines: term in lower case → where; parties, roles and headings among them."""
    found: dict[str, int] = {}
    for pattern in (_QUOTED, _BRACKETED, _CALLED, _LABELLED):
        for match in pattern.finditer(document.text):
            found.setdefault(_key(match[1]), match.start(1))
    for party in find_parties(document):
        for name in (party.name, party.role):
            if name:
                found.setdefault(_key(name), party.start)
    return found


def _key(term: str) -> str:
    return " ".join(re.sub(r"[^\w\s/-]", " ", term).split()).casefold()


def _singular(key: str) -> str:
    words = key.split()
    if not words:
        return key
    last = words[-1]
    if last.endswith("ies"):
        last = last[:-3] + "y"
    elif last.endswith(("ses", "xes", "ches", "shes", "ores", "ciones", "dades")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith("ss"):
        last = last[:-1]
    return " ".join([*words[:-1], last])


def terms(document: Document) -> Iterator[Finding]:
    """Terms that are used as if they were defined, and are not."""
    known = defined_terms(document)
    titles = {_key(heading.title) for heading in document.headings if heading.title}
    titles |= {_key(match[1]) for pattern in (_TITLE, _ENTRY) for match in pattern.finditer(document.body)}
    title = _key(document.text[:200].split("\n", 1)[0])
    names = {_singular(key) for key in (*known, *titles)} | set(known) | titles
    names |= {" ".join(_singular(word) for word in key.split()) for key in known}
    outside = [(place.start, place.end) for place in recognise(document.text)] + [(a, b) for a, b, _ in named_in(document.text)]
    outside += [match.span() for match in COMPANY.finditer(document.text)]
    outside += [(heading.start, heading.start + len(heading.number) + len(heading.title) + 2) for heading in document.headings]
    reported: set[str] = set()
    for match in _USED.finditer(document.body):
        group = "term" if match["term"] else "bare"
        term, start = match[group], match.start(group)
        key = _key(term)
        if _singular(key) in reported or not _is_term(key, document.language) or f" {key} " in f" {title} ":
            continue
        if _fits(key, names) or _fits(" ".join(_singular(word) for word in key.split()), names):
            continue
        if any(first <= start < last for first, last in outside) or _named_law(document.text, start, match.end()):
            continue
        if _elsewhere(document, match, group) or re.match(
            r"\s\([A-Z]{2,8}\)|\ssection\b|-\w", document.text[match.end() :][:24]
        ):
            continue
        reported.add(_singular(key))
        yield document.finding(f"{term!r} is used as a term and never defined", start, match.end())


def _is_term(key: str, language: str) -> bool:
    """Whether a capitalised phrase has the form of a contract's term, and not that of a name or of an institution."""
    words, known = key.split(), habits()
    if key in known.phrases or _general(words) or words[-1] in known.institutions or not known.addresses.isdisjoint(words):
        return False
    # "the Board of Medicine" and "la Junta de Castilla" are names, "the Service Levels" are none.
    if words[0] in known.institutions and (language == "es" or words[1:2] == ["of"]):
        return False
    joined = next((at for at, word in enumerate(words) if word in _JOINING), len(words))
    head = words[0] if language == "es" else words[joined - 1]
    return is_noun(head, language) and not _general([head])


def _general(words: list[str]) -> bool:
    known = habits().general
    return all(word in known or word.removesuffix("s") in known for word in words if word not in _JOINING)


def _elsewhere(document: Document, match: re.Match[str], group: str) -> bool:
    """Whether a use of the term says where it is explained ("the Works identified in Annex A"), or it begins a heading's words."""
    if re.search(rf"\b{re.escape(match[group])}s?\s{_EXPLAINED}", document.text):
        return True
    words = document.text[match.start(group) : match.start(group) + 120].casefold()
    longer = (heading.title.casefold() for heading in document.headings if len(heading.title) > len(match[group]))
    return any(words.startswith(title) for title in longer)


def _fits(key: str, names: set[str]) -> bool:
    """Whether a term, its singular, or the words that it is made of are defined."""
    if key in names or _singular(key) in names:
        return True
    return _made_of(tuple(word for word in key.split() if word not in _JOINING), names)


def _made_of(words: tuple[str, ...], names: set[str]) -> bool:
    """Whether words are names that are defined, and general words, one after the other."""
    if not words:
        return True
    for cut in range(len(words), 0, -1):
        head = " ".join(words[:cut])
        if (head in names or _singular(head) in names or _general(head.split())) and _made_of(words[cut:], names):
            return True
    return False


def _named_law(text: str, start: int, end: int) -> bool:
    """Whether a phrase is a part of the name of a law, a tax or an institution: by what goes on behind it, or stands before it."""
    behind = re.match(
        r"(?:\s?\([^()\n]{0,60}\))?(?:\s(?:and|of|for|on|the|&|[A-Z]\w+)){0,5}\s(?:Act|Code|Law|Rules|Regulations?|Order|Court|Commission|Association|Department|Agency|Administration|Authority|Service|Bureau|Office|Institute|Council|Agreements?)\b",
        text[end : end + 110],
    )
    if behind:
        return True
    words = re.findall(r"[^\W\d_]+|[^\w\s]", text[max(0, start - 90) : start])
    for word in reversed(words):
        if word.casefold() in habits().institutions and word[0].isupper():
            return True
        if not (word[0].isupper() or re.fullmatch(_NAMING, word)):
            break
    return False


def unused(document: Document) -> Iterator[Finding]:
    """Terms that are defined in quotes and stand nowhere else."""
    folded = document.text.casefold()
    for match in _QUOTED.finditer(document.body):
        before = document.body[max(0, match.start() - 30) : match.start()]
        after = document.body[match.end() : match.end() + 20]
        if not (re.search(r"\(\s*(?:[a-z, ]+)?$", before) or re.match(r"\s+(?:means|shall mean)", after)):
            continue
        key = match[1].casefold()
        stem = key.removesuffix("s").removesuffix("ie").removesuffix("y")
        if folded.count(stem) < 2:
            yield document.finding(
                f"{match[1]!r} is defined and never used", match.start(), match.end(), severity=Severity.WARNING
            )

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

_QUOTED = re.compile(r"[\"“]([A-ZÁÉÍÓÚÑ][^\"”\n]{1,60}?)[\"”]")
_LABELLED = re.compile(
    r"^[ \t]*(?:[-•]|\d+(?:\.\d+)*[.)]?|\([a-z]\))?[ \t]*([A-ZÁÉÍÓÚÑ][\w ’'/&-]{1,50}?)(?::|[ \t]+(?:means|shall mean|refers to)\b)",
    re.MULTILINE,
)
_WORD = r"[A-ZÁÉÍÓÚÑ][a-záéíóúñ]+(?:-[A-Z][a-z]+)?"
#: A term as it is used: after a word that only stands before a thing.
_USED = re.compile(
    rf"\b(?:[Tt]he|[Aa]ny|[Ss]uch|[Ee]ach|[Aa]ll|[Ii]ts|[Tt]heir|[Hh]is|[Hh]er|[Tt]hese|[Tt]hose|[Nn]o|[Ll]a|[Ee]l|[Ll]os|[Ll]as|[Ss]us?|[Cc]ada)\s"
    rf"(?P<term>{_WORD}(?:\s(?:(?:of(?:\sthe)?|de(?:\sla)?|del|en)\s)?{_WORD}){{0,4}})(?![\w])"
)
#: What stands behind a term that is explained elsewhere.
_EXPLAINED = (
    r"(?:as\s)?(?:defined|described|identified|listed|named|specified|stated|set out|set forth|shown)\s"
    r"(?:in|on|by|under|below|above|at)\b"
)
#: Words that are capitalised in a contract without being its terms.
_GENERAL = frozenset(
    """
    abril act acuerdo addendum agosto agreement amendment american anexo anexos annex annexes appendix april arbitration
    article articles association attachment attachments august avenue bank board business chamber chief city civil
    clause clauses cláusula cláusulas code commerce commission commonwealth company's congress constitution contents
    contract contrato convention corp corporation county court courts cover código data december definitions delaware
    department diciembre director directors district dr east enero english estado european executive exhibit exhibits
    febrero february federal floor friday general god government human inc internal international internet january judge
    julio july june junio juzgado kingdom labor law laws ley llc ltd magistrate manager march marzo may mayo monday mr
    mrs ms national north november noviembre october octubre officer officers page paragraph paragraphs parte partes
    parties party preamble president professions protection recitals regulation regulations republic resources revenue
    road rules saturday schedule schedules secretary section sections september septiembre signature south spanish
    standard state states states' statute statutes street suite sunday superior supreme table term terms thursday
    treasury tribunal tribunales tuesday u.s uniform union university wednesday west world
    """.split()  # noqa: SIM905
)


#: Words that end the name of a law or of an institution.
_INSTITUTIONS = frozenset(
    [
        "act",
        "code",
        "law",
        "laws",
        "rules",
        "regulation",
        "regulations",
        "court",
        "courts",
        "commission",
        "board",
        "department",
        "association",
        "chamber",
        "bank",
        "university",
        "state",
        "states",
        "county",
        "city",
        "government",
        "union",
        "republic",
        "congress",
        "treasury",
        "secretary",
        "constitution",
        "convention",
        "ley",
        "código",
        "tribunal",
        "juzgado",
        "estado",
        "street",
        "avenue",
        "road",
        "suite",
    ]
)


def defined_terms(document: Document) -> dict[str, int]:
    """What the document defines: term in lower case → where; parties, roles and headings among them."""
    found: dict[str, int] = {}
    for match in _QUOTED.finditer(document.text):
        found.setdefault(_key(match[1]), match.start(1))
    for match in _LABELLED.finditer(document.text):
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
    elif last.endswith(("ses", "xes", "ches", "shes")):
        last = last[:-2]
    elif last.endswith("s") and not last.endswith("ss"):
        last = last[:-1]
    return " ".join([*words[:-1], last])


def terms(document: Document) -> Iterator[Finding]:
    """Terms that are used as if they were defined, and are not."""
    known = defined_terms(document)
    titles = {_key(heading.title) for heading in document.headings if heading.title}
    title = _key(document.text[:200].split("\n", 1)[0])
    names = {_singular(key) for key in (*known, *titles)} | set(known) | titles
    outside = [(place.start, place.end) for place in recognise(document.text)] + [(a, b) for a, b, _ in named_in(document.text)]
    outside += [(heading.start, heading.start + len(heading.number) + len(heading.title) + 2) for heading in document.headings]
    reported: set[str] = set()
    for match in _USED.finditer(document.body):
        term = match["term"]
        key = _key(term)
        if _singular(key) in reported or _fits(key, names) or f" {key} " in f" {title} ":
            continue
        words = key.split()
        if (
            all(word in _GENERAL for word in words if word not in ("of", "the", "de"))
            or words[-1] in _INSTITUTIONS
            or words[0] in ("state", "laws", "law")
            # "the Board of Medicine", "the University of …" are names.
            or (words[0] in _INSTITUTIONS and words[1:2] == ["of"])
        ):
            continue
        if any(start <= match.start("term") < end for start, end in outside) or _named_law(document.text, match.end()):
            continue
        if _elsewhere(document, match) or re.match(r"\s\([A-Z]{2,8}\)|\ssection\b|-\w", document.text[match.end() :][:24]):
            continue
        reported.add(_singular(key))
        yield document.finding(f"{term!r} is used as a term and never defined", match.start("term"), match.end("term"))


def _elsewhere(document: Document, match: re.Match[str]) -> bool:
    """Whether a use of the term says where it is explained ("the Works identified in Annex A"), or it begins a heading's words."""
    if re.search(rf"\b{re.escape(match['term'])}s?\s{_EXPLAINED}", document.text):
        return True
    words = document.text[match.start("term") : match.start("term") + 120].casefold()
    longer = (heading.title.casefold() for heading in document.headings if len(heading.title) > len(match["term"]))
    return any(words.startswith(title) for title in longer)


def _fits(key: str, names: set[str]) -> bool:
    """Whether a term, its singular, or the words that it is made of are defined."""
    if key in names or _singular(key) in names:
        return True
    return _made_of(tuple(word for word in key.split() if word not in ("of", "the", "de", "del", "la", "and")), names)


def _made_of(words: tuple[str, ...], names: set[str]) -> bool:
    """Whether words are names that are defined, and general words, one after the other."""
    if not words:
        return True
    for cut in range(len(words), 0, -1):
        head = " ".join(words[:cut])
        if (head in names or _singular(head) in names or head in _GENERAL) and _made_of(words[cut:], names):
            return True
    return False


def _named_law(text: str, end: int) -> bool:
    """Whether a name goes on as the name of a law or of an institution."""
    return bool(
        re.match(
            r"(?:\s(?:and|of|for|on|the|&|[A-Z]\w+)){0,5}\s(?:Act|Code|Law|Rules|Regulations?|Court|Commission|Association|Department|Agency|Administration|Authority|Service|Bureau|Office|Institute|Council)\b",
            text[end : end + 80],
        )
    )


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

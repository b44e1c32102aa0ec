# ruff: noqa: E501  # a pattern is read in one line
"""Who the parties are, and whether they stay who they are: one name for one role, in the text and under it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz import fuzz

from hexar.agents.legal.messages.state import Finding
from hexar.agents.legal.validation.text import Document

_SUFFIX = r"(?:Inc|LLC|L\.L\.C|Ltd|Limited|Corp|Corporation|Company|Co|LP|LLP|PLC|plc|GmbH|AG|S\.A|SA|S\.L|SL|S\.R\.L|B\.V|N\.V|Pty Ltd|Holdings|Partners)"
_NAME = rf"[A-Z0-9ÁÉÍÓÚÑ][\w&'’.-]*(?:,?[ \t]+(?:{_SUFFIX}\b\.?|[A-Z0-9ÁÉÍÓÚÑ][\w&'’.-]*|of|and(?=[ \t]+(?:Sons|Company|Co|Partners|Associates)\b)|&|de|del|la))*\.?"
_ROLE = r"[\"“](?P<role>[A-Z][\w ’'-]{1,40})[\"”]"
#: Acme Inc., a Delaware corporation with its office at …  (the "Client")
_DEFINED = re.compile(
    rf"(?P<name>{_NAME})(?P<between>(?:,(?:(?!\band\b[ \t]+[A-Z])[^()\n;“\"]){{0,300}}?)?)[ \t]*\(\s*(?:(?:each|together|collectively|individually|hereinafter|hereafter|referred to|as|en adelante|the|la|el|a|an)[ ,]*)*{_ROLE}",
)
_BETWEEN = re.compile(
    rf"\b(?:between|among|entre)[:\s]+(?:\(?1\)?[.)]?\s*)?(?P<a>{_NAME})(?P<mid>[^.;\n]{{0,400}}?)\s(?:and|y)\s(?:\(?2\)?[.)]?\s*)?(?P<b>{_NAME})"
)
_LABELLED = re.compile(
    rf"^[ \t]*(?P<role>(?:Party [AB12]|First Party|Second Party|Employer|Employee|Company|Client|Customer|Provider|Supplier|Contractor|Consultant|Seller|Buyer|Purchaser|Vendor|Landlord|Tenant|Lessor|Lessee|Licensor|Licensee|Lender|Borrower|Disclosing Party|Receiving Party|Investor|Founder|Executive|Worker|Owner|Agent|Principal|Guarantor|Assignor|Assignee))[ \t]*:[ \t]*(?P<name>{_NAME})[ \t]*(?:[,(;].*)?$",
    re.MULTILINE,
)
_NOT_NAMES = frozenset(
    (
        "This",
        "The",
        "Agreement",
        "Each",
        "Any",
        "Whereas",
        "In",
        "If",
        "Where",
        "For",
        "By",
        "All",
        "It",
        "As",
        "Such",
        "Between",
        "WHEREAS",
        "BETWEEN",
        "AND",
    )
)
_GROUP = frozenset(("parties", "partes", "party", "parte", "agreement", "effective date"))
#: What contracts define that is no party.
_THING = re.compile(
    r"\b(?:Price|Fees?|Dates?|Amount|Period|Term|Shares?|Services?|Agreement|Property|Premises|Plan|Notice|Report|Purpose|Products?|"
    r"Goods|Software|Work|Loan|Project|Materials?|Information|Rent|Deposit|Salary|Offer|Territory|Deliverables?)$"
)
_COMPANY = re.compile(rf"(?<![\w])(?:[A-Z][\w&'’-]*[ \t]+){{1,5}}?{_SUFFIX}(?![\w])\.?")
#: What only one side of a contract does.
_ONE_SIDED = "pay|provide|perform|deliver|invoice|sell|purchase|lease|employ|supply|lend|repay|license|grant|assign"


@dataclass(frozen=True, slots=True)
class PartyAt:
    """A party where it is named: its name, and its role where one is given."""

    name: str
    role: str
    start: int
    end: int


def find_parties(document: Document) -> list[PartyAt]:
    """The parties in the order in which they are named, each name and role once."""
    found: list[PartyAt] = []
    head = document.body
    for match in _DEFINED.finditer(head):
        name, role = _clean(match["name"]), match["role"].strip()
        if role.casefold() in _GROUP or _THING.search(role) or not name or _is_common(name):
            continue
        # "… of five thousand dollars (the "Fee")", "May 1, 2026 (the "Effective Date")": no party has such a name.
        if (
            re.search(r"\d{4}$|^\d|Date$", name)
            or not re.search(r"[a-záéíóú]|[A-Z]{2}", name)
            or not _introduces(head, match.start(), name)
        ):
            continue
        found.append(PartyAt(name, role, match.start("name"), match.start("name") + len(name)))
    found += [
        PartyAt(_clean(match["name"]), match["role"], match.start("name"), match.end("name"))
        for match in _LABELLED.finditer(head)
    ]
    if not found:
        pair = _BETWEEN.search(head)
        if pair is not None:
            found = [PartyAt(_clean(pair[group]), "", pair.start(group), pair.end(group)) for group in ("a", "b")]
    return list({(party.name, party.role): party for party in found}.values())


def _introduces(text: str, at: int, name: str) -> bool:
    """Whether a name stands where contracts name their parties: after "between", "and", a line's start, or with a company's suffix."""
    before = text[max(0, at - 40) : at].rstrip(" \t(")
    if re.search(rf"{_SUFFIX}\.?$", name):
        return True
    return (
        bool(re.search(r"(?:\b(?:between|among|and|by|with|to|offer|from|entre|y|con|employ)|[,:]|\d[.)]|^|\n)$", before))
        and at < 4000
    )


def _clean(name: str) -> str:
    words = name.strip(" ,").split()
    while words and (words[0].strip(",") in _NOT_NAMES or words[0] == "I,"):
        words = words[1:]
    return " ".join(words)


def _is_common(name: str) -> bool:
    return name in _NOT_NAMES or len(name) < 2


def _same(one: str, other: str) -> bool:
    return _key(one) == _key(other)


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()


def parties(document: Document) -> Iterator[Finding]:
    """Roles with two names, names with two roles, parties swapped or misspelt, one side doing what the other does."""
    found = find_parties(document)
    yield from _clashes(document, found)
    roles = {party.role: party.name for party in found if party.role}
    yield from _misspelt(document, found)
    yield from _pairs(document, roles)
    yield from _signatures(document, found)
    yield from _duties(document, found)


def _clashes(document: Document, found: list[PartyAt]) -> Iterator[Finding]:
    by_role: dict[str, PartyAt] = {}
    by_name: dict[str, PartyAt] = {}
    for party in found:
        if not party.role:
            continue
        other = by_role.setdefault(party.role, party)
        if not _inside(_key(other.name), _key(party.name)):
            yield document.finding(f"{party.role!r} is both {other.name} and {party.name}", party.start, party.end)
        first = by_name.setdefault(_key(party.name), party)
        if first.role != party.role:
            yield document.finding(f"{party.name} is both {first.role!r} and {party.role!r}", party.start, party.end)
    if len(found) == 2 and not found[0].role and _same(found[0].name, found[1].name):
        yield document.finding(f"{found[0].name} is on both sides", found[1].start, found[1].end)


def _misspelt(document: Document, found: list[PartyAt]) -> Iterator[Finding]:
    """Companies that are almost a party: a slip of the pen, or another company."""
    names = {_key(party.name): party.name for party in found}
    seen: set[str] = set()
    for match in _COMPANY.finditer(document.text):
        name = _clean(match.group())
        key = _key(name)
        if not key or key in seen or any(_inside(key, other) for other in names):
            continue
        seen.add(key)
        near = max(names, key=lambda other: fuzz.ratio(key, other), default="")
        if near and fuzz.ratio(key, near) >= 75:
            yield document.finding(f"{name!r} is almost {names[near]!r}", match.start(), match.end(), suggestion=names[near])


def _inside(key: str, other: str) -> bool:
    return f" {key} " in f" {other} " or f" {other} " in f" {key} "


def _pairs(document: Document, roles: dict[str, str]) -> Iterator[Finding]:
    """A role named with the name of another role's party: "the Client, Beta LLC,", "Beta LLC (the Client)", "Client: Beta LLC"."""
    for role, name in roles.items():
        for other, wrong in roles.items():
            if other == role or _same(name, wrong):
                continue
            word, bad = re.escape(role), re.escape(wrong.rstrip("."))
            forms = (
                rf"\b{word}\b,?\s+(?:is\s+|being\s+|namely\s+|i\.e\.,?\s+)?\(?{bad}(?!\w)\.?[,)]",
                rf"{bad}\.?,?\s*\(\s*(?:the\s+|as\s+|la\s+|el\s+|hereinafter\s+)*[\"“']?{word}[\"”']?\s*\)",
                rf"{bad}\.?,?\s+(?:as|acting as|como)\s+(?:the\s+|el\s+|la\s+)?{word}\b",
                rf"(?m)^\W*{word}\W*:\s*{bad}(?!\w)",
                rf"(?mi)^\W*(?:the\s+)?{word}\W*\n+\W*{bad}\.?\W*$",
            )
            for form in forms:
                for match in re.finditer(form, document.text):
                    message = f"{role!r} is {name}, and here {wrong}"
                    yield document.finding(message, match.start(), match.end(), suggestion=name)


def _signatures(document: Document, found: list[PartyAt]) -> Iterator[Finding]:
    """Companies that sign and are no party."""
    if len(found) < 2 or document.signing >= len(document.text):
        return
    names = {_key(party.name) for party in found}
    for match in _COMPANY.finditer(document.text, document.signing):
        name = _clean(match.group())
        if (
            not any(_inside(_key(name), other) for other in names)
            and max(fuzz.ratio(_key(name), other) for other in names) < 75
        ):
            yield document.finding(f"{name!r} signs and is no party", match.start(), match.end())


def _duties(document: Document, found: list[PartyAt]) -> Iterator[Finding]:
    """What both sides are said to do though only one can: "the Client shall pay the Fee", "the Provider shall pay the Fee"."""
    labels = {party.role: party.role for party in found if party.role} | {
        party.name: party.role or party.name for party in found
    }
    if len(set(labels.values())) < 2:
        return
    who = "|".join(sorted((re.escape(label) for label in labels), key=len, reverse=True))
    pattern = re.compile(
        rf"(?<!\w)(?P<who>{who})(?!\w)[^.;\n]{{0,40}}?\b(?:shall|will|must|agrees to|hereby)\s+(?:promptly\s+|hereby\s+|also\s+|then\s+)?"
        rf"(?P<verb>{_ONE_SIDED})s?\b(?P<what>(?:\s+(?:to\s+)?(?:the|a|an|its|all|each|any|such))*\s+[\w’'-]+(?:\s+[\w’'-]+)?)"
    )
    seen: dict[tuple[str, str], tuple[str, re.Match[str]]] = {}
    for match in pattern.finditer(document.body):
        start = match.start()
        if re.search(r"\b(?:not|nor|neither|either|each|both)\b", document.text[max(0, start - 12) : match.start("verb")]):
            continue
        side = labels[match["who"]]
        gap = document.text[match.end("who") : match.start("verb")]
        if any(re.search(rf"(?<!\w){re.escape(label)}(?!\w)", gap) for label in labels):
            continue
        words = [
            word
            for word in re.findall(r"[\w’'-]+", match["what"])
            if word not in ("the", "to", "a", "an", "its", "all", "each", "any", "such")
        ]
        target = next(
            (
                labels[label]
                for label in labels
                if re.match(rf"\s+(?:to\s+)?(?:the\s+)?{re.escape(label)}(?!\w)", match["what"])
            ),
            "",
        )
        tail = document.text[match.end("verb") : document.sentence(match.start())[1]]
        to = re.search(rf"\bto\s+(?:the\s+)?({who})(?!\w)", tail)
        receiver = target or (labels[to[1]] if to else "")
        if receiver == side:
            yield document.finding(f"{side} has a duty to itself", match.start(), match.end())
            continue
        key = (match["verb"], "" if target else " ".join(words[:1]).casefold())
        if target:
            key = (match["verb"], "a party")
        other = seen.setdefault(key, (side, match))
        if other[0] != side and (target or words[:1]):
            message = f"{side} shall {match['verb']} {' '.join(words[:2])}, and so shall {other[0]}"
            yield document.finding(message, match.start(), match.end())

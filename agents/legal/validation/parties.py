# ruff: noqa: E501  # a pattern is read in one line
"""Who the parties are, and whether they stay who they are: one name for one role, in the text and under it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rapidfuzz import fuzz

from hexar.agents.legal.messages.state import Finding
from hexar.agents.legal.validation.text import Document
from hexar.agents.legal.validation.wording.nouns import is_noun
from hexar.agents.legal.validation.wording.people import COMPANY, COMPANY_END, Person, is_almost, is_named, people, signed

_SUFFIX = COMPANY_END
_NAME = rf"[A-Z0-9ÁÉÍÓÚÑ][\w&'’.-]*(?:,?[ \t]+(?:{_SUFFIX}\b\.?|[A-Z0-9ÁÉÍÓÚÑ][\w&'’.-]*|of|and(?=[ \t]+(?:Sons|Company|Co|Partners|Associates)\b)|&|de|del|la))*\.?"
_ARTICLE = r"(?:(?:[Tt]he|THE|[Aa]n?|[Ll]as?|[Ee]l|[Ll]os|LAS?|EL|LOS)\s+)?"
_ROLE = rf"[\"“«]?{_ARTICLE}(?P<role>[A-ZÁÉÍÓÚÑ][\w ’'-]{{1,40}})[\"”»]?(?=\s*\))"
#: Acme Inc., a Delaware corporation with its office at …  (the "Client")
_DEFINED = re.compile(
    rf"(?P<name>{_NAME})(?P<between>(?:,(?:(?!\band\b[ \t]+[A-Z])[^()\n;“\"]){{0,300}}?)?)[ \t]*\(\s*(?:(?:each|together|collectively|individually|hereinafter|hereafter|referred to|as|en adelante|the|la|el|a|an)[ ,]*)*{_ROLE}",
)
_BETWEEN = re.compile(
    rf"\b(?:between|among|entre)[:\s]+(?:\(?1\)?[.)]?\s*)?(?P<a>{_NAME})(?P<mid>[^.;\n]{{0,400}}?)\s(?:and|y)\s(?:\(?2\)?[.)]?\s*)?(?P<b>{_NAME})"
)
_LABELLED = re.compile(
    rf"^[ \t]*(?P<role>(?i:Party [AB12]|First Party|Second Party|Employer|Employee|Company|Client|Customer|Provider|Supplier|Contractor|Consultant|Seller|Buyer|Purchaser|Vendor|Landlord|Tenant|Lessor|Lessee|Licensor|Licensee|Lender|Borrower|Disclosing Party|Receiving Party|Investor|Founder|Executive|Worker|Owner|Agent|Principal|Guarantor|Assignor|Assignee))(?:[ \t]*:[ \t]*|[ \t]{{3,}}|[ \t]*\t[ \t]*)(?P<name>{_NAME})[ \t]*(?:[,(;].*)?$",
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
        "Por",
        "POR",
        "FOR",
        "Entre",
        "ENTRE",
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
#: Where a party gets its role in other words: "hereinafter called the Author", "en adelante EL ARRENDADOR", "como VENDEDOR".
_CALLED = re.compile(
    rf"\b(?:hereinafter|hereafter|referred to as|known as|called|en adelante|en lo sucesivo|denominar[áa]n?|denominad[oa]s?|(?<=, )(?:como|as))\b(?:\s(?:referred to as|called|se le|se|denominará|denominad[oa]))*,?\s[\"“«]?{_ARTICLE}"
    rf"(?P<role>[A-ZÁÉÍÓÚÑ][\w’'-]+(?:\s[A-ZÁÉÍÓÚÑ][\w’'-]+){{0,2}})"
    rf"|\(\s*[\"“«]{_ARTICLE}(?P<quoted>[A-ZÁÉÍÓÚÑ][\w ’'-]{{1,40}})[\"”»]\s*\)"
)
#: What a party does, after its role.
_ACTS = r"\s+(?:no\s+)?(?:shall|will|may|must|agrees?|grants?|sells?|buys?|lets?|leases?|makes?|se (?:obliga|compromete)|podrá|deberá|entrega|vende|da|concede|otorga|declara|contrata|encarga|(?!será)\w{3,}rá)\b"
_INTRODUCTION = 3500
#: People and runs of words under a contract that are compared, at most.
_SIGNED_NAMES = 120
_FULL_NAME = r"(?P<name>[A-ZÁÉÍÓÚÑ][\w'’-]+(?:[ \t]+(?:[A-Z]\.|[A-ZÁÉÍÓÚÑ][\w'’-]+)){1,3})"
_TITLED_NAME = re.compile(rf"\b(?:Sra?\.|D\.ª?|Don|DON|Doña|DOÑA|Lic\.|Ing\.|don|doña|Mr\.?|Mrs\.?|Ms\.?|Dr\.)\s+{_FULL_NAME}")
_PERSON_NAME = re.compile(rf"(?:\b(?:between|and|entre|y|parte,)\s+|^[ \t]*(?:\(?\d\)?\s*)?){_FULL_NAME}", re.MULTILINE)
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
        name, role = _bearer(match), match["role"].strip()
        at = match.start() if name in match["name"] else head.find(name, match.start())
        if role.casefold() in _GROUP or _THING.search(role) or not name or _is_common(name):
            continue
        if not re.search(r"[\"“«]", match.group()[-len(match["role"]) - 4 :]) and not re.search(
            rf"\b{re.escape(role)}{_ACTS}", document.text
        ):
            continue
        # "… of five thousand dollars (the "Fee")", "May 1, 2026 (the "Effective Date")": no party has such a name.
        if (
            re.search(r"\d{4}$|^\d|Date$", name)
            or not re.search(r"[a-záéíóú]|[A-Z]{2}", name)
            or not _introduces(head, at, name)
        ):
            continue
        found.append(_whole(head, PartyAt(name, role, match.start("name"), match.start("name") + len(name))))
    found += [
        PartyAt(_alone(_clean(match["name"])), match["role"], match.start("name"), match.end("name"))
        for match in _LABELLED.finditer(head)
        # Two labels side by side stand above two signatures.
        if not _LABELLED.match(f"{match['name']}: X Y")
    ]
    found += _called(document, {_key(party.role) for party in found})
    if not found:
        pair = _BETWEEN.search(head)
        if pair is not None:
            found = [PartyAt(_clean(pair[group]), "", pair.start(group), pair.end(group)) for group in ("a", "b")]
    return list({(party.name, party.role): party for party in found}.values())


def _alone(name: str) -> str:
    """A name without the address or number that follows it after a comma."""
    company = COMPANY.match(name)
    return company.group() if company else re.split(r",\s*(?=[^,]*\d)", name, maxsplit=1)[0]


def _bearer(match: re.Match[str]) -> str:
    """Who bears a role: the name before it, or the company that the name acts for or that a date stands before."""
    name = _alone(_clean(match["name"]))
    if re.search(r"\d", name):
        person = re.search(rf"\b(?:by|and|between|to|with|from|entre|y|por)\s+{_FULL_NAME}\s*$", match["between"] or "")
        name = person["name"] if person else name
    company = None if COMPANY.fullmatch(name) else COMPANY.search(match["between"] or "")
    if company is None:
        return name
    acting = re.search(
        r"(?:representación de|on behalf of|por cuenta de)(?: la (?:empresa|sociedad|mercantil))?\s*$",
        match["between"][: company.start()],
    )
    return _clean(company.group()) if acting or re.search(r"\d", name) else name


def _whole(text: str, party: PartyAt) -> PartyAt:
    """The party with its company's name in full, where only the end of it was read ("Tackle, Inc." of "Bait and Tackle, Inc.")."""
    for match in COMPANY.finditer(text, max(0, party.start - 80), party.end + 2):
        name = _clean(match.group())
        if match.start() < party.start < match.end() and name.endswith(party.name):
            return PartyAt(name, party.role, match.end() - len(name), match.end())
    return party


def _called(document: Document, known: set[str]) -> list[PartyAt]:
    """Parties whose role is given in other words: the first company named since the last role, else the first person."""
    found: list[PartyAt] = []
    begin = 0
    for match in _CALLED.finditer(document.text, 0, _INTRODUCTION):
        role = (match["role"] or match["quoted"]).strip()
        segment, begin = (begin, match.start()), match.end()
        if role.casefold() in _GROUP or _THING.search(role) or _key(role) in known:
            continue
        company = COMPANY.search(document.text, *segment)
        if not re.search(rf"\b{re.escape(role)}{_ACTS}", document.text) and not (match["role"] and company):
            continue
        named = company or _TITLED_NAME.search(document.text, *segment)
        named = named or next(iter([*_PERSON_NAME.finditer(document.text, *segment)][-1:]), None)
        if named is not None:
            name = _clean(named.group() if named is company else named["name"])
            found.append(PartyAt(name, role, named.start(), named.end()))
            known.add(_key(role))
    return found


def _introduces(text: str, at: int, name: str) -> bool:
    """Whether a name stands where contracts name their parties: after "between", "and", a line's start, or with a company's suffix."""
    before = text[max(0, at - 40) : at].rstrip(" \t(")
    if re.search(rf"{_SUFFIX}\.?$", name):
        return True
    return (
        bool(
            re.search(
                r"(?:\b(?:between|among|and|by|with|to|offer|from|entre|y|con|employ|order of)|[,:]|\d[.)]|^|\n)$", before
            )
        )
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
    roles: dict[str, str] = {}
    for party in found:
        if party.role and _key(party.role) not in map(_key, roles):
            roles[party.role] = party.name
    yield from _misspelt(document, found)
    yield from _pairs(document, roles)
    yield from _signatures(document, found)
    yield from _signatories(document, found)
    yield from _duties(document, found)


def _clashes(document: Document, found: list[PartyAt]) -> Iterator[Finding]:
    by_role: dict[str, PartyAt] = {}
    by_name: dict[str, PartyAt] = {}
    for party in found:
        if not party.role:
            continue
        other = by_role.setdefault(_key(party.role), party)
        if not _inside(_key(other.name), _key(party.name)):
            yield document.finding(f"{party.role!r} is both {other.name} and {party.name}", party.start, party.end)
        first = by_name.setdefault(_key(party.name), party)
        if _key(first.role) != _key(party.role):
            yield document.finding(f"{party.name} is both {first.role!r} and {party.role!r}", party.start, party.end)
    if len(found) == 2 and not found[0].role and _same(found[0].name, found[1].name):
        yield document.finding(f"{found[0].name} is on both sides", found[1].start, found[1].end)


def _misspelt(document: Document, found: list[PartyAt]) -> Iterator[Finding]:
    """Companies that are almost a party: a slip of the pen, or another company."""
    names = {_key(party.name): party.name for party in found}
    seen: set[str] = set()
    for match in COMPANY.finditer(document.text):
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
    if len(roles) < 2:
        return
    text = document.text
    names = sorted({name.rstrip(".") for name in roles.values()}, key=len, reverse=True)
    who = "|".join(re.escape(role) for role in sorted(roles, key=len, reverse=True))
    known = {role.casefold(): role for role in roles}
    before = re.compile(rf"\b({who}),?\s+(?:is\s+|being\s+|namely\s+|i\.e\.,?\s+)?\(?$")
    label = re.compile(rf"(?:^|[ \t]{{2,}}|\n)\W*(?:for |por )?(?:the |el |la )?({who})\W*:[ \t]*$", re.IGNORECASE)
    above = re.compile(rf"(?:^|\n)[^\w\n]*(?:the )?({who})[^\w\n]*\n+[^\w\n]*$", re.IGNORECASE)
    after = re.compile(
        rf"\.?,?\s*\(\s*(?:the\s+|as\s+|la\s+|el\s+|hereinafter\s+)*[\"“«']?({who})[\"”»']?\s*\)"
        rf"|\.?,?\s+(?:as|acting as|como)\s+(?:the\s+|el\s+|la\s+)?({who})\b"
    )
    for match in re.finditer(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)", text, re.IGNORECASE):
        head = text[max(0, match.start() - 70) : match.start()]
        tail = text[match.end() : match.end() + 70]
        near = after.match(tail) or label.search(head)
        if near is None and re.match(r"\.?[,)]", tail):
            near = before.search(head)
        if near is None and re.match(r"\.?[^\w\n]*(?:\n|$)", tail):
            near = above.search(head)
        if near is None:
            continue
        role = known[next(group for group in near.groups() if group).casefold()]
        right, here = roles[role], match.group()
        if not _inside(_key(right), _key(here)):
            yield document.finding(f"{role!r} is {right}, and here {here}", match.start(), match.end(), suggestion=right)


def _signatures(document: Document, found: list[PartyAt]) -> Iterator[Finding]:
    """Companies that sign and are no party."""
    if len(found) < 2 or document.signing >= len(document.text):
        return
    names = {_key(party.name) for party in found}
    for match in COMPANY.finditer(document.text, document.signing):
        name = _clean(match.group())
        if (
            not any(_inside(_key(name), other) for other in names)
            and max(fuzz.ratio(_key(name), other) for other in names) < 75
        ):
            yield document.finding(f"{name!r} signs and is no party", match.start(), match.end())


def _signatories(document: Document, found: list[PartyAt]) -> Iterator[Finding]:
    """People who are a party or act for one, and under the contract have another name or give way to another."""
    if document.signing >= len(document.text):
        return
    known = people(document.body)
    known += [Person(party.name, party.start) for party in found if _is_person(party.name, document.language)]
    runs = signed(document.text, document.signing)[:_SIGNED_NAMES]
    names = [person.name for person in known][:_SIGNED_NAMES]
    free = [run for run in runs if not any(is_named(name, run) for name in names)]
    for person in known[:_SIGNED_NAMES]:
        if any(is_named(person.name, run) for run in runs):
            continue
        near = next((run for run in free if is_almost(person.name, run) and not _is_party(run.words, found)), None)
        if near is not None:
            text = document.text[near.start : near.end]
            yield document.finding(f"{text!r} signs for {person.name!r}", near.start, near.end, suggestion=person.name)
            continue
        twice = next((name for name in names if sum(is_named(name, run) for run in runs) > 1), None)
        if twice is not None and len(names) > 1:
            run = next(run for run in runs if is_named(twice, run))
            yield document.finding(f"{person.name!r} does not sign, and {twice!r} signs twice", run.start, run.end)


def _is_person(name: str, language: str) -> bool:
    words = name.split()
    return len(words) > 1 and not COMPANY.search(name) and not any(is_noun(word, language) for word in words)


def _is_party(words: tuple[str, ...], found: list[PartyAt]) -> bool:
    """Whether words under the contract are those of a company or a role, and no person's."""
    return any(COMPANY.search(party.name) and set(words) <= set(_key(f"{party.name} {party.role}").split()) for party in found)


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

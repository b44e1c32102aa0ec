"""Contracts for tests: sound ones in several styles, and the same with one defect planted.

They are written apart from the shipped clause library and look as contracts look that come from elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from hexar.agents.legal.templates.numbers import to_words

COMPANIES = (
    "Northwind Traders Inc.", "Blue Harbor LLC", "Granite Peak Corporation", "Sierra Analytics, Inc.", "Oakline Furniture Ltd.",
    "Meridian Freight LLC", "Copperfield Labs Inc.", "Juniper Ridge LLC", "Atlas Print Works, LLC", "Redwood Dental Group, Inc.",
)  # fmt: skip
STATES = {
    "us/california": "California",
    "us/texas": "Texas",
    "us/new-york": "New York",
    "us/ohio": "Ohio",
    "us/illinois": "Illinois",
}
STYLES = ("plain", "markdown", "section", "bold")
KINDS = ("services", "lease", "supply", "loan", "confidentiality")
DEFECTS = (
    "missing field", "leftover placeholder", "swapped party", "clashing dates", "amount in words", "undefined term",
    "dead cross-reference", "wrong governing law",
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What one contract says."""

    kind: str
    first: str
    second: str
    place: str
    starts: date
    ends: date
    amount: int
    words: int
    notice: int
    cure: int
    style: str
    term: str = "Confidential Information"
    reference: int = 0
    governing: str = ""
    starts_text: str = ""
    swap: bool = False
    placeholder: str = ""


ROLES = {
    "services": ("Client", "Contractor"), "lease": ("Landlord", "Tenant"), "supply": ("Buyer", "Supplier"),
    "loan": ("Lender", "Borrower"), "confidentiality": ("Discloser", "Recipient"),
}  # fmt: skip


def long_date(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"


def facts(seed: int) -> Facts:
    """The facts of contract ``seed``."""
    chance = random.Random(seed)
    first, second = chance.sample(COMPANIES, 2)
    starts = date(2024, 1, 1) + timedelta(days=chance.randrange(700))
    amount = chance.choice((1500, 4200, 12_000, 36_500, 250_000, 75_000))
    return Facts(
        kind=KINDS[seed % len(KINDS)],
        first=first,
        second=second,
        place=chance.choice(list(STATES)),
        starts=starts,
        ends=starts + timedelta(days=chance.choice((180, 364, 729))),
        amount=amount,
        words=amount,
        notice=chance.choice((10, 15, 30, 45, 60, 90)),
        cure=chance.choice((5, 10, 20)),
        style=STYLES[seed // len(KINDS) % len(STYLES)],
    )


def written(told: Facts) -> str:
    """The contract that says ``told``."""
    one, two = ROLES[told.kind]
    subject = {
        "services": ("Services", f"The {two} shall perform bookkeeping and reporting services (the “Services”) for the {one}."),
        "lease": ("Premises", f"The {one} leases to the {two} the office space at 12 Elm Street (the “Premises”)."),
        "supply": ("Goods", f"The {two} shall deliver oak panels of the agreed grade (the “Goods”) to the {one}."),
        "loan": ("Loan", f"The {one} lends the {two} money for working capital (the “Loan”) on the terms below."),
        "confidentiality": ("Project", f"The {one} and the {two} will assess a joint product (the “Project”)."),
    }[told.kind]
    payer = {"services": one, "lease": two, "supply": one, "loan": two, "confidentiality": two}[told.kind]
    payee = two if payer == one else one
    if told.swap:
        payer, payee = payee, payer
    money = f"{to_words(told.words)} dollars (${told.amount:,})"
    starts = told.starts_text or long_date(told.starts)
    names = (told.second, told.first) if told.swap else (told.first, told.second)
    sections = [
        ("Subject", f"{subject[1]} Details are agreed in writing."),
        ("Term", f"This Agreement begins on {starts} and ends on {long_date(told.ends)}, unless ended earlier under "
                 f"Section {told.reference or 5}."),
        ("Payment", f"The {payer} shall pay the {payee} {money} (the “Price”) for the {subject[0]}. The Price is due within "
                    f"{to_words(told.notice)} ({told.notice}) days of an invoice."),
        ("Confidentiality", f"“Confidential Information” means what a party marks as confidential. Each party shall protect the "
                            f"{told.term} of the other party with reasonable care, and shall not use it except for the {subject[0]}."),
        ("Termination", f"Either party may end this Agreement by {to_words(told.notice)} ({told.notice}) days’ written notice. A "
                        f"breach that is not cured within {to_words(told.cure)} ({told.cure}) days lets the other party end it at once."),
        ("Liability", f"Neither party is liable for indirect loss. This Section does not limit Section 4{told.placeholder}."),
        ("Governing Law", f"This Agreement is governed by the laws of the State of {told.governing or STATES[told.place]}."),
        ("General", "This Agreement is the entire agreement of the parties. It may be changed only in a signed writing. Notices are "
                    "given in writing to the addresses of the parties."),
    ]  # fmt: skip
    parties = (
        f"This Agreement (the “Agreement”) is made between {told.first} (the “{one}”) and {told.second} (the “{two}”), "
        f"effective as of {starts} (the “Effective Date”)."
    )
    signed = (
        f"{one}: {names[0]}\n\nBy: ______________\nName:\nTitle:\n\n{two}: {names[1]}\n\nBy: ______________\nName:\nTitle:\n"
    )
    return _styled(told.style, f"{told.kind.title()} Agreement", parties, sections, signed)


def _styled(style: str, title: str, parties: str, sections: list[tuple[str, str]], signed: str) -> str:
    rows = {"markdown": f"# {title}", "bold": f"**{title.upper()}**"}.get(style, title.upper())
    text = f"{rows}\n\n{parties}\n\n"
    for number, (heading, body) in enumerate(sections, 1):
        if style == "markdown":
            text += f"## {number}. {heading}\n\n{body}\n\n"
        elif style == "section":
            text += f"Section {number}. {heading}\n{body}\n\n"
        elif style == "bold":
            text += f"**{number}. {heading}.** {body}\n\n"
        else:
            text += f"{number}. {heading}. {body}\n\n"
    return f"{text}IN WITNESS WHEREOF, the parties have signed this Agreement.\n\n{signed}"


def planted(seed: int, defect: str) -> str:
    """Contract ``seed`` with one defect."""
    told, chance = facts(seed), random.Random(1000 + seed)
    changes: dict[str, Callable[[], Facts]] = {
        "swapped party": lambda: replace(told, swap=True),
        "clashing dates": lambda: replace(told, ends=told.starts - timedelta(days=chance.randrange(5, 300))),
        "amount in words": lambda: replace(told, words=told.amount + chance.choice((100, 500, 1000))),
        "undefined term": lambda: replace(told, term=chance.choice(("Protected Materials", "Secret Data", "Business Records"))),
        "dead cross-reference": lambda: replace(told, reference=chance.choice((11, 14, 23))),
        "wrong governing law": lambda: replace(
            told, governing=chance.choice([name for path, name in STATES.items() if path != told.place])
        ),
        "leftover placeholder": lambda: replace(
            told, placeholder=chance.choice((" and [INSERT CLAUSE]", " and {{ other_clause }}", " and ____________", " or TBD"))
        ),
    }
    if defect != "missing field":
        return written(changes[defect]())
    text = written(told)
    gone = chance.choice(
        (
            f"{told.second} (the",
            f"the State of {STATES[told.place]}",
            long_date(told.ends),
            f" {to_words(told.words)} dollars (${told.amount:,})",
        )
    )
    kept = " (the" if gone.endswith("(the") else "the State of " if gone.startswith("the State") else ""
    return text.replace(gone, kept, 1)

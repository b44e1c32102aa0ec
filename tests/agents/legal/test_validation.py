"""Validation finds what was planted in contracts, and leaves sound ones alone."""

from typing import Any

import pytest

from hexar.agents.legal.messages.state import Finding, Outcome, Severity
from hexar.agents.legal.templates.library import shipped
from hexar.agents.legal.validation.checks import validate_text
from hexar.agents.legal.validation.governing import place_rules, rules
from hexar.agents.legal.validation.text import Document
from tests.agents.legal.contracts import DEFECTS, facts, planted, written

CONTRACTS = 120
#: The checks that may find each kind of defect.
CHECKS = {
    "missing field": {"required_fields"},
    "leftover placeholder": {"placeholders"},
    "swapped party": {"parties"},
    "clashing dates": {"dates"},
    "amount in words": {"amounts"},
    "undefined term": {"defined_terms"},
    "dead cross-reference": {"cross_references"},
    "wrong governing law": {"governing_law"},
}


def failed(text: str, place: str) -> set[str]:
    checks = validate_text(text, None, place)
    assert all(check.outcome is not Outcome.NOT_RUN for check in checks)
    return {check.name for check in checks if check.outcome is Outcome.FAILED}


def findings(text: str, name: str, place: str = "us/california") -> list[Finding]:
    return [finding for check in validate_text(text, None, place) if check.name == name for finding in check.findings]


@pytest.mark.parametrize("defect", DEFECTS)
def test_planted_defects_are_found(defect: str) -> None:
    """At least 95 of 100 of every kind, by the check whose matter it is."""
    seeds = [seed for seed in range(CONTRACTS) if DEFECTS[seed % len(DEFECTS)] == defect]
    found = [bool(failed(planted(seed, defect), facts(seed).place) & CHECKS[defect]) for seed in seeds]
    assert sum(found) >= 0.95 * len(found)


def test_sound_contracts_pass() -> None:
    """At most 5 of 100 are found fault with."""
    alarms = [seed for seed in range(CONTRACTS) if failed(written(facts(seed)), facts(seed).place)]
    assert len(alarms) <= 0.05 * CONTRACTS


@pytest.mark.parametrize(
    ("check", "text", "place"),
    [
        ("placeholders", "The fee is [AMOUNT] a month.", "[AMOUNT]"),
        ("governing_law", "The laws of the State of Nevada govern this Agreement.", "Nevada"),
        ("governing_law", "Ohio law exclusively governs it.", "Ohio"),
        ("placeholders", "Made on {{ date }} by both parties.", "{{ date }}"),
        ("amounts", "a deposit of two thousand dollars ($2,500) is due", "two thousand dollars ($2,500)"),
        ("amounts", "within thirty (60) days of notice", "thirty (60)"),
        ("dates", "It begins on May 1, 2026 and ends on April 1, 2026.", "April 1, 2026"),
        ("dates", "It begins on February 30, 2026.", "February 30, 2026"),
        ("cross_references", "1. Scope\nAs Section 7 says.\n\n2. Term\nOne year.", "7"),
        ("governing_law", "This Agreement is governed by the laws of the State of Texas.", "Texas"),
        ("jurisdiction_rules", "The Employee shall not compete with the Company for two years.", "shall not compete"),
    ],
)
def test_a_finding_stands_where_the_fault_is(check: str, text: str, place: str) -> None:
    """By code points of the text that was sent, also behind Markdown's marks and letters outside the BMP."""
    for prefix in ("", "𝔸 **bold** \\[x\\]\n\n"):
        sent = prefix + text
        places = [sent[finding.start : finding.end] for finding in findings(sent, check) if finding.severity is Severity.ERROR]
        assert place in places


@pytest.mark.parametrize(
    ("check", "text"),
    [
        ("placeholders", "He said “[t]he fee is due” [sic]. [Signature page follows]"),
        ("placeholders", "By: ____________\nName: ____________\nDate: ____________"),
        ("amounts", "one hundred eighty (180) days and twelve hundred dollars ($1,200)"),
        ("amounts", "mil doscientos euros (EUR 1.200) en treinta (30) días"),
        ("dates", "It begins on May 1, 2026 and ends on April 30, 2027."),
        (
            "cross_references",
            "1. Scope\nNothing in Section 1542 of the California Civil Code, or Section 204 of the DGCL, applies.",
        ),
        ("governing_law", "This Agreement is governed by the laws of California."),
        ("jurisdiction_rules", "During employment the Employee shall not compete with the Company."),
        ("defined_terms", "The Federal Trade Commission and the Superior Court of California may act."),
        ("defined_terms", "The Board of Pharmacy and the Louisiana legislature may act."),
        (
            "defined_terms",
            "The Provider keeps the Background Works identified in the order. Each Background Work stays its own.",
        ),
        ("defined_terms", "It is subject to the Corporate Conduct Pledge (CCP) of the buyer."),
        ("parties", "made between Acme Inc. (the “Client”) and Beta LLC (the “Provider”). The Client shall pay the Provider."),
    ],
)
def test_what_only_looks_like_a_fault_is_none(check: str, text: str) -> None:
    """Laws by their sections, editor's brackets, lines to sign on, words and figures that agree."""
    assert [finding for finding in findings(text, check) if finding.severity is not Severity.INFO] == []


BREAKS = {
    "non-compete-void": (
        "After the employment ends the Employee shall not compete with the Company.",
        "During employment the Employee shall not compete with the Company.",
    ),
    "employee-inventions": (
        "The Employee assigns to the Company all inventions.",
        "The Employee assigns to the Company all inventions, except those made entirely on his or her own time.",
    ),
    "trade-secret-immunity": (
        "The Employee shall keep the Company's information confidential.",
        "The Employee shall keep the Company's information confidential, save for reporting or investigating a suspected violation of law.",
    ),
}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: f"{rule['name']} {rule['jurisdiction']}")
def test_each_rule_of_a_place_finds_what_it_forbids(rule: dict[str, Any]) -> None:
    """It names its law, and is silent where the text says what it asks, or of another place."""
    kind = next(kind for kind in shipped() if (kind.name, kind.language) == ("employment-offer", "en"))
    broken, right = BREAKS[rule["name"]]

    def found(text: str, place: str) -> list[str]:
        return [
            entry.message for entry in place_rules(Document.of_text(text), place, kind) if rule["authority"] in entry.message
        ]

    assert rule["checked"]["source"] in ("text", "commentary")
    assert len(found(broken, rule["jurisdiction"])) == 1
    assert found(right, rule["jurisdiction"]) == []
    assert found(broken, "au/victoria") == []


def test_a_check_that_fails_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a pass; the others go on."""

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("hexar.agents.legal.validation.checks.amounts", broken)
    checks = {check.name: check for check in validate_text("A sentence.", None, "us")}
    assert checks["amounts"].outcome is Outcome.NOT_RUN
    assert checks["dates"].outcome is Outcome.PASSED

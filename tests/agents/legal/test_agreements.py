"""Validation of agreements as people write them, English and Spanish: every kind of fault found, sound texts left alone."""

import pytest

from hexar.agents.legal.messages.state import Finding, Outcome, Severity
from hexar.agents.legal.validation.checks import validate_text
from tests.agents.legal.agreements.reading import Agreement, agreements

CHECKS = {
    "missing field": "required_fields",
    "leftover placeholder": "placeholders",
    "swapped party": "parties",
    "clashing dates": "dates",
    "amount": "amounts",
    "undefined term": "defined_terms",
    "dead cross-reference": "cross_references",
    "wrong governing law": "governing_law",
}
EVERY = agreements()


def failed(text: str, place: str) -> set[str]:
    return {check.name for check in validate_text(text, None, place) if check.outcome is Outcome.FAILED}


@pytest.mark.parametrize(
    "agreement", [entry for entry in EVERY if entry.name.endswith("-3")], ids=lambda agreement: agreement.name
)
def test_a_fault_is_found_by_its_check_and_a_sound_text_passes(agreement: Agreement) -> None:
    """One agreement of each kind; all of them are read in the longer test."""
    assert failed(agreement.text, agreement.place) == set()
    for fault in agreement.faults:
        assert CHECKS[fault.kind] in failed(agreement.planted(fault), agreement.place), fault


@pytest.mark.chaos
def test_of_all_agreements_faults_are_found_and_alarms_are_few() -> None:
    """At least 95 of 100 faults by their own check, at most 5 of 100 sound texts found fault with."""
    faults = [(agreement, fault) for agreement in EVERY for fault in agreement.faults]
    missed = [
        (agreement.name, fault.faulty)
        for agreement, fault in faults
        if CHECKS[fault.kind] not in failed(agreement.planted(fault), agreement.place)
    ]
    alarms = [agreement.name for agreement in EVERY if failed(agreement.text, agreement.place)]
    print(f"faults: {len(faults)}, missed: {missed}, sound: {len(EVERY)}, alarms: {alarms}")
    assert len(missed) <= 0.05 * len(faults)
    assert len(alarms) <= 0.05 * len(EVERY)


def findings(text: str, name: str, place: str = "") -> list[Finding]:
    found = [finding for check in validate_text(text, None, place) if check.name == name for finding in check.findings]
    return [finding for finding in found if finding.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("check", "place", "wrong", "right"),
    [
        ("amounts", "", "$1.5 million (one million fifty thousand dollars)", "$1.5 million (one million five hundred thousand dollars)"),
        ("amounts", "", "un interés del dos por ciento (3%)", "un interés del dos por ciento (2%)"),
        ("amounts", "", "12.000 € (quince mil euros)", "12.000 € (doce mil euros)"),
        ("amounts", "", "five thousand dollars and 50/100 ($5,000.60)", "five thousand dollars and 50/100 ($5,000.50)"),
        ("amounts", "", "USD 85.000 (dólares ochenta mil)", "USD 85.000 (dólares ochenta y cinco mil)"),
        ("cross_references", "", "PRIMERA.- Objeto.\nSegún la cláusula cuarta.", "PRIMERA.- Objeto.\nSegún la cláusula primera."),
        ("cross_references", "", "ARTICLE I\nAs Article IV says.", "ARTICLE I\nAs Article I says."),
        (
            "cross_references",
            "",
            "1. Pay\nAs section 7 says.",
            "1. Pay\nAs section 77 of the Copyright, Designs and Patents Act 1988 says. See Section 404.056, Florida Statutes.",
        ),
        ("governing_law", "gb/england-and-wales", "It is governed by German law.", "It is governed by English law."),
        ("governing_law", "es", "Se regirá por la legislación francesa.", "Se regirá por la legislación española."),
        (
            "governing_law",
            "us/new-york",
            "GOVERNED BY THE LAWS OF THE STATE OF NEW JERSEY.",
            "GOVERNED BY THE LAWS OF THE STATE OF NEW YORK.",
        ),
        ("governing_law", "us", "It is governed by the laws of Italy.", "It is governed by the laws of Delaware."),
        ("dates", "", "En Oviedo, a diez de abril de dos mil veintiséis. Vence el 31 de junio de 2026.", "Vence el 30 de junio de 2026."),
        (
            "dates",
            "",
            "Date of agreement: April 6, 2026\nTo be delivered on or before April 18, 2025.",
            "Date of agreement: April 6, 2026\nTo be delivered on or before April 18, 2026.",
        ),
        ("required_fields", "", "con DNI número , vecino de Oviedo", "con DNI número 11998877-B, vecino de Oviedo"),
        ("required_fields", "", "Your job title is .", "Your job title is Site Manager."),
        ("required_fields", "", "Term: five years\nRent:\n\n1. Grant", "Term: five years\nRent: £2\n\n1. Grant"),
        ("required_fields", "", "un canon anual de  euros", "un canon anual de 30.000 €, pagadero en enero"),
        ("placeholders", "", "The fee is «fee_amount».", "Llamado en adelante el «Sistema» y la «Parte Reveladora»."),
    ],
)  # fmt: skip
def test_forms_of_words(check: str, place: str, wrong: str, right: str) -> None:
    """What is wrong is found, and the same said rightly is not."""
    assert findings(wrong, check, place)
    assert findings(right, check, place) == []


SIGNED = """CONTRACT

This contract is between Alder Tools, Inc., represented by its director, Ruth Adeyemi (the "Seller"), and Omar Haddad (the "Buyer").

1. Sale. The Seller sells a lathe to the Buyer.

Seller: {company}
By: ____________
Name: {seller}

Buyer: ____________
Name: {buyer}
"""


@pytest.mark.parametrize(
    ("company", "seller", "buyer"),
    [
        ("Alder Tooling, Inc.", "Ruth Adeyemi", "Omar Haddad"),
        ("Alder Tools, Inc.", "Ruth Aldington", "Omar Haddad"),
        ("Alder Tools, Inc.", "Ruth Adeyemi", "Omar Hadad"),
        ("Alder Tools, Inc.", "Omar Haddad", "Omar Haddad"),
    ],
)
def test_who_signs_is_who_the_contract_names(company: str, seller: str, buyer: str) -> None:
    """A company or a person of almost that name, or one that signs for both, is found; those who were named are not."""
    assert findings(SIGNED.format(company=company, seller=seller, buyer=buyer), "parties")
    assert findings(SIGNED.format(company="ALDER TOOLS, INC.", seller="Ruth Adeyemi", buyer="Omar Haddad"), "parties") == []

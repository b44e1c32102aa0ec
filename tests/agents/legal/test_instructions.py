"""Instructions in words: which field they change, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hexar.agents.legal.request.instructions import read_instruction
from hexar.agents.legal.request.reading import read_fields
from hexar.agents.legal.request.revising import revised
from hexar.agents.legal.templates.library import SHIPPED
from hexar.agents.legal.templates.model import DocumentType, read_type
from hexar.core.errors import InvalidArgument
from hexar.v1 import legal_pb2 as pb


def shipped(name: str) -> DocumentType:
    return read_type(yaml.safe_load(Path(SHIPPED / name).read_text("utf-8")))


NDA = [shipped("nda.en.yaml"), shipped("nda.es.yaml")]
SERVICE = [shipped("service-agreement.en.yaml")]
CURRENT = {"notice_period": "30 days", "party_a": "Acme Inc.", "party_b": "Beta LLC"}


@pytest.mark.parametrize(
    ("kinds", "instruction", "changes"),
    [
        (NDA, "make the notice 60 days", {"notice_period": "60 days"}),
        (NDA, "Please change the notice period from 30 days to 60 days.", {"notice_period": "60 days"}),
        (NDA, "extend the notice by 15 days", {"notice_period": "45 days"}),
        (NDA, "shorten the notice period by 10 days", {"notice_period": "20 days"}),
        (NDA, "cambia el preaviso a 60 días", {"notice_period": "60 días"}),
        (NDA[::-1], "fija la duración en 3 años y cambia el preaviso a 60 días", {"term": "3 años", "notice_period": "60 días"}),
        (NDA, "set the term to 3 years and make the notice 60 days", {"term": "3 years", "notice_period": "60 days"}),
        (NDA, "the confidentiality period should be five years", {"survival": "five years"}),
        (NDA, "replace Acme Inc. with Zed Corp.", {"party_a": "Zed Corp."}),
        (NDA, "sustituye Beta LLC por Gamma SL", {"party_b": "Gamma SL"}),
        (NDA, "change the effective date to 1 June 2027", {"effective_date": "1 June 2027"}),
        (NDA, 'set the purpose to "a joint study of batteries"', {"purpose": "a joint study of batteries"}),
        (SERVICE, "set the fee to $6,000; make the fee basis monthly", {"fee": "$6,000", "fee_basis": "monthly"}),
        (SERVICE, "raise the liability cap to USD 1,000,000", {"liability_cap": "USD 1,000,000"}),
    ],
)  # fmt: skip
def test_a_field_that_is_named_in_words_is_changed(
    kinds: list[DocumentType], instruction: str, changes: dict[str, str]
) -> None:
    """In English and in Spanish, absolute or by so much more."""
    found = read_instruction(instruction, kinds, CURRENT)
    assert found.changes == changes
    assert not found.unread


@pytest.mark.parametrize(
    "instruction",
    [
        "paint it blue",
        "make it 60 days",
        "delete clause 5",
        "make the notice 60 days and add a penalty for late payment",
        "make the notice 30 or 60 days",
        "extend the notice by 2 months",
    ],
)
def test_what_is_not_understood_is_refused_with_the_fields(instruction: str) -> None:
    """Nothing is guessed, and nothing that was asked for is forgotten."""
    kept = pb.DraftRequest(document_type="nda", jurisdiction="us/california", language="en")
    with pytest.raises(InvalidArgument, match=r"instruction: changes no field .* fields are First Party, .*Notice Period"):
        revised(pb.ReviseRequest(instruction=instruction), kept, NDA)


@pytest.mark.parametrize(
    "instruction",
    [
        "make the notice -5 days",
        "set the notice to − 5 days",
        "do not make the notice 60 days",
        "don't change the notice to 60 days",
        "no cambies el preaviso a 60 días",
    ],
)
def test_what_forbids_or_is_below_zero_changes_nothing(instruction: str) -> None:
    """It is handed back, and never read as its opposite."""
    found = read_instruction(instruction, NDA, CURRENT)
    assert found.changes == {}
    assert found.unread


@pytest.mark.parametrize(
    "instruction",
    [
        "make the notice 60 days and the notice 30 days",
        "make the notice 60 days; make the notice period ninety days",
        "cambia el preaviso a 60 días y el preaviso a 30 días",
    ],
)
def test_an_instruction_that_contradicts_itself_is_refused(instruction: str) -> None:
    """Both values are named; the last one does not win."""
    kept = pb.DraftRequest(document_type="nda", jurisdiction="us/california")
    with pytest.raises(InvalidArgument, match="Notice Period twice"):
        revised(pb.ReviseRequest(instruction=instruction), kept, NDA)
    same = revised(pb.ReviseRequest(instruction="make the notice 60 days and the notice 60 days"), kept, NDA)
    assert same.fields["notice_period"].text == "60 days"


@pytest.mark.parametrize(
    ("request_text", "read"),
    [
        ("An NDA with a term of 2 years. The term is 5 years.", {}),
        ("An NDA. The notice is 60 days, and the notice is 10 days.", {}),
        ("An NDA with a term of 2 years and a notice of 10 days.", {"term": "2 years", "notice_period": "10 days"}),
        ("An NDA. The term is 2 years. The term of 2 years may be extended.", {"term": "2 years"}),
        ("An NDA with a notice of -5 days.", {}),
    ],
)
def test_a_request_that_contradicts_itself_gives_no_value(request_text: str, read: dict[str, str]) -> None:
    """The field stays as it is, with its default or open."""
    assert {entry.field: entry.text for entry in read_fields(request_text, NDA[0])} == read

"""Instructions in words: which field they change, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hexar.agents.legal.request.instructions import read_instruction
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

"""From a kept draft and an instruction to the request of the next draft."""

from __future__ import annotations

import re

from hexar.agents.legal.request.reading import read_fields
from hexar.agents.legal.templates.library import Library
from hexar.agents.legal.templates.model import DocumentType, Kind
from hexar.core.errors import FailedPrecondition, InvalidArgument
from hexar.v1 import common_pb2
from hexar.v1 import legal_pb2 as pb

#: "the notice 60 days", "set the fee to USD 6,000": what stands for a field in an instruction.
_SET = re.compile(r"\b(?:make|set|change|extend|shorten|cambia|pon)\b", re.IGNORECASE)


def revised(request: pb.ReviseRequest, kept: pb.DraftRequest, library: Library) -> pb.DraftRequest:
    """The kept request with the fields that change. Raises InvalidArgument where the instruction changes nothing.

    An instruction changes fields only: its values are read as those of a request are. What it asks beyond them is not done,
    and is refused rather than forgotten where nothing at all was understood.
    """
    languages = library.find(kept.document_type)
    if languages is None:
        raise FailedPrecondition(f"document type {kept.document_type!r} is no longer known")
    kind = languages.get(kept.language) or next(iter(languages.values()))
    fresh = pb.DraftRequest()
    fresh.CopyFrom(kept)
    fresh.cache_policy = common_pb2.CACHE_POLICY_UNSPECIFIED
    fresh.resume_after = 0
    del fresh.formats[:]
    fresh.formats.extend(request.formats)
    # Values that the first request stated become fields, so that the instruction can change them.
    for read in read_fields(kept.request, kind, kept.fields.keys()):
        fresh.fields[read.field].text = read.text
    changed = read_instruction(request.instruction, kind) if request.instruction.strip() else {}
    for name, text in changed.items():
        fresh.fields[name].text = text
    for name, value in request.fields.items():
        fresh.fields[name].CopyFrom(value)
    if request.instruction.strip() and not changed:
        known = ", ".join(field.label for field in kind.fields)
        raise InvalidArgument("instruction", f"changes no field that could be read from it; fields are {known}")
    if not changed and not request.fields and not request.formats:
        raise InvalidArgument("fields", "nothing changes: neither fields nor an instruction are given")
    return fresh


def read_instruction(text: str, kind: DocumentType) -> dict[str, str]:
    """Field → new value as it stands in an instruction."""
    found = {read.field: read.text for read in read_fields(text, kind)}
    if found:
        return found
    for field in kind.fields:
        if field.kind is not Kind.TEXT:
            continue
        match = re.search(rf"\b{re.escape(field.label)}\s+(?:to|be|is|=|:|a)\s*[\"“]?([^\"”\n]{{2,400}})", text, re.IGNORECASE)
        if match and _SET.search(text):
            found[field.name] = match[1].strip(' ."”')
    return found

"""From a kept draft and an instruction to the request of the next draft."""

from __future__ import annotations

from collections.abc import Sequence

from hexar.agents.legal.request.instructions import read_instruction
from hexar.agents.legal.request.reading import Read, read_fields
from hexar.agents.legal.templates.library import Library
from hexar.agents.legal.templates.model import DocumentType
from hexar.core.errors import FailedPrecondition, InvalidArgument
from hexar.v1 import common_pb2
from hexar.v1 import legal_pb2 as pb


def kinds_of(kept: pb.DraftRequest, library: Library) -> list[DocumentType]:
    """The type of a kept draft in its language, then its other languages. FailedPrecondition where it is not known."""
    languages = library.find(kept.document_type)
    if languages is None:
        raise FailedPrecondition(f"document type {kept.document_type!r} is no longer known")
    kind = languages.get(kept.language) or next(iter(languages.values()))
    return [kind, *(other for other in languages.values() if other is not kind)]


def revised(
    request: pb.ReviseRequest, kept: pb.DraftRequest, kinds: Sequence[DocumentType], pointed: Sequence[Read] = ()
) -> pb.DraftRequest:
    """The kept request with the fields that change. ``pointed`` are values that a model pointed to in the instruction.

    Raises InvalidArgument where a part of the instruction is not understood, naming it and the fields that there are:
    nothing that is asked for is forgotten. Values are read as those of a request are.
    """
    kind = kinds[0]
    fresh = pb.DraftRequest()
    fresh.CopyFrom(kept)
    fresh.cache_policy = common_pb2.CACHE_POLICY_UNSPECIFIED
    fresh.resume_after = 0
    del fresh.formats[:]
    fresh.formats.extend(request.formats)
    # Values that the first request stated become fields, so that the instruction can change them.
    for read in read_fields(kept.request, kind, kept.fields.keys()):
        fresh.fields[read.field].text = read.text
    instruction = read_instruction(request.instruction, kinds, _current(fresh, kind))
    for name, (one, other) in instruction.twice.items():
        label = next(field.label for field in kind.fields if field.name == name)
        raise InvalidArgument("instruction", f"asks for {label} twice, as {one[:100]!r} and as {other[:100]!r}")
    changes = instruction.changes | {read.field: read.text for read in pointed if read.field not in instruction.changes}
    for name, text in changes.items():
        fresh.fields[name].Clear()
        fresh.fields[name].text = text
    for name, value in request.fields.items():
        fresh.fields[name].CopyFrom(value)
    for start, end, part in instruction.unread:
        if not any(start <= read.start < end for read in pointed):
            known = ", ".join(field.label for field in kind.fields)
            raise InvalidArgument("instruction", f"changes no field that could be read from {part[:200]!r}; fields are {known}")
    if not changes and not request.fields and not request.formats:
        raise InvalidArgument("fields", "nothing changes: neither fields nor an instruction are given")
    return fresh


def _current(request: pb.DraftRequest, kind: DocumentType) -> dict[str, str]:
    """The values of a request in words, where they are given so, and defaults."""
    values = {field.name: field.default for field in kind.fields if field.default is not None}
    for name, value in request.fields.items():
        match value.WhichOneof("value"):
            case "text":
                values[name] = value.text
            case "party":
                values[name] = value.party.name
            case "duration":
                unit = pb.DurationUnit.Name(value.duration.unit).removeprefix("DURATION_UNIT_").lower()
                values[name] = f"{value.duration.count} {unit}"
    return values

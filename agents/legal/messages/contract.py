"""Between this package's values and the messages of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hexar.agents.legal.corpus.index import CorpusIndex
from hexar.agents.legal.corpus.passages import CorpusKey, Passage
from hexar.agents.legal.corpus.store import CorpusRow
from hexar.agents.legal.messages.state import Check, Citation, Finding, Outcome, Removed, Severity
from hexar.agents.legal.templates.model import DocumentType, Field, Kind
from hexar.agents.legal.templates.readings import Amount, Length, NotReadable
from hexar.core.cache import Tier
from hexar.v1 import common_pb2
from hexar.v1 import legal_pb2 as pb

UNITS = {
    "days": pb.DURATION_UNIT_DAYS,
    "weeks": pb.DURATION_UNIT_WEEKS,
    "months": pb.DURATION_UNIT_MONTHS,
    "years": pb.DURATION_UNIT_YEARS,
}
_UNIT_NAMES = {number: name for name, number in UNITS.items()}
_KINDS = {
    Kind.TEXT: pb.FIELD_KIND_TEXT, Kind.DATE: pb.FIELD_KIND_DATE, Kind.MONEY: pb.FIELD_KIND_MONEY,
    Kind.DURATION: pb.FIELD_KIND_DURATION, Kind.PARTY: pb.FIELD_KIND_PARTY, Kind.CHOICE: pb.FIELD_KIND_CHOICE,
    Kind.LIST: pb.FIELD_KIND_LIST, Kind.FLAG: pb.FIELD_KIND_FLAG, Kind.NUMBER: pb.FIELD_KIND_NUMBER,
}  # fmt: skip
_OUTCOMES = {
    Outcome.PASSED: pb.CHECK_OUTCOME_PASSED,
    Outcome.FAILED: pb.CHECK_OUTCOME_FAILED,
    Outcome.NOT_RUN: pb.CHECK_OUTCOME_NOT_RUN,
}
_SEVERITIES = {
    Severity.INFO: pb.FINDING_SEVERITY_INFO,
    Severity.WARNING: pb.FINDING_SEVERITY_WARNING,
    Severity.ERROR: pb.FINDING_SEVERITY_ERROR
}  # fmt: skip
_TIERS = {
    Tier.SOURCE: common_pb2.CACHE_TIER_SOURCE, Tier.MEMORY: common_pb2.CACHE_TIER_MEMORY,
    Tier.DISK: common_pb2.CACHE_TIER_DISK, Tier.REDIS: common_pb2.CACHE_TIER_REDIS,
}  # fmt: skip


def tier(value: Tier) -> common_pb2.CacheTier:
    """A tier as the contract's enum."""
    return _TIERS[value]


def given(value: pb.FieldValue) -> Any:
    """What a caller sent for a field. Raises NotReadable."""
    match value.WhichOneof("value"):
        case "date":
            return day(value.date)
        case "money":
            return Amount(value.money.currency_code, value.money.micros)
        case "duration":
            if value.duration.unit not in _UNIT_NAMES:
                raise NotReadable("has no unit")
            return Length(value.duration.count, _UNIT_NAMES[value.duration.unit])
        case "party":
            return {descriptor.name: text for descriptor, text in value.party.ListFields()}
        case "list":
            return [given(entry) for entry in value.list.values]
        case "record":
            return {name: given(entry) for name, entry in value.record.fields.items()}
        case None:
            raise NotReadable("has no value")
        case name:
            return getattr(value, name)


def day(value: pb.CalendarDate) -> date:
    """A day of the calendar. Raises NotReadable."""
    try:
        return date(value.year, value.month, value.day)
    except (ValueError, OverflowError):
        raise NotReadable(f"{value.year:04}-{value.month:02}-{value.day:02} is no day of the calendar") from None


def calendar(value: date | None) -> pb.CalendarDate | None:
    """A day as the contract has it."""
    return None if value is None else pb.CalendarDate(year=value.year, month=value.month, day=value.day)


def duration(seconds: float) -> Duration:
    """A length of time."""
    made = Duration()
    made.FromNanoseconds(int(seconds * 1e9))
    return made


def timestamp(seconds: float) -> Timestamp:
    """A moment."""
    made = Timestamp()
    made.FromNanoseconds(int(seconds * 1e9))
    return made


def corpus_ref(key: CorpusKey) -> pb.CorpusRef:
    """A corpus's name and version."""
    return pb.CorpusRef(name=key.name, version=key.version)


def authority(passage: Passage, index: CorpusIndex, read_from: Tier = Tier.SOURCE) -> pb.Authority:
    """A passage as it is sent."""
    return pb.Authority(
        id=passage.id,
        title=passage.title,
        citation=passage.citation,
        jurisdictions=passage.jurisdictions,
        quote=passage.quote,
        court_or_source=passage.court_or_source,
        topics=passage.topics,
        valid_from=calendar(passage.valid_from),
        valid_until=calendar(passage.valid_until),
        superseded_by=passage.superseded_by,
        source=common_pb2.Source(
            vendor=index.key.name, fetched_at=timestamp(index.imported_at), tier=tier(read_from), url=passage.url
        ),
        corpus=corpus_ref(index.key),
    )


def citation(found: Citation) -> pb.LegalCitation:
    """A citation as it is sent."""
    return pb.LegalCitation(
        section=found.section, start=found.start, end=found.end, authority_id=found.authority, quote=found.quote,
        quote_start=found.quote_start, quote_end=found.quote_end, number=found.number,
    )  # fmt: skip


def removed(found: Removed) -> pb.RemovedCitation:
    """A citation that is no support, as it is sent."""
    section = None if found.section < 0 else found.section
    return pb.RemovedCitation(section=section, text=found.text, reason=found.reason, start=found.start, end=found.end)


def check(found: Check, layer: pb.LegalLayer) -> pb.Check:
    """A check as it is sent."""
    return pb.Check(
        name=found.name,
        outcome=_OUTCOMES[found.outcome],
        findings=[finding(entry) for entry in found.findings],
        layer=layer,
        not_run_reason=found.reason,
    )


def finding(found: Finding) -> pb.Finding:
    """A finding as it is sent."""
    return pb.Finding(
        message=found.message,
        severity=_SEVERITIES[found.severity],
        section=None if found.section < 0 else found.section,
        start=found.start,
        end=found.end,
        suggestion=found.suggestion,
        field=found.field,
    )


def document_type(languages: dict[str, DocumentType]) -> pb.DocumentType:
    """A type as it is listed."""
    first = next(iter(languages.values()))
    return pb.DocumentType(
        name=first.name,
        title=first.title,
        fields=[_field(field) for field in first.fields],
        languages=list(languages),
        jurisdictions=first.jurisdictions,
        clauses=[clause.key for clause in first.clauses],
        license=first.license,
    )


def _field(field: Field) -> pb.DocumentField:
    return pb.DocumentField(
        name=field.name, label=field.label, description=field.description, kind=_KINDS[field.kind], required=field.required,
        default=field.default or "", choices=field.choices, items=[_field(item) for item in field.items],
    )  # fmt: skip


def corpus(row: CorpusRow) -> pb.Corpus:
    """A corpus as it is listed."""
    coverage = row.coverage
    return pb.Corpus(
        ref=corpus_ref(row.key),
        imported_at=timestamp(row.imported_at),
        passages=coverage.passages,
        coverage=[
            pb.JurisdictionCoverage(jurisdiction=path, passages=count, topics=coverage.topics.get(path, ()))
            for path, count in coverage.jurisdictions.items()
        ],
        topics=sorted({topic for topics in coverage.topics.values() for topic in topics}),
        kept_versions=row.versions,
        shared=not row.key.tenant,
    )


def problems(found: Iterable[tuple[str, int, str]]) -> list[pb.ImportProblem]:
    """Problems of an import as they are sent."""
    return [pb.ImportProblem(path=path, line=line, reason=reason) for path, line, reason in found]

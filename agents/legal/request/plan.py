"""What one document is made of before anything is drafted: type, jurisdiction, values, corpus, key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from rapidfuzz import process

from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.index import CorpusIndex
from hexar.agents.legal.corpus.jurisdictions import lineage
from hexar.agents.legal.corpus.store import DEFAULT, dependency
from hexar.agents.legal.kinds import CITATIONS, DRAFT, RESEARCH
from hexar.agents.legal.messages import contract
from hexar.agents.legal.request.checks import Violations, check_draft
from hexar.agents.legal.request.reading import Read, read_fields
from hexar.agents.legal.templates.library import DEPENDENCY, Library
from hexar.agents.legal.templates.model import DocumentType
from hexar.agents.legal.templates.readings import NotReadable
from hexar.agents.legal.templates.rendering import Filling
from hexar.agents.legal.templates.values import Raw, read_value
from hexar.core.cachekey import cache_key
from hexar.v1 import common_pb2
from hexar.v1 import legal_pb2 as pb

#: The cache kinds of documents, found authorities, and cited texts.
DRAFT_KIND, RESEARCH_KIND, CITE_KIND = DRAFT.name, RESEARCH.name, CITATIONS.name


@dataclass(frozen=True, slots=True)
class DraftPlan:
    """One document, ready to be drafted."""

    request: pb.DraftRequest
    kind: DocumentType
    jurisdiction: str
    values: dict[str, Raw]
    read: tuple[Read, ...]
    index: CorpusIndex | None
    corpus_name: str
    as_of: date
    formats: tuple[int, ...]
    sequential: bool
    model: str
    tenant: str
    key: bytes
    depends: tuple[str, ...]
    read_cache: bool
    write_cache: bool
    only_cache: bool = field(default=False)


def day_of(wrong: Violations, name: str, message: Any, given: bool) -> date:
    """The day that a request means: today where it names none."""
    if not given:
        return datetime.now(UTC).date()
    try:
        return contract.day(message)
    except NotReadable as error:
        wrong.add(name, str(error))
        return datetime.now(UTC).date()


def make_plan(request: pb.DraftRequest, tenant: str, corpora: Corpora, library: Library, model: str) -> DraftPlan:
    """The plan of a request. Blocks on the store where types or a corpus are not in memory.

    Raises InvalidArgument with every field that is wrong, FailedPrecondition where a pinned version is not kept.
    """
    wrong = Violations()
    check_draft(wrong, request)
    wrong.end()
    corpus_name = request.corpus.name.strip() or DEFAULT
    key = corpora.key(tenant, corpus_name, request.corpus.version)
    if key is None and request.HasField("corpus"):
        wrong.add("corpus.name", f"no corpus {corpus_name!r} was imported")
    index = corpora.index(key) if key is not None else None
    languages = _type(wrong, request, library)
    jurisdiction = _jurisdiction(wrong, request, index, languages)
    kind = _language(wrong, request, languages)
    as_of = day_of(wrong, "as_of", request.as_of, request.HasField("as_of"))
    values: dict[str, Raw] = {}
    read: tuple[Read, ...] = ()
    if kind is not None:
        values = _fields(wrong, request, kind)
        read = tuple(read_fields(request.request, kind, values)) if request.request else ()
        values |= {entry.field: entry.raw for entry in read}
        values = with_defaults(kind, values)
        if request.strict and not wrong.found:
            for entry in missing(kind, values, jurisdiction):
                wrong.add(f'fields["{entry}"]', "is required and not given")
    wrong.end()
    assert kind is not None
    formats = tuple(request.formats) or (pb.LEGAL_FORMAT_MARKDOWN,)
    fields = {
        "request": request.request, "type": kind.name, "language": kind.language, "jurisdiction": jurisdiction,
        "values": values,
        "corpus": [index.key.tenant, index.key.name, index.key.version] if index else [], "as_of": as_of.isoformat(),
        "formats": sorted(formats), "model": model,
    }  # fmt: skip
    policy = request.cache_policy
    return DraftPlan(
        request=request, kind=kind, jurisdiction=jurisdiction, values=values, read=read, index=index, corpus_name=corpus_name,
        as_of=as_of, formats=formats, sequential=request.sequential, model=model, tenant=tenant,
        key=cache_key(tenant, DRAFT_KIND, fields),
        depends=(DEPENDENCY, dependency(tenant, corpus_name), dependency("", corpus_name)),
        read_cache=policy != common_pb2.CACHE_POLICY_REFRESH,
        write_cache=policy != common_pb2.CACHE_POLICY_ONLY,
        only_cache=policy == common_pb2.CACHE_POLICY_ONLY,
    )  # fmt: skip


def with_defaults(kind: DocumentType, values: dict[str, Raw]) -> dict[str, Raw]:
    """Values with the defaults of fields that have none."""
    filled = dict(values)
    for entry in kind.fields:
        if entry.name not in filled and entry.default is not None:
            filled[entry.name] = read_value(entry, entry.default)
    return filled


def missing(kind: DocumentType, values: dict[str, Raw], jurisdiction: str) -> list[str]:
    """Required fields without a value that count with the others' values."""
    filling = Filling(kind, values, jurisdiction)
    return [entry.name for entry in kind.fields if entry.required and entry.name not in values and filling.counts(entry)]


def unknown_type(library: Library, given: str) -> str:
    """What is said of a document type that the library does not have."""
    near = ", ".join(library.nearest(given))
    return f"{given.strip()!r} is not known; " + (f"nearest: {near}" if near else "no document type has been imported")


def _type(wrong: Violations, request: pb.DraftRequest, library: Library) -> dict[str, DocumentType] | None:
    if request.document_type.strip():
        languages = library.find(request.document_type)
        if languages is None:
            wrong.add("document_type", unknown_type(library, request.document_type))
        return languages
    named = library.named_in(request.request)
    if named:
        return library.types()[named[0]]
    known = ", ".join(list(library.types())[:20])
    wrong.add("document_type", f"must be given, or named in the request; known are {known}")
    return None


def _jurisdiction(
    wrong: Violations, request: pb.DraftRequest, index: CorpusIndex | None, languages: dict[str, DocumentType] | None
) -> str:
    made_for = sorted({path for kind in (languages or {}).values() for path in kind.jurisdictions})
    known = (*(index.jurisdictions if index else ()), *made_for)
    jurisdiction = wrong.place("jurisdiction", request.jurisdiction, known, required=True)
    if jurisdiction and made_for and not set(lineage(jurisdiction)) & set(made_for):
        wrong.add("jurisdiction", f"is {jurisdiction}, but this document is made for {', '.join(made_for)}")
    return jurisdiction


def _language(wrong: Violations, request: pb.DraftRequest, languages: dict[str, DocumentType] | None) -> DocumentType | None:
    if languages is None:
        return None
    wanted = request.language.strip().lower()
    if not wanted:
        return languages.get("en") or next(iter(languages.values()))
    if wanted not in languages:
        wrong.add("language", f"{wanted!r} is none of this document's: {', '.join(languages)}")
    return languages.get(wanted)


def _fields(wrong: Violations, request: pb.DraftRequest, kind: DocumentType) -> dict[str, Raw]:
    values: dict[str, Raw] = {}
    names = [entry.name for entry in kind.fields]
    for name, value in sorted(request.fields.items()):
        path = f'fields["{name}"]'
        entry = kind.field(name)
        if entry is None:
            near = [row[0] for row in process.extract(name, names, limit=3, score_cutoff=60)]
            wrong.add(path, f"is no field of {kind.name}" + (f"; nearest: {', '.join(near)}" if near else ""))
            continue
        try:
            values[name] = read_value(entry, contract.given(value))
        except NotReadable as error:
            wrong.add(path, str(error))
    return values

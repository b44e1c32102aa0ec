"""The legal system: drafting, checking and citing documents, and the corpora they are cited from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeAlias, Unpack

import grpc

from hexar.v1 import common_pb2, legal_pb2_grpc
from hexar.v1 import legal_pb2 as pb
from hexar_client._rpc.calls import STREAM_TIMEOUT, AsyncCalls, Calls, off_loop
from hexar_client._rpc.fields import AuthorityFields, CiteFields, DraftFields, ReviseFields
from hexar_client._rpc.stream import AsyncStream, Event, Restarted, Stream
from hexar_client.errors import convert_rpc

#: One event of a document: ``event.kind`` says what ``event.body`` is.
DraftEvents: TypeAlias = (
    Event[Literal["started"], pb.DraftStarted]
    | Event[Literal["progress"], pb.LegalProgress]
    | Event[Literal["authority"], pb.Authority]
    | Event[Literal["section"], pb.SectionBegun]
    | Event[Literal["token"], pb.SectionToken]
    | Event[Literal["segment_reset"], pb.SectionReset]
    | Event[Literal["check"], pb.Check]
    | Event[Literal["citation"], pb.LegalCitation]
    | Event[Literal["removed_citation"], pb.RemovedCitation]
    | Event[Literal["file"], pb.DocumentFile]
    | Event[Literal["completed"], pb.DraftCompleted]
    | Event[Literal["read_field"], pb.ReadField]
    | Event[Literal["parts"], pb.DraftParts]
    | Event[Literal["restarted"], Restarted]
)
#: What these events hold.
DraftBody: TypeAlias = (
    pb.DraftStarted
    | pb.LegalProgress
    | pb.Authority
    | pb.SectionBegun
    | pb.SectionToken
    | pb.SectionReset
    | pb.Check
    | pb.LegalCitation
    | pb.RemovedCitation
    | pb.DocumentFile
    | pb.DraftCompleted
    | pb.ReadField
    | pb.DraftParts
    | Restarted
)
#: What a field may be given as; a text is understood for every kind.
Value: TypeAlias = Any

#: Bytes of one message of an import.
PIECE = 1024 * 1024
#: Seconds that an import or a bulk may take where the caller does not say.
LONG_TIMEOUT = 290.0


def field_value(value: Value) -> pb.FieldValue:
    """A field's value from text, date, bool, number, list, mapping, or a message of the contract."""
    if isinstance(value, pb.FieldValue):
        return value
    if isinstance(value, pb.Party):
        return pb.FieldValue(party=value)
    if isinstance(value, pb.CalendarDuration):
        return pb.FieldValue(duration=value)
    if isinstance(value, common_pb2.Money):
        return pb.FieldValue(money=value)
    if isinstance(value, pb.CalendarDate):
        return pb.FieldValue(date=value)
    if isinstance(value, bool):
        return pb.FieldValue(flag=value)
    if isinstance(value, date):
        return pb.FieldValue(date=pb.CalendarDate(year=value.year, month=value.month, day=value.day))
    if isinstance(value, int | float):
        return pb.FieldValue(number=value)
    if isinstance(value, str):
        return pb.FieldValue(text=value)
    if isinstance(value, Mapping):
        return pb.FieldValue(record=pb.FieldRecord(fields={key: field_value(entry) for key, entry in value.items()}))
    return pb.FieldValue(list=pb.FieldList(values=[field_value(entry) for entry in value]))


def draft_request(
    document_type: str = "", jurisdiction: str = "", fields: Mapping[str, Value] | None = None, **rest: Unpack[DraftFields]
) -> pb.DraftRequest:
    """A request for one document; ``rest`` are the other fields of DraftRequest (request, language, corpus, formats, …)."""
    request = pb.DraftRequest(document_type=document_type, jurisdiction=jurisdiction, **rest)
    for name, value in (fields or {}).items():
        request.fields[name].CopyFrom(field_value(value))
    return request


def parts_of(parts: pb.DraftParts) -> Iterator[tuple[str, Any]]:
    """(kind, body) of the events that a kept document's parts stand for, in the order in which a document forms."""
    for kind, entries in (
        ("read_field", parts.read_fields), ("progress", parts.progress), ("authority", parts.authorities),
    ):  # fmt: skip
        for entry in entries:
            yield kind, entry
    for section in parts.sections:
        yield "section", section.section
        if section.text:
            yield "token", pb.SectionToken(index=section.section.index, text=section.text)
    for kind, checked in (
        ("check", parts.checks), ("citation", parts.citations), ("removed_citation", parts.removed_citations),
    ):  # fmt: skip
        for found in checked:
            yield kind, found


class Document:
    """A document put together from its events: ``apply`` each in order."""

    def __init__(self) -> None:
        self.started: pb.DraftStarted | None = None
        self.sections: list[tuple[pb.SectionBegun, str]] = []
        self.authorities: dict[str, pb.Authority] = {}
        self.citations: list[pb.LegalCitation] = []
        self.removed: list[pb.RemovedCitation] = []
        self.checks: list[pb.Check] = []
        self.files: dict[int, bytes] = {}
        self.completed: pb.DraftCompleted | None = None

    def apply(self, event: DraftEvents) -> None:
        """Take the next event; one that begins anew voids those before."""
        if event.kind == "restarted":
            self.__init__()  # type: ignore[misc]
        else:
            self.feed(event.kind, event.body)

    def feed(self, kind: str, body: Any) -> None:
        """Take the next event by its kind and body."""
        match kind:
            case "section":
                self.sections.append((body, ""))
            case "token":
                begun, text = self.sections[body.index]
                self.sections[body.index] = begun, text + body.text
            case "segment_reset":
                self.sections[body.index] = self.sections[body.index][0], ""
            case "authority":
                self.authorities[body.id] = body
            case "citation":
                self.citations.append(body)
            case "removed_citation":
                self.removed.append(body)
            case "check":
                self.checks.append(body)
            case "file":
                self.files[body.format] = body.content
            case "started":
                self.started = body
            case "completed":
                self.completed = body
            case "parts":
                for part, entry in parts_of(body):
                    self.feed(part, entry)

    @property
    def markdown(self) -> str:
        """The document as Markdown; empty where it was not asked for."""
        return self.files.get(pb.LEGAL_FORMAT_MARKDOWN, b"").decode()


def import_requests(path: Path, corpus: str, jurisdiction: str) -> Iterator[pb.ImportCorpusRequest]:
    """The messages that send a file or the files of a folder."""
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        with file.open("rb") as stream:
            piece = stream.read(PIECE)
            yield pb.ImportCorpusRequest(corpus=corpus, path=name, content=piece, jurisdiction=jurisdiction)
            while piece := stream.read(PIECE):
                yield pb.ImportCorpusRequest(content=piece)


class Legal:
    """The legal system, blocking."""

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._stub: Any = legal_pb2_grpc.LegalServiceStub(client.channel)

    def draft(self, request: pb.DraftRequest, timeout: float | None = None, *, restart: bool = False) -> Stream[DraftEvents]:
        """One document (see :func:`draft_request`); iterate for typed events."""
        return self._client.stream(self._stub.Draft, request, self._client.seconds(timeout, STREAM_TIMEOUT), restart)

    def revise(
        self, draft_id: str, instruction: str = "", fields: Mapping[str, Value] | None = None, **rest: Unpack[ReviseFields]
    ) -> Stream[DraftEvents]:
        """A new document made from a kept one."""
        request = pb.ReviseRequest(draft_id=draft_id, instruction=instruction, **rest)
        for name, value in (fields or {}).items():
            request.fields[name].CopyFrom(field_value(value))
        return self._client.stream(self._stub.Revise, request)

    def draft_bulk(self, requests: Iterable[pb.DraftRequest], timeout: float | None = None) -> Iterator[pb.DraftBulkEvent]:
        """Many documents; events of each as they are made, the last one sums up."""
        messages = (pb.DraftBulkRequest(draft=request) for request in requests)
        yield from self._long(self._stub.DraftBulk, messages, timeout)

    def validate(self, text: str, document_type: str = "", jurisdiction: str = "") -> pb.ValidateResponse:
        """Check a finished text."""
        request = pb.ValidateRequest(text=text, document_type=document_type, jurisdiction=jurisdiction)
        response: pb.ValidateResponse = self._client.unary(self._stub.Validate, request)
        return response

    def review(self, text: str, document_type: str = "", jurisdiction: str = "") -> pb.ReviewResponse:
        """Review a finished text."""
        request = pb.ReviewRequest(text=text, document_type=document_type, jurisdiction=jurisdiction)
        response: pb.ReviewResponse = self._client.unary(self._stub.Review, request)
        return response

    def cite(self, text: str, jurisdiction: str, **rest: Unpack[CiteFields]) -> pb.CiteResponse:
        """Authorities for a finished text, and its citations that are no support."""
        request = pb.CiteRequest(text=text, jurisdiction=jurisdiction, **rest)
        response: pb.CiteResponse = self._client.unary(self._stub.Cite, request)
        return response

    def search(self, query: str, jurisdiction: str = "", **rest: Unpack[AuthorityFields]) -> pb.SearchAuthoritiesResponse:
        """Search a corpus; ``rest`` are limit, topic, corpus, as_of."""
        request = pb.SearchAuthoritiesRequest(query=query, jurisdiction=jurisdiction, **rest)
        response: pb.SearchAuthoritiesResponse = self._client.unary(self._stub.SearchAuthorities, request)
        return response

    def document_types(self) -> Iterator[pb.DocumentType]:
        """All document types by name, page by page."""
        request = pb.ListDocumentTypesRequest()
        return self._client.pages(self._stub.ListDocumentTypes, request, lambda page: page.document_types)

    def corpora(self) -> Iterator[pb.Corpus]:
        """The corpora that can be searched, page by page."""
        return self._client.pages(self._stub.ListCorpora, pb.ListCorporaRequest(), lambda page: page.corpora)

    def import_corpus(
        self, path: Path, corpus: str = "", jurisdiction: str = "", timeout: float | None = None
    ) -> Iterator[pb.ImportCorpusResponse]:
        """Replace a corpus by the files at ``path``; the last response carries it."""
        yield from self._long(self._stub.ImportCorpus, import_requests(path, corpus, jurisdiction), timeout)

    def _long(self, method: Any, messages: Iterable[Any], timeout: float | None) -> Iterator[Any]:
        try:
            yield from method(
                iter(messages), timeout=self._client.seconds(timeout, LONG_TIMEOUT), metadata=self._client.metadata
            )
        except grpc.RpcError as error:
            raise convert_rpc(error) from None


class AsyncLegal:
    """The legal system, for an event loop."""

    def __init__(self, client: AsyncCalls) -> None:
        self._client = client
        self._stub: Any = legal_pb2_grpc.LegalServiceStub(client.channel)

    def draft(
        self, request: pb.DraftRequest, timeout: float | None = None, *, restart: bool = False
    ) -> AsyncStream[DraftEvents]:
        """As :meth:`Legal.draft`."""
        return self._client.stream(self._stub.Draft, request, self._client.seconds(timeout, STREAM_TIMEOUT), restart)

    def revise(
        self, draft_id: str, instruction: str = "", fields: Mapping[str, Value] | None = None, **rest: Unpack[ReviseFields]
    ) -> AsyncStream[DraftEvents]:
        """As :meth:`Legal.revise`."""
        request = pb.ReviseRequest(draft_id=draft_id, instruction=instruction, **rest)
        for name, value in (fields or {}).items():
            request.fields[name].CopyFrom(field_value(value))
        return self._client.stream(self._stub.Revise, request)

    async def draft_bulk(
        self, requests: Iterable[pb.DraftRequest], timeout: float | None = None
    ) -> AsyncIterator[pb.DraftBulkEvent]:
        """As :meth:`Legal.draft_bulk`."""
        messages = (pb.DraftBulkRequest(draft=request) for request in requests)
        async for event in self._long(self._stub.DraftBulk, messages, timeout):
            yield event

    async def validate(self, text: str, document_type: str = "", jurisdiction: str = "") -> pb.ValidateResponse:
        """As :meth:`Legal.validate`."""
        request = pb.ValidateRequest(text=text, document_type=document_type, jurisdiction=jurisdiction)
        response: pb.ValidateResponse = await self._client.unary(self._stub.Validate, request)
        return response

    async def review(self, text: str, document_type: str = "", jurisdiction: str = "") -> pb.ReviewResponse:
        """As :meth:`Legal.review`."""
        request = pb.ReviewRequest(text=text, document_type=document_type, jurisdiction=jurisdiction)
        response: pb.ReviewResponse = await self._client.unary(self._stub.Review, request)
        return response

    async def cite(self, text: str, jurisdiction: str, **rest: Unpack[CiteFields]) -> pb.CiteResponse:
        """As :meth:`Legal.cite`."""
        request = pb.CiteRequest(text=text, jurisdiction=jurisdiction, **rest)
        response: pb.CiteResponse = await self._client.unary(self._stub.Cite, request)
        return response

    async def search(self, query: str, jurisdiction: str = "", **rest: Unpack[AuthorityFields]) -> pb.SearchAuthoritiesResponse:
        """As :meth:`Legal.search`."""
        request = pb.SearchAuthoritiesRequest(query=query, jurisdiction=jurisdiction, **rest)
        response: pb.SearchAuthoritiesResponse = await self._client.unary(self._stub.SearchAuthorities, request)
        return response

    def document_types(self) -> AsyncIterator[pb.DocumentType]:
        """All document types by name, page by page."""
        request = pb.ListDocumentTypesRequest()
        return self._client.pages(self._stub.ListDocumentTypes, request, lambda page: page.document_types)

    def corpora(self) -> AsyncIterator[pb.Corpus]:
        """The corpora that can be searched, page by page."""
        return self._client.pages(self._stub.ListCorpora, pb.ListCorporaRequest(), lambda page: page.corpora)

    async def import_corpus(
        self, path: Path, corpus: str = "", jurisdiction: str = "", timeout: float | None = None
    ) -> AsyncIterator[pb.ImportCorpusResponse]:
        """As :meth:`Legal.import_corpus`."""
        async for response in self._long(self._stub.ImportCorpus, import_requests(path, corpus, jurisdiction), timeout):
            yield response

    async def _long(self, method: Any, messages: Iterable[Any], timeout: float | None) -> AsyncIterator[Any]:
        try:
            async for response in method(
                off_loop(messages), timeout=self._client.seconds(timeout, LONG_TIMEOUT), metadata=self._client.metadata
            ):
                yield response
        except grpc.RpcError as error:
            raise convert_rpc(error) from None

"""PortfolioService: documents are kept, listed, removed and searched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from threading import Lock

from hexar.agents.portfolio import messages
from hexar.agents.portfolio.chat.pipeline import ChatPipeline
from hexar.agents.portfolio.documents import formats as documents
from hexar.agents.portfolio.documents.blocks import Format
from hexar.agents.portfolio.documents.formats import Rejected
from hexar.agents.portfolio.documents.library import Library, PortfolioRow, Written
from hexar.agents.portfolio.retrieval.finding import PassageQuery
from hexar.agents.portfolio.retrieval.passages import Mode
from hexar.agents.portfolio.validation import check_language, check_name, check_search, check_text, page_size
from hexar.core.deadline import Deadline
from hexar.core.errors import AlreadyExists, InvalidArgument, NotFound, ResourceExhausted
from hexar.core.paging import PageTokens
from hexar.core.processes import Cancel
from hexar.core.resilience.dispatch import Dispatcher
from hexar.core.store import Database
from hexar.server.calls.rpc import Call, Handler
from hexar.server.tuning.memory import give_back, give_back_soon
from hexar.v1 import common_pb2, portfolio_pb2

SERVICE = "hexar.v1.PortfolioService/"
#: The bulkhead on which documents are read, cut and embedded.
LANE = "documents"
_PORTFOLIOS = PageTokens("portfolios", str)
_DOCUMENTS = PageTokens("documents", str)
#: Documents of one upload.
MAX_DOCUMENTS = 10_000
#: Bytes of a document that are kept in memory while it arrives; and of a large one, of which one is read at a time.
SPOOL_BYTES = 256 * 1024
LARGE_BYTES = 4 * 1024 * 1024

_FORMATS = {value: Format(name) for name, value in messages.FORMATS.items()}
_MODES = {value: mode for mode, value in messages.MODES.items()} | {portfolio_pb2.RETRIEVAL_MODE_UNSPECIFIED: Mode.HYBRID}
_OUTCOMES = {
    "added": portfolio_pb2.DOCUMENT_OUTCOME_ADDED,
    "replaced": portfolio_pb2.DOCUMENT_OUTCOME_REPLACED,
    "unchanged": portfolio_pb2.DOCUMENT_OUTCOME_UNCHANGED,
}


class Room:
    """Bytes that the documents of all uploads may hold together while they arrive. Belongs to the event loop."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def take(self, size: int) -> None:
        """Hold ``size`` more. ResourceExhausted."""
        if self.held + size > self.limit:
            raise ResourceExhausted("the documents that arrive now take all the room there is", 5.0, limit="upload bytes")
        self.held += size


class _Upload:
    """One document while its bytes arrive: in memory while it is small, else in a file. Beyond the limit they are counted."""

    __slots__ = ("_file", "_held", "_room", "header", "size")

    def __init__(self, header: portfolio_pb2.DocumentHeader, room: Room) -> None:
        self.header = header
        self._room = room
        self._held = 0
        self._file = SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115  # closed when the document is kept, or the call ends
        self.size = 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= documents.MAX_BYTES:
            self._room.take(len(piece))
            self._held += len(piece)
            self._file.write(piece)
            if self.size > LARGE_BYTES:
                give_back_soon()
        else:
            self.close()

    def data(self) -> bytes:
        """All of it."""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Give up its bytes."""
        self._file.close()
        self._room.held -= self._held
        self._held = 0


class PortfolioHandlers:
    """The methods of PortfolioService over one library."""

    def __init__(
        self, database: Database, library: Library, pipeline: ChatPipeline, dispatcher: Dispatcher, room: Room
    ) -> None:
        self._database = database
        self._library = library
        self._pipeline = pipeline
        self._dispatcher = dispatcher
        self._large = Lock()
        self._room = room
        dispatcher.configure(LANE, replace(dispatcher.default, party=False))

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        return {
            SERVICE + "CreatePortfolio": self.create,
            SERVICE + "GetPortfolio": self.get,
            SERVICE + "ListPortfolios": self.list,
            SERVICE + "DeletePortfolio": self.delete,
            SERVICE + "UpsertDocuments": self.upsert,
            SERVICE + "GetDocument": self.document,
            SERVICE + "ListDocuments": self.documents,
            SERVICE + "DeleteDocument": self.delete_document,
            SERVICE + "Search": self.search,
        }

    async def create(self, call: Call) -> bytes:
        """Make a portfolio."""
        request = call.decode(portfolio_pb2.CreatePortfolioRequest)
        check_name("portfolio_id", request.portfolio_id, required=False)
        check_text("title", request.title, 200, required=False)
        row = await self._database.run(self._library.create, call.tenant, request.portfolio_id, request.title)
        return portfolio_pb2.CreatePortfolioResponse(portfolio=messages.portfolio(row)).SerializeToString()

    async def get(self, call: Call) -> bytes:
        """Read a portfolio."""
        request = call.decode(portfolio_pb2.GetPortfolioRequest)
        check_name("portfolio_id", request.portfolio_id)
        row = await self._database.run(self._library.get, call.tenant, request.portfolio_id)
        return portfolio_pb2.GetPortfolioResponse(portfolio=messages.portfolio(row)).SerializeToString()

    async def list(self, call: Call) -> bytes:
        """List portfolios."""
        request = call.decode(portfolio_pb2.ListPortfoliosRequest)
        size = page_size(request.page)
        (after,) = _PORTFOLIOS.decode(request.page.token) or ("",)
        rows, total = await self._database.run(self._library.page, call.tenant, after, size + 1)
        more = _PORTFOLIOS.encode(rows[size - 1].portfolio_id) if len(rows) > size else ""
        return portfolio_pb2.ListPortfoliosResponse(
            portfolios=[messages.portfolio(row) for row in rows[:size]],
            page=common_pb2.PageInfo(next_token=more, total=total, counted=True),
        ).SerializeToString()

    async def delete(self, call: Call) -> bytes:
        """Remove a portfolio."""
        request = call.decode(portfolio_pb2.DeletePortfolioRequest)
        check_name("portfolio_id", request.portfolio_id)
        gone, chunks = await self._database.run(self._library.delete, call.tenant, request.portfolio_id)
        return portfolio_pb2.DeletePortfolioResponse(document_count=gone, chunk_count=chunks).SerializeToString()

    async def document(self, call: Call) -> bytes:
        """Read a document."""
        request = call.decode(portfolio_pb2.GetDocumentRequest)
        check_name("portfolio_id", request.portfolio_id)
        check_text("document_id", request.document_id, 200)
        row, text = await self._database.run(self._library.document, call.tenant, request.portfolio_id, request.document_id)
        return portfolio_pb2.GetDocumentResponse(
            document=messages.document(row), text=text if request.with_text else ""
        ).SerializeToString()

    async def documents(self, call: Call) -> bytes:
        """List documents."""
        request = call.decode(portfolio_pb2.ListDocumentsRequest)
        check_name("portfolio_id", request.portfolio_id)
        size = page_size(request.page)
        (after,) = _DOCUMENTS.decode(request.page.token) or ("",)
        rows, total = await self._database.run(self._library.document_page, call.tenant, request.portfolio_id, after, size + 1)
        more = _DOCUMENTS.encode(rows[size - 1].document_id) if len(rows) > size else ""
        return portfolio_pb2.ListDocumentsResponse(
            documents=[messages.document(row) for row in rows[:size]],
            page=common_pb2.PageInfo(next_token=more, total=total, counted=True),
        ).SerializeToString()

    async def delete_document(self, call: Call) -> bytes:
        """Remove a document."""
        request = call.decode(portfolio_pb2.DeleteDocumentRequest)
        check_name("portfolio_id", request.portfolio_id)
        check_text("document_id", request.document_id, 200)
        chunks, version = await self._database.run(
            self._library.delete_document, call.tenant, request.portfolio_id, request.document_id
        )
        return portfolio_pb2.DeleteDocumentResponse(chunk_count=chunks, version=version).SerializeToString()

    async def search(self, call: Call) -> bytes:
        """Find passages."""
        request = call.decode(portfolio_pb2.SearchRequest)
        check_search(request)
        query = PassageQuery(
            request.query,
            request.top_k or 10,
            mode=_MODES[request.mode],
            language=request.language.split("-")[0],
            read=request.cache_policy != common_pb2.CACHE_POLICY_REFRESH,
        )
        found = await self._pipeline.finder.search(call.tenant, request.portfolio_id, query, call.deadline)
        return messages.search_response(found).SerializeToString()

    # ----------------------------------------------------------------------------------------------------- uploading

    async def upsert(self, call: Call) -> bytes:
        """Receive documents; what cannot be read is counted, the rest is kept."""
        frames = call.decode_stream(portfolio_pb2.UpsertDocumentsRequest)
        portfolio = await self._target(call, frames)
        response = portfolio_pb2.UpsertDocumentsResponse(portfolio_id=portfolio.portfolio_id, version=portfolio.version)
        current: _Upload | None = None
        count = 0
        try:
            async for frame in frames:
                kind = frame.WhichOneof("frame")
                if kind == "data" and current is not None:
                    current.add(frame.data)
                elif kind == "document":
                    if current is not None:
                        await self._keep(call, portfolio.portfolio_id, current, response)
                        current.close()
                    count += 1
                    if count > MAX_DOCUMENTS:
                        raise InvalidArgument("document", f"one upload holds at most {MAX_DOCUMENTS} documents")
                    current = _Upload(frame.document, self._room)
                else:
                    raise InvalidArgument("frame", "expected a document, or data of one that was begun")
            if current is not None:
                await self._keep(call, portfolio.portfolio_id, current, response)
        finally:
            if current is not None:
                current.close()
        return response.SerializeToString()

    async def _target(self, call: Call, frames: AsyncIterator[portfolio_pb2.UpsertDocumentsRequest]) -> PortfolioRow:
        first = await anext(frames, None)
        if first is None or first.WhichOneof("frame") != "target":
            raise InvalidArgument("target", "an upload begins with its target")
        check_name("target.portfolio_id", first.target.portfolio_id)
        try:
            return await self._database.run(self._library.get, call.tenant, first.target.portfolio_id)
        except NotFound:
            if not first.target.create:
                raise
        try:
            return await self._database.run(self._library.create, call.tenant, first.target.portfolio_id)
        except AlreadyExists:
            return await self._database.run(self._library.get, call.tenant, first.target.portfolio_id)

    async def _keep(
        self, call: Call, portfolio_id: str, upload: _Upload, response: portfolio_pb2.UpsertDocumentsResponse
    ) -> None:
        name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in upload.header.document_id[:200])
        result = response.results.add(document_id=name)
        cancel = Cancel()
        kept = await self._dispatcher.call(
            LANE,
            self._read_and_keep,
            call.tenant,
            portfolio_id,
            upload,
            call.deadline,
            cancel,
            deadline=call.deadline,
            abandoned=cancel.cancel,
        )
        if isinstance(kept, str):
            result.outcome = portfolio_pb2.DOCUMENT_OUTCOME_REJECTED
            result.reason = kept
            response.rejected += 1
            return
        written, encoding = kept
        result.outcome = _OUTCOMES[written.outcome]
        if encoding:
            result.reason = f"read as {encoding}"
        result.version = written.version
        result.chunk_count = written.chunk_count
        result.embedded_count = written.embedded
        response.version = written.portfolio_version
        response.lexical_only |= not written.vectors
        setattr(response, written.outcome, getattr(response, written.outcome) + 1)

    def _read_and_keep(
        self, tenant: str, portfolio_id: str, upload: _Upload, deadline: Deadline, cancel: Cancel
    ) -> tuple[Written, str] | str:
        """One document, on a thread: what was written and its encoding, or why it was rejected.

        The rejection ends here: an exception that is handed on holds the frames that it came through, and so the document.
        """
        large = upload.size > LARGE_BYTES
        try:
            with self._large if large else nullcontext():
                return self._ingest(tenant, portfolio_id, upload, deadline, cancel)
        except Rejected as error:
            return error.reason
        finally:
            if large:
                give_back()

    def _ingest(
        self, tenant: str, portfolio_id: str, upload: _Upload, deadline: Deadline, cancel: Cancel
    ) -> tuple[Written, str]:
        header = upload.header
        if upload.size > documents.MAX_BYTES:
            documents.check_name(header.document_id)
            raise Rejected(f"the document is larger than {documents.MAX_BYTES // (1024 * 1024)} MiB")
        try:
            check_text("title", header.title, 200, required=False)
            check_text("url", header.url, 2000, required=False)
            check_language("language", header.language)
        except InvalidArgument as error:
            raise Rejected(error.message) from None
        if header.format not in portfolio_pb2.DocumentFormat.values():
            raise Rejected("the format is not known")
        data = upload.data()
        parsed = documents.read(
            data,
            header.document_id,
            format=_FORMATS.get(header.format),
            media_type=header.media_type,
            language=header.language.split("-")[0],
            deadline=deadline,
            cancel=cancel,
        )
        library, name = self._library, header.document_id
        written = library.upsert(tenant, portfolio_id, name, parsed, data, title=header.title, url=header.url)
        return written, parsed.encoding

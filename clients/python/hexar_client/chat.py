"""Chat and portfolios: typed events, uploads from files, rows as messages of the contract."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, Unpack, cast

from hexar.v1 import chat_pb2 as pb
from hexar.v1 import chat_pb2_grpc, portfolio_pb2, portfolio_pb2_grpc
from hexar_client._calls import AsyncCalls, Calls, off_loop
from hexar_client._fields import SearchFields
from hexar_client._stream import AsyncStream, Event, Restarted, Stream

ChatBody: TypeAlias = pb.ChatStarted | pb.ChatToken | pb.ChatCitation | pb.ChatSegmentReset | pb.ChatDone | Restarted

#: Bytes of a document that travel in one message.
PIECE = 256 * 1024
#: Seconds that an upload may take where the caller does not say.
UPLOAD_TIMEOUT = 300.0
#: What is taken from a folder.
SUFFIXES = frozenset((".md", ".markdown", ".txt", ".text", ".html", ".htm", ".pdf", ".csv", ".tsv", ".docx", ".xlsx"))


@dataclass(frozen=True, slots=True)
class Upload:
    """One document to send: its name in the portfolio, and where its bytes are."""

    document_id: str
    source: Path | bytes
    title: str = ""
    url: str = ""

    def read(self) -> bytes:
        """The bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


def uploads(paths: Iterable[str | Path]) -> Iterator[Upload]:
    """Documents of files and folders. A file of a folder is named by its path below the folder."""
    for given in paths:
        path = Path(given)
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and file.suffix.lower() in SUFFIXES:
                    yield Upload(file.relative_to(path).as_posix(), file)
        else:
            yield Upload(path.name, path)


def upload_frames(
    portfolio_id: str, documents: Iterable[Upload], *, create: bool, sent: Callable[[Upload, int], None] | None = None
) -> Iterator[portfolio_pb2.UpsertDocumentsRequest]:
    """The messages of an upload. ``sent`` is told of every piece that was handed over, with its size in bytes."""
    frame = portfolio_pb2.UpsertDocumentsRequest
    yield frame(target=portfolio_pb2.UpsertTarget(portfolio_id=portfolio_id, create=create))
    for document in documents:
        media_type = mimetypes.guess_type(document.document_id)[0] or ""
        yield frame(
            document=portfolio_pb2.DocumentHeader(
                document_id=document.document_id, title=document.title, url=document.url, media_type=media_type
            )
        )
        data = document.read()
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            yield frame(data=piece)
            if sent is not None:
                sent(document, len(piece))


def text_of(events: Iterable[Event[Any]]) -> str:
    """The text of an answer: its tokens since the last segment_reset, or since it was begun anew."""
    pieces: list[str] = []
    for event in events:
        if event.kind == "token":
            pieces.append(event.body.text)
        elif event.kind in ("segment_reset", "restarted"):
            pieces.clear()
    return "".join(pieces)


def _note(state: Any, event: Event[Any]) -> None:
    # A caller that comes back for the rest names the conversation that its first event began.
    if event.kind == "started" and not state.request.conversation_id:
        state.request.conversation_id = event.body.conversation_id


class ChatStream(Stream[ChatBody]):
    """The events of one chat answer."""

    def __iter__(self) -> Iterator[Event[ChatBody]]:
        for event in super().__iter__():
            _note(self._state, event)
            yield event


class AsyncChatStream(AsyncStream[ChatBody]):
    """As :class:`ChatStream`, on the event loop."""

    async def __aiter__(self) -> AsyncIterator[Event[ChatBody]]:
        async for event in super().__aiter__():
            _note(self._state, event)
            yield event


class Portfolios:
    """PortfolioService and the rows of ChatService for blocking code; each method returns the response message."""

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._portfolios: Any = portfolio_pb2_grpc.PortfolioServiceStub(client.channel)
        self._chat: Any = chat_pb2_grpc.ChatServiceStub(client.channel)

    def add(
        self,
        portfolio_id: str,
        documents: Iterable[Upload],
        *,
        create: bool = True,
        timeout: float = UPLOAD_TIMEOUT,
        sent: Callable[[Upload, int], None] | None = None,
    ) -> portfolio_pb2.UpsertDocumentsResponse:
        """Upload documents; what cannot be read is in the summary, the rest is kept."""
        frames: Any = upload_frames(portfolio_id, documents, create=create, sent=sent)
        return cast(
            "portfolio_pb2.UpsertDocumentsResponse",
            self._client.unary(self._portfolios.UpsertDocuments, frames, timeout),
        )

    def create(self, portfolio_id: str = "", title: str = "") -> portfolio_pb2.Portfolio:
        """Make a portfolio; the server names one without an id. AlreadyExists."""
        request = portfolio_pb2.CreatePortfolioRequest(portfolio_id=portfolio_id, title=title)
        response = self._client.unary(self._portfolios.CreatePortfolio, request)
        return cast("portfolio_pb2.Portfolio", response.portfolio)

    def get(self, portfolio_id: str) -> portfolio_pb2.Portfolio:
        """Read a portfolio. NotFound."""
        request = portfolio_pb2.GetPortfolioRequest(portfolio_id=portfolio_id)
        response = self._client.unary(self._portfolios.GetPortfolio, request)
        return cast("portfolio_pb2.Portfolio", response.portfolio)

    def list(self) -> Iterator[portfolio_pb2.Portfolio]:
        """All portfolios by id, page by page."""
        return self._client.pages(
            self._portfolios.ListPortfolios, portfolio_pb2.ListPortfoliosRequest(), lambda page: page.portfolios
        )

    def delete(self, portfolio_id: str) -> portfolio_pb2.DeletePortfolioResponse:
        """Remove a portfolio with its documents; how many went with it. NotFound."""
        request = portfolio_pb2.DeletePortfolioRequest(portfolio_id=portfolio_id)
        return cast("portfolio_pb2.DeletePortfolioResponse", self._client.unary(self._portfolios.DeletePortfolio, request))

    def documents(self, portfolio_id: str) -> Iterator[portfolio_pb2.Document]:
        """All documents of a portfolio by id, page by page."""
        request = portfolio_pb2.ListDocumentsRequest(portfolio_id=portfolio_id)
        return self._client.pages(self._portfolios.ListDocuments, request, lambda page: page.documents)

    def document(self, portfolio_id: str, document_id: str, *, with_text: bool = False) -> portfolio_pb2.GetDocumentResponse:
        """Read a document, with its text where asked for. NotFound."""
        request = portfolio_pb2.GetDocumentRequest(portfolio_id=portfolio_id, document_id=document_id, with_text=with_text)
        return cast("portfolio_pb2.GetDocumentResponse", self._client.unary(self._portfolios.GetDocument, request))

    def delete_document(self, portfolio_id: str, document_id: str) -> portfolio_pb2.DeleteDocumentResponse:
        """Remove a document. NotFound."""
        request = portfolio_pb2.DeleteDocumentRequest(portfolio_id=portfolio_id, document_id=document_id)
        return cast("portfolio_pb2.DeleteDocumentResponse", self._client.unary(self._portfolios.DeleteDocument, request))

    def search(self, portfolio_id: str, query: str, **fields: Unpack[SearchFields]) -> portfolio_pb2.SearchResponse:
        """The best passages; ``fields`` are those of SearchRequest (top_k, mode, language, cache_policy)."""
        request = portfolio_pb2.SearchRequest(portfolio_id=portfolio_id, query=query, **fields)
        return cast("portfolio_pb2.SearchResponse", self._client.unary(self._portfolios.Search, request))

    def call(self, method: str, request: Any) -> Any:
        """Any other unary method of PortfolioService or ChatService, by its name in the contract."""
        stub = self._portfolios if hasattr(self._portfolios, method) else self._chat
        return self._client.unary(getattr(stub, method), request)


class AsyncPortfolios:
    """As :class:`Portfolios`, on the event loop."""

    def __init__(self, client: AsyncCalls) -> None:
        self._client = client
        self._portfolios: Any = portfolio_pb2_grpc.PortfolioServiceStub(client.channel)
        self._chat: Any = chat_pb2_grpc.ChatServiceStub(client.channel)

    async def add(
        self,
        portfolio_id: str,
        documents: Iterable[Upload],
        *,
        create: bool = True,
        timeout: float = UPLOAD_TIMEOUT,
        sent: Callable[[Upload, int], None] | None = None,
    ) -> portfolio_pb2.UpsertDocumentsResponse:
        """Upload documents, read off the event loop; what cannot be read is in the summary, the rest is kept."""
        frames: Any = off_loop(upload_frames(portfolio_id, documents, create=create, sent=sent))
        return cast(
            "portfolio_pb2.UpsertDocumentsResponse",
            await self._client.unary(self._portfolios.UpsertDocuments, frames, timeout),
        )

    async def create(self, portfolio_id: str = "", title: str = "") -> portfolio_pb2.Portfolio:
        """Make a portfolio; the server names one without an id. AlreadyExists."""
        request = portfolio_pb2.CreatePortfolioRequest(portfolio_id=portfolio_id, title=title)
        response = await self._client.unary(self._portfolios.CreatePortfolio, request)
        return cast("portfolio_pb2.Portfolio", response.portfolio)

    async def get(self, portfolio_id: str) -> portfolio_pb2.Portfolio:
        """Read a portfolio. NotFound."""
        request = portfolio_pb2.GetPortfolioRequest(portfolio_id=portfolio_id)
        response = await self._client.unary(self._portfolios.GetPortfolio, request)
        return cast("portfolio_pb2.Portfolio", response.portfolio)

    def list(self) -> AsyncIterator[portfolio_pb2.Portfolio]:
        """All portfolios by id, page by page."""
        return self._client.pages(
            self._portfolios.ListPortfolios, portfolio_pb2.ListPortfoliosRequest(), lambda page: page.portfolios
        )

    async def delete(self, portfolio_id: str) -> portfolio_pb2.DeletePortfolioResponse:
        """Remove a portfolio with its documents; how many went with it. NotFound."""
        request = portfolio_pb2.DeletePortfolioRequest(portfolio_id=portfolio_id)
        return cast(
            "portfolio_pb2.DeletePortfolioResponse", await self._client.unary(self._portfolios.DeletePortfolio, request)
        )

    def documents(self, portfolio_id: str) -> AsyncIterator[portfolio_pb2.Document]:
        """All documents of a portfolio by id, page by page."""
        request = portfolio_pb2.ListDocumentsRequest(portfolio_id=portfolio_id)
        return self._client.pages(self._portfolios.ListDocuments, request, lambda page: page.documents)

    async def document(
        self, portfolio_id: str, document_id: str, *, with_text: bool = False
    ) -> portfolio_pb2.GetDocumentResponse:
        """Read a document, with its text where asked for. NotFound."""
        request = portfolio_pb2.GetDocumentRequest(portfolio_id=portfolio_id, document_id=document_id, with_text=with_text)
        return cast("portfolio_pb2.GetDocumentResponse", await self._client.unary(self._portfolios.GetDocument, request))

    async def delete_document(self, portfolio_id: str, document_id: str) -> portfolio_pb2.DeleteDocumentResponse:
        """Remove a document. NotFound."""
        request = portfolio_pb2.DeleteDocumentRequest(portfolio_id=portfolio_id, document_id=document_id)
        return cast("portfolio_pb2.DeleteDocumentResponse", await self._client.unary(self._portfolios.DeleteDocument, request))

    async def search(self, portfolio_id: str, query: str, **fields: Unpack[SearchFields]) -> portfolio_pb2.SearchResponse:
        """The best passages; ``fields`` are those of SearchRequest (top_k, mode, language, cache_policy)."""
        request = portfolio_pb2.SearchRequest(portfolio_id=portfolio_id, query=query, **fields)
        return cast("portfolio_pb2.SearchResponse", await self._client.unary(self._portfolios.Search, request))

    async def call(self, method: str, request: Any) -> Any:
        """Any other unary method of PortfolioService or ChatService, by its name in the contract."""
        stub = self._portfolios if hasattr(self._portfolios, method) else self._chat
        return await self._client.unary(getattr(stub, method), request)

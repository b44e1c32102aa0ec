"""Portfolios and their documents, blocking and asynchronous: rows as messages of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Unpack, cast

from hexar.v1 import chat_pb2_grpc, portfolio_pb2, portfolio_pb2_grpc
from hexar_client._rpc.calls import AsyncCalls, Calls, off_loop
from hexar_client._rpc.fields import SearchFields
from hexar_client.chat.uploads import UPLOAD_TIMEOUT, Upload, upload_frames


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
        timeout: float | None = None,
        sent: Callable[[Upload, int], None] | None = None,
    ) -> portfolio_pb2.UpsertDocumentsResponse:
        """Upload documents; what cannot be read is in the summary, the rest is kept."""
        frames: Any = upload_frames(portfolio_id, documents, create=create, sent=sent)
        return cast(
            "portfolio_pb2.UpsertDocumentsResponse",
            self._client.unary(self._portfolios.UpsertDocuments, frames, self._client.seconds(timeout, UPLOAD_TIMEOUT)),
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
        timeout: float | None = None,
        sent: Callable[[Upload, int], None] | None = None,
    ) -> portfolio_pb2.UpsertDocumentsResponse:
        """Upload documents, read off the event loop; what cannot be read is in the summary, the rest is kept."""
        frames: Any = off_loop(upload_frames(portfolio_id, documents, create=create, sent=sent))
        return cast(
            "portfolio_pb2.UpsertDocumentsResponse",
            await self._client.unary(self._portfolios.UpsertDocuments, frames, self._client.seconds(timeout, UPLOAD_TIMEOUT)),
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

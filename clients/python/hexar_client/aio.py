"""The asynchronous client: the same names as the blocking one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Unpack

from hexar.v1 import chat_pb2, chat_pb2_grpc, query_pb2_grpc
from hexar_client._calls import AsyncCalls
from hexar_client._channel import Connection
from hexar_client._fields import ChatFields, QueryFields
from hexar_client._stream import AsyncStream
from hexar_client.chat import AsyncChatStream, AsyncPortfolios
from hexar_client.conversations import AsyncAgents, AsyncConversations
from hexar_client.gear import QueryBody, query_request
from hexar_client.legal import AsyncLegal
from hexar_client.market import AsyncMarket
from hexar_client.ops import AsyncOps
from hexar_client.parts import AsyncParts


class AsyncClient(AsyncCalls):
    """A connection to Hexar for one event loop: that which runs when the first call is made, so it may be made where none runs.

    Arguments as for :class:`hexar_client.Client`.
    """

    def __init__(
        self,
        target: str | Sequence[str] = "localhost:50051",
        *,
        token: str = "",
        tls: bool | bytes = False,
        certificate: tuple[bytes, bytes] | None = None,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(Connection(target, token, tls, certificate, timeout, tuple(metadata)))
        self._queries: Any = query_pb2_grpc.QueryServiceStub(self.channel)
        self._chats: Any = chat_pb2_grpc.ChatServiceStub(self.channel)
        self.portfolios = AsyncPortfolios(self)
        self.conversations = AsyncConversations(self)
        self.agents = AsyncAgents(self)
        self.ops = AsyncOps(self)
        self.parts = AsyncParts(self)
        self.legal = AsyncLegal(self)
        self.market = AsyncMarket(self)

    def query(
        self,
        text: str = "",
        *,
        timeout: float | None = None,
        wait: float = 0.0,
        restart: bool = False,
        **fields: Unpack[QueryFields],
    ) -> AsyncStream[QueryBody]:
        """Ask for products; ``async for`` over the result gives typed events. Arguments as for Client.query."""
        return self.stream(self._queries.Query, query_request(text, wait=wait, **fields), timeout, restart)

    def chat(
        self,
        portfolio_id: str,
        message: str,
        *,
        timeout: float | None = None,
        restart: bool = False,
        **fields: Unpack[ChatFields],
    ) -> AsyncChatStream:
        """Ask about a portfolio's documents; ``async for`` over the result for typed events.

        ``fields`` are those of ChatRequest (conversation_id, agent_id, language, cache_policy, top_k, max_tokens, ephemeral).
        """
        request = chat_pb2.ChatRequest(portfolio_id=portfolio_id, message=message, **fields)
        return AsyncChatStream(self._chats.Chat, request, self.metadata, self.seconds(timeout), restart=restart)

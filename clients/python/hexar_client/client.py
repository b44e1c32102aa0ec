"""The two clients: blocking, and for an event loop; the same names on both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Unpack

from hexar.v1 import chat_pb2, chat_pb2_grpc, query_pb2_grpc
from hexar_client._rpc.calls import AsyncCalls, Calls
from hexar_client._rpc.channel import Connection
from hexar_client._rpc.fields import ChatFields, QueryFields
from hexar_client._rpc.stream import AsyncStream, Stream
from hexar_client.chat import (
    Agents,
    AsyncAgents,
    AsyncChatStream,
    AsyncConversations,
    AsyncPortfolios,
    ChatStream,
    Conversations,
    Portfolios,
)
from hexar_client.gear import QueryEvents, query_request
from hexar_client.legal import AsyncLegal, Legal
from hexar_client.market import AsyncMarket, Market
from hexar_client.ops import AsyncOps, Ops
from hexar_client.parts import AsyncParts, Parts


class Client(Calls):
    """A connection to Hexar for blocking code.

    Thread-safety: one client may be shared by all threads; a stream belongs to one.

    Args:
        target: "host:port"; several of them for replicas of one service: a connection that is lost is made anew to any of them.
        token: sent as bearer token; empty: none.
        tls: True, or the PEM bytes of the authority to trust.
        certificate: the client's own, for a server that asks for one: private key and certificate chain, PEM bytes.
        timeout: seconds that a call may take where it is not said; None: 30 for a unary call, 60 for most streams.
        metadata: sent with every call beside the token.
        retries: how often a call is repeated that could not be answered; streams resume besides.
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
        retries: int = 3,
    ) -> None:
        super().__init__(Connection(target, token, tls, certificate, timeout, tuple(metadata), retries))
        self._add_services()

    def _add_services(self) -> None:
        self._queries: Any = query_pb2_grpc.QueryServiceStub(self.channel)
        self._chats: Any = chat_pb2_grpc.ChatServiceStub(self.channel)
        self.portfolios = Portfolios(self)
        self.conversations = Conversations(self)
        self.agents = Agents(self)
        self.ops = Ops(self)
        self.parts = Parts(self)
        self.legal = Legal(self)
        self.market = Market(self)

    def query(
        self,
        text: str = "",
        *,
        timeout: float | None = None,
        wait: float = 0.0,
        restart: bool = False,
        **fields: Unpack[QueryFields],
    ) -> Stream[QueryEvents]:
        """Ask for products; iterate the result for typed events.

        ``fields`` are those of QueryRequest (filters, user_id, user, limit, cache_policy, vendors); ``wait`` is how many
        seconds the stream stays open for background analyses. ``restart``: where the answer is lost in the middle, an event
        "restarted" comes and then the events of a new one (Ranking understands it); otherwise Aborted is raised.
        """
        return self.stream(self._queries.Query, query_request(text, wait=wait, **fields), timeout, restart)

    def chat(
        self,
        portfolio_id: str,
        message: str,
        *,
        timeout: float | None = None,
        restart: bool = False,
        **fields: Unpack[ChatFields],
    ) -> ChatStream:
        """Ask about a portfolio's documents; iterate the result for typed events.

        ``fields`` are those of ChatRequest (conversation_id, agent_id, language, cache_policy, top_k, max_tokens, ephemeral).
        """
        request = chat_pb2.ChatRequest(portfolio_id=portfolio_id, message=message, **fields)
        return ChatStream(self._chats.Chat, request, self.metadata, self.seconds(timeout), restart=restart)


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
        retries: int = 3,
    ) -> None:
        super().__init__(Connection(target, token, tls, certificate, timeout, tuple(metadata), retries))
        self._add_services()

    def _add_services(self) -> None:
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
    ) -> AsyncStream[QueryEvents]:
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

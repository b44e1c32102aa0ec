"""The asynchronous client: the same names as the blocking one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message

from hexar.v1 import chat_pb2, chat_pb2_grpc, query_pb2_grpc
from hexar_client._channel import Connection
from hexar_client._stream import AsyncStream
from hexar_client.chat import AsyncChatStream, AsyncPortfolios
from hexar_client.client import STREAM_TIMEOUT, UNARY_TIMEOUT
from hexar_client.errors import convert_rpc
from hexar_client.gear import QueryBody, query_request
from hexar_client.market import AsyncMarket
from hexar_client.ops import AsyncOps
from hexar_client.parts import AsyncParts


class AsyncClient:
    """A connection to Hexar for one event loop. Arguments as for :class:`hexar_client.Client`."""

    def __init__(self, target: str | Sequence[str] = "localhost:50051", *, token: str = "", tls: bool | bytes = False) -> None:
        self._connection = Connection(target, token, tls)
        self.channel: grpc.aio.Channel = self._connection.open_aio()
        self.portfolios = AsyncPortfolios(self)
        self.ops = AsyncOps(self)
        self.parts = AsyncParts(self)
        self.market = AsyncMarket(self)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What is sent with every call: the token."""
        return self._connection.metadata

    def query(
        self, text: str = "", *, timeout: float = STREAM_TIMEOUT, wait: float = 0.0, restart: bool = False, **fields: Any
    ) -> AsyncStream[QueryBody]:
        """Ask for products; ``async for`` over the result gives typed events. Arguments as for Client.query."""
        return self.stream(
            query_pb2_grpc.QueryServiceStub(self.channel).Query, query_request(text, wait=wait, **fields), timeout, restart
        )

    def chat(
        self, portfolio_id: str, message: str, *, timeout: float = STREAM_TIMEOUT, restart: bool = False, **fields: Any
    ) -> AsyncChatStream:
        """Ask about a portfolio's documents; ``async for`` over the result for typed events.

        ``fields`` are those of ChatRequest (conversation_id, agent_id, language, cache_policy, top_k, max_tokens, ephemeral).
        """
        request = chat_pb2.ChatRequest(portfolio_id=portfolio_id, message=message, **fields)
        return AsyncChatStream(
            chat_pb2_grpc.ChatServiceStub(self.channel).Chat, request, self._connection.metadata, timeout, restart=restart
        )

    def stream(
        self, method: Callable[..., Any], request: Message, timeout: float = STREAM_TIMEOUT, restart: bool = False
    ) -> AsyncStream[Any]:
        """A resuming stream over any server-streaming method of a generated stub; ``restart`` as for Client.query."""
        return AsyncStream(method, request, self._connection.metadata, timeout, restart=restart)

    async def unary(self, method: Callable[..., Any], request: Message, timeout: float = UNARY_TIMEOUT) -> Any:
        """Call any unary method of a generated stub; errors are the SDK's."""
        try:
            return await method(request, timeout=timeout, metadata=self._connection.metadata)
        except grpc.RpcError as error:
            raise convert_rpc(error) from None

    async def close(self) -> None:
        """Close the connection; streams in progress are cancelled."""
        await self.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

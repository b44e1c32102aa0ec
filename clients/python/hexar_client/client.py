"""The blocking client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import Message

from hexar.v1 import chat_pb2, chat_pb2_grpc, query_pb2_grpc
from hexar_client._channel import Connection
from hexar_client._stream import Stream
from hexar_client.chat import ChatStream, Portfolios
from hexar_client.errors import convert_rpc
from hexar_client.gear import QueryBody, query_request
from hexar_client.market import Market
from hexar_client.ops import Ops
from hexar_client.parts import Parts

R = TypeVar("R", bound=Message)

#: Seconds that a call may take where the caller does not say.
UNARY_TIMEOUT = 30.0
STREAM_TIMEOUT = 60.0


class Client:
    """A connection to Hexar for blocking code.

    Thread-safety: one client may be shared by all threads; a stream belongs to one.

    Args:
        target: "host:port"; several of them for replicas of one service: a connection that is lost is made anew to any of them.
        token: sent as bearer token; empty: none.
        tls: True, or the PEM bytes of the authority to trust.
    """

    def __init__(self, target: str | Sequence[str] = "localhost:50051", *, token: str = "", tls: bool | bytes = False) -> None:
        self._connection = Connection(target, token, tls)
        self.channel: grpc.Channel = self._connection.open()
        self.portfolios = Portfolios(self)
        self.ops = Ops(self)
        self.parts = Parts(self)
        self.market = Market(self)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What is sent with every call: the token."""
        return self._connection.metadata

    def query(
        self, text: str = "", *, timeout: float = STREAM_TIMEOUT, wait: float = 0.0, restart: bool = False, **fields: Any
    ) -> Stream[QueryBody]:
        """Ask for products; iterate the result for typed events.

        ``fields`` are those of QueryRequest (filters, user_id, user, limit, cache_policy, vendors); ``wait`` is how many
        seconds the stream stays open for background analyses. ``restart``: where the answer is lost in the middle, an event
        "restarted" comes and then the events of a new one (Ranking understands it); otherwise Aborted is raised.
        """
        return self.stream(
            query_pb2_grpc.QueryServiceStub(self.channel).Query, query_request(text, wait=wait, **fields), timeout, restart
        )

    def chat(
        self, portfolio_id: str, message: str, *, timeout: float = STREAM_TIMEOUT, restart: bool = False, **fields: Any
    ) -> ChatStream:
        """Ask about a portfolio's documents; iterate the result for typed events.

        ``fields`` are those of ChatRequest (conversation_id, agent_id, language, cache_policy, top_k, max_tokens, ephemeral).
        """
        request = chat_pb2.ChatRequest(portfolio_id=portfolio_id, message=message, **fields)
        return ChatStream(
            chat_pb2_grpc.ChatServiceStub(self.channel).Chat, request, self._connection.metadata, timeout, restart=restart
        )

    def stream(
        self, method: Callable[..., Any], request: Message, timeout: float = STREAM_TIMEOUT, restart: bool = False
    ) -> Stream[Any]:
        """A resuming stream over any server-streaming method of a generated stub; ``restart`` as for :meth:`query`."""
        return Stream(method, request, self._connection.metadata, timeout, restart=restart)

    def unary(self, method: Callable[..., R], request: Message, timeout: float = UNARY_TIMEOUT) -> R:
        """Call any unary method of a generated stub; errors are the SDK's."""
        try:
            return method(request, timeout=timeout, metadata=self._connection.metadata)
        except grpc.RpcError as error:
            raise convert_rpc(error) from None

    def close(self) -> None:
        """Close the connection; streams in progress are cancelled."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

"""From a service in the contract to handlers on a grpc.aio server.

Handlers take raw bytes and decode them here, so that bytes that are no message end as INVALID_ARGUMENT instead of UNKNOWN,
and so that a replayed answer is written without ever being decoded. The interceptors are composed once, when the server is
built: a call passes through plain coroutines.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message

from hexar.core.deadline import Deadline
from hexar.core.errors import InvalidArgument, Unimplemented

M = TypeVar("M", bound=Message)

#: A caller's deadline is capped here, seconds: unary calls and streams.
UNARY_SECONDS = 30.0
STREAM_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the contract. ``path`` is as on the wire, without the leading slash."""

    path: str
    service: str
    name: str
    client_streaming: bool
    server_streaming: bool

    @classmethod
    def of(cls, descriptor: MethodDescriptor) -> Method:
        """The method of a protobuf descriptor."""
        service = descriptor.containing_service.full_name
        return cls(
            f"{service}/{descriptor.name}", service, descriptor.name, descriptor.client_streaming, descriptor.server_streaming
        )


class Call:
    """One RPC in progress: what came with it, and how to answer."""

    __slots__ = (
        "_context",
        "_headers",
        "_headers_sent",
        "_metadata",
        "deadline",
        "first_event_at",
        "last_seq",
        "method",
        "request",
        "request_id",
        "scopes",
        "started",
        "tenant",
        "trailers",
    )

    def __init__(self, method: Method, request: bytes | AsyncIterator[bytes], context: Any) -> None:
        self.method = method
        #: The serialized request, or an iterator of them where the client streams.
        self.request = request
        self._context = context
        self._metadata: dict[str, str | bytes] | None = None
        self._headers: list[tuple[str, str]] = []
        self._headers_sent = False
        self.started = time.monotonic()
        self.first_event_at: float | None = None
        #: The number of the last event that was written; told to a caller whose stream breaks.
        self.last_seq = 0
        self.tenant = "default"
        self.scopes: frozenset[str] = frozenset()
        self.request_id = ""
        #: Metadata that ends the call.
        self.trailers: list[tuple[str, str | bytes]] = []
        cap = STREAM_SECONDS if method.server_streaming or method.client_streaming else UNARY_SECONDS
        given = context.time_remaining()
        self.deadline = Deadline(self.started + (cap if given is None else min(cap, given)))

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """The request's metadata; of a repeated name, the last value."""
        if self._metadata is None:
            self._metadata = dict(self._context.invocation_metadata() or ())
        return self._metadata

    def text(self, name: str) -> str:
        """The metadata value ``name`` as text; empty where it is missing."""
        value = self.metadata.get(name, "")
        return value if isinstance(value, str) else value.decode("utf-8", "replace")

    def header(self, name: str, value: str) -> None:
        """Add to the initial metadata; before the first event."""
        self._headers.append((name, value))

    async def send(self, events: Sequence[bytes]) -> None:
        """Write events of a stream, in order; waits while the client does not read."""
        if not self._headers_sent:
            self._headers_sent = True
            if self._headers:
                await self._context.send_initial_metadata(tuple(self._headers))
        write = self._context.write
        for event in events:
            await write(event)
            if self.first_event_at is None:
                self.first_event_at = time.monotonic()

    async def finish_headers(self) -> None:
        """Send the initial metadata of a call that wrote no event."""
        if not self._headers_sent and self._headers:
            self._headers_sent = True
            await self._context.send_initial_metadata(tuple(self._headers))

    def set_trailers(self) -> None:
        """Hand the collected trailers to gRPC."""
        if self.trailers:
            self._context.set_trailing_metadata(tuple(self.trailers))

    async def abort(self, code: grpc.StatusCode, message: str, trailers: Iterable[tuple[str, str | bytes]]) -> None:
        """End the call with an error status; raises gRPC's own abort error."""
        await self._context.abort(code, message, tuple(trailers))

    def decode(self, message: type[M]) -> M:
        """The request as ``message``. Raises InvalidArgument where the bytes are none."""
        assert isinstance(self.request, bytes), f"{self.method.path} streams its requests"
        return parse(message, self.request)

    async def decode_stream(self, message: type[M]) -> AsyncIterator[M]:
        """The requests of a client stream, one by one."""
        assert not isinstance(self.request, bytes), f"{self.method.path} has one request"
        async for data in self.request:
            yield parse(message, data)


#: A unary method returns its serialized response; a streaming one sends and returns None.
Handler = Callable[[Call], Awaitable[bytes | None]]
#: An interceptor wraps a method's handler once, when the server is built.
Interceptor = Callable[[Method, Handler], Handler]


def parse(message: type[M], data: bytes) -> M:
    """``data`` as ``message``, or InvalidArgument."""
    try:
        return message.FromString(data)
    except DecodeError:
        raise InvalidArgument("request", f"the bytes are not a {message.DESCRIPTOR.full_name}") from None


async def _unimplemented(call: Call) -> bytes | None:
    raise Unimplemented(f"{call.method.path} is in the contract, but this server does not answer it yet")


class ServiceHandler(grpc.GenericRpcHandler):
    """All methods of the services of some .proto files; those without a handler answer UNIMPLEMENTED."""

    def __init__(
        self, files: Iterable[FileDescriptor], handlers: Mapping[str, Handler], interceptors: Sequence[Interceptor]
    ) -> None:
        self.services: list[str] = []
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        unused = set(handlers)
        for file in files:
            for service in file.services_by_name.values():
                self.services.append(service.full_name)
                for descriptor in service.methods:
                    method = Method.of(descriptor)
                    unused.discard(method.path)
                    handler = handlers.get(method.path, _unimplemented)
                    for interceptor in reversed(interceptors):
                        handler = interceptor(method, handler)
                    self._handlers["/" + method.path] = _grpc_handler(method, handler)
        if unused:
            raise ValueError(f"no such method in the contract: {', '.join(sorted(unused))}")

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of the method that a client names, for gRPC."""
        return self._handlers.get(details.method)


def _grpc_handler(method: Method, handler: Handler) -> grpc.RpcMethodHandler[Any, Any]:
    async def unary(request: Any, context: Any) -> bytes | None:
        return await handler(Call(method, request, context))

    async def streaming(request: Any, context: Any) -> None:
        await handler(Call(method, request, context))

    # No serializers: what goes in and out are bytes.
    if method.server_streaming:
        make = grpc.stream_stream_rpc_method_handler if method.client_streaming else grpc.unary_stream_rpc_method_handler
        return make(streaming)
    make = grpc.stream_unary_rpc_method_handler if method.client_streaming else grpc.unary_unary_rpc_method_handler
    return make(unary)

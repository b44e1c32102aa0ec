"""From a service in the contract to handlers on a grpc.aio server.

Handlers take raw bytes and decode them here, so that bytes that are no message end as INVALID_ARGUMENT instead of UNKNOWN,
and so that a replayed answer is written without ever being decoded. The interceptors are composed once, when the server is
built: a call passes through plain coroutines.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message

from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, HexarError, InvalidArgument, ResourceExhausted, Unimplemented
from hexar.server.calls.transport.texts import check_strings
from hexar.server.calls.transport.wire import Metadata, Served, Wire

M = TypeVar("M", bound=Message)

#: A caller's deadline is capped here, seconds: unary calls and streams.
UNARY_SECONDS = 30.0
STREAM_SECONDS = 300.0
#: Seconds until the first message of a call has come, and between two of a client's stream.
FIRST_SECONDS = 10.0
#: Calls that may wait for their first message at a time.
WAITING = 2000
IDLE_SECONDS = 20.0
#: What is still read, and thrown away, of a client's stream that ends with an error: bytes and seconds. A client whose write
#: fails because the call has ended reports INTERNAL in place of the status (grpc.aio does), so it is let finish.
DRAIN_BYTES = 32 * 1024 * 1024
DRAIN_SECONDS = 3.0
#: The same for a caller who is not known, bytes.
DRAIN_STRANGER_BYTES = 1024 * 1024


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
        "_ended",
        "_headers",
        "_last",
        "_metadata",
        "_reading",
        "_wire",
        "_writing",
        "cache",
        "crowded_out",
        "deadline",
        "first_event_at",
        "last_seq",
        "method",
        "request",
        "request_id",
        "scopes",
        "started",
        "tenant",
        "tier",
        "timer",
        "trailers",
        "user",
    )

    def __init__(self, method: Method, wire: Wire) -> None:
        self.method = method
        #: The serialized request of a method that has one, once it was received.
        self.request: bytes | None = None
        self._wire = wire
        #: True once the client has said that it sends no more; and while a read is not answered.
        self._ended = False
        self._reading = False
        #: True while an event is not taken by gRPC.
        self._writing = False
        self._metadata: dict[str, str | bytes] | None = None
        self._headers: Metadata = ()
        #: The last message of a stream that is known to be the last: it goes out together with the status.
        self._last: bytes | None = None
        self.started = time.monotonic()
        self.first_event_at: float | None = None
        #: The number of the last event that was written; told to a caller whose stream breaks.
        self.last_seq = 0
        self.tenant = "default"
        #: Who of the tenant calls; empty where nothing says.
        self.user = ""
        self.scopes: frozenset[str] = frozenset()
        self.request_id = ""
        #: How a call got its answer, and from which tier; empty where it asked for none.
        self.cache = ""
        self.tier = ""
        #: Metadata that ends the call.
        self.trailers: list[tuple[str, str | bytes]] = []
        cap = STREAM_SECONDS if method.server_streaming or method.client_streaming else UNARY_SECONDS
        given = wire.time_remaining()
        self.deadline = Deadline(self.started + (cap if given is None else min(cap, given)))
        #: What ends the call when its time is over.
        self.timer: asyncio.Timeout | None = None
        #: It waited longest for its first message when too many did.
        self.crowded_out = False

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """The request's metadata; of a repeated name, the last value."""
        if self._metadata is None:
            self._metadata = dict(self._wire.metadata())
        return self._metadata

    def text(self, name: str) -> str:
        """The metadata value ``name`` as text; empty where it is missing."""
        value = self.metadata.get(name, "")
        return value if isinstance(value, str) else value.decode("utf-8", "replace")

    def header(self, name: str, value: str) -> None:
        """Add to the initial metadata; before the first event."""
        self._headers += ((name, value),)

    async def send(self, events: Sequence[bytes], *, opening: bool = False, closing: bool = False) -> None:
        """Write events of a stream, in order; waits while the client does not read.

        ``opening``: they only announce the answer. The first event that the figures know is the first one behind them.
        ``closing``: none comes after them; the last of them waits for the end of the call, and goes out with it.
        """
        if closing and events:
            self._last = events[-1]
            events = events[:-1]
        for event in events:
            self._writing = True
            await self._wire.send(event, self._headers)
            self._writing = False
            if self.first_event_at is None and not opening:
                self.first_event_at = time.monotonic()
        if closing and self.first_event_at is None:
            self.first_event_at = time.monotonic()

    async def finish(self, response: bytes | None) -> None:
        """End the call well; ``response`` is that of a method that does not stream."""
        message = self._last if self.method.server_streaming else response or b""
        self._writing = True
        await self._wire.finish(message, self._headers, tuple(self.trailers))
        self._writing = False

    async def abort(self, code: grpc.StatusCode, text: str, trailers: Iterable[tuple[str, str | bytes]]) -> None:
        """End the call with an error status; may raise gRPC's own abort error.

        Behind an event that the caller does not read no status can be sent: the work ends, and the caller learns of it at its
        own deadline. grpcio cannot cut a call off from the server.
        """
        if self._writing:
            raise asyncio.CancelledError
        await self._wire.fail(code, text, self._last, self._headers, tuple(trailers))

    async def receive(self) -> None:
        """Wait for the request of a method that has one. Raises InvalidArgument where the call ends without it.

        :meth:`limited` gives it :data:`FIRST_SECONDS`.
        """
        self.request = await self._wire.read()
        if self.request is None:
            raise InvalidArgument("request", "the call ended without a message")
        if self.timer is not None:
            self.timer.reschedule(_loop_time(self.deadline.at))

    def limited(self) -> asyncio.Timeout:
        """What ends the call when its time is over, or the first part of it without a message; to be entered."""
        first = math.inf if self.method.client_streaming else self.started + FIRST_SECONDS
        self.timer = asyncio.timeout_at(_loop_time(min(self.deadline.at, first)))
        return self.timer

    def make_room(self) -> None:
        """End the wait for the first message."""
        self.crowded_out = True
        if self.timer is not None:
            self.timer.reschedule(asyncio.get_running_loop().time())

    def overdue(self) -> HexarError:
        """Why the time of :meth:`limited` is over."""
        if self.crowded_out:
            return ResourceExhausted("too many calls wait for their first message", 1.0, limit="calls without a message")
        if self.deadline.expired or self.request is not None:
            return DeadlineExceeded("the time of the call is over")
        return _no_message(FIRST_SECONDS)

    async def _read(self, seconds: float) -> bytes | None:
        """The next message; None where the client ended. Raises DeadlineExceeded after ``seconds`` without one."""
        self._reading = True
        try:
            async with asyncio.timeout(seconds):
                data = await self._wire.read()
        except TimeoutError:
            raise _no_message(seconds) from None
        self._reading = False
        self._ended = data is None
        return data

    async def drain(self, limit: int) -> None:
        """Read what a streaming client still sends, up to ``limit`` bytes and for a short time, and throw it away."""
        if not self.method.client_streaming or self._reading:
            return
        until = time.monotonic() + DRAIN_SECONDS
        with suppress(Exception):  # whatever ends the connection, the status comes next
            while not self._ended and limit > 0 and time.monotonic() < until:
                limit -= len(await self._read(until - time.monotonic()) or b"") + 64

    def decode(self, message: type[M]) -> M:
        """The request as ``message``. Raises InvalidArgument where the bytes are none, or a text in it is not usable."""
        assert self.request is not None, f"{self.method.path} streams its requests"
        decoded = parse(message, self.request)
        check_strings(decoded)
        return decoded

    async def decode_stream(self, message: type[M]) -> AsyncIterator[M]:
        """The requests of a client stream, one by one; their texts are for the method to check."""
        seconds = FIRST_SECONDS
        while (data := await self._read(seconds)) is not None:
            yield parse(message, data)
            seconds = IDLE_SECONDS


def _loop_time(at: float) -> float:
    """A time of the monotonic clock on the clock of the event loop."""
    return asyncio.get_running_loop().time() + at - time.monotonic()


def _no_message(seconds: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"no message came for {seconds:g} seconds")


#: A unary method returns its serialized response; a streaming one sends and returns None.
Handler = Callable[[Call], Awaitable[bytes | None]]
#: An interceptor wraps a method's handler once, when the server is built.
Interceptor = Callable[[Method, Handler], Handler]


class Receive:
    """The interceptor that waits for the request of a method that has one.

    What is outside of it (who calls, how often) is known from the headers alone, and refuses before anything is read. At most
    ``limit`` calls wait: beyond that the one that has waited longest is refused, so streams that are opened and left crowd
    one another out, and not those whose message is on its way.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self, limit: int = WAITING) -> None:
        self._limit = limit
        self._waiting: OrderedDict[Call, None] = OrderedDict()

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Have ``handler`` called with its request."""
        if method.client_streaming:
            return handler
        waiting = self._waiting

        async def call_with_request(call: Call) -> bytes | None:
            if len(waiting) >= self._limit:
                waiting.popitem(last=False)[0].make_room()
            waiting[call] = None
            try:
                await call.receive()
            finally:
                waiting.pop(call, None)
            return await handler(call)

        return call_with_request


def parse(message: type[M], data: bytes) -> M:
    """``data`` as ``message``, or InvalidArgument."""
    try:
        return message.FromString(data)
    except DecodeError:
        raise InvalidArgument("request", f"the bytes are not a {message.DESCRIPTOR.full_name}") from None


async def _unimplemented(call: Call) -> bytes | None:
    raise Unimplemented(f"{call.method.path} is in the contract, but this server does not answer it yet")


class ServiceHandler(grpc.GenericRpcHandler):
    """All methods of the services of some .proto files; those without a handler answer UNIMPLEMENTED.

    ``interceptors`` are outermost first; a :class:`Receive` stands innermost where none is among them.
    """

    def __init__(
        self, files: Iterable[FileDescriptor], handlers: Mapping[str, Handler], interceptors: Sequence[Interceptor]
    ) -> None:
        self.services: list[str] = []
        found: dict[str, Served] = {}
        unused = set(handlers)
        received = any(isinstance(each, Receive) for each in interceptors)
        chain: list[Interceptor] = [*interceptors] if received else [*interceptors, Receive()]
        for file in files:
            for service in file.services_by_name.values():
                self.services.append(service.full_name)
                for descriptor in service.methods:
                    method = Method.of(descriptor)
                    unused.discard(method.path)
                    handler = handlers.get(method.path, _unimplemented)
                    for interceptor in reversed(chain):
                        handler = interceptor(method, handler)
                    found["/" + method.path] = _served(method, handler)
        self.methods: Mapping[str, Served] = found
        # For grpcio's own server.
        self._handlers = {path: each.handler() for path, each in found.items()}
        if unused:
            raise ValueError(f"no such method in the contract: {', '.join(sorted(unused))}")

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The handler of the method that a client names, for gRPC."""
        return self._handlers.get(details.method)


def _served(method: Method, handler: Handler) -> Served:
    async def serve(wire: Wire) -> None:
        await handler(Call(method, wire))

    return Served(serve, method.server_streaming)

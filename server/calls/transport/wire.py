"""One call as it is on the wire: what is read, what is sent, and how it ends.

:class:`Wire` is what the server needs of gRPC for one call. :class:`ContextWire` has it from grpcio's servicer context; the
server of ``accepting`` has a wire of its own, which asks gRPC's core for less work a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

Metadata = tuple[tuple[str, str | bytes], ...]


class Wire(Protocol):
    """One call, to who answers it. ``headers`` are the initial metadata; they go out with whatever is sent first."""

    def metadata(self) -> Metadata:
        """What the caller sent with its call."""
        ...

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None where it has none."""
        ...

    async def read(self) -> bytes | None:
        """The next message; None where the caller sends no more."""
        ...

    async def send(self, message: bytes, headers: Metadata) -> None:
        """Send a message of a stream; waits while the caller does not read. Raises CancelledError where the call is over."""
        ...

    async def finish(self, message: bytes | None, headers: Metadata, trailers: Metadata) -> None:
        """End the call well, after a last ``message`` where there is one."""
        ...

    async def fail(
        self, code: grpc.StatusCode, text: str, message: bytes | None, headers: Metadata, trailers: Metadata
    ) -> None:
        """End the call with an error, after a last ``message`` where there is one. May raise grpc.aio.AbortError."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """A method that answers each call over a :class:`Wire`. ``streams``: it sends any number of messages, else exactly one."""

    serve: Callable[[Wire], Awaitable[None]]
    streams: bool

    def handler(self) -> grpc.RpcMethodHandler[Any, Any]:
        """The same for grpcio's own server."""

        async def unary(_: Any, context: Any) -> bytes | None:
            wire = ContextWire(context, streams=False)
            await self.serve(wire)
            return wire.response

        async def streaming(_: Any, context: Any) -> None:
            await self.serve(ContextWire(context, streams=True))

        # Every method is a stream of requests to gRPC, which is the same on the wire: so the handler begins with the headers,
        # and it is ours how long a request is waited for, and whose.
        if self.streams:
            return grpc.stream_stream_rpc_method_handler(streaming)
        return grpc.stream_unary_rpc_method_handler(unary)


class ContextWire:
    """A wire over the servicer context of grpc.aio."""

    def __init__(self, context: Any, *, streams: bool) -> None:
        self._context = context
        self._streams = streams
        self._opened = False
        #: What a method that does not stream returns to grpcio, which sends it.
        self.response: bytes | None = None

    def metadata(self) -> Metadata:
        """As in `Wire`."""
        return self._context.invocation_metadata() or ()

    def time_remaining(self) -> float | None:
        """As in `Wire`."""
        seconds: float | None = self._context.time_remaining()
        return seconds

    async def read(self) -> bytes | None:
        """As in `Wire`."""
        data: bytes = await self._context.read()
        return None if data is grpc.aio.EOF else data  # type: ignore[comparison-overlap]

    async def send(self, message: bytes, headers: Metadata) -> None:
        """As in `Wire`."""
        try:
            await self._open(headers)
            await self._context.write(message)
        except grpc.aio.InternalError:
            raise asyncio.CancelledError from None

    async def finish(self, message: bytes | None, headers: Metadata, trailers: Metadata) -> None:
        """As in `Wire`."""
        await self._open(headers)
        if trailers:
            self._context.set_trailing_metadata(trailers)
        if not self._streams:
            self.response = message
        elif message is not None:
            await self._context.write(message)

    async def fail(
        self, code: grpc.StatusCode, text: str, message: bytes | None, headers: Metadata, trailers: Metadata
    ) -> None:
        """As in `Wire`."""
        if message is not None:
            await self.send(message, headers)
        await self._context.abort(code, text, trailers)

    async def _open(self, headers: Metadata) -> None:
        if headers and not self._opened:
            self._opened = True
            await self._context.send_initial_metadata(headers)

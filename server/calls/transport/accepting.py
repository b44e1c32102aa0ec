"""A grpc.aio server whose accepting cannot be ended by what a caller sends.

grpcio decodes the path of every call as UTF-8 inside the loop that accepts calls, and only there: one path with other bytes
raises in that loop, and the server shuts down. So every method is registered with gRPC's core, which compares paths as bytes:
the calls of a method come with a name that is known beforehand, and what no method claims is answered UNIMPLEMENTED without its
path ever being read. Accepting a method's calls by a task of its own is also cheaper than the loop over all of them.

What a :class:`~hexar.server.calls.transport.wire.Served` method sends goes to gRPC's core in batches that grpc.aio never forms
for a stream: the initial metadata with the first message, the status with the last. Each batch costs a trip through gRPC's
threads and the event loop, which is most of what a short answer costs (docs/adr/0030).

This uses private names of grpcio, checked when this module is imported; where one is missing, ``AcceptingServer`` is None
and a plain server is used, which :class:`~hexar.server.calls.transport.listener.Listener` replaces whenever it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Union

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server as aio_server

from hexar.server.calls.transport.wire import Metadata, Served, Wire

_core: Any = cygrpc
_OPERATIONS = (
    "ReceiveMessageOperation",
    "SendInitialMetadataOperation",
    "SendMessageOperation",
    "SendStatusFromServerOperation",
)
_NAMES = (
    *_OPERATIONS,
    "_handle_rpc",
    "_schedule_rpc_coro",
    "_RequestCallError",
    "_ServerStoppedError",
    "_ServicerContext",
    "execute_batch",
)
_METHODS = ("_make_request_call_future", "_request_call", "_request_registered_call", "add_registered_method_handlers")
#: True where grpcio has what this module builds on.
SUPPORTED = all(hasattr(_core, name) for name in _NAMES) and all(hasattr(_core.AioServer, name) for name in _METHODS)
#: Calls of a process beyond which new ones are refused before anything is kept of them.
MAX_CALLS = 20_000

#: A method as one answers it: over a wire, or in grpcio's own way.
Handler = Union[Served, "grpc.RpcMethodHandler[Any, Any]"]


class _Methods:
    """Finds the handler of a call for grpcio; nothing for paths that no method claims."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    def resolve_handler(self, details: Any) -> Handler | None:
        return self._handlers.get(details.method)


class _BatchWire:
    """A wire that hands gRPC's core, in one batch, whatever it can take at once."""

    __slots__ = ("_context", "_ended", "_loop", "_opened", "_server", "_state")

    def __init__(self, server: Any, state: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._state = state
        self._loop = loop
        # Reads what came with the call; nothing is sent by it.
        self._context = _core._ServicerContext(state, None, None, loop)
        self._opened = self._ended = False

    def metadata(self) -> Metadata:
        """As in `Wire`."""
        return self._context.invocation_metadata() or ()

    def time_remaining(self) -> float | None:
        """As in `Wire`."""
        seconds: float | None = self._context.time_remaining()
        return seconds

    async def read(self) -> bytes | None:
        """As in `Wire`; None also where the call is over, whose handler is then cancelled."""
        receive = _core.ReceiveMessageOperation(0)
        with suppress(_core.ExecuteBatchError):
            await self._run((receive,))
        data: bytes | None = receive.message()
        return data

    async def send(self, message: bytes, headers: Metadata) -> None:
        """As in `Wire`."""
        send = _core.SendMessageOperation(message, 0)
        try:
            await self._run((send,) if self._opened else (*self._opening(headers), send))
        except _core.ExecuteBatchError:
            raise asyncio.CancelledError from None

    async def finish(self, message: bytes | None, headers: Metadata, trailers: Metadata) -> None:
        """As in `Wire`."""
        await self._end(0, "", message, headers, trailers)

    async def fail(
        self, code: grpc.StatusCode, text: str, message: bytes | None, headers: Metadata, trailers: Metadata
    ) -> None:
        """As in `Wire`. Where the end was sent already, and nobody read it, there is nothing more to say."""
        if not self._ended:
            await self._end(code.value[0], text, message, headers, trailers)

    async def _end(self, code: int, text: str, message: bytes | None, headers: Metadata, trailers: Metadata) -> None:
        operations = self._opening(headers)
        if message is not None:
            operations += (_core.SendMessageOperation(message, 0),)
        self._ended = True
        # It fails where the call is over already: nobody waits for its end.
        with suppress(_core.ExecuteBatchError):
            await self._run((*operations, _core.SendStatusFromServerOperation(trailers, code, text, 0)))

    def _opening(self, headers: Metadata) -> tuple[Any, ...]:
        if self._opened:
            return ()
        self._opened = True
        return (_core.SendInitialMetadataOperation(headers, 0),)

    def _run(self, operations: tuple[Any, ...]) -> Awaitable[None]:
        if self._server.stopped:
            # The core behind the call is gone.
            raise _core._ServerStoppedError
        batch: Awaitable[None] = _core.execute_batch(self._state, operations, self._loop)
        return batch


def _accepting_core() -> Any:
    """The class of the server inside grpcio's. It is made here, so that a grpcio without it can be imported."""

    class AcceptingCore(_core.AioServer):  # type: ignore[misc]
        """Accepts the calls of each registered method, and those of no method, by tasks of its own."""

        methods: _Methods
        served: Mapping[str, Callable[[Wire], Coroutine[Any, Any, None]]]
        stopped = False
        calls: set[asyncio.Task[None]]

        def _make_request_call_future(self, method: bytes | None) -> asyncio.Task[None]:
            # grpcio's loop waits for these tasks and starts them again where they end with its own error; they end with
            # it when the server shuts down.
            return asyncio.get_running_loop().create_task(self._accept(method))

        async def _accept(self, method: bytes | None) -> None:
            loop = asyncio.get_running_loop()
            name = "" if method is None else method.decode("ascii")
            calls, methods, serve = self.calls, self.methods, self.served.get(name)
            while True:
                state = await (self._request_call() if method is None else self._request_registered_call(method))
                if serve is not None and len(calls) < MAX_CALLS:
                    handling = serve(_BatchWire(self, state, loop))
                else:
                    handling = _core._handle_rpc(name, methods, (), state, loop, len(calls) >= MAX_CALLS)
                call = loop.create_task(_core._schedule_rpc_coro(handling, state, loop, name))
                calls.add(call)
                call.add_done_callback(calls.discard)

        async def shutdown(self, grace: float | None) -> None:
            await super().shutdown(grace)
            self.stopped = True

    return AcceptingCore


class _AcceptingServer(aio_server.Server):
    """As grpc.aio's server, for ``handlers`` by path ("/package.Service/Method")."""

    def __init__(self, handlers: Mapping[str, Handler], options: Sequence[tuple[str, Any]]) -> None:
        self._loop = _core.get_working_loop()
        augmented = aio_server._augment_channel_arguments(tuple(options), None)
        self._server = _accepting_core()(self._loop, None, (), None, augmented, None)
        self._server.methods = _Methods(handlers)
        self._server.served = {path: each.serve for path, each in handlers.items() if isinstance(each, Served)}
        self._server.calls = set()
        self._server.add_registered_method_handlers(dict(handlers))

    @property
    def calls(self) -> int:
        """Calls in progress, those included whose request has not come yet."""
        return len(self._server.calls)


AcceptingServer = _AcceptingServer if SUPPORTED else None

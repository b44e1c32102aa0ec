"""A grpc.aio server whose accepting cannot be ended by what a caller sends.

grpcio decodes the path of every call as UTF-8 inside the loop that accepts calls, and only there: one path with other bytes
raises in that loop, and the server shuts down. So every method is registered with gRPC's core, which compares paths as bytes:
the calls of a method come with a name that is known beforehand, and what no method claims is answered UNIMPLEMENTED without its
path ever being read. Accepting a method's calls by a task of its own is also cheaper than the loop over all of them.

This uses four private names of grpcio, checked when this module is imported; where one is missing, ``AcceptingServer`` is None
and a plain server is used, which :class:`~hexar.server.calls.transport.listener.Listener` replaces whenever it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server as aio_server

_core: Any = cygrpc
_NAMES = ("_handle_rpc", "_schedule_rpc_coro", "_RequestCallError")
_METHODS = ("_make_request_call_future", "_request_call", "_request_registered_call", "add_registered_method_handlers")
#: True where grpcio has what this module builds on.
SUPPORTED = all(hasattr(_core, name) for name in _NAMES) and all(hasattr(_core.AioServer, name) for name in _METHODS)
#: Calls of a process beyond which new ones are refused before anything is kept of them.
MAX_CALLS = 20_000


class _Methods:
    """Finds the handler of a call for grpcio; nothing for paths that no method claims."""

    def __init__(self, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        self._handlers = handlers

    def resolve_handler(self, details: Any) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._handlers.get(details.method)


def _accepting_core() -> Any:
    """The class of the server inside grpcio's. It is made here, so that a grpcio without it can be imported."""

    class AcceptingCore(_core.AioServer):  # type: ignore[misc]
        """Accepts the calls of each registered method, and those of no method, by tasks of its own."""

        methods: _Methods
        calls: set[asyncio.Task[None]]

        def _make_request_call_future(self, method: bytes | None) -> asyncio.Task[None]:
            # grpcio's loop waits for these tasks and starts them again where they end with its own error; they end with
            # it when the server shuts down.
            return asyncio.get_running_loop().create_task(self._accept(method))

        async def _accept(self, method: bytes | None) -> None:
            loop = asyncio.get_running_loop()
            name = "" if method is None else method.decode("ascii")
            calls, methods = self.calls, self.methods
            while True:
                state = await (self._request_call() if method is None else self._request_registered_call(method))
                handling: Coroutine[Any, Any, None] = _core._handle_rpc(name, methods, (), state, loop, len(calls) >= MAX_CALLS)
                call = loop.create_task(_core._schedule_rpc_coro(handling, state, loop, name))
                calls.add(call)
                call.add_done_callback(calls.discard)

    return AcceptingCore


class _AcceptingServer(aio_server.Server):
    """As grpc.aio's server, for ``handlers`` by path ("/package.Service/Method")."""

    def __init__(self, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]], options: Sequence[tuple[str, Any]]) -> None:
        self._loop = _core.get_working_loop()
        augmented = aio_server._augment_channel_arguments(tuple(options), None)
        self._server = _accepting_core()(self._loop, None, (), None, augmented, None)
        self._server.methods = _Methods(handlers)
        self._server.calls = set()
        self._server.add_registered_method_handlers(dict(handlers))

    @property
    def calls(self) -> int:
        """Calls in progress, those included whose request has not come yet."""
        return len(self._server.calls)


AcceptingServer = _AcceptingServer if SUPPORTED else None

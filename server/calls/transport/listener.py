"""The listener of a process: it is watched, and replaced at once where it ends without being told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import structlog

from hexar.server.calls.transport.accepting import AcceptingServer, Handler
from hexar.server.calls.transport.wire import Served

log = structlog.get_logger(__name__)

#: Replacements that may fail in a row, and the pause between them, seconds.
ATTEMPTS = 20
PAUSE = 0.05


class _Table(grpc.GenericRpcHandler):
    """All handlers, for a plain server."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = {path: each.handler() if isinstance(each, Served) else each for path, each in handlers.items()}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._handlers.get(details.method)


def make_server(handlers: Mapping[str, Handler], options: Sequence[tuple[str, Any]], *, plain: bool = False) -> grpc.aio.Server:
    """A server of ``handlers`` by path; ``plain``: grpcio's own way of accepting calls."""
    if AcceptingServer is not None and not plain:
        made: grpc.aio.Server = AcceptingServer(handlers, options)  # type: ignore[assignment]
        return made
    server = grpc.aio.server(options=list(options))
    server.add_generic_rpc_handlers((_Table(handlers),))
    return server


class Listener:
    """Keeps a server on one address until it is stopped.

    Args:
        make: makes a server with its handlers, not yet bound.
        bind: binds a server to a port (0: the configured one) and returns the port. Raises OSError.
    """

    def __init__(self, make: Callable[[], grpc.aio.Server], bind: Callable[[grpc.aio.Server, int], int]) -> None:
        self._make = make
        self._bind = bind
        self._server: grpc.aio.Server | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopping = False
        self.port = 0
        #: How often the server was replaced.
        self.replaced = 0
        #: Set where no server could be had any more: the process must end.
        self.lost = asyncio.Event()

    @property
    def listening(self) -> bool:
        """False while no server accepts calls."""
        return self._server is not None and not self.lost.is_set()

    async def start(self) -> None:
        """Listen. Raises OSError where the address cannot be had."""
        await self._begin(0)
        self._watching = asyncio.create_task(self._watch())

    async def stop(self, grace: float) -> None:
        """Refuse new calls and let running ones end for ``grace`` seconds."""
        self._stopping = True
        if self._server is not None:
            await self._server.stop(grace)
        if self._watching is not None:
            # It must not be cancelled: it waits for the very future that tells grpcio of the end.
            await self._watching

    async def _begin(self, port: int) -> None:
        server = self._make()
        self.port = self._bind(server, port)
        await server.start()
        self._server = server

    async def _watch(self) -> None:
        while True:
            server, reason = self._server, ""
            assert server is not None
            try:
                await server.wait_for_termination()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # what ended the server is told here, whatever it was
                reason = f"{type(error).__name__}: {error}"[:200]
            if self._stopping:
                return
            self._server = None
            log.error("listener_ended", port=self.port, reason=reason)
            if not await self._replace():
                self.lost.set()
                return
            if self._stopping:
                await self._server.stop(0)
                return

    async def _replace(self) -> bool:
        for _ in range(ATTEMPTS):
            try:
                await self._begin(self.port)
            except OSError:
                await asyncio.sleep(PAUSE)
                continue
            self.replaced += 1
            log.warning("listener_replaced", port=self.port, times=self.replaced)
            return True
        log.critical("listener_lost", port=self.port)
        return False

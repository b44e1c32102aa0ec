"""``hexar worker``: a process that runs background jobs and answers nobody, but for the health service where a port is given.

It builds the systems as a server does, since they bring the handlers of their jobs; their services are not offered.
"""

from __future__ import annotations

import asyncio

from grpc_health.v1 import health_pb2

from hexar.server.calls.transport import Listener, make_server
from hexar.server.calls.transport.health import Health, handlers
from hexar.server.engine.process import Process, WorkerIndex
from hexar.server.process.listening import bind, options
from hexar.server.settings.config import Settings
from hexar.server.systems import SYSTEMS


class JobProcess(Process):
    """One process that runs jobs. ``health``: answer the health service on the configured port."""

    def __init__(
        self, settings: Settings, *, health: bool = False, reuse_port: bool = False, index: WorkerIndex | None = None
    ) -> None:
        super().__init__(settings, index=index, systems=SYSTEMS)
        self.health = Health() if health else None
        self._reuse_port = reuse_port
        self._listener: Listener | None = None

    async def listen(self) -> None:
        """Report healthy, where a port is given."""
        if self.health is not None:
            table, chosen = handlers(self.health), options(self.settings, self._reuse_port)
            self._listener = Listener(
                lambda: make_server(table, chosen), lambda server, port: bind(server, self.settings, port or self.settings.port)
            )
            await self._listener.start()
            self.port = self._listener.port
            await self.health.set("", health_pb2.HealthCheckResponse.SERVING)

    async def lost(self) -> None:
        """Return when health cannot be answered any more."""
        if self._listener is None:
            await asyncio.Event().wait()
        else:
            await self._listener.lost.wait()

    async def drain(self, grace: float) -> None:
        """Take no more jobs; those that run get ``grace`` seconds, then they are delivered to others."""
        if self.health is not None and self._listener is not None:
            await self.health.enter_graceful_shutdown()
        await self.engine.jobs.close(grace)
        if self._listener is not None:
            await self._listener.stop(0)

"""``hexar worker``: a process that runs background jobs and answers nobody, but for the health service where a port is given.

It builds the systems as a server does, since they bring the handlers of their jobs; their services are not offered.
"""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from hexar.server.config import Settings
from hexar.server.listening import bind, options
from hexar.server.process import Process, Seat


class JobProcess(Process):
    """One process that runs jobs. ``health``: answer the health service on the configured port."""

    def __init__(self, settings: Settings, *, health: bool = False, reuse_port: bool = False, seat: Seat | None = None) -> None:
        super().__init__(settings, seat=seat)
        self.health = HealthServicer() if health else None
        self._reuse_port = reuse_port
        self._server: grpc.aio.Server | None = None

    async def listen(self) -> None:
        """Report healthy, where a port is given."""
        if self.health is not None:
            self._server = grpc.aio.server(options=options(self.settings, self._reuse_port))
            add_HealthServicer_to_server(self.health, self._server)
            self.port = bind(self._server, self.settings)
            await self._server.start()
            await self.health.set("", health_pb2.HealthCheckResponse.SERVING)

    async def drain(self, grace: float) -> None:
        """Take no more jobs; those that run get ``grace`` seconds, then they are delivered to others."""
        if self.health is not None and self._server is not None:
            await self.health.enter_graceful_shutdown()
        await self.engine.jobs.close(grace)
        if self._server is not None:
            await self._server.stop(0)

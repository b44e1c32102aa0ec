"""The server: wiring, start, drain.

::

    Settings ── build_engine ── Engine ── System.servicer ── ServiceHandler ── grpc.aio.server
                                              └─ one a system; a service that none answers is UNIMPLEMENTED
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2

from hexar.core.telemetry.access import AccessLog, as_json, as_text
from hexar.server.calls.auth import Authentication
from hexar.server.calls.interceptors import Observe, RateLimit, StreamLimit, errors, request_id
from hexar.server.calls.rpc import WAITING, Interceptor, Receive, ServiceHandler
from hexar.server.calls.streaming import LeaveInterceptor
from hexar.server.calls.transport import Listener, make_server
from hexar.server.calls.transport.health import Health, handlers
from hexar.server.engine.process import Process, WorkerIndex
from hexar.server.engine.system import System, contract
from hexar.server.process.listening import bind, options
from hexar.server.servicers.ops import METHOD_SCOPES, OpsServicer
from hexar.server.settings.config import Settings
from hexar.server.systems import SYSTEMS
from hexar.server.tuning import Tuning

if TYPE_CHECKING:
    from hexar.server.dashboard.site import Dashboard


class App(Process):
    """One process that answers calls."""

    def __init__(
        self,
        settings: Settings,
        *,
        reuse_port: bool = False,
        index: WorkerIndex | None = None,
        systems: Sequence[System] = SYSTEMS,
    ) -> None:
        super().__init__(settings, index=index, systems=systems)
        self.health = Health()
        self._reuse_port = reuse_port
        self.access = self._access_log() if settings.monitor.figures and settings.monitor.access_log else None
        if self.access is not None:
            self.engine.metrics.on_call = self.access.add
        self.dashboard: Dashboard | None = None
        self._channel: grpc.aio.Channel | None = None
        self._listener: Listener | None = None
        self._tuning = Tuning(cpu_affinity=settings.cpu_affinity)

    async def listen(self) -> None:
        """Listen, and report healthy."""
        files = contract(self.systems)
        methods = {path: handler for servicer in self.servicers for path, handler in servicer.handlers().items()}
        built = {path.split("/")[0] for path in methods}
        services = {
            service.full_name: "serving" if service.full_name in built else "not built"
            for file in files
            for service in file.services_by_name.values()
        }
        services["hexar.v1.OpsService"] = "serving"
        methods.update(OpsServicer(self, services).handlers())
        generic = ServiceHandler(files, methods, self._interceptors())
        table = {**generic.methods, **handlers(self.health, generic.services)}
        chosen = options(self.settings, self._reuse_port)
        self._listener = Listener(
            lambda: make_server(table, chosen), lambda server, port: bind(server, self.settings, port or self.settings.port)
        )
        await self._listener.start()
        self.port = self._listener.port
        self._tuning.begin(self.index.number, self.index.of)
        await self._open_dashboard(files)
        for name in ("", *(name for name, state in services.items() if state == "serving")):
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def lost(self) -> None:
        """Return when nothing listens any more and nothing can be made to."""
        assert self._listener is not None
        await self._listener.lost.wait()

    async def leave(self) -> None:
        """Give the port up, serve whoever is connected until the last has gone, and end what is made for other processes."""
        until = time.monotonic() + self.leave_seconds
        await self._tuning.give_up(self.port)
        # Neither gRPC nor the kernel tells when the last connection has gone.
        while (self._tuning.connections(self.port) or self.engine.answers.live) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def _open_dashboard(self, files: Sequence[FileDescriptor]) -> None:
        """Serve the operators' page, where it is asked for; of several processes the first one does."""
        address = self.settings.dashboard_address
        if address is None or self.index.number != 1:
            return
        try:
            from hexar.server.dashboard.bridge import Bridge
            from hexar.server.dashboard.connect import own_channel
            from hexar.server.dashboard.site import Dashboard, Site
        except ImportError:
            raise OSError("dashboard_address: the page needs more packages; install hexar[dashboard]") from None
        self._channel = own_channel(self.settings, self.port)
        host, _, port = address.rpartition(":")
        self.dashboard = Dashboard(Site(Bridge(self._channel, files)), host.strip("[]"), int(port))
        self.dashboard.start()

    async def drain(self, grace: float) -> None:
        """Say so to who asks for health, refuse new calls, and let running ones end."""
        await self.health.enter_graceful_shutdown()
        if self.dashboard is not None:
            await self.dashboard.close()
        if self._channel is not None:
            await self._channel.close()
        if self._listener is not None:
            await self._listener.stop(grace)
        await self._tuning.end()
        if self.access is not None:
            self.engine.metrics.settle()
            await asyncio.to_thread(self.access.close)

    def _access_log(self) -> AccessLog | None:
        """Nothing where only warnings are wanted."""
        if self.settings.log_level not in ("debug", "info"):
            return None
        return AccessLog(sys.stderr, as_json(self.index.number) if self.settings.log_format == "json" else as_text())

    def _interceptors(self) -> Sequence[Interceptor]:
        # The declared systems are for users, the operators' service is for operators, and nothing else is for anybody.
        files = [file for system in self.systems for file in system.services]
        scopes = {service.full_name: "use" for file in files for service in file.services_by_name.values()}
        scopes.update(METHOD_SCOPES)
        engine = self.engine
        observe = [Observe(engine.metrics)] if self.settings.monitor.figures else []
        return (
            errors,
            request_id,
            Authentication(self.settings.auth.verifiers(), scopes, engine.metrics),
            LeaveInterceptor(engine.answers),
            *observe,
            RateLimit(self.settings.limits.rate.rates(), engine.rates, engine.metrics),
            StreamLimit(self.settings.limits.streams.limits(), engine.slots, engine.metrics),
            Receive(max(WAITING, 2 * self.settings.limits.concurrent_calls)),
            engine.gate,
        )

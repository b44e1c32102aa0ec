"""The server: wiring, start, drain.

::

    Settings ── build_engine ── Engine ── servicers ── ServiceHandler ── grpc.aio.server
                                              └─ one module a service; a service without one answers UNIMPLEMENTED
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from hexar.server.config import Settings
from hexar.server.contract import CONTRACT
from hexar.server.interceptors import Authentication, Observe, Principal, RateLimit, TokenVerifier, errors, request_id
from hexar.server.interceptors.auth import JwtVerifier, StaticTokens
from hexar.server.listening import bind, connections, give_up, options
from hexar.server.process import Process, Seat
from hexar.server.rpc import Interceptor, ServiceHandler
from hexar.server.servicers.ops import OpsServicer
from hexar.server.streaming import Leaving
from hexar.server.tuning.affinity import Tether

VERSION = "0.1.0"
#: Both names of the reflection service; their messages are the same on the wire.
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


class App(Process):
    """One process that answers calls."""

    def __init__(self, settings: Settings, *, reuse_port: bool = False, seat: Seat | None = None) -> None:
        super().__init__(settings, seat=seat)
        self.version = VERSION
        self.health = HealthServicer()
        self._reuse_port = reuse_port
        self._server: grpc.aio.Server | None = None
        self._watching: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Listen, and report healthy."""
        handlers = {path: handler for servicer in self.servicers for path, handler in servicer.handlers().items()}
        built = {path.split("/")[0] for path in handlers}
        services = {
            service.full_name: "serving" if service.full_name in built else "not built"
            for file in CONTRACT
            for service in file.services_by_name.values()
        }
        services["hexar.v1.OpsService"] = "serving"
        handlers.update(OpsServicer(self.engine, self, services).handlers())
        generic = ServiceHandler(CONTRACT, handlers, self._interceptors())
        self._server = self._listen(generic)
        await self._server.start()
        if self.settings.cpu_affinity and (tether := Tether.of(asyncio.get_running_loop(), self.seat.number, self.seat.of)):
            self._watching = asyncio.create_task(tether.watch())
        for name in ("", *(name for name, state in services.items() if state == "serving")):
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def leave(self) -> None:
        """Give the port up, serve whoever is connected until the last has gone, and end what is made for other processes."""
        until = time.monotonic() + self.leave_seconds
        await give_up(self.port)
        # Neither gRPC nor the kernel tells when the last connection has gone.
        while (connections(self.port) or self.engine.answers.live) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def drain(self, grace: float) -> None:
        """Say so to who asks for health, refuse new calls, and let running ones end."""
        await self.health.enter_graceful_shutdown()
        if self._server is not None:
            await self._server.stop(grace)
        if self._watching is not None:
            self._watching.cancel()

    def _interceptors(self) -> Sequence[Interceptor]:
        auth = self.settings.auth
        verifiers: list[TokenVerifier] = []
        if auth.tokens:
            verifiers.append(
                StaticTokens(
                    {row.token.get_secret_value(): Principal(row.tenant, frozenset(row.scopes)) for row in auth.tokens}
                )
            )
        if auth.jwt is not None:
            verifiers.append(JwtVerifier(auth.jwt.key.get_secret_value(), auth.jwt.algorithms, auth.jwt.audience))
        engine = self.engine
        return (
            errors,
            request_id,
            Authentication(verifiers),
            Leaving(engine.answers),
            Observe(engine.metrics),
            RateLimit(self.settings.limits.rate.rates(), engine.rates, engine.metrics),
            engine.gate,
        )

    def _listen(self, generic: ServiceHandler) -> grpc.aio.Server:
        server = grpc.aio.server(options=options(self.settings, self._reuse_port))
        # A call is offered to the handlers in this order.
        server.add_generic_rpc_handlers((generic,))
        add_HealthServicer_to_server(self.health, server)
        _add_reflection(server, [*generic.services, "grpc.health.v1.Health", *REFLECTION])
        self.port = bind(server, self.settings)
        return server


def _add_reflection(server: grpc.aio.Server, names: Sequence[str]) -> None:
    servicer = ReflectionServicer(names)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in REFLECTION:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}),))

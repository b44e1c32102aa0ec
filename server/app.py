"""The server: wiring, start, drain.

::

    Settings ── build_engine ── Engine ── servicers ── ServiceHandler ── grpc.aio.server
                                              └─ one module a service; a service without one answers UNIMPLEMENTED
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer
from prometheus_client import start_http_server

from hexar.server.config import Settings
from hexar.server.engine import Engine, build_engine
from hexar.server.interceptors import Authentication, Observe, Principal, TokenVerifier, errors, request_id
from hexar.server.interceptors.auth import JwtVerifier, StaticTokens
from hexar.server.rpc import Interceptor, ServiceHandler
from hexar.server.servicers import SYSTEMS, Servicer
from hexar.server.servicers.ops import OpsServicer
from hexar.server.streaming import Leaving
from hexar.v1 import chat_pb2, legal_pb2, market_pb2, ops_pb2, parts_pb2, portfolio_pb2, query_pb2

log = structlog.get_logger(__name__)

VERSION = "0.1.0"
CONTRACT: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR for module in (query_pb2, chat_pb2, portfolio_pb2, parts_pb2, market_pb2, legal_pb2, ops_pb2)
)
#: Both names of the reflection service; their messages are the same on the wire.
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


class App:
    """One server process."""

    def __init__(self, settings: Settings, *, reuse_port: bool = False) -> None:
        self.settings = settings
        self.engine: Engine = build_engine(settings)
        self.version = VERSION
        #: The ports that are listened on, once started; 0: none.
        self.port = 0
        self.metrics_port = 0
        self.instance = f"{socket.gethostname()}:{os.getpid()}"
        self.started_at = time.time()
        self.ready = False
        self._stopped = False
        self.health = HealthServicer()
        self._reuse_port = reuse_port
        self._servicers: list[Servicer] = []
        self._server: grpc.aio.Server | None = None
        self._exporter: Any = None

    async def start(self) -> None:
        """Open the engine, listen, and report healthy. Raises OSError where the address cannot be had."""
        self._servicers = [make(self.engine) for make in SYSTEMS]
        handlers = {path: handler for servicer in self._servicers for path, handler in servicer.handlers().items()}
        built = {path.split("/")[0] for path in handlers}
        services = {
            service.full_name: "serving" if service.full_name in built else "not built"
            for file in CONTRACT
            for service in file.services_by_name.values()
        }
        services["hexar.v1.OpsService"] = "serving"
        handlers.update(OpsServicer(self.engine, self, services).handlers())
        self.engine.open()
        for servicer in self._servicers:
            await servicer.open()
        self.engine.start_workers()
        generic = ServiceHandler(CONTRACT, handlers, self._interceptors())
        self._server = self._listen(generic)
        await self._server.start()
        self.ready = True
        for name in ("", *(name for name, state in services.items() if state == "serving")):
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)
        if self.settings.metrics_port is not None:
            self._exporter = start_http_server(
                self.settings.metrics_port, self.settings.host, registry=self.engine.metrics.registry
            )
            self.metrics_port = self._exporter[0].server_port
        log.info("listening", host=self.settings.host, port=self.port, instance=self.instance)

    async def stop(self, grace: float | None = None) -> None:
        """Refuse new calls, let running ones end for ``grace`` seconds, then release everything; once."""
        if self._stopped:
            return
        self._stopped = True
        self.ready = False
        self.engine.gate.draining = True
        self.engine.answers.draining = True
        await self.health.enter_graceful_shutdown()
        if self._server is not None:
            await self._server.stop(self.settings.drain_seconds if grace is None else grace)
        for servicer in reversed(self._servicers):
            await servicer.close()
        await self.engine.close()
        if self._exporter is not None:
            exporter, thread = self._exporter
            exporter.shutdown()
            exporter.server_close()
            thread.join()
        log.info("stopped", instance=self.instance)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await self.start()
        await stopping.wait()
        log.info("draining", seconds=self.settings.drain_seconds)
        await self.stop()

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
        return (
            errors,
            request_id,
            Authentication(verifiers),
            Leaving(self.engine.answers),
            Observe(self.engine.metrics),
            self.engine.gate,
        )

    def _listen(self, generic: ServiceHandler) -> grpc.aio.Server:
        size = self.settings.limits.message_mb * 1024 * 1024
        server = grpc.aio.server(
            options=[
                # Off where one process listens: a second server on the same port must fail instead of taking half the calls.
                ("grpc.so_reuseport", int(self._reuse_port)),
                ("grpc.max_receive_message_length", size),
                ("grpc.max_send_message_length", -1),
                # A client that vanished without a word is noticed, and its streams cancelled.
                ("grpc.keepalive_time_ms", 30_000),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ]
        )
        add_HealthServicer_to_server(self.health, server)
        reflected = [*generic.services, "grpc.health.v1.Health", *REFLECTION]
        _add_reflection(server, reflected)
        server.add_generic_rpc_handlers((generic,))
        address = f"{self.settings.host}:{self.settings.port}"
        tls = self.settings.tls
        try:
            if tls is None:
                self.port = server.add_insecure_port(address)
            else:
                credentials = grpc.ssl_server_credentials(
                    [(tls.key.read_bytes(), tls.certificate.read_bytes())],
                    tls.client_ca.read_bytes() if tls.client_ca else None,
                    require_client_auth=tls.client_ca is not None,
                )
                self.port = server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}") from error
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

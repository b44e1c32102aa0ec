"""How a process listens: the options of its gRPC server and its address."""

from __future__ import annotations

import grpc

from hexar.server.process.certificates import Certificates
from hexar.server.settings.config import Settings


def options(settings: Settings, reuse_port: bool) -> list[tuple[str, int]]:
    """Options of a grpc.aio server. ``reuse_port``: other processes listen on the same address."""
    size = settings.limits.message_mb * 1024 * 1024
    # A client that is told to leave its connection opens another, which may reach another process: this is how callers
    # spread over processes that were started later, and how they leave one that retires. It costs no call.
    several = reuse_port or settings.redis_url is not None
    age = [("grpc.max_connection_age_ms", int(settings.limits.connection_seconds * 1000))] if several else []
    return [
        *age,
        # Off where one process listens: a second server on the same port must fail instead of taking half the calls.
        ("grpc.so_reuseport", int(reuse_port)),
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", -1),
        # Streams of one connection; a client that has more waits with them. Enough for what a process admits.
        ("grpc.max_concurrent_streams", max(1000, 2 * settings.limits.concurrent_calls)),
        # A client that vanished without a word is noticed, and its streams cancelled.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Clients that ping every ten seconds, with a call or without one, keep their connection, jitter included.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def bind(server: grpc.aio.Server, settings: Settings, port: int) -> int:
    """Bind ``server`` to ``port`` of the configured host, with TLS where it is configured; the port. Raises OSError."""
    address = f"{settings.host}:{port}"
    tls = settings.tls
    try:
        if tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, Certificates(tls).credentials())
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}") from error

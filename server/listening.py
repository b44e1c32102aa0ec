"""How a process listens: the options of its gRPC server, and its address."""

from __future__ import annotations

import grpc

from hexar.server.config import Settings


def options(settings: Settings, reuse_port: bool) -> list[tuple[str, int]]:
    """Options of a grpc.aio server. ``reuse_port``: other processes listen on the same address."""
    size = settings.limits.message_mb * 1024 * 1024
    return [
        # Off where one process listens: a second server on the same port must fail instead of taking half the calls.
        ("grpc.so_reuseport", int(reuse_port)),
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", -1),
        # A client that vanished without a word is noticed, and its streams cancelled.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def bind(server: grpc.aio.Server, settings: Settings) -> int:
    """Bind ``server`` to the configured address, with TLS where it is configured; the port. Raises OSError."""
    address = f"{settings.host}:{settings.port}"
    tls = settings.tls
    try:
        if tls is None:
            return server.add_insecure_port(address)
        credentials = grpc.ssl_server_credentials(
            [(tls.key.read_bytes(), tls.certificate.read_bytes())],
            tls.client_ca.read_bytes() if tls.client_ca else None,
            require_client_auth=tls.client_ca is not None,
        )
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}") from error

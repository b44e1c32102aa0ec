"""How a process listens: the options of its gRPC server, its address, and how it leaves that to others."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import grpc

from hexar.server.config import Settings


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
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def bind(server: grpc.aio.Server, settings: Settings, port: int) -> int:
    """Bind ``server`` to ``port`` of the configured host, with TLS where it is configured; the port. Raises OSError."""
    address = f"{settings.host}:{port}"
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


#: Seconds between the last handshake that is begun and the end of listening: a handshake takes a round trip.
HANDSHAKE_SECONDS = 0.5
#: Of <linux/filter.h>: drop (return 0) what has SYN without ACK in the flags of its TCP header, keep everything else.
_SO_ATTACH_FILTER = 26
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x54, 0, 0, 0x12),  # and SYN | ACK
    (0x15, 0, 1, 0x02),  # is it SYN alone?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # keep
)


async def give_up(port: int) -> None:
    """Listen on ``port`` no more, while connections that exist go on; others that share the port get the new ones.

    gRPC can only stop listening by ending its server, which resets what waits to be accepted and fails calls that are on
    their way. So the socket is first told to begin no more handshakes (callers' systems repeat theirs after a second, and
    then reach another process), and is shut down when those that had begun are accepted. Linux; elsewhere the first step
    is missing, and a caller that connects in that very moment may have to repeat it.
    """
    with _sockets(port, listening=True) as found:
        if sys.platform == "linux":
            code = b"".join(struct.pack("HBBI", *line) for line in _DROP_SYN)
            held = ctypes.create_string_buffer(code)
            program = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(held))
            for each in found:
                each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
            await asyncio.sleep(HANDSHAKE_SECONDS)
        for each in found:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RD)


def connections(port: int) -> int:
    """Connections of this process that callers have made to ``port``."""
    with _sockets(port, listening=False) as found:
        return len(found)


@contextmanager
def _sockets(port: int, *, listening: bool) -> Iterator[list[socket.socket]]:
    """This process's TCP sockets bound to ``port``, under descriptors of our own: gRPC keeps and closes its own."""
    with ExitStack() as stack:
        found = []
        for name in os.listdir("/dev/fd"):
            try:
                copy = os.dup(int(name))
            except OSError:
                continue  # closed since, or the listing itself
            if not stat.S_ISSOCK(os.fstat(copy).st_mode):
                os.close(copy)
                continue
            each = stack.enter_context(socket.socket(fileno=copy))
            if each.family not in (socket.AF_INET, socket.AF_INET6) or each.type != socket.SOCK_STREAM:
                continue
            if each.getsockname()[1] == port and bool(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) == listening:
                found.append(each)
        yield found

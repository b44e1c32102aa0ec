"""A scripted HTTP server on loopback, and clients that may reach it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hexar.agents.vendors.config import VendorConfig
from hexar.agents.vendors.transport.http import HttpClient

TLS = Path(__file__).parent / "tls"


class Scripted:
    """A server whose every request is answered by ``script(connection, path, head)``; ``requests`` holds the heads."""

    def __init__(self, script: Callable[[socket.socket, str, str], None], *, tls: bool = False) -> None:
        self.script = script
        self.requests: list[str] = []
        self.stopped = threading.Event()
        self._tls: ssl.SSLContext | None = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(TLS / "shop.pem", TLS / "shop.key")
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self.stopped.set()
        for connection in [self._listener, *self._open]:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(5.0)

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            with connection:
                while head := _head(connection):
                    self.requests.append(head)
                    self.script(connection, head.split(" ")[1], head)
        except OSError:
            connection.close()


def _head(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(4096)
        if not piece:
            return ""
        data += piece
    return data.decode("latin-1")


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP answer; underscores in header names become hyphens."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@pytest.fixture
def serve() -> Iterator[Callable[..., Scripted]]:
    """Start scripted servers; they are gone after the test."""
    started: list[Scripted] = []

    def start(script: Callable[[socket.socket, str, str], None] | bytes, *, tls: bool = False) -> Scripted:
        chosen = (lambda connection, path, head: connection.sendall(script)) if isinstance(script, bytes) else script
        started.append(Scripted(chosen, tls=tls))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def client_for() -> Iterator[Callable[..., HttpClient]]:
    """Build clients whose ``shop.test`` resolves to loopback, and may: ``fields`` are those of VendorConfig."""
    built: list[HttpClient] = []

    def build(port: int, *, scheme: str = "http", resolver: Any = None, **fields: Any) -> HttpClient:
        values: dict[str, Any] = {
            "name": "shop",
            "adapter": "jsonld",
            "url": f"{scheme}://shop.test:{port}",
            "allow_private_hosts": ["shop.test"],
            **fields,
        }
        built.append(HttpClient(VendorConfig(**values), resolver=resolver or (lambda host, port: ["127.0.0.1"])))
        return built[-1]

    yield build
    for client in built:
        client.close()

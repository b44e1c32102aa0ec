"""How the SDK connects: address, transport security, token, and gRPC's own retries."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from hexar.v1 import chat_pb2, legal_pb2, market_pb2, ops_pb2, parts_pb2, portfolio_pb2, query_pb2

CONTRACT = (query_pb2, chat_pb2, portfolio_pb2, parts_pb2, market_pb2, legal_pb2, ops_pb2)
#: The methods whose answers are streams. gRPC repeats them where nothing was answered yet; later they resume (stream.py).
#: What has one answer is repeated by Calls.unary, which knows what may be done twice.
STREAMS = [
    {"service": service.full_name, "method": method.name}
    for file in CONTRACT
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.server_streaming
]
SERVICE_CONFIG = json.dumps(
    {
        # One connection a client, to any of the addresses; another one where that is lost.
        "loadBalancingConfig": [{"pick_first": {"shuffleAddressList": True}}],
        "methodConfig": [
            {
                "name": STREAMS,
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 1.5,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
)
OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)


@dataclass(frozen=True, slots=True)
class Connection:
    """Where and how to connect. ``tls`` is True, or the PEM bytes of the authority to trust; ``token`` is sent as bearer.

    ``certificate`` is the client's private key and chain, ``timeout`` the seconds of a call that says none, ``more`` is sent
    beside the token, ``retries`` is how often a call is repeated that the server did not answer.

    ``target`` is "host:port", or several of them; ValueError where there is none. The names of several are resolved here, to
    IPv4 addresses; certificates are checked for the first one's name.
    """

    target: str | Sequence[str]
    token: str = ""
    tls: bool | bytes = False
    certificate: tuple[bytes, bytes] | None = None
    timeout: float | None = None
    more: tuple[tuple[str, str], ...] = ()
    retries: int = 3

    def __post_init__(self) -> None:
        if not self.target:
            raise ValueError("at least one target is needed")
        if self.certificate is not None and not self.tls:
            raise ValueError("a certificate needs tls")
        if self.retries < 0:
            raise ValueError("retries must not be negative")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return ((("authorization", f"Bearer {self.token}"),) if self.token else ()) + self.more

    def _address(self) -> str:
        """The target as gRPC reads it. Raises OSError where a name is not known."""
        if isinstance(self.target, str):
            return self.target
        found: list[str] = []
        for target in self.target:
            host, _, port = target.rpartition(":")
            _, _, addresses = socket.gethostbyname_ex(host)
            found += [f"{address}:{int(port)}" for address in addresses]
        return "ipv4:" + ",".join(dict.fromkeys(found))

    def _options(self) -> tuple[tuple[str, str | int], ...]:
        options = (*OPTIONS, ("grpc.enable_retries", int(self.retries > 0)))
        return options if isinstance(self.target, str) else (*options, ("grpc.default_authority", self.target[0]))

    def _credentials(self) -> grpc.ChannelCredentials | None:
        if not self.tls:
            return None
        key, chain = self.certificate or (None, None)
        return grpc.ssl_channel_credentials(self.tls if isinstance(self.tls, bytes) else None, key, chain)

    def open(self) -> grpc.Channel:
        """A channel for blocking calls."""
        credentials = self._credentials()
        if credentials is None:
            return grpc.insecure_channel(self._address(), self._options())
        return grpc.secure_channel(self._address(), credentials, self._options())

    def open_aio(self) -> grpc.aio.Channel:
        """A channel for the running event loop."""
        credentials = self._credentials()
        if credentials is None:
            return grpc.aio.insecure_channel(self._address(), self._options())
        return grpc.aio.secure_channel(self._address(), credentials, self._options())

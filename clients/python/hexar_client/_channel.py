"""How the SDK connects: address, transport security, token, and gRPC's own retries."""

from __future__ import annotations

import json
from dataclasses import dataclass

import grpc

SERVICES = ("Query", "Chat", "Portfolio", "Parts", "Market", "Legal", "Ops")
#: gRPC retries what never reached a handler. Calls that did are not repeated by the channel: streams resume instead.
SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": f"hexar.v1.{name}Service"} for name in SERVICES],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 1.5,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)
OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.enable_retries", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)


@dataclass(frozen=True, slots=True)
class Connection:
    """Where and how to connect. ``tls`` is True, or the PEM bytes of the authority to trust; ``token`` is sent as bearer."""

    target: str
    token: str = ""
    tls: bool | bytes = False

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def _credentials(self) -> grpc.ChannelCredentials | None:
        if not self.tls:
            return None
        return grpc.ssl_channel_credentials(self.tls if isinstance(self.tls, bytes) else None)

    def open(self) -> grpc.Channel:
        """A channel for blocking calls."""
        credentials = self._credentials()
        if credentials is None:
            return grpc.insecure_channel(self.target, OPTIONS)
        return grpc.secure_channel(self.target, credentials, OPTIONS)

    def open_aio(self) -> grpc.aio.Channel:
        """A channel for the running event loop."""
        credentials = self._credentials()
        if credentials is None:
            return grpc.aio.insecure_channel(self.target, OPTIONS)
        return grpc.aio.secure_channel(self.target, credentials, OPTIONS)

"""The channel by which the page reaches the server that serves it."""

from __future__ import annotations

import grpc
from cryptography import x509

from hexar.server.settings.config import Settings

_SIZE = [("grpc.max_receive_message_length", -1)]


def own_channel(settings: Settings, port: int) -> grpc.aio.Channel:
    """A channel to this server on ``port``. Raises ValueError where it lets nobody in without a client's certificate."""
    wildcard = settings.host in ("0.0.0.0", "::", "[::]")
    target = f"{'127.0.0.1' if wildcard else settings.host}:{port}"
    tls = settings.tls
    if tls is None:
        return grpc.aio.insecure_channel(target, options=_SIZE)
    if tls.client_ca is not None:
        raise ValueError("dashboard_address: the page has no certificate of its own, and tls.client_ca asks for one")
    pem = tls.certificate.read_bytes()
    name = _name(pem)
    options = [*_SIZE, *([("grpc.ssl_target_name_override", name)] if name else [])]
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(root_certificates=pem), options=options)


def _name(pem: bytes) -> str:
    """A name that the certificate was issued for."""
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.DNSName)), "")

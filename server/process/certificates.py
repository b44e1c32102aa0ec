"""The server's certificate, read again where its files have changed: at the next handshake, without a restart."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Any

import grpc
import structlog

from hexar.server.settings.config import TlsConfig

log = structlog.get_logger(__name__)

#: What tells that a file was replaced: its inode, time and size.
_Stamp = tuple[tuple[int, int, int], ...]


class Certificates:
    """Credentials of a server over the files of ``tls``.

    gRPC asks for the configuration at each handshake, on a thread of its own. A pair that does not fit, as there is while one
    of the files is replaced, is left alone: the one of before serves on, and the log says so once.
    """

    def __init__(self, tls: TlsConfig) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._seen: _Stamp = ()
        #: True while files that cannot be used were told of.
        self._told = False
        #: How often other files were taken over.
        self.renewed = 0

    def credentials(self) -> grpc.ServerCredentials:
        """For a port. Raises OSError where the files cannot be used."""
        self._seen = self._stamp()
        made: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
            self._configuration(), self._fetch, require_client_authentication=self._tls.client_ca is not None
        )
        return made

    def _paths(self) -> list[Path]:
        tls = self._tls
        return [path for path in (tls.certificate, tls.key, tls.client_ca) if path is not None]

    def _stamp(self) -> _Stamp:
        return tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in (path.stat() for path in self._paths()))

    def _configuration(self) -> Any:
        tls = self._tls
        # Raises where key and certificate are no pair; gRPC would say so in its own log only.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
        return grpc.ssl_server_certificate_configuration(
            [(tls.key.read_bytes(), tls.certificate.read_bytes())], tls.client_ca.read_bytes() if tls.client_ca else None
        )

    def _fetch(self) -> Any:
        """Another configuration, or None where it is still the same."""
        with self._lock:
            try:
                stamp = self._stamp()
                if stamp == self._seen:
                    return None
                self._seen = stamp
                made = self._configuration()
            except OSError as error:  # as ssl.SSLError is
                if self._told:
                    return None
                self._told = True
                log.warning("certificate_not_read", reason=type(error).__name__, certificate=str(self._tls.certificate))
                return None
            self._told = False
            self.renewed += 1
            log.info("certificate_renewed", certificate=str(self._tls.certificate))
            return made

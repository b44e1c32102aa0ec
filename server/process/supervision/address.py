"""The address that several processes share by SO_REUSEPORT.

The supervisor binds it first and keeps it bound without listening: nobody else gets a port that it chose, and a port that
belongs to another service is refused before any process is started.
"""

from __future__ import annotations

import errno
import socket


class Address:
    """``host`` and ``port`` (0: any free one), held until closed. Raises OSError where they belong to someone else."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._held: list[socket.socket] = []
        try:
            self._hold()
        except OSError as error:
            self.close()
            reason = error.strerror or str(error)
            advice = "; --port or HEXAR_PORT names another" if error.errno == errno.EADDRINUSE else ""
            raise OSError(f"cannot listen on {host}:{port}: {reason}{advice}") from error

    def _hold(self) -> None:
        found = socket.getaddrinfo(
            self.host.strip("[]"), self.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, where in dict.fromkeys(found):
            at = (where[0], self.port, *where[2:])
            if self.port:
                with socket.socket(family, kind, protocol) as probe:
                    # Without SO_REUSEPORT: whoever listens there already, with that option or not, is in the way.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    _only_v6(probe)
                    probe.bind(at)
                    probe.listen(1)
            held = socket.socket(family, kind, protocol)
            self._held.append(held)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            _only_v6(held)
            held.bind(at)
            self.port = held.getsockname()[1]
            # It was needed to pass connections that wait for their last packets. Off, it keeps other probes away.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)

    def __enter__(self) -> Address:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go."""
        for held in self._held:
            held.close()
        self._held.clear()


def _only_v6(made: socket.socket) -> None:
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)

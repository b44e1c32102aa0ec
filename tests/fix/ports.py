"""Ports for servers that a test starts, stops and starts again.

A port that the kernel hands out may be handed out a second time, to any connection of any process, while its server is down. These lie
below the range from which the kernel takes them, and each process that runs tests has a stretch of its own.
"""

from __future__ import annotations

import itertools
import os
import socket

#: Below 32768, where Linux begins to hand them out, and with room above for a Redis Cluster's bus port (10,000 more).
FIRST, LAST = 10_000, 32_000
_WORKER = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or 0)
# Two runs of the tests beside one another begin apart.
_numbers = itertools.count((os.getpid() * 37 + _WORKER * 5_500) % (LAST - FIRST))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that this process has not given before."""
    while True:
        port = FIRST + next(_numbers) % (LAST - FIRST)
        with socket.socket() as probe:
            # As servers do: a port whose connections have just ended is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port

"""How a process leaves its port to others: gRPC can only stop listening by ending its server.

The listening sockets belong to gRPC's core, which does not give them out: they are found among the process's descriptors.
"""

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

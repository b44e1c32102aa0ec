"""Sends streams as fast as it can over some connections, in a process of its own: ``flood_process.py PORT left|reset STREAMS``.

Its last line is the number of connections that it needed: where the server ends one it goes on over another.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping

from tests.server.process.http2 import RST_STREAM, Http2

CONNECTIONS, BURST = 20, 100
QUERY = b"/hexar.v1.QueryService/Query"
CANCEL = (8).to_bytes(4, "big")


def left(caller: Http2) -> None:
    """A stream without a message."""
    caller.open(QUERY)


def reset(caller: Http2) -> None:
    """A whole call that is taken back at once."""
    stream = caller.open(QUERY)
    caller.message(stream, b"\x0a\x04tent")
    caller.send(RST_STREAM, 0, stream, CANCEL)


FRAMES: Mapping[str, Callable[[Http2], None]] = {"left": left, "reset": reset}


async def flood(port: int, frame: Callable[[Http2], None], streams: int) -> int:
    """``streams`` of them; the connections that it took."""
    connections = sent = 0
    while sent < streams:
        caller = await Http2.connect(port)
        connections += 1
        try:
            while sent < streams and not caller.ended_by_server:
                for _ in range(BURST):
                    frame(caller)
                sent += BURST
                await caller.drained()
                caller.frames.clear()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        await caller.close()
    return connections


async def _all(port: int, name: str, streams: int) -> int:
    return sum(await asyncio.gather(*(flood(port, FRAMES[name], streams // CONNECTIONS) for _ in range(CONNECTIONS))))


if __name__ == "__main__":
    print(asyncio.run(_all(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))

"""Messages between the supervisor and one of its processes: JSON objects, one a line, over a socket pair.

From the process: ``{"ready": {…}}`` once it serves, ``{"failed": text, "code": n}`` where it cannot, and its figures as
``{"figures": […], "to": id}``. To the process: ``{"figures": id}``, and ``{"leave": true}`` where another takes its place.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import orjson

#: A line holds the figures of a process: some hundred kilobytes with many agents.
LINE_BYTES = 64 * 1024 * 1024
#: Exit codes of a process: its configuration is wrong; it did not start for another reason.
WRONG_CONFIGURATION, NOT_STARTED = 2, 1

Message = dict[str, Any]


class Link:
    """One end, on an event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Link:
        """A link over ``end``, which it owns from now on."""
        reader, writer = await asyncio.open_connection(sock=end, limit=LINE_BYTES)
        return cls(reader, writer)

    async def messages(self) -> AsyncIterator[Message]:
        """What comes, until the other end is closed or its process is gone."""
        while True:
            try:
                line = await self._reader.readline()
            except OSError:
                return
            if not line.endswith(b"\n"):
                return
            yield orjson.loads(line)

    async def send(self, message: Message) -> None:
        """Send ``message``; to nobody where the other end is gone."""
        with suppress(OSError):
            self._writer.write(encoded(message))
            await self._writer.drain()

    async def close(self) -> None:
        """Close this end."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


def encoded(message: Message) -> bytes:
    """The line of ``message``."""
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)

"""An HTTP/2 client frame by frame, for what no gRPC client would send."""

from __future__ import annotations

import asyncio
import struct
from typing import Self

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS = 1, 4


class Http2:
    """One connection. Header values are bytes and are sent as they are; what the server sends is read and kept as frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._next = 1
        #: Frames as (kind, flags, stream, payload).
        self.frames: list[tuple[int, int, int, bytes]] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Connect to a port of this machine."""
        made = cls(*await asyncio.open_connection("127.0.0.1", port))
        made._writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        made.send(SETTINGS, 0, 0)
        return made

    def send(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        """Write a frame."""
        self._writer.write(len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload)

    def open(self, path: bytes, *headers: tuple[bytes, bytes], end: bool = False) -> int:
        """Begin a call of ``path``; its stream."""
        stream, self._next = self._next, self._next + 2
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", b"localhost"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *headers,
        ]
        block = b"".join(b"\0" + _string(name) + _string(value) for name, value in fields)
        self.send(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)
        return stream

    def message(self, stream: int, message: bytes = b"", *, end: bool = True) -> None:
        """Send a gRPC message on ``stream``."""
        self.send(DATA, END_STREAM if end else 0, stream, struct.pack(">BI", 0, len(message)) + message)

    @property
    def ended_by_server(self) -> bool:
        """True where the connection is over, or the server takes no more streams on it."""
        return self._reading.done() or any(kind == GOAWAY for kind, *_ in self.frames)

    @property
    def over(self) -> set[int]:
        """The streams that the server has ended."""
        return {at for kind, flags, at, _ in self.frames if at and (kind == RST_STREAM or flags & END_STREAM)}

    async def drained(self) -> None:
        """Wait until what was written is on its way."""
        await self._writer.drain()

    async def ended(self, stream: int) -> None:
        """Wait until the server has ended ``stream``."""
        while stream not in self.over:
            if self._reading.done():
                return
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Cut the connection."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.close()

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(9)
                size = int.from_bytes(head[:3], "big")
                kind, flags, stream = struct.unpack(">BBI", head[3:])
                payload = await self._reader.readexactly(size)
                if kind == SETTINGS and not flags & 1:
                    self.send(SETTINGS, 1, 0)
                elif kind == PING and not flags & 1:
                    self.send(PING, 1, 0, payload)
                else:
                    self.frames.append((kind, flags, stream, payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            return


def _string(value: bytes) -> bytes:
    """HPACK: a length of seven bits, and more where it needs them; no Huffman code."""
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, out = len(value) - 127, bytearray([127])
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    out.append(rest)
    return bytes(out) + value

"""The part of HTTP/1.1 that a streamed answer needs, without a socket: one request to bytes, and bytes to one response.

The libraries read a response through a buffered blocking file, which cannot be shared by a selector. This parser
takes bytes as they come, so one thread can read hundreds of answers. Source: RFC 9112.
"""

from collections.abc import Iterable
from enum import Enum

#: Bytes that the status line and headers, or a chunk's size line, may have.
MAX_HEAD = 65536
MAX_SIZE_LINE = 4096


class BadResponse(ValueError):
    """The bytes are no HTTP/1.1 response that we can read."""


def request_bytes(host: str, path: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """A POST of JSON."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    lines += ["Content-Type: application/json", "Accept-Encoding: identity", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("ascii") + body


class _State(Enum):
    HEAD = 0
    SIZE = 1
    CHUNK = 2
    CHUNK_END = 3
    TRAILER = 4
    LENGTH = 5
    UNTIL_CLOSE = 6
    END = 7


class ResponseParser:
    """Feed it bytes, get body bytes; ``status`` and ``headers`` are there once the head is.

    Not thread-safe; one per response.
    """

    __slots__ = ("_buffer", "_left", "_state", "headers", "status")

    def __init__(self) -> None:
        #: 0 until the head is complete.
        self.status = 0
        self.headers: dict[str, str] = {}
        self._buffer = b""
        self._left = 0
        self._state = _State.HEAD

    @property
    def complete(self) -> bool:
        """True when the body has ended as announced."""
        return self._state is _State.END

    @property
    def reusable(self) -> bool:
        """True where the connection may carry another request."""
        return self.complete and not self._buffer and self.headers.get("connection", "").lower() != "close"

    def feed(self, data: bytes) -> bytes:
        """The body bytes in ``data``; raises :class:`BadResponse`."""
        buffer = self._buffer + data if self._buffer else data
        if self._state is _State.HEAD:
            while self._state is _State.HEAD:
                end = buffer.find(b"\r\n\r\n")
                if end < 0:
                    if len(buffer) > MAX_HEAD:
                        raise BadResponse
                    self._buffer = buffer
                    return b""
                self._head(buffer[:end])
                buffer = buffer[end + 4 :]
        if self._state is _State.UNTIL_CLOSE:
            self._buffer = b""
            return buffer
        if self._state is _State.LENGTH:
            body, self._buffer = buffer[: self._left], buffer[self._left :]
            self._left -= len(body)
            if not self._left:
                self._state = _State.END
            return body
        return self._chunks(buffer)

    def closed(self) -> None:
        """The other side closed the connection: that ends a body without a length, and breaks any other."""
        if self._state is _State.UNTIL_CLOSE:
            self._state = _State.END
            self.headers["connection"] = "close"

    def _head(self, head: bytes) -> None:
        line, *rows = head.decode("latin-1").split("\r\n")
        parts = line.split(" ", 2)
        if len(parts) < 2 or parts[0] not in ("HTTP/1.1", "HTTP/1.0") or not (len(parts[1]) == 3 and parts[1].isdigit()):
            raise BadResponse
        status = int(parts[1])
        if 100 <= status < 200:
            return  # interim: the real head follows
        self.status = status
        for row in rows:
            name, separator, value = row.partition(":")
            if not separator:
                raise BadResponse
            self.headers[name.strip().lower()] = value.strip()
        if parts[0] == "HTTP/1.0":
            self.headers.setdefault("connection", "close")
        if self.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise BadResponse
        length = self.headers.get("content-length")
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            self._state = _State.SIZE
        elif status in (204, 304) or length == "0":
            self._state = _State.END
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise BadResponse
            self._left = int(length)
            self._state = _State.LENGTH
        else:
            self._state = _State.UNTIL_CLOSE

    def _chunks(self, buffer: bytes) -> bytes:
        body: list[bytes] = []
        at = 0
        size = len(buffer)
        while self._state is not _State.END:
            if self._state is _State.CHUNK:
                take = min(self._left, size - at)
                if not take:
                    break
                body.append(buffer[at : at + take])
                at += take
                self._left -= take
                if not self._left:
                    self._state = _State.CHUNK_END
                continue
            end = buffer.find(b"\r\n", at)
            if end < 0:
                if size - at > MAX_SIZE_LINE:
                    raise BadResponse
                break
            line = buffer[at:end]
            at = end + 2
            if self._state is _State.SIZE:
                try:
                    self._left = int(line.partition(b";")[0], 16)
                except ValueError as error:
                    raise BadResponse from error
                if self._left < 0:
                    raise BadResponse
                self._state = _State.CHUNK if self._left else _State.TRAILER
            elif self._state is _State.CHUNK_END:
                if line:
                    raise BadResponse
                self._state = _State.SIZE
            elif not line:  # the empty line after the trailers
                self._state = _State.END
        self._buffer = buffer[at:]
        return body[0] if len(body) == 1 else b"".join(body)

"""The part of HTTP/1.1 that a streamed answer needs, without a socket: one request to bytes, and bytes to one response.

Parsed by httptools (llhttp, the parser of Node.js; docs/adr/0019). It takes bytes as they come, so one thread can read hundreds
of answers. Source: RFC 9112.
"""

from collections.abc import Iterable

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

#: Bytes that the heads of a response may have, those of interim responses included.
MAX_HEAD = 65536


class BadResponse(ValueError):
    """The bytes are no HTTP/1.1 response that we can read."""


def request_bytes(host: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """A POST of JSON."""
    lines = [f"POST {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    lines += ["Content-Type: application/json", "Accept-Encoding: identity", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("ascii") + body


class _Collector:
    """What the parser calls: keeps it until it is asked for. Knows no parser, so that both go when the response does."""

    __slots__ = ("body", "complete", "extra", "head", "headers")

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.head = False
        self.complete = False
        #: Another response began behind the one that was asked for.
        self.extra = False

    def on_message_begin(self) -> None:
        self.extra = self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        self.head = True

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self.body.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


class ResponseParser:
    """Feed it bytes, get body bytes; ``status`` and ``headers`` are there once the head is.

    Not thread-safe; one per response.
    """

    __slots__ = ("_collector", "_fed", "_parser", "_persistent", "_tail", "headers", "status")

    def __init__(self) -> None:
        #: 0 until the head is complete.
        self.status = 0
        self.headers: dict[str, str] = {}
        self._collector = _Collector()
        self._parser = HttpResponseParser(self._collector)
        self._fed = 0
        self._tail = b""
        self._persistent = False

    @property
    def complete(self) -> bool:
        """True when the body has ended as announced."""
        return self._collector.complete

    @property
    def reusable(self) -> bool:
        """True where the connection may carry another request."""
        return self._collector.complete and self._persistent and not self._collector.extra

    def feed(self, data: bytes) -> bytes:
        """The body bytes in ``data``; raises :class:`BadResponse`."""
        collector = self._collector
        try:
            if not self.status:
                data = self._head(data)
            if data:
                self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not (self.status and collector.complete):
                raise BadResponse from error
            collector.extra = True
        body = collector.body
        if not body:
            return b""
        collector.body = []
        return body[0] if len(body) == 1 else b"".join(body)

    def closed(self) -> None:
        """The other side closed the connection: that ends a body without a length, and breaks any other."""
        if self.status and not self._framed():
            self._collector.complete = True

    def _head(self, data: bytes) -> bytes:
        """Read up to the end of the final head; what follows it."""
        collector = self._collector
        while data and not self.status:
            # Head by head: which of several responses is an interim one can only be told while it is the last.
            end = (self._tail + data).find(b"\r\n\r\n")
            cut = len(data) if end < 0 else end + 4 - len(self._tail)
            piece, data = data[:cut], data[cut:]
            self._tail = (self._tail + piece)[-3:]
            self._fed += len(piece)
            if self._fed > MAX_HEAD:
                raise BadResponse
            self._parser.feed_data(piece)
            if not collector.head:
                continue
            status = self._parser.get_status_code()
            if status < 200:
                collector.head = collector.complete = False
                collector.headers = {}
                continue
            self.status, self.headers = status, collector.headers
            if self.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
                raise BadResponse
            closes = self.headers.get("connection", "").lower() == "close"
            self._persistent = self._framed() and not closes and self._parser.get_http_version() == "1.1"
        return data

    def _framed(self) -> bool:
        """True where the body says itself where it ends."""
        headers = self.headers
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        return chunked or "content-length" in headers or self.status in (204, 304)

"""The event stream and HTTP parsers: any cut of the bytes gives the same events, and sizes are bounded."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.llm.transport.http1 import BadResponse, ResponseParser, request_bytes
from hexar.agents.llm.transport.sse import SSEParser, TooLarge


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(point % (len(data) + 1) for point in points)})
    return [data[a:b] for a, b in pairwise(edges)]


@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), min_size=1, max_size=3), max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 10_000), max_size=12),
    st.booleans(),
)
def test_events_survive_any_cut(events: list[list[str]], newline: str, points: list[int], bom: bool) -> None:
    """However the bytes are cut (inside a character, between CR and LF), the events are those that were sent."""
    wire = b"\xef\xbb\xbf" if bom else b""
    for lines in events:
        wire += f": note{newline}event: message{newline}".encode()
        wire += "".join(f"data: {line}{newline}" for line in lines).encode() + newline.encode()
    parser = SSEParser()
    found = [event for piece in cut(wire, points) for event in parser.feed(piece)]
    # A lone CR at the very end may be half of a CRLF, but it ends its line either way.
    assert found == ["\n".join(lines).encode() for lines in events]


def test_data_without_a_space_and_without_a_value() -> None:
    """The space after the colon is optional, and a field may be empty."""
    assert SSEParser().feed(b"data:x\n\ndata\n\ndata:\n\ndata:  y\n\nid: 3\nretry: 5\n\n") == [b"x", b"", b"", b" y"]


@pytest.mark.parametrize("wire", [b"data: " + b"x" * 5000, b"data: x\n" * 5000, b"x" * 5000])
def test_an_endless_event_is_refused(wire: bytes) -> None:
    """A line, or an event of many lines, that grows past the limit is an error and not a leak."""
    parser = SSEParser(limit=1000)
    pieces = (wire[index : index + 7] for index in range(0, len(wire), 7))
    with pytest.raises(TooLarge):
        list(map(parser.feed, pieces))


@given(st.binary(max_size=300), st.integers(1, 40), st.lists(st.integers(0, 10_000), max_size=12))
def test_chunked_bodies_survive_any_cut(body: bytes, size: int, points: list[int]) -> None:
    """A chunked body comes out whole, and the parser knows that it has ended and the connection may go on."""
    wire = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for index in range(0, len(body), size):
        part = body[index : index + size]
        wire += b"%X;name=value\r\n%s\r\n" % (len(part), part)
    wire += b"0\r\nTrailer: x\r\n\r\n"
    parser = ResponseParser()
    assert b"".join(parser.feed(piece) for piece in cut(wire, points)) == body
    assert parser.status == 200
    assert parser.complete
    assert parser.reusable


@given(st.binary(max_size=100), st.lists(st.integers(0, 10_000), max_size=6))
def test_a_body_with_a_length(body: bytes, points: list[int]) -> None:
    """A length ends the body; what follows it spoils the connection."""
    wire = b"HTTP/1.1 404 Not Found\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    parser = ResponseParser()
    assert b"".join(parser.feed(piece) for piece in cut(wire, points)) == body
    assert (parser.status, parser.complete, parser.reusable) == (404, True, True)


def test_a_body_until_the_connection_closes() -> None:
    """Without a length the close is the end, and the connection cannot be used again."""
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 200 OK\r\n\r\nabc") == b"abc"
    assert not parser.complete
    parser.closed()
    assert parser.complete
    assert not parser.reusable


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70000,
    ],
)
def test_what_is_not_http_is_refused(wire: bytes) -> None:
    """Other protocols, broken framing, unreadable encodings and endless heads are errors."""
    with pytest.raises(BadResponse):
        ResponseParser().feed(wire)


def test_request_bytes() -> None:
    """The request names its host and length."""
    wire = request_bytes("h:1", "/v1/x", [("A", "b")], b"{}")
    assert wire.startswith(b"POST /v1/x HTTP/1.1\r\nHost: h:1\r\nA: b\r\n")
    assert wire.endswith(b"Content-Length: 2\r\n\r\n{}")

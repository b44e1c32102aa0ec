"""The vendor client: bounded in time, bytes and redirects, whatever the server does."""

from __future__ import annotations

import gzip
import re
import threading
import time
import zlib

import pytest

from hexar.agents.transport.cancel import Cancel
from hexar.agents.vendors.errors import (
    VendorCancelled,
    VendorMalformed,
    VendorRefused,
    VendorStatus,
    VendorTimeout,
    VendorUnreachable,
)
from hexar.agents.vendors.transport.http import Validators
from hexar.core.deadline import Deadline
from tests.agents.vendors.conftest import TLS, answer


def _url(server, path: str = "/", scheme: str = "http") -> str:
    return f"{scheme}://shop.test:{server.port}{path}"


def test_headers_are_the_configured_ones_and_cookies_are_not_kept(serve, client_for) -> None:
    """The vendor's user agent and headers are sent; a cookie that it sets never comes back."""
    server = serve(answer(b"ok", Set_Cookie="id=1"))
    client = client_for(server.port, user_agent="Tester/1", headers={"X-Key": "k"})
    client.get(_url(server), Deadline.after(2))
    client.get(_url(server), Deadline.after(2))
    assert all("User-Agent: Tester/1\r\n" in head and "X-Key: k\r\n" in head for head in server.requests)
    assert all(f"Host: shop.test:{server.port}\r\n" in head for head in server.requests)
    assert not any("cookie" in head.lower() for head in server.requests)


def test_configured_headers_do_not_follow_a_redirect_to_another_host(serve, client_for) -> None:
    """A key in the headers is for the vendor alone."""
    other = serve(answer(b"other"))
    server = serve(answer(status="307 Temporary Redirect", Location=f"http://other.test:{other.port}/"))
    client = client_for(
        server.port, headers={"X-Key": "k"}, allow_private_hosts=["shop.test", "other.test"], ports=[other.port]
    )
    assert client.get(_url(server), Deadline.after(2)).body == b"other"
    assert "X-Key" in server.requests[0]
    assert "X-Key" not in other.requests[0]


def test_redirects_are_followed_five_times_and_not_six(serve, client_for) -> None:
    """Relative redirects work; the sixth is refused."""

    def script(connection, path, head):
        step = int(path[1:])
        done = answer(b"done") if step == 0 else answer(status="302 Found", Location=f"/{step - 1}")
        connection.sendall(done)

    server = serve(script)
    client = client_for(server.port)
    page = client.get(_url(server, "/5"), Deadline.after(2))
    assert (page.body, page.url) == (b"done", _url(server, "/0"))
    with pytest.raises(VendorRefused, match="too many redirects"):
        client.get(_url(server, "/6"), Deadline.after(2))


def test_a_connection_is_reused_and_a_stale_one_replaced(serve, client_for) -> None:
    """Keep-alive is used; a connection that the vendor closed meanwhile costs one fresh connection, not an error."""
    connections = set()
    closing = []

    def script(connection, path, head):
        connections.add(connection.getpeername()[1])
        # Looked at first: the test goes on as soon as it has the answer.
        closes = bool(closing)
        connection.sendall(answer(b"ok"))
        if closes:
            connection.close()

    server = serve(script)
    client = client_for(server.port)
    client.get(_url(server), Deadline.after(2))
    client.get(_url(server), Deadline.after(2))
    assert len(connections) == 1
    closing.append(True)
    client.get(_url(server), Deadline.after(2))
    assert client.get(_url(server), Deadline.after(2)).body == b"ok"
    assert len(connections) == 2


@pytest.mark.parametrize("where", ["head", "body", "chunks"])
def test_a_slow_drip_does_not_outlive_the_deadline(serve, client_for, where: str) -> None:
    """Bytes that keep coming restart a socket's timeout, not the deadline: in the head, the body and chunk by chunk."""

    def script(connection, path, head):
        if where == "head":
            opening, piece = b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"
        elif where == "body":
            opening, piece = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"
        else:
            opening, piece = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"
        connection.sendall(opening)
        while not server.stopped.wait(0.03):
            connection.sendall(piece)

    server = serve(script)
    begun = time.monotonic()
    with pytest.raises(VendorTimeout):
        client_for(server.port, read_timeout=5).get(_url(server), Deadline.after(0.4))
    assert time.monotonic() - begun < 60


def test_a_silent_server_is_given_up_after_the_read_timeout(serve, client_for) -> None:
    """Without a byte for read_timeout seconds the vendor is blamed, long before the deadline."""
    server = serve(lambda connection, path, head: server.stopped.wait(200))
    begun = time.monotonic()
    with pytest.raises(VendorTimeout) as caught:
        client_for(server.port, read_timeout=0.2).get(_url(server), Deadline.after(120))
    assert time.monotonic() - begun < 60
    assert caught.value.counts_as_failure
    assert caught.value.retryable
    assert caught.value.failure == "timeout"


def test_a_hurried_caller_does_not_blame_the_vendor(serve, client_for) -> None:
    """When the caller leaves a few milliseconds, the time-out does not count as a failure of the vendor."""
    server = serve(lambda connection, path, head: server.stopped.wait(10))
    with pytest.raises(VendorTimeout) as caught:
        client_for(server.port).get(_url(server), Deadline.after(0.05))
    assert not caught.value.counts_as_failure


def test_cancellation_cuts_the_socket(serve, client_for) -> None:
    """A cancelled request ends at once, in the middle of its wait."""
    server = serve(lambda connection, path, head: server.stopped.wait(200))
    cancel = Cancel()
    timer = threading.Timer(0.1, cancel.cancel)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(VendorCancelled) as caught:
        client_for(server.port).get(_url(server), Deadline.after(120), cancel=cancel)
    assert time.monotonic() - begun < 60
    assert not caught.value.counts_as_failure
    timer.join()
    with pytest.raises(VendorCancelled):
        client_for(server.port).get(_url(server), Deadline.after(30), cancel=cancel)


@pytest.mark.parametrize("declared", [True, False])
def test_an_answer_that_is_too_large_is_cut_off(serve, client_for, declared: bool) -> None:
    """The size limit holds with a declared length, and without one."""

    def script(connection, path, head):
        length = b"Content-Length: 10000000\r\n" if declared else b"Connection: close\r\n"
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        for _ in range(1000):
            connection.sendall(b"x" * 10000)

    server = serve(script)
    with pytest.raises(VendorMalformed, match="larger than allowed"):
        client_for(server.port, max_bytes=100_000).get(_url(server), Deadline.after(5))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_decompression_bomb_is_cut_off(serve, client_for, encoding: str) -> None:
    """The limit counts decompressed bytes, and they are never all in memory."""
    bomb = b"0" * 50_000_000
    packed = gzip.compress(bomb) if encoding == "gzip" else zlib.compress(bomb)
    server = serve(answer(packed, Content_Encoding=encoding))
    with pytest.raises(VendorMalformed, match="larger than allowed"):
        client_for(server.port, max_bytes=1_000_000).get(_url(server), Deadline.after(5))


@pytest.mark.parametrize(
    "packed",
    [
        (gzip.compress(b"hello " * 1000), "gzip"),
        (gzip.compress(b"hello " * 500) + gzip.compress(b"hello " * 500), "x-gzip"),
        (zlib.compress(b"hello " * 1000), "deflate"),
        (zlib.compress(b"hello " * 1000)[2:-4], "deflate"),
        (b"hello " * 1000, "identity"),
    ],
)
def test_compressed_answers_are_read(serve, client_for, packed: tuple[bytes, str]) -> None:
    """gzip (also in several members), zlib and bare deflate are decompressed."""
    server = serve(answer(packed[0], Content_Encoding=packed[1]))
    assert client_for(server.port).get(_url(server), Deadline.after(2)).body == b"hello " * 1000


def test_a_truncated_answer_is_an_error(serve, client_for) -> None:
    """Half an answer is never taken for a whole one, plain or compressed."""

    def script(connection, path, head):
        body = gzip.compress(bytes(range(256)) * 100)
        if path == "/gzip":
            connection.sendall(answer(body[: len(body) // 2], Content_Encoding="gzip"))
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")
            connection.close()

    server = serve(script)
    for path in ("/plain", "/gzip"):
        with pytest.raises(VendorUnreachable):
            client_for(server.port).get(_url(server, path), Deadline.after(2))


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\x01garbage\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_what_is_not_http_is_malformed(serve, client_for, body: bytes) -> None:
    """Garbage, and an encoding that was not asked for, are the vendor's error, told in our words."""
    server = serve(body)
    with pytest.raises(VendorMalformed):
        client_for(server.port).get(_url(server), Deadline.after(2))


@pytest.mark.parametrize(
    ("status", "retryable", "counts"),
    [("404 Not Found", False, False), ("403 Forbidden", False, False), ("429 Slow Down", True, True), ("503 Busy", True, True)],
)
def test_statuses_that_are_no_success(serve, client_for, status: str, retryable: bool, counts: bool) -> None:
    """A status is an error that says whether to retry, and whether the vendor is failing."""
    server = serve(answer(b"<html>secret stack trace</html>", status, Retry_After="7"))
    with pytest.raises(VendorStatus) as caught:
        client_for(server.port).get(_url(server), Deadline.after(2))
    error = caught.value
    assert (error.status, error.retryable, error.counts_as_failure, error.retry_after) == (
        int(status[:3]),
        retryable,
        counts,
        7.0,
    )
    assert "stack trace" not in error.message


def test_a_conditional_request_is_answered_by_304(serve, client_for) -> None:
    """Validators are sent, and an unchanged page has no body."""

    def script(connection, path, head):
        known = re.search(r'If-None-Match: "v1"', head)
        connection.sendall(answer(b"", "304 Not Modified") if known else answer(b"page", ETag='"v1"'))

    server = serve(script)
    client = client_for(server.port)
    first = client.get(_url(server), Deadline.after(2))
    again = client.get(_url(server), Deadline.after(2), validators=Validators.of(first.headers))
    assert (first.body, again.status, again.body) == (b"page", 304, b"")


def test_validators_that_would_inject_a_header_are_dropped() -> None:
    """A vendor's ETag goes into our next request: control characters and overlong ones do not."""
    assert Validators.of({"etag": "x\r\nX-Evil: 1", "last-modified": "y" * 500}) == Validators()


def test_tls_verifies_the_name_and_not_the_address(serve, client_for) -> None:
    """SNI, certificate and Host header are those of the name, while the socket goes to the checked address."""
    server = serve(answer(b"tls"), tls=True)
    trusting = client_for(server.port, scheme="https", ca_file=str(TLS / "shop.pem"))
    assert trusting.get(_url(server, scheme="https"), Deadline.after(3)).body == b"tls"
    with pytest.raises(VendorUnreachable, match="TLS"):
        client_for(server.port, scheme="https").get(_url(server, scheme="https"), Deadline.after(3))
    misnamed = client_for(
        server.port, url=f"https://other.test:{server.port}", allow_private_hosts=["other.test"], ca_file=str(TLS / "shop.pem")
    )
    with pytest.raises(VendorUnreachable, match="TLS"):
        misnamed.get(f"https://other.test:{server.port}/", Deadline.after(3))


def test_a_tls_handshake_that_never_ends_is_bounded(serve, client_for) -> None:
    """A server that accepts and stays silent holds a TLS caller no longer than its deadline."""
    server = serve(lambda connection, path, head: None)
    begun = time.monotonic()
    with pytest.raises((VendorTimeout, VendorUnreachable)):
        client_for(server.port, scheme="https").get(_url(server, scheme="https"), Deadline.after(0.3))
    assert time.monotonic() - begun < 60


def test_a_redirect_from_https_to_http_is_refused(serve, client_for) -> None:
    """What began encrypted does not go on in the clear."""
    server = serve(answer(status="302 Found", Location="http://shop.test/"), tls=True)
    client = client_for(server.port, scheme="https", ca_file=str(TLS / "shop.pem"))
    with pytest.raises(VendorRefused, match="https to http"):
        client.get(_url(server, scheme="https"), Deadline.after(3))

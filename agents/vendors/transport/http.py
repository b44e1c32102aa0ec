"""One blocking HTTP client for all vendor agents: GET only, bounded in time, bytes and redirects, and guarded.

A request never outlives its deadline, whatever the vendor does: name look-up, connect, TLS handshake, every read and write draw
from one budget (:mod:`hexar.agents.vendors.transport.sockets`). Every hop of a redirect passes the guard
(:mod:`hexar.agents.vendors.transport.guard`), and the socket connects to the very address that was checked while TLS and the
Host header keep the name. No cookies, no proxies, no credentials of the environment.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util.ssl_ import create_urllib3_context

from hexar.agents.transport.cancel import Cancel
from hexar.agents.transport.idle import IdleConnections
from hexar.agents.transport.retry_after import retry_after
from hexar.agents.vendors.config import VendorConfig
from hexar.agents.vendors.errors import (
    VendorError,
    VendorMalformed,
    VendorRefused,
    VendorStatus,
    VendorUnreachable,
)
from hexar.agents.vendors.transport import sockets
from hexar.agents.vendors.transport.guard import AddressGuard, Resolver, Target, split_url
from hexar.agents.vendors.transport.sockets import Budget, BudgetTlsSocket
from hexar.core.deadline import Deadline

#: Redirects that are followed.
MAX_REDIRECTS = 5
#: Idle connections kept for one origin, and for how many seconds.
MAX_IDLE = 4
IDLE_SECONDS = 15.0
_CHUNK = 65536
_HEADER_BYTES = 256 << 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer while it is read. ``chunks`` yields decompressed bytes; ``url`` is where redirects ended.

    ``status`` is 200..299, or 304 when the request carried validators and nothing changed (then there are no chunks).
    """

    status: int
    url: str
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Page:
    """A successful answer, read to its end. ``headers`` have lower-case names."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Validators:
    """What a conditional request carries: the ETag and Last-Modified of the copy that one has. Empty: none."""

    etag: str = ""
    last_modified: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Validators:
        """The validators of an answer."""
        return cls(_printable(headers.get("etag", "")), _printable(headers.get("last-modified", "")))


class HttpClient:
    """The client of one vendor: its headers, limits, guard and idle connections. Thread-safe.

    ``resolver`` replaces the system's name look-up (tests of rebinding); its answers are checked like any.
    """

    def __init__(self, config: VendorConfig, *, resolver: Resolver | None = None) -> None:
        self._config = config
        self._home = split_url(config.name, config.url)
        self._guard = AddressGuard(
            config.name,
            ports={*config.ports, self._home.port},
            allow_private_hosts=config.allow_private_hosts,
            resolver=resolver,
        )
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, int], IdleConnections[_Wired]] = {}
        self._closed = False

    def get(
        self,
        url: str,
        deadline: Deadline,
        *,
        accept: str = "*/*",
        validators: Validators | None = None,
        cancel: Cancel | None = None,
    ) -> Page:
        """GET ``url`` and read it to its end.

        Raises:
            VendorError: a timeout, an unreachable host, a status that is no success, an answer that is too large or not
                decodable, a refused address, or a cancellation.
        """
        with self.stream(url, deadline, accept=accept, validators=validators, cancel=cancel) as answer:
            return Page(answer.status, answer.url, answer.headers, b"".join(answer.chunks))

    @contextmanager
    def stream(
        self,
        url: str,
        deadline: Deadline,
        *,
        accept: str = "*/*",
        validators: Validators | None = None,
        cancel: Cancel | None = None,
    ) -> Iterator[Answer]:
        """GET ``url`` and read it as it comes; raises as :meth:`get`, also while ``chunks`` is read."""
        config = self._config
        budget = Budget(config.name, deadline, config.read_timeout, 2 * config.max_bytes + _HEADER_BYTES, cancel)
        target = split_url(config.name, url)
        for _ in range(MAX_REDIRECTS + 1):
            connection, raw = self._exchange(target, self._headers(target, accept, validators), budget)
            detach = None
            finished = False
            try:
                wire = connection.wire
                if cancel is not None and wire is not None:
                    detach = cancel.attach(lambda wire=wire: sockets.cut(wire))  # type: ignore[misc]
                headers = {name.lower(): value for name, value in raw.headers.items()}
                if raw.status in _REDIRECTS and "location" in headers:
                    target = self._redirected(target, headers["location"])
                    continue
                if raw.status == 304 and validators is not None:
                    finished = True
                    yield Answer(304, target.url, headers, iter(()))
                    return
                if not 200 <= raw.status < 300:
                    raise VendorStatus(config.name, raw.status, retry_after(headers, 0.0))
                body = _Body(config, raw, headers)
                with closing(body.chunks()) as chunks:
                    yield Answer(raw.status, target.url, headers, chunks)
                finished = body.finished
                return
            finally:
                if detach is not None:
                    detach()
                self._release(target, connection, raw, reuse=finished)
        raise VendorRefused(config.name, "too many redirects")

    def close(self) -> None:
        """Close the idle connections. The client stays usable, and keeps none from now on: calls may still be under way."""
        with self._lock:
            self._closed = True
            origins = list(self._idle.values())
            self._idle.clear()
        for idle in origins:
            idle.close()

    def _headers(self, target: Target, accept: str, validators: Validators | None) -> dict[str, str]:
        headers = {
            "Host": target.authority,
            "User-Agent": self._config.user_agent,
            "Accept": accept,
            "Accept-Encoding": "gzip, deflate",
        }
        if target.origin == self._home.origin:
            # Configured headers may hold a key: they never follow a redirect to somebody else.
            headers.update(self._config.headers)
        if validators is not None and validators.etag:
            headers["If-None-Match"] = validators.etag
        if validators is not None and validators.last_modified:
            headers["If-Modified-Since"] = validators.last_modified
        return headers

    def _redirected(self, target: Target, location: str) -> Target:
        try:
            joined = urljoin(target.url, location.strip())
        except ValueError as error:
            raise VendorRefused(self._config.name, "the redirect's URL cannot be read") from error
        following = split_url(self._config.name, joined)
        if target.scheme == "https" and following.scheme == "http":
            raise VendorRefused(self._config.name, "a redirect leads from https to http")
        return following

    def _exchange(self, target: Target, headers: dict[str, str], budget: Budget) -> tuple[_Wired, BaseHTTPResponse]:
        connection = self._kept(target).take()
        if connection is not None:
            try:
                return connection, _ask(connection, target, headers, budget)
            except VendorUnreachable:
                # The vendor closed an idle connection while we wrote to it: a GET may be asked once more, on a fresh one.
                connection.close()
            except BaseException:
                connection.close()
                raise
        addresses = self._guard.addresses(target, budget.deadline)
        connection = _open(target, addresses, budget, self._config)
        try:
            return connection, _ask(connection, target, headers, budget)
        except BaseException:
            connection.close()
            raise

    def _kept(self, target: Target) -> IdleConnections[_Wired]:
        with self._lock:
            if target.origin not in self._idle:
                self._idle[target.origin] = IdleConnections(
                    limit=MAX_IDLE, seconds=IDLE_SECONDS, alive=lambda one: bool(one.is_connected), close=_Wired.close
                )
            return self._idle[target.origin]

    def _release(self, target: Target, connection: _Wired, raw: BaseHTTPResponse, *, reuse: bool) -> None:
        with suppress(HTTPError, OSError):
            if not reuse or connection.sock is None:
                raw.close()
        if reuse and connection.sock is not None:
            _budget(connection, None)
            self._kept(target).keep(connection)
            if self._closed:
                # It was closed since, or just now.
                self.close()
        else:
            connection.close()


class _Wired(HTTPConnection):
    """A connection that is made by us: to checked addresses, with sockets on a budget."""

    wire: Any = None
    plan: tuple[list[str], Budget, float]

    def _new_conn(self) -> sockets.BudgetSocket:
        addresses, budget, connect_timeout = self.plan
        opened = sockets.connect(addresses, int(self.port), budget, connect_timeout)
        # The TLS handshake reads this timeout once and spends it as a whole.
        opened.settimeout(min(connect_timeout, budget.check()))
        return opened


class _WiredTls(_Wired, HTTPSConnection):
    """The same under TLS; the name, not the address, is verified."""


def _open(target: Target, addresses: list[str], budget: Budget, config: VendorConfig) -> _Wired:
    connection: _Wired
    if target.scheme == "https":
        connection = _WiredTls(target.host, target.port, ssl_context=_tls_context(config.ca_file))
    else:
        connection = _Wired(target.host, target.port)
    connection.plan = (addresses, budget, config.connect_timeout)
    try:
        connection.connect()
    except VendorError:
        connection.close()
        raise
    except TimeoutError as error:
        connection.close()
        raise budget.timeout() from error
    except (OSError, HTTPError, ssl.CertificateError) as error:
        connection.close()
        budget.check()
        raise VendorUnreachable(budget.vendor, "the TLS handshake failed") from error
    connection.wire = connection.sock
    return connection


def _ask(connection: _Wired, target: Target, headers: dict[str, str], budget: Budget) -> BaseHTTPResponse:
    detach = budget.cancel.attach(lambda: sockets.cut(connection.wire)) if budget.cancel is not None else None
    try:
        connection.timeout = budget.check()
        _budget(connection, budget)
        connection.request("GET", target.path, headers=headers, preload_content=False, decode_content=False)
        return connection.getresponse()
    except VendorError:
        raise
    except OSError as error:
        raise budget.broken(error) from error
    except (http.client.HTTPException, HTTPError, ValueError) as error:
        raise VendorMalformed(budget.vendor, "the answer is not HTTP") from error
    finally:
        if detach is not None:
            detach()


def _budget(connection: _Wired, budget: Budget | None) -> None:
    if connection.sock is not None:
        connection.sock.budget = budget  # type: ignore[union-attr]


@lru_cache(maxsize=64)
def _tls_context(ca_file: str) -> ssl.SSLContext:
    context = create_urllib3_context()
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_default_certs()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    context.sslsocket_class = BudgetTlsSocket
    return context


class _Body:
    """The decompressed bytes of an answer, never more than allowed, whatever a few compressed bytes blow up to."""

    def __init__(self, config: VendorConfig, raw: BaseHTTPResponse, headers: Mapping[str, str]) -> None:
        self._vendor = config.name
        self._left = config.max_bytes
        self._raw = raw
        self.finished = False
        encoding = headers.get("content-encoding", "identity").strip().lower() or "identity"
        if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
            raise VendorMalformed(self._vendor, "the answer has an encoding that was not asked for")
        self._encoding = encoding
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:18]) > self._left:
            raise VendorMalformed(self._vendor, "the answer is larger than allowed")

    def chunks(self) -> Generator[bytes, None, None]:
        """Yield the bytes. Raises VendorError as the client does."""
        try:
            pieces = self._raw.stream(_CHUNK, decode_content=False)
            for piece in pieces if self._encoding == "identity" else self._inflated(pieces):
                self._left -= len(piece)
                if self._left < 0:
                    raise VendorMalformed(self._vendor, "the answer is larger than allowed")
                yield piece
        except zlib.error as error:
            raise VendorMalformed(self._vendor, "the answer cannot be decompressed") from error
        except (HTTPError, http.client.HTTPException, OSError) as error:
            raise VendorUnreachable(self._vendor, "the connection broke in the middle of the answer") from error
        self.finished = True

    def _inflated(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        inflater: Any = None
        for piece in pieces:
            data = piece
            while data:
                if inflater is None:
                    inflater = self._inflater(data)
                yield inflater.decompress(data, _CHUNK)
                data = inflater.unconsumed_tail
                if inflater.eof:
                    # gzip files may be written one after another; what follows a deflate stream is ignored.
                    data = inflater.unused_data if self._encoding != "deflate" else b""
                    inflater = None if data.startswith(b"\x1f\x8b") else inflater
                    if inflater is not None:
                        data = b""
        if inflater is not None and not inflater.eof:
            raise VendorUnreachable(self._vendor, "the connection broke in the middle of the answer")

    def _inflater(self, data: bytes) -> Any:
        if self._encoding != "deflate":
            return zlib.decompressobj(wbits=31)
        # "deflate" means zlib, yet some servers send it bare.
        zlib_header = data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] << 8 | data[1]) % 31 == 0)
        return zlib.decompressobj(wbits=15 if zlib_header else -15)


def _printable(text: str) -> str:
    return text if len(text) <= 256 and text.isascii() and text.isprintable() else ""

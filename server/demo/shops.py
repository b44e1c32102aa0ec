"""The demo shops' servers: three ports, one process, and faults that tests switch on.

A thread per connection of the standard library's server is enough for a few hundred callers, needs no dependency, and may hang
or drip without a second thought.
"""

from __future__ import annotations

import json
import socket
import threading
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from hexar.server.demo import pages
from hexar.server.demo.catalogue import search, stock_of

#: The shops, and the adapter that reads each.
ADAPTERS = {"alpine": "jsonld", "boardroom": "shopify", "summit": "feed"}
NAMES = tuple(ADAPTERS)
#: Bytes that a dripping shop sends at once, and the seconds between two such pieces.
DRIP_BYTES = 16
DRIP_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a shop answers, beside its stock. The faults are tried in this order; the first that is set wins.

    Attributes:
        delay: seconds before an answer.
        hang: accept the request and never answer.
        fail: an HTTP status to answer with; 0 for none.
        redirect: a URL to send every request to; empty for none.
        malformed: send half of the right answer as if it were whole.
        drip: send the right answer a few bytes at a time.
    """

    delay: float = 0.0
    hang: bool = False
    fail: int = 0
    redirect: str = ""
    malformed: bool = False
    drip: bool = False


class DemoShops:
    """The running shops. A context manager: they listen on entry and are gone on exit.

    Args:
        delay: seconds before every answer, for all shops or by shop.
        hang: shops that never answer.
        fail: shops that answer with a status (a collection: 500; a mapping: the status by shop).
        malformed: shops whose answers are cut in half.
        drip: shops that send a few bytes at a time.
        redirect: where a shop sends everybody, by shop.
        host: the address to listen on.
        ports: fixed ports by shop; any free one where a shop has none.
    """

    def __init__(  # noqa: PLR0913  # a switch for each fault
        self,
        *,
        delay: float | Mapping[str, float] = 0.0,
        hang: Collection[str] = (),
        fail: Collection[str] | Mapping[str, int] = (),
        malformed: Collection[str] = (),
        drip: Collection[str] = (),
        redirect: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
    ) -> None:
        for name in {*hang, *fail, *malformed, *drip, *(redirect or {}), *(ports or {})} - set(NAMES):
            raise ValueError(f"there is no shop {name!r}; the shops are {', '.join(NAMES)}")
        #: Requests by shop and path (without query).
        self.calls: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
        #: Base URLs by shop, once they listen.
        self.urls: dict[str, str] = {}
        self._host = host
        self._ports = dict(ports or {})
        self._lock = threading.Lock()
        self._servers: list[_Server] = []
        self._threads: list[threading.Thread] = []
        self._behaviour = {
            name: Behaviour(
                delay=delay.get(name, 0.0) if isinstance(delay, Mapping) else delay,
                hang=name in hang,
                fail=fail.get(name, 0) if isinstance(fail, Mapping) else 500 * (name in fail),
                redirect=(redirect or {}).get(name, ""),
                malformed=name in malformed,
                drip=name in drip,
            )
            for name in NAMES
        }

    def __enter__(self) -> DemoShops:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Listen. Raises OSError when a fixed port is taken."""
        try:
            for name in NAMES:
                # Read the stock now: the first caller shall not wait for it.
                stock_of(name)
                server = _Server((self._host, self._ports.get(name, 0)), _Handler)
                server.shop, server.shops = name, self
                self._servers.append(server)
                self.urls[name] = f"http://{self._host}:{server.server_port}"
        except OSError:
            self.close()
            raise
        for server in self._servers:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name=f"demo-{server.shop}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Stop listening and cut every connection, hanging ones included."""
        for server in self._servers:
            if self._threads:
                server.stopped.set()
                server.shutdown()
            server.server_close()
            server.cut()
        for thread in self._threads:
            thread.join(5.0)
        self._servers.clear()
        self._threads.clear()

    def behaviour(self, shop: str) -> Behaviour:
        """How ``shop`` answers now."""
        return self._behaviour[shop]

    def behave(self, shop: str, **changes: Any) -> None:
        """Change how ``shop`` answers from now on: the fields of :class:`Behaviour`."""
        self._behaviour[shop] = replace(self._behaviour[shop], **changes)

    def count(self, shop: str, path: str) -> None:
        """Note a request."""
        with self._lock:
            self.calls[shop][path] += 1

    def total(self, shop: str | None = None) -> int:
        """Requests so far, of one shop or of all."""
        with self._lock:
            return sum(sum(calls.values()) for name, calls in self.calls.items() if shop in (None, name))

    def reset_calls(self) -> None:
        """Forget the requests so far."""
        with self._lock:
            for calls in self.calls.values():
                calls.clear()

    def vendors(self, shops: Iterable[str] = NAMES) -> list[dict[str, object]]:
        """The shops as entries of vendors.yaml."""
        entries: list[dict[str, object]] = []
        for name in shops:
            entry: dict[str, object] = {"name": name, "adapter": ADAPTERS[name], "url": self.urls[name]}
            if name == "alpine":
                entry |= {"search": "/search?q={terms}", "product": "/p/{sku}"}
            elif name == "boardroom":
                # The format names no currency.
                entry["currency"] = "USD"
            else:
                entry["url"] = f"{self.urls[name]}/feed.xml"
            entries.append({**entry, "allow_private_hosts": [self._host]})
        return entries

    def vendors_yaml(self, shops: Iterable[str] = NAMES) -> str:
        """A vendors.yaml that names the shops."""
        return yaml.safe_dump({"vendors": self.vendors(shops)}, sort_keys=False)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    shop: str
    shops: DemoShops

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.stopped = threading.Event()
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is not worth a traceback on the terminal."""

    def cut(self) -> None:
        """Cut the connections that are still open."""
        with self._guard:
            still = list(self._open)
        for connection in still:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "DemoShop"
    sys_version = ""
    timeout = 60
    # One segment for head and body: without it the client waits for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        server = self.server
        parts = urlsplit(self.path)
        server.shops.count(server.shop, unquote(parts.path))
        how = server.shops.behaviour(server.shop)
        if (how.delay and server.stopped.wait(how.delay)) or (how.hang and server.stopped.wait(600.0)):
            self.close_connection = True
            return
        if how.fail:
            self._send(how.fail, "text/plain", b"the shop is broken on purpose\n")
            return
        if how.redirect:
            self._send(302, "text/plain", b"", {"Location": how.redirect})
            return
        answer = _answer(server.shop, server.shops.urls[server.shop], parts.path, parts.query)
        if answer is None:
            self._send(404, "text/plain", b"there is no such page\n")
            return
        kind, body = answer
        if how.malformed or how.drip:
            self._send(200, kind, body[: len(body) // 2] if how.malformed else body, drip=how.drip)
            return
        etag = f'"{zlib.crc32(body):08x}"'
        if self.headers.get("If-None-Match") == etag:
            self._send(304, kind, b"", {"ETag": etag})
            return
        self._send(200, kind, body, {"ETag": etag})

    def _send(
        self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None, *, drip: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        step = DRIP_BYTES if drip else max(len(body), 1)
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            if drip:
                self.wfile.flush()
                if self.server.stopped.wait(DRIP_SECONDS):
                    self.close_connection = True
                    return

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are counted, not printed."""


@lru_cache(maxsize=2048)
def _answer(shop: str, base: str, path: str, query: str) -> tuple[str, bytes] | None:
    """The type and body of a page; None for a path that the shop does not have."""
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    html = "text/html; charset=utf-8"
    if path.startswith("/images/"):
        pictured = next((row for row in stock_of(shop) if row.sku == unquote(path[8:]).removesuffix(".svg")), None)
        return ("image/svg+xml", pages.picture(pictured)) if pictured is not None else None
    if shop == "alpine":
        if path == "/search":
            terms = asked.get("q", "")
            return html, pages.search_page(base, terms, search(shop, terms))
        if path.startswith("/p/"):
            sku = unquote(path[3:])
            article = next((row for row in stock_of(shop) if row.sku == sku), None)
            return (html, pages.product_page(base, article)) if article is not None else None
    elif shop == "boardroom":
        if path == "/products.json":
            page, limit = _number(asked.get("page"), 1, 1000), _number(asked.get("limit"), 30, 250)
            return "application/json; charset=utf-8", pages.products_json(base, stock_of(shop), page, limit)
        if path == "/meta.json":
            return "application/json; charset=utf-8", json.dumps({"name": "Boardroom", "currency": "USD"}).encode()
    elif path == "/feed.xml":
        return "application/xml; charset=utf-8", pages.feed(base, stock_of(shop))
    return None


def _number(text: str | None, default: int, most: int) -> int:
    return min(max(int(text), 1), most) if text and text.isascii() and text.isdigit() else default

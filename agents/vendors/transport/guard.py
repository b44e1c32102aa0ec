"""Where a vendor agent may connect. Product pages are foreign text, so every URL in them, and every redirect, is checked.

The check is made on the *resolved address*, and the socket then connects to that very address: a name that resolves to a
public address now and to 127.0.0.1 a moment later (DNS rebinding) gains nothing, because nobody asks again.

Refused addresses follow the IANA special-purpose registries (RFC 6890 and its updates). The lists are written out rather
than taken from ``ipaddress.is_global``, whose answer changed between Python releases.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from hexar.agents.vendors.errors import VendorRefused, VendorTimeout, VendorUnreachable
from hexar.core.deadline import Deadline

#: Longest URL that is followed, characters.
MAX_URL = 4096
#: Name look-ups that may be pending in this process; a hung resolver cannot eat more threads than this.
MAX_LOOKUPS = 64
#: Addresses of one name that are tried.
MAX_ADDRESSES = 4

_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# Only global unicast is accepted, so loopback, unspecified, link-local, unique-local, multicast, IPv4-mapped (::ffff:0:0/96),
# NAT64 (64:ff9b::/96, 64:ff9b:1::/48) and everything unassigned are out before this list is read.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
# Never a shop, whoever asks by name: an allowed name that points at the metadata service is an attack, not a shop.
_NEVER_BY_NAME = tuple(
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "fe80::/10", "ff00::/8")
)

#: Resolves a host and port to textual addresses. Blocking; raises OSError.
Resolver = Callable[[str, int], Collection[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL, split. ``path`` includes the query and is percent-encoded; the fragment is gone."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The URL again, normalised."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What must stay equal for configured headers to be sent."""
        return (self.scheme, self.host, self.port)


def is_public(address: str) -> bool:
    """True for an address of the public Internet; False for every special-purpose one and for text that is no address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _REFUSED_V4)
    if parsed.scope_id is not None or parsed not in _GLOBAL_V6:
        return False
    return not any(parsed in network for network in _REFUSED_V6)


def split_url(vendor: str, url: str) -> Target:
    """Check the text of a URL. Raises VendorRefused for anything but a plain http(s) URL."""
    if len(url) > MAX_URL or re.search(r"[\x00-\x20\x7f\\]", url):
        raise VendorRefused(vendor, "the URL is too long or holds forbidden characters")
    try:
        parts = parse_url(url)
    except LocationParseError as error:
        raise VendorRefused(vendor, "the URL cannot be read") from error
    if parts.scheme not in ("http", "https") or not parts.host:
        raise VendorRefused(vendor, "only http and https URLs are followed")
    if parts.auth is not None:
        raise VendorRefused(vendor, "the URL holds credentials")
    host = parts.host.strip("[]").rstrip(".").lower()
    if not host or "%" in host:
        raise VendorRefused(vendor, "the URL has no usable host")
    return Target(parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80), parts.request_uri)


class AddressGuard:
    """Resolves a target and keeps only the addresses that may be connected to. Thread-safe."""

    def __init__(
        self,
        vendor: str,
        *,
        ports: Collection[int] = (80, 443),
        allow_private_hosts: Collection[str] = (),
        resolver: Resolver | None = None,
    ) -> None:
        self._vendor = vendor
        self._ports = frozenset(ports)
        self._allowed = frozenset(host.strip("[]").rstrip(".").lower() for host in allow_private_hosts)
        self._resolver = resolver or system_resolver

    def addresses(self, target: Target, deadline: Deadline) -> list[str]:
        """The addresses of ``target`` that may be tried, in the resolver's order.

        Raises:
            VendorRefused: the port is not allowed, or every address is a refused one.
            VendorTimeout: the name did not resolve before the deadline.
            VendorUnreachable: the name does not exist.
        """
        if target.port not in self._ports:
            raise VendorRefused(self._vendor, f"port {target.port} is not allowed")
        literal = _literal(target.host)
        found = [literal] if literal else _lookup(self._vendor, self._resolver, target, deadline)
        kept = [address for address in dict.fromkeys(found) if self._may_connect(target.host, address)]
        if not kept:
            raise VendorRefused(self._vendor, "the host has no public address")
        return kept[:MAX_ADDRESSES]

    def _may_connect(self, host: str, address: str) -> bool:
        if host not in self._allowed:
            return is_public(address)
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return host == address or not any(parsed in network for network in _NEVER_BY_NAME)


def system_resolver(host: str, port: int) -> list[str]:
    """getaddrinfo. A short form such as 127.1 or 0x7f000001 becomes a full address here, and is then checked."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(row[4][0]) for row in rows]


_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


def _lookup(vendor: str, resolver: Resolver, target: Target, deadline: Deadline) -> list[str]:
    # getaddrinfo takes no timeout and cannot be interrupted: it runs on a thread of its own, and the wait is what ends.
    remaining = deadline.bounded(3600.0)
    if remaining <= 0 or not _lookups.acquire(timeout=remaining):
        raise VendorTimeout(vendor, "the host name did not resolve in time", fair=False)
    done = threading.Event()
    found: list[str] = []
    failure: list[Exception] = []

    def look() -> None:
        try:
            found.extend(resolver(target.host, target.port))
        except (OSError, UnicodeError) as error:
            failure.append(error)
        finally:
            _lookups.release()
            done.set()

    try:
        threading.Thread(target=look, name="hexar-resolve", daemon=True).start()
    except RuntimeError as error:
        _lookups.release()
        raise VendorUnreachable(vendor, "no thread was left to resolve the host name") from error
    if not done.wait(deadline.bounded(3600.0)):
        raise VendorTimeout(vendor, "the host name did not resolve in time")
    if failure or not found:
        raise VendorUnreachable(vendor, "the host name did not resolve") from (failure[0] if failure else None)
    return list(found)


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None

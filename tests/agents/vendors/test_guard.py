"""Where vendor agents may connect: with real sockets, since the address that is connected to is what counts."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from hexar.agents.vendors.errors import VendorRefused, VendorTimeout, VendorUnreachable
from hexar.agents.vendors.transport import guard
from hexar.agents.vendors.transport.guard import AddressGuard, is_public, split_url
from hexar.core.deadline import Deadline
from tests.agents.vendors.conftest import answer

SPECIAL = """
127.0.0.1 127.8.8.8 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 100.127.255.255
0.0.0.0 0.1.2.3 192.0.0.8 192.0.2.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255 192.88.99.1 ::1 :: fe80::1 fe80::1%eth0 fc00::1 fd12:3456::1 ff02::1 ::ffff:127.0.0.1
::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 2002:7f00:1:: 2002:808:808:: 2001::1
2001:db8::1 3fff::1 100::1 4000::1 not-an-address
"""
PUBLIC = "8.8.8.8 1.1.1.1 100.128.0.1 172.32.0.1 192.0.1.1 2606:4700::1111 2a00:1450::1"


@pytest.mark.parametrize(
    "address",
    SPECIAL.split(),
)
def test_special_purpose_addresses_are_refused(address: str) -> None:
    """Private, loopback, link-local, shared, reserved, multicast and IPv4-carrying addresses are not public."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_are_accepted(address: str) -> None:
    """Ordinary global unicast addresses are public."""
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://shop.example/",
        "http://user:secret@shop.example/",
        "http://user@shop.example/",
        "http://shop.example/a b",
        "http://shop.example/\r\nX-Injected: 1",
        "http://shop.example\\@evil.example/",
        "http:///path",
        "//shop.example/",
        "http://[fe80::1%25eth0]/",
        "http://shop.example:99999/",
        "http://" + "a" * 5000,
        "",
    ],
)
def test_urls_that_are_not_plain_web_addresses_are_refused(url: str) -> None:
    """Other schemes, credentials, control characters, scoped and overlong URLs are refused before anything is resolved."""
    with pytest.raises(VendorRefused):
        split_url("shop", url)


def test_a_url_is_normalised_and_loses_its_fragment() -> None:
    """The host is lower case without a trailing dot, and the fragment is never sent."""
    target = split_url("shop", "HTTPS://Shop.Example.:8443/a?b=c#d")
    assert (target.host, target.port, target.path) == ("shop.example", 8443, "/a?b=c")
    assert target.authority == "shop.example:8443"


def test_loopback_is_refused_where_it_is_not_allowed(serve, client_for) -> None:
    """A vendor on loopback that vendors.yaml does not allow is refused, and no connection reaches it."""
    server = serve(answer(b"secret"))
    for host in ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"):
        client = client_for(
            server.port, url=f"http://{host}:{server.port}", allow_private_hosts=[], resolver=guard.system_resolver
        )
        with pytest.raises((VendorRefused, VendorUnreachable)):
            client.get(f"http://{host}:{server.port}/", Deadline.after(2))
    assert server.requests == []


def test_an_allowed_host_is_reached(serve, client_for) -> None:
    """allow_private_hosts opens exactly the named host."""
    server = serve(answer(b"stock"))
    client = client_for(server.port)
    assert client.get(f"http://shop.test:{server.port}/", Deadline.after(2)).body == b"stock"
    with pytest.raises(VendorRefused):
        client.get(f"http://other.test:{server.port}/", Deadline.after(2))


def test_a_redirect_to_loopback_is_refused(serve, client_for) -> None:
    """Every hop is checked: an allowed shop cannot send the agent to another private address."""
    inner = serve(answer(b"metadata"))
    places = [f"http://127.0.0.1:{inner.port}/", f"http://localhost:{inner.port}/", f"http://[::1]:{inner.port}/"]
    for place in places:
        outer = serve(answer(status="302 Found", Location=place))
        client = client_for(outer.port, ports=[80, 443, inner.port], resolver=lambda host, port: ["127.0.0.1"])
        with pytest.raises(VendorRefused):
            client.get(f"http://shop.test:{outer.port}/", Deadline.after(2))
    assert inner.requests == []


def test_a_redirect_to_another_scheme_or_port_is_refused(serve, client_for) -> None:
    """A redirect to a forbidden port, to another scheme or with credentials is refused."""
    for place in ("ftp://shop.test/", "http://shop.test:6379/", "http://a:b@shop.test/", "javascript:alert(1)", "http://[bad"):
        server = serve(answer(status="301 Moved", Location=place))
        with pytest.raises(VendorRefused):
            client_for(server.port).get(f"http://shop.test:{server.port}/", Deadline.after(2))


def test_dns_rebinding_gains_nothing(serve, client_for) -> None:
    """The name is resolved once for a connection, and the socket goes to the very address that was checked.

    The resolver's first answer passes the guard; by its second the name has moved. Nobody asks a second time.
    """
    server = serve(answer(b"the checked one"))
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    client = client_for(server.port, resolver=rebinding)
    assert client.get(f"http://shop.test:{server.port}/", Deadline.after(2)).body == b"the checked one"
    assert asked == ["shop.test"]


def test_a_name_that_moved_to_loopback_is_refused(serve, client_for) -> None:
    """A later connection is checked again: a public name that now resolves to loopback is refused, unseen by the server."""
    server = serve(answer(b"secret"))
    client = client_for(server.port, allow_private_hosts=[], resolver=lambda host, port: ["127.0.0.1", "::1"])
    with pytest.raises(VendorRefused, match="no public address"):
        client.get(f"http://shop.test:{server.port}/", Deadline.after(1))
    assert server.requests == []


def test_only_public_addresses_of_a_mixed_answer_are_kept() -> None:
    """A name with a public and a private address is tried at the public one only."""
    kept = AddressGuard("shop", resolver=lambda host, port: ["10.0.0.1", "93.184.216.34", "::1"])
    assert kept.addresses(split_url("shop", "http://shop.example/"), Deadline.after(1)) == ["93.184.216.34"]


def test_an_allowed_name_cannot_point_at_the_metadata_service() -> None:
    """Allowing a name opens private addresses, not link-local ones."""
    kept = AddressGuard("shop", allow_private_hosts=["shop.lan"], resolver=lambda host, port: ["169.254.169.254"])
    with pytest.raises(VendorRefused):
        kept.addresses(split_url("shop", "http://shop.lan/"), Deadline.after(1))


def test_a_hanging_resolver_does_not_outlive_the_deadline() -> None:
    """Name look-up is bounded by the deadline, although getaddrinfo is not."""
    release = threading.Event()

    def hanging(host: str, port: int) -> list[str]:
        release.wait(200)
        return ["93.184.216.34"]

    begun = time.monotonic()
    with pytest.raises(VendorTimeout):
        AddressGuard("shop", resolver=hanging).addresses(split_url("shop", "http://shop.example/"), Deadline.after(0.2))
    assert time.monotonic() - begun < 60
    release.set()


def test_a_name_that_does_not_exist_is_unreachable() -> None:
    """A failed look-up is the vendor's failure, told without the library's text."""

    def failing(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(VendorUnreachable, match="did not resolve") as caught:
        AddressGuard("shop", resolver=failing).addresses(split_url("shop", "http://shop.example/"), Deadline.after(1))
    assert "service not known" not in caught.value.message

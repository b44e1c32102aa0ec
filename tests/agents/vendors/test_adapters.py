"""The catalogue formats, and the agents over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.errors import VendorError, VendorMalformed, VendorStatus, VendorTimeout
from hexar.agents.vendors.formats.feed import listings
from hexar.agents.vendors.formats.feed_items import BadFeed, read_items
from hexar.agents.vendors.formats.shopify import read_products
from hexar.agents.vendors.model import Availability, Listing, Money
from hexar.agents.vendors.page.common import ReadContext
from hexar.agents.vendors.registry import build_agents, check_vendor
from hexar.core.deadline import Deadline
from tests.agents.vendors.conftest import Scripted, answer

READING = ReadContext("shop", 1.0, "https://shop.example/", "USD")


def _usd(amount: float) -> Money:
    return Money("USD", round(amount * 1_000_000))


@pytest.fixture
def agent_for() -> Iterator[Callable[..., Any]]:
    """Build agents of a scripted server; their connections are closed after the test."""
    built: list[Any] = []

    def build(server: Scripted, adapter: str, path: str = "", **fields: Any) -> Any:
        url = f"http://127.0.0.1:{server.port}{path}"
        values = {"name": "shop", "adapter": adapter, "url": url, "allow_private_hosts": ["127.0.0.1"], **fields}
        built.extend(build_agents([check_vendor(values)]))
        return built[-1]

    yield build
    for agent in built:
        agent.close()


def _variant(title: str, price: str, available: bool | None, before: str | None = None) -> dict[str, Any]:
    row = {"id": 1, "title": title, "option1": title, "sku": f"B-{title}", "price": price, "compare_at_price": before}
    return row if available is None else {**row, "available": available}


def _board(**fields: Any) -> dict[str, Any]:
    return {
        "id": 1,
        "title": "Board",
        "handle": "board-2026",
        "vendor": "Northfell",
        "product_type": "Snowboard",
        "body_html": "<p>Good.</p><ul><li>Flex: 6</li></ul>",
        "tags": ["terrain:park", "25-26", "Men's"],
        "options": [{"name": "Size", "values": ["151", "155"]}],
        "variants": [_variant("151", "90.00", False, "120.00"), _variant("155", "100.00", True, "80.00")],
        **fields,
    }


def test_a_shopify_product_is_read() -> None:
    """Variants with price and stock, sizes from options, attributes from tags, and a list price only where it is higher."""
    [listing] = read_products([_board()], READING)
    assert (listing.sku, listing.brand, listing.category, listing.year) == ("board-2026", "Northfell", "Snowboard", 2026)
    assert listing.url == "https://shop.example/products/board-2026"
    assert (listing.price, listing.list_price, listing.availability) == (_usd(100), None, Availability.IN_STOCK)
    assert listing.sizes == ("151", "155")
    assert listing.variants[0].list_price == _usd(120)
    assert listing.attributes == {"terrain": "park", "Flex": "6"}
    assert listing.description == "Good. Flex: 6"


def test_a_shopify_shop_that_does_not_tell_its_stock() -> None:
    """Without "available" the stock is unknown, not sold out."""
    [listing] = read_products([_board(variants=[_variant("151", "90.00", None)])], READING)
    assert listing.availability is Availability.UNKNOWN


def test_shopify_rows_of_any_shape_do_no_harm() -> None:
    """Rows without a title, with null lists or wrong types are passed over or read as far as they go."""
    rows = [
        None,
        5,
        {},
        {"title": "x"},
        _board(variants=None, options="x", tags=None, images=[None]),
        _board(variants=[None, 3]),
    ]
    found = list(read_products(rows, READING))
    assert [(row.name, row.price) for row in found] == [("Board", None), ("Board", None)]


def test_a_shopify_catalogue_is_paged_until_it_ends(serve: Any, agent_for: Any) -> None:
    """Full pages are followed by the next one; the currency comes from meta.json when none is configured."""

    def script(connection: Any, path: str, head: str) -> None:
        if path == "/meta.json":
            connection.sendall(answer(b'{"currency": "CAD"}'))
            return
        first = "page=1" in path
        rows = [_board(handle=f"b{path[-1]}-{number}") for number in range(250 if first else 3)]
        connection.sendall(answer(json.dumps({"products": rows}).encode()))

    server = serve(script)
    agent = agent_for(server, "shopify")
    found = agent.light(LightRequest("anything"), Deadline.after(5))
    assert len(found) == 253
    assert found[0].price == Money("CAD", 100_000_000)
    assert [head.split(" ")[1].partition("?")[0] for head in server.requests] == [
        "/products.json",
        "/products.json",
        "/meta.json",
    ]


def test_a_shop_that_repeats_its_page_is_read_once(serve: Any, agent_for: Any) -> None:
    """A shop that ignores the page number does not make the agent read for ever."""
    body = json.dumps({"products": [_board(handle=f"b{number}") for number in range(250)]}).encode()
    server = serve(answer(body))
    found = agent_for(server, "shopify", currency="USD").light(LightRequest(), Deadline.after(5))
    assert (len(found), len(server.requests)) == (250, 2)


FEED = """<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>A-1</g:id><title>Board &amp; co 2026 - 154</title><link>https://s.example/a</link><g:price>399.99 USD</g:price>
<g:sale_price>349.99 USD</g:sale_price><g:availability>in_stock</g:availability><g:gtin>9010510757166</g:gtin>
<g:item_group_id>A</g:item_group_id><g:size>154</g:size><g:tax><g:price>9 USD</g:price></g:tax>
<g:shipping><g:country>US</g:country><g:price>9.99 USD</g:price><g:min_transit_time>2</g:min_transit_time><g:max_transit_time>5</g:max_transit_time></g:shipping><g:color>red</g:color>
<g:product_detail><g:section_name>S</g:section_name><g:attribute_name>Flex</g:attribute_name>
<g:attribute_value>6</g:attribute_value></g:product_detail></item>
<item><g:id>A-2</g:id><title>Board &amp; co 2026 - 158</title><g:price>399.99 USD</g:price>
<g:availability>out of stock</g:availability><g:item_group_id>A</g:item_group_id><g:size>158</g:size></item>
<item><g:id>B</g:id><title>Tent</title><g:price>200,00 EUR</g:price><g:availability>preorder</g:availability></item>
</channel></rss>"""


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_a_merchant_feed_is_read_as_it_comes(step: int) -> None:
    """Groups become variants, sale prices win, nested fields stay apart, and the pieces may be of any size."""
    data = FEED.encode()
    board, tent = listings(read_items(data[at : at + step] for at in range(0, len(data), step)), READING)
    assert (board.sku, board.name, board.year, board.sizes) == ("A", "Board & co 2026", 2026, ("154", "158"))
    assert (board.price, board.list_price, board.shipping) == (_usd(349.99), _usd(399.99), _usd(9.99))
    assert board.delivery_days == (2, 5)
    assert board.availability is Availability.IN_STOCK
    assert [part.availability for part in board.variants] == [Availability.IN_STOCK, Availability.OUT_OF_STOCK]
    assert board.attributes == {"Flex": "6", "color": "red"}
    assert (tent.price, tent.availability) == (Money("EUR", 200_000_000), Availability.PREORDER)
    assert tent == Listing("shop", "B", "Tent", 1.0, price=tent.price, availability=tent.availability)


def test_a_sale_holds_in_its_period_only() -> None:
    """Outside of sale_price_effective_date the regular price is the price."""
    item = {"id": ["1"], "title": ["T"], "price": ["10 USD"], "saleprice": ["8 USD"]}
    past = {**item, "salepriceeffectivedate": ["2020-01-01T00:00+00:00/2020-02-01T00:00+00:00"]}
    now = ReadContext("shop", 1_800_000_000.0)
    assert listings([item], now)[0].price == _usd(8)  # type: ignore[list-item]
    assert listings([past], now)[0].price == _usd(10)  # type: ignore[list-item]


def test_atom_and_tab_separated_feeds() -> None:
    """The same fields in Atom entries and in columns."""
    atom = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><entry><g:id>1</g:id>
      <title>Tent</title><link rel="alternate" href="https://s.example/t"/><summary>Dry</summary>
      <g:price>10 USD</g:price></entry></feed>"""
    [listing] = listings(read_items([atom.encode()]), READING)
    assert (listing.url, listing.description, listing.price) == ("https://s.example/t", "Dry", _usd(10))
    head = ["ID", "Title", "Price", "sale price", "availability", "shipping", "product_detail"]
    row = ["1", "Tent", '"1,299.00 USD"', "", "in stock", "US:CA:Std:5.99 USD", "A:Weight:2 kg"]
    rows = "\t".join(head) + "\n" + "\t".join(row) + "\n"
    [listing] = listings(read_items([rows.encode("utf-16")]), READING)
    assert (listing.price, listing.shipping, listing.attributes) == (_usd(1299), _usd(5.99), {"Weight": "2 kg"})


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
def test_a_delimited_feed_without_tabs(delimiter: str) -> None:
    """Commas, semicolons and bars, with quotes around what holds them, and a line end inside."""
    rows = [["id", "title", "price"], ["1", "Rope, 60 m; dry | new\nlong", "1.299,00 EUR"], ["2", 'A 27" rim', "10.50 EUR"]]
    quoted = ("".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in rows)).encode()
    found = listings(read_items([quoted]), READING)
    assert [listing.name for listing in found] == ["Rope, 60 m; dry | new long", 'A 27" rim']
    assert [listing.price.micros for listing in found if listing.price] == [1_299_000_000, 10_500_000]


def test_a_sale_that_costs_more_is_none() -> None:
    """A sale's price above the regular one is a leftover of the feed."""
    text = "id\ttitle\tprice\tsale_price\n1\tTent\t10 USD\t15 USD\n2\tPot\t10 USD\t8 USD\n"
    assert [row.price for row in listings(read_items([text.encode()]), READING)] == [_usd(10), _usd(8)]


@pytest.mark.parametrize(
    "feed",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><rss><channel><item><title>&b;</title></item></channel></rss>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><rss/>',
        "<rss><channel><item>",
        "<a>" * 1000,
        "",
        "name\tprice\nTent\t10\n",
        "not a feed at all",
        '<?xml version="1.0" encoding="no-such-thing"?><rss/>',
    ],
)
def test_feeds_that_are_refused(feed: str) -> None:
    """Document types (entity expansion, external files), broken XML, absurd nesting and foreign text."""
    with pytest.raises(BadFeed):
        listings(read_items([feed.encode()]), READING)


def test_an_unchanged_feed_is_not_read_twice(serve: Any, agent_for: Any) -> None:
    """The ETag of the last reading is sent; a 304 gives the same listings with a new time."""

    def script(connection: Any, path: str, head: str) -> None:
        known = 'If-None-Match: "v1"' in head
        connection.sendall(answer(b"", "304 Not Modified") if known else answer(FEED.encode(), ETag='"v1"'))

    agent = agent_for(serve(script), "feed", "/feed.xml")
    first = agent.light(LightRequest(), Deadline.after(5))
    again = agent.light(LightRequest(), Deadline.after(5))
    assert [row.price for row in first] == [row.price for row in again]
    assert again[0].fetched_at > first[0].fetched_at


@pytest.mark.parametrize(("adapter", "path"), [("jsonld", ""), ("shopify", ""), ("feed", "/feed.xml")])
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        ("500 Oops", b"oops", VendorStatus),
        ("200 OK", b'{"products": [', VendorMalformed),
        ("200 OK", b'<script type="application/ld+json">{"@type": "Product", "na', VendorMalformed),
        ("200 OK", b"\xff\xfe\x00\x01\x02", VendorMalformed),
    ],
)
def test_every_adapter_fails_in_the_same_way(
    serve: Any, agent_for: Any, adapter: str, path: str, status: str, body: bytes, error: type
) -> None:
    """A bad status and bad data are vendor errors in every format, never a library's exception."""
    agent = agent_for(serve(answer(body, status)), adapter, path, currency="USD")
    with pytest.raises(error):
        agent.light(LightRequest("tent"), Deadline.after(3))


@pytest.mark.parametrize(("adapter", "path"), [("jsonld", ""), ("shopify", ""), ("feed", "/feed.xml")])
def test_a_vendor_that_says_only_name_and_price(serve: Any, agent_for: Any, adapter: str, path: str) -> None:
    """Through every adapter, light and heavy: no description, no rating, no reviews, no stock are made up."""
    product = {"@type": "Product", "name": "Tent", "sku": "T", "url": "/p/T", "offers": {"price": "10", "priceCurrency": "USD"}}
    bodies = {
        "jsonld": f'<script type="application/ld+json">{json.dumps(product)}</script>',
        "shopify": json.dumps({"products": [{"handle": "T", "title": "Tent", "variants": [{"price": "10"}]}]}),
        "feed": "<rss><channel><item><id>T</id><title>Tent</title><price>10 USD</price></item></channel></rss>",
    }
    agent = agent_for(serve(answer(bodies[adapter].encode())), adapter, path, currency="USD")
    [light] = agent.light(LightRequest("tent"), Deadline.after(3))
    [heavy] = agent.heavy([light], Deadline.after(3))
    for row in (light, heavy):
        assert (row.sku, row.name, row.price) == ("T", "Tent", _usd(10))
        assert (row.description, dict(row.attributes), row.rating, row.rating_count, row.reviews) == ("", {}, None, None, ())
        assert (row.brand, row.gtin, row.year, row.list_price, row.shipping, row.sizes) == ("", "", None, None, None, ())
        assert row.availability is Availability.UNKNOWN


def test_heavy_leaves_out_what_is_gone_and_keeps_what_was_read(serve: Any, agent_for: Any) -> None:
    """A product page that is 404 is left out; one that fails does not take the others away; all failing is an error."""

    def script(connection: Any, path: str, head: str) -> None:
        if path == "/p/gone":
            connection.sendall(answer(b"", "404 Not Found"))
        elif path == "/p/broken":
            connection.sendall(answer(b"", "500 Oops"))
        else:
            node = {"@type": "Product", "name": path, "description": "Known.", "offers": {"price": 1}}
            connection.sendall(answer(f'<script type="application/ld+json">{json.dumps(node)}</script>'.encode()))

    agent = agent_for(serve(script), "jsonld", product="/p/{sku}")

    def rows(*skus: str) -> list[Listing]:
        return [Listing("shop", sku, sku, 0.0) for sku in skus]

    found = agent.heavy(rows("one", "gone", "broken", "two"), Deadline.after(5))
    assert [(row.sku, row.description) for row in found] == [("one", "Known."), ("two", "Known.")]
    assert agent.heavy(rows("gone"), Deadline.after(5)) == []
    with pytest.raises(VendorStatus):
        agent.heavy(rows("broken"), Deadline.after(5))


def test_heavy_returns_what_it_has_at_the_deadline(serve: Any, agent_for: Any) -> None:
    """A hanging page costs its own product only."""

    def script(connection: Any, path: str, head: str) -> None:
        if path == "/p/slow":
            server.stopped.wait(10)
        node = {"@type": "Product", "name": "x", "offers": {"price": 1}}
        connection.sendall(answer(f'<script type="application/ld+json">{json.dumps(node)}</script>'.encode()))

    server = serve(script)
    agent = agent_for(server, "jsonld", product="/p/{sku}")
    found = agent.heavy([Listing("shop", sku, sku, 0.0) for sku in ("slow", "fast")], Deadline.after(0.6))
    assert [row.sku for row in found] == ["fast"]
    with pytest.raises(VendorTimeout):
        agent.heavy([Listing("shop", "slow", "slow", 0.0)], Deadline.after(0.2))


def test_light_keys_hold_what_the_fetch_depends_on(serve: Any, agent_for: Any) -> None:
    """A catalogue does not depend on the terms; a search page does, up to case."""
    server = serve(answer())
    for adapter in ("shopify", "feed"):
        agent = agent_for(server, adapter)
        assert agent.light_key(LightRequest("tent")) == agent.light_key(LightRequest("boots", ("1",)))
    agent = agent_for(server, "jsonld")
    assert agent.light_key(LightRequest("Tent ")) == agent.light_key(LightRequest("tent"))
    assert agent.light_key(LightRequest("tent")) != agent.light_key(LightRequest("boots"))


def test_search_terms_are_data(serve: Any, agent_for: Any) -> None:
    """Terms are quoted: they can neither add parameters nor leave the path."""
    server = serve(answer(b"<html></html>"))
    agent = agent_for(server, "jsonld")
    agent.light(LightRequest("a&b=c#d /../ \r\nX: y"), Deadline.after(3))
    assert server.requests[0].split("\r\n")[0] == "GET /search?q=a%26b%3Dc%23d+%2F..%2F+x%3A+y HTTP/1.1"
    assert "\r\nX: y" not in server.requests[0]


def test_a_real_shopify_catalogue(hexar_data: Path, serve: Any, agent_for: Any) -> None:
    """A captured products.json gives 39 products and 238 variants, every one with price and stock."""
    body = (hexar_data / "gear/pages/capita-products.json").read_bytes()
    found = agent_for(serve(answer(body)), "shopify", currency="USD").light(LightRequest(), Deadline.after(10))
    variants = [variant for row in found for variant in row.variants]
    assert (len(found), len(variants)) == (39, 238)
    assert all(variant.price is not None and variant.price.currency == "USD" for variant in variants)
    assert all(variant.availability in (Availability.IN_STOCK, Availability.OUT_OF_STOCK) for variant in variants)


def test_no_adapter_raises_outside_its_tree(serve: Any, agent_for: Any) -> None:
    """Garbage of many kinds through every adapter ends in listings or in a VendorError."""
    for body in (
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\x00" * 100,
        b'{"products": 5}',
        b"<",
        b"<html>",
        b"<?xml?>",
        b"a\tb",
        b"[" * 50_000,
    ):
        server = serve(answer(body))
        for adapter in ("jsonld", "shopify", "feed"):
            try:
                assert agent_for(server, adapter, currency="USD").light(LightRequest("x"), Deadline.after(3)) == []
            except VendorError:
                continue

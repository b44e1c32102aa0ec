"""Product data in pages, whatever its format: what is stated is found, what is not stated stays empty."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.vendors.model import Availability, Listing, Money
from hexar.agents.vendors.page.common import ReadContext
from hexar.agents.vendors.page.jsliteral import NotData, loads
from hexar.agents.vendors.page.reader import find, main_listing, read_page

READING = ReadContext("shop", 1.0, "https://shop.example/p/one")


def _usd(amount: float) -> Money:
    return Money("USD", round(amount * 1_000_000))


def _ld(*nodes: Any, extra: str = "") -> list[Listing]:
    scripts = "".join(f'<script type="application/ld+json">{json.dumps(node)}</script>' for node in nodes)
    return read_page(f"<html><head>{scripts}{extra}</head><body></body></html>", READING)


def _product(**fields: Any) -> dict[str, Any]:
    offer = {"@type": "Offer", "price": "99.50", "priceCurrency": "USD", "availability": "https://schema.org/InStock"}
    return {"@context": "https://schema.org", "@type": "Product", "name": "Tent", "sku": "T1", "offers": offer, **fields}


def test_name_and_price_give_nothing_else() -> None:
    """A vendor that says only name and price yields a listing whose every other field is empty."""
    [listing] = _ld({"@type": "Product", "name": "Tent", "offers": {"@type": "Offer", "price": "10"}})
    assert listing == Listing("shop", "Tent", "Tent", 1.0, url="https://shop.example/p/one", price=Money("", 10_000_000))


def test_a_full_product_is_read() -> None:
    """Identity, offer, knowledge, rating and reviews."""
    [listing] = _ld(
        _product(
            brand={"@type": "Brand", "name": "Tarnworks"},
            gtin13="9010510757166",
            mpn="TW-1",
            model={"@type": "ProductModel", "name": "Tarn 2"},
            category=["Camping", "Tents"],
            description="Two doors &amp; two vestibules",
            image=[{"@type": "ImageObject", "contentUrl": "/tent.png"}],
            keywords="tent, light",
            additionalProperty=[
                {"@type": "PropertyValue", "name": "Capacity", "value": 2, "unitText": "person"},
                {"@type": "PropertyValue", "name": "Color", "value": ["red", "green"]},
                {"@type": "PropertyValue", "name": "Temperature", "minValue": -5, "maxValue": 20, "unitText": "°C"},
            ],
            weight={"@type": "QuantitativeValue", "value": 1.7, "unitCode": "KGM"},
            aggregateRating={"ratingValue": "9,0", "bestRating": "10", "reviewCount": "1,204"},
            review=[
                {"@type": "Review", "reviewBody": "Dry.", "reviewRating": {"ratingValue": 4}, "author": {"name": "Jo"}},
                {"@type": "Review", "reviewRating": {"ratingValue": 1}, "author": "no words"},
            ],
        )
    )
    assert (listing.brand, listing.gtin, listing.mpn, listing.model) == ("Tarnworks", "9010510757166", "TW-1", "Tarn 2")
    assert listing.category == "Camping > Tents"
    assert listing.description == "Two doors & two vestibules"
    assert listing.image_url == "https://shop.example/tent.png"
    assert listing.tags == ("tent", "light")
    assert listing.attributes == {"Capacity": "2 person", "Color": "red, green", "Temperature": "-5-20 °C", "weight": "1.7 kg"}
    assert (listing.rating, listing.rating_count) == (4.5, 1204)
    assert [(review.text, review.rating, review.author) for review in listing.reviews] == [("Dry.", 4.0, "Jo")]
    assert (listing.price, listing.availability) == (_usd(99.5), Availability.IN_STOCK)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda node: {"@context": "https://schema.org", "@graph": [{"@type": "WebPage"}, node]},
        lambda node: [{"@type": "Organization", "name": "Shop"}, node],
        lambda node: {"@type": "WebPage", "mainEntity": node},
        lambda node: {"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "position": 1, "item": node}]},
        lambda node: {"@graph": [{"@type": "ItemPage", "mainEntity": {"@id": "#p"}}, {**node, "@id": "#p"}]},
        lambda node: {**node, "@type": ["Thing", "http://schema.org/Product"]},
        lambda node: {
            "@type": "OfferCatalog",
            "itemListElement": [{**node["offers"], "itemOffered": {**node, "offers": None}}],
        },
        lambda node: {**node, "name": ["Tent", "Zelt"], "sku": 1, "offers": [node["offers"]]},
    ],
)
def test_products_are_found_wherever_they_nest(wrap: Any) -> None:
    """Graphs, lists, references, arrays of types, catalogues of offers: one product, with its price."""
    [listing] = _ld(wrap(_product()))
    assert (listing.name, listing.price, listing.availability) == ("Tent", _usd(99.5), Availability.IN_STOCK)


def test_offers_of_several_kinds() -> None:
    """Aggregates, price specifications, list prices, inventory and shipping."""
    aggregate = {"@type": "AggregateOffer", "lowPrice": "80", "highPrice": 120, "priceCurrency": "EUR", "offerCount": 3}
    assert _ld(_product(offers=aggregate))[0].price == Money("EUR", 80_000_000)
    specified = {
        "@type": "Offer",
        "priceSpecification": [
            {"@type": "UnitPriceSpecification", "price": 70, "priceCurrency": "USD"},
            {
                "@type": "UnitPriceSpecification",
                "price": 90,
                "priceCurrency": "USD",
                "priceType": "https://schema.org/ListPrice",
            },
        ],
        "inventoryLevel": {"@type": "QuantitativeValue", "value": 0},
        "shippingDetails": {"shippingRate": {"value": "0", "currency": "USD"}},
    }
    [listing] = _ld(_product(offers=specified))
    assert (listing.price, listing.list_price, listing.shipping) == (_usd(70), _usd(90), Money("USD", 0))
    assert listing.availability is Availability.OUT_OF_STOCK


@pytest.mark.parametrize(
    ("stated", "days"),
    [
        ({"transitTime": {"minValue": 2, "maxValue": 4, "unitCode": "DAY"}, "handlingTime": {"maxValue": 1}}, (2, 5)),
        ({"transitTime": {"value": "3"}}, (3, 3)),
        ({"transitTime": {"minValue": 1, "maxValue": 2, "unitCode": "WEE"}}, (7, 14)),
        ({"transitTime": {"maxValue": 36, "unitCode": "HUR"}}, (0, 2)),
        ({"transitTime": {"duration": {"minValue": 1, "maxValue": 3}}}, (1, 3)),
        ({"handlingTime": {"maxValue": 1}}, None),
        ({"transitTime": {"maxValue": 9e9}}, None),
        ({"transitTime": {"minValue": 5, "maxValue": 2}}, None),
        ({"transitTime": {"maxValue": 4, "unitCode": "parsecs"}}, None),
        ("soon", None),
    ],
)
def test_days_of_delivery(stated: Any, days: tuple[int, int] | None) -> None:
    """From the order to the door, where the page states it in a unit of time."""
    offer = {"price": 10, "priceCurrency": "USD", "shippingDetails": [{"deliveryTime": stated}]}
    [listing] = _ld(_product(offers=offer))
    assert listing.delivery_days == days
    assert Listing.from_json(listing.to_json()) == listing


def test_the_fastest_way_of_delivery_counts() -> None:
    """Of several ways the one that ends first; deliveryLeadTime says handling and transit in one."""
    ways = [{"deliveryTime": {"transitTime": {"minValue": low, "maxValue": high}}} for low, high in ((1, 9), (2, 4))]
    [listing] = _ld(_product(offers={"price": 10, "priceCurrency": "USD", "shippingDetails": ways}))
    assert listing.delivery_days == (2, 4)
    [listing] = _ld(_product(offers={"price": 10, "priceCurrency": "USD", "deliveryLeadTime": {"value": 2}}))
    assert listing.delivery_days == (2, 2)


def test_a_product_group_has_variants() -> None:
    """Sizes come with their own price and stock; the group shows the cheapest that can be bought."""

    def size(label: str, price: str, stock: str) -> dict[str, Any]:
        offer = {"price": price, "priceCurrency": "USD", "availability": f"https://schema.org/{stock}"}
        return {"@type": "Product", "sku": f"B-{label}", "name": f"Board {label}", "size": label, "offers": offer}

    parts = [size("151", "90", "OutOfStock"), size("155", "100", "InStock"), size("159", "110", "InStock")]
    nested = {"@type": "ProductGroup", "productGroupID": "B", "name": "Board", "hasVariant": parts}
    loose = [
        {"@type": "ProductGroup", "productGroupID": "B", "name": "Board"},
        *({**part, "inProductGroupWithID": "B"} for part in parts),
    ]
    for nodes in ([nested], loose):
        [listing] = _ld(*nodes)
        assert (listing.sku, listing.sizes, len(listing.variants)) == ("B", ("151", "155", "159"), 3)
        assert (listing.price, listing.availability) == (_usd(100), Availability.IN_STOCK)
        assert listing.variants[0].availability is Availability.OUT_OF_STOCK


def test_related_products_are_not_offered() -> None:
    """What a product is merely related to is not what the page sells."""
    found = _ld(_product(isRelatedTo=[_product(name="Other", sku="O")], isSimilarTo=_product(name="Third", sku="X")))
    assert [listing.name for listing in found] == ["Tent"]


@pytest.mark.parametrize(
    "script",
    [
        '{"@type": "Product", "name": "Tent", "offers": {"price": "10", "priceCurrency": "USD",},}',
        '<!-- {"@type": "Product", "name": "Tent", "offers": {"price": "10", "priceCurrency": "USD"}} -->',
        '//<![CDATA[\n{"@type": "Product", "name": "Tent", "offers": {"price": "10", "priceCurrency": "USD"}}\n//]]>',
        '{"@type": "Product", "name": "Tent", "offers": {"price": 10, "priceCurrency": "USD"}, "color": "a\nb\tc"};',
        "{'@type': 'Product', name: 'Tent', offers: {price: 10, priceCurrency: 'USD'}}",
        "{&quot;@type&quot;: &quot;Product&quot;, &quot;name&quot;: &quot;Tent&quot;, &quot;offers&quot;: "
        "{&quot;price&quot;: 10, &quot;priceCurrency&quot;: &quot;USD&quot;}}",
    ],
)
def test_broken_json_is_read_all_the_same(script: str) -> None:
    """Trailing commas, comments, CDATA, raw newlines, quotes of the wrong kind and escaped markup."""
    [listing] = read_page(f'<script type="application/ld+json">{script}</script>', READING)
    assert (listing.name, listing.price) == ("Tent", _usd(10))


def test_unreadable_data_is_told_apart_from_none() -> None:
    """A page whose data is cut off is broken; a page without data is only empty."""
    assert find('<script type="application/ld+json">{"@type": "Prod', READING).broken
    assert not find("<h1>No results</h1>", READING).broken


def test_a_rating_that_does_not_fit_is_dropped() -> None:
    """No reviews, a zero, or a mark above its scale: no rating."""
    for rating in (
        {"ratingValue": 4, "reviewCount": 0},
        {"ratingValue": 0, "reviewCount": 9},
        {"ratingValue": 7},
        {"ratingValue": "x"},
        "5",
    ):
        [listing] = _ld(_product(aggregateRating=rating))
        assert (listing.rating, listing.rating_count) == (None, None)


def test_microdata_and_rdfa_say_the_same() -> None:
    """The vocabulary in tags reads as in JSON-LD; stated content goes before shown text."""
    micro = """<div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Tent</h1><b itemprop="sku">T1</b>
      <div itemprop="brand" itemscope itemtype="https://schema.org/Brand"><span itemprop="name">Tarnworks</span></div>
      <div itemprop="offers" itemscope itemtype="https://schema.org/Offer"><span itemprop="price" content="99.50">$99</span>
      <meta itemprop="priceCurrency" content="USD"><link itemprop="availability" href="https://schema.org/OutOfStock"></div>
      <div itemprop="review" itemscope itemtype="https://schema.org/Review"><p itemprop="reviewBody">Dry.</p></div></div>"""
    rdfa = """<div vocab="https://schema.org/" typeof="Product"><h1 property="name">Tent</h1><b property="sku">T1</b>
      <div property="brand" typeof="Brand"><span property="name">Tarnworks</span></div>
      <div property="offers" typeof="Offer"><span property="price" content="99.50">$99</span>
      <meta property="priceCurrency" content="USD"><link property="availability" href="https://schema.org/OutOfStock"></div>
      <div property="review" typeof="Review"><p property="reviewBody">Dry.</p></div></div>"""
    for html in (micro, rdfa):
        [listing] = read_page(html, READING)
        assert (listing.name, listing.sku, listing.brand, listing.price) == ("Tent", "T1", "Tarnworks", _usd(99.5))
        assert listing.availability is Availability.OUT_OF_STOCK
        assert [review.text for review in listing.reviews] == ["Dry."]


def test_metas_are_the_last_word() -> None:
    """OpenGraph product metas give an offer where nothing else does, and fill what a product leaves open."""
    metas = """<meta property="og:title" content="Tent"><meta property="product:price:amount" content="99.50">
      <meta property="product:price:currency" content="USD"><meta property="product:availability" content="in stock">"""
    [listing] = read_page(metas, READING)
    assert (listing.price, listing.availability) == (_usd(99.5), Availability.IN_STOCK)
    [listing] = _ld({"@type": "Product", "name": "Tent", "sku": "T1"}, extra=metas)
    assert (listing.sku, listing.price) == ("T1", _usd(99.5))
    assert read_page('<meta property="og:title" content="About us">', READING) == []


@pytest.mark.parametrize(
    "script",
    [
        '<script id="__NEXT_DATA__" type="application/json">{"props": {"items": [PRODUCT]}}</script>',
        "<script>window.__STATE__ = {user: getUser(), items: [PRODUCT,],};</script>",
        '<script>var a = 1; window.state = JSON.parse(\'{"price": 1, "items": [ESCAPED]}\');</script>',
        '<script>self.__next_f.push([1, "5:[\\"$\\",{\\"price\\":0,\\"items\\":[QUOTED],\\"pad\\":\\"x\\"}]"])</script>',
        "<script>dataLayer.push({ecommerce: {items: [PRODUCT]}})</script>",
        "<div data-product='PRODUCT'></div>",
    ],
)
def test_embedded_state_is_read(script: str) -> None:
    """Hydration data, script variables, strings in strings, data layers and data attributes."""
    product = (
        '{"id": 5, "title": "Tent", "brand": {"name": "Tarnworks"}, "url": "/tent", "inStock": false,'
        ' "price": {"current": {"value": 80}, "was": {"value": 99.5}, "currencyCode": "USD"}}'
    )
    html = script.replace("PRODUCT", product).replace("ESCAPED", product).replace("QUOTED", product.replace('"', '\\"'))
    [listing] = read_page(html, READING)
    assert (listing.sku, listing.name, listing.brand, listing.url) == ("5", "Tent", "Tarnworks", "https://shop.example/tent")
    assert (listing.price, listing.list_price, listing.availability) == (_usd(80), _usd(99.5), Availability.OUT_OF_STOCK)


def test_what_only_has_a_name_and_a_price_in_a_script_is_no_product() -> None:
    """A shipping option in the embedded state is not taken for a product."""
    html = '<script type="application/json">{"shipping": [{"id": 1, "name": "Express", "price": 9.95}]}</script>'
    assert read_page(html, READING) == []


def test_the_page_settles_the_currency() -> None:
    """A price without currency takes the one that the page states; of two, the configured one or none."""
    html = '<script>var c = {currencyCode: "CAD"}; var p = {sku: 1, name: "Tent", price: "$80", image: "/a.png"}</script>'
    assert read_page(html, READING)[0].price == Money("CAD", 80_000_000)
    both = html + '<script>var d = {currencyCode: "USD"}</script>'
    assert read_page(both, READING)[0].price == Money("", 80_000_000)
    assert read_page(both, ReadContext("shop", 1.0, READING.url, "USD"))[0].price == _usd(80)


def test_theme_objects_count_in_hundredths() -> None:
    """A theme's product object has whole hundredths as price, told by its companions."""
    product = {
        "id": 1,
        "title": "Tent",
        "handle": "tent",
        "vendor": "T",
        "price": 9950,
        "price_varies": False,
        "currency": "USD",
    }
    html = f'<script type="application/json">{json.dumps(product)}</script>'
    assert read_page(html, READING)[0].price == _usd(99.5)


def test_the_main_product_of_a_page() -> None:
    """By address, else by heading, else by what is known of it; a page's carousel is no answer."""
    rows = [Listing("s", "1", "Alpha", 0.0, url="https://x/a"), Listing("s", "2", "Beta", 0.0, url="https://x/b")]
    assert main_listing(rows, "", "https://x/b?utm=1").sku == "2"  # type: ignore[union-attr]
    assert main_listing(rows, "The Beta 2026", "https://x/c").sku == "2"  # type: ignore[union-attr]
    assert main_listing(rows, "", "https://x/c") is None
    assert main_listing(rows[:1], "Gamma", "https://x/c") is None
    assert main_listing(rows, "", "https://x/c", Listing("s", "2", "2", 0.0)) is rows[1]
    nameless = Listing("s", "3", "Gamma board", 0.0)
    assert main_listing([*rows, nameless], "", "https://x/c", Listing("s", "9", "Board Gamma", 0.0)) is nameless
    assert main_listing([nameless], "Delta", "https://x/c") is None
    assert main_listing([], "", "") is None


KEYS = "@type @id name sku offers price priceCurrency availability brand review hasVariant image url id"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS.split()),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_no_shape_breaks_the_readers(value: Any) -> None:
    """Whatever JSON stands where a product is expected, the readers end, and every listing has a name."""
    node = {**value, "@type": "Product"} if isinstance(value, dict) else value
    for listing in _ld(node) + read_page(
        f'<script type="application/json">{json.dumps([node, {"price": 1}])}</script>', READING
    ):
        assert listing.name
        assert Listing.from_json(json.loads(json.dumps(listing.to_json()))) == listing


@given(st.text(alphabet="{}[]\"',:;abc01 \\/\n`()$.", max_size=80))
def test_the_literal_reader_ends(text: str) -> None:
    """Any text is a value or no data; nothing is evaluated, nothing loops."""
    with suppress(NotData):
        loads(text)


def test_deep_nesting_is_refused() -> None:
    """A hundred thousand brackets are not data."""
    with pytest.raises(NotData):
        loads("[" * 100_000)
    assert read_page(f"<script>x = {'[' * 50_000} price</script>", READING) == []


def _tile(number: int) -> str:
    return f"""<li class="item"><a href="/b{number}"><img alt="Board {number}"></a><a href="/b{number}">Board {number} 2020</a>
      <div><s>$379.95</s> <b>$26{number}.95</b> (31% Off)</div></li>"""


def test_tiles_are_read_where_a_page_has_no_data() -> None:
    """Repeated tiles with one link and one price give a name, prices and an address, and nothing that they do not show."""
    tiles = "".join(_tile(number) for number in range(4))
    html = f"<nav><a href='/cart'>Cart $0.00</a></nav><h1>Boards</h1><ul>{tiles}</ul><footer>Free over $50</footer>"
    found = read_page(html, ReadContext("shop", 1.0, "https://shop.example/c", "USD"))
    assert [(row.name, row.price, row.list_price) for row in found][1] == ("Board 1 2020", _usd(261.95), _usd(379.95))
    assert [row.url for row in found] == [f"https://shop.example/b{number}" for number in range(4)]
    assert all(row.availability is Availability.UNKNOWN and not row.brand for row in found)


def test_a_bare_product_page_is_read() -> None:
    """The price beside the main heading is the product's; tiles of other products are not."""
    html = f"""<div><div><h1>Ripcord Wide</h1></div><p class="price">$261.95</p><p>Sold out</p></div>
      <ul>{_tile(1)}{_tile(2)}</ul>"""
    [found] = read_page(html, ReadContext("shop", 1.0, "https://shop.example/ripcord", "USD"))
    assert (found.name, found.price, found.availability) == ("Ripcord Wide", _usd(261.95), Availability.OUT_OF_STOCK)


def test_a_text_with_a_price_is_no_product() -> None:
    """A page about shipping costs sells nothing."""
    assert read_page("<h1>About us</h1><p>We ship for $5 worldwide, or $9.95 by air, or $20 overnight.</p>", READING) == []


HOSTILE = {
    "nesting": "<div>" * 200_000 + "$5",
    "priced nesting": "<div>$5 " * 20_000,
    "items in items": '<div itemscope itemtype="http://schema.org/Product" itemprop="isRelatedTo">' * 3000,
    "references": '<div itemscope itemref="a a a a"><div id=a itemprop=x itemscope itemref=a></div></div>' * 1000,
    "open objects": "<script>" + 'price={"a":' * 20_000,
    "open strings": "<script>" + 'x = {price: "' * 20_000,
    "endless array": "<script>x = {price: [" + "1," * 500_000 + "]}</script>",
    "prices": "<ul>" + '<li><a href="/a">n</a> $5.00</li>' * 20_000,
    "brackets": '<script type="application/ld+json">' + "[" * 100_000,
    "scripts": '<script type="application/ld+json">{"@type":"Product","name":"x"}</script>' * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_costs_little(name: str) -> None:
    """Pages made to be slow are read in seconds at most, though a naive reader would take minutes."""
    begun = time.process_time()
    read_page(HOSTILE[name], READING)
    assert time.process_time() - begun < 10.0


def test_a_real_listing_page(hexar_data: Path) -> None:
    """A captured listing page gives name, price, currency and availability of every product that it shows."""
    html = (hexar_data / "gear/pages/burton-catalog.html").read_text("utf-8")
    found = read_page(html, ReadContext("shop", 1.0))
    assert len(found) == 33
    assert all(row.name and row.brand and row.price and row.price.currency == "USD" for row in found)
    assert all(row.availability in (Availability.IN_STOCK, Availability.OUT_OF_STOCK) for row in found)
    assert all(row.url.startswith("https://") and row.sizes for row in found)


def test_a_real_product_page(hexar_data: Path) -> None:
    """A captured product page gives the sale price, the list price, stock, sizes and rating of its product."""
    html = (hexar_data / "gear/pages/burton-detail.html").read_text("utf-8")
    [found] = read_page(html, ReadContext("shop", 1.0))
    assert found.name == "Men's Burton Custom X Camber Snowboard"
    assert (found.price, found.list_price) == (_usd(509.97), _usd(849.95))
    assert found.availability is Availability.OUT_OF_STOCK
    assert (found.rating, found.rating_count, len(found.sizes)) == (4.9, 269, 8)

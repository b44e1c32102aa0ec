"""Faults that pages and feeds share by kind, each over generated values: what is shown is the product's own, and exact."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hexar.agents.vendors.formats.feed import listings
from hexar.agents.vendors.formats.feed_items import BadFeed, read_items
from hexar.agents.vendors.model import Availability, Listing, Money
from hexar.agents.vendors.money import money, sale_and_list
from hexar.agents.vendors.page.common import ReadContext, address_key
from hexar.agents.vendors.page.reader import find, main_listing, read_page

URL = "https://shop.example/boards/ripcord"
READING = ReadContext("shop", 1_800_000_000.0, URL, "EUR")
CENTS = st.integers(100, 999_999)
WORDS = st.sampled_from(["Ripcord", "Tarn", "Atlas", "Nido", "Ventisca", "Corvo"])
NAMES = st.tuples(WORDS, WORDS, st.integers(2, 99)).map(lambda row: f"{row[0]} {row[1]} {row[2]}")


def _cents(cents: int, code: str = "EUR") -> Money:
    return Money(code, cents * 10_000)


def _german(cents: int) -> str:
    return f"{cents // 100:,}".replace(",", ".") + f",{cents % 100:02}"


def _ld(node: Any) -> str:
    return f'<script type="application/ld+json">{json.dumps(node)}</script>'


def _node(name: str, cents: int, **fields: Any) -> dict[str, Any]:
    offer = {"@type": "Offer", "price": f"{cents / 100:.2f}", "priceCurrency": "EUR", **fields.pop("offer", {})}
    return {"@context": "https://schema.org", "@type": "Product", "name": name, "offers": offer, **fields}


def _feed(*rows: tuple[str, ...], head: str = "id title price availability") -> list[Listing]:
    text = "\t".join(head.split()) + "\n" + "".join("\t".join(row) + "\n" for row in rows)
    return listings(read_items([text.encode()]), READING)


# -- numbers ---------------------------------------------------------------------------------------------------------


@given(st.integers(1, 999), st.integers(0, 999), st.sampled_from(["KWD", "BHD", "GBP", "USD", "EUR", "TND"]))
def test_three_decimals_of_a_feed_are_decimals(whole: int, thousandths: int, code: str) -> None:
    """A feed writes a number with a point and a code: "12.500 KWD" and "3.355 GBP" have three decimals."""
    [row] = _feed(("1", "Tent", f"{whole}.{thousandths:03} {code}", "in_stock"))
    assert row.price == Money(code, whole * 1_000_000 + thousandths * 1000)


@given(st.integers(1, 999), st.integers(0, 999), st.sampled_from("., "), st.sampled_from(["IDR", "CLP", "JPY", "HUF"]))
def test_thousands_of_a_currency_without_decimals_are_thousands(whole: int, rest: int, mark: str, code: str) -> None:
    """Also behind a point, in a feed as in a text."""
    amount = Money(code, (whole * 1000 + rest) * 1_000_000)
    assert money(f"{whole}{mark}{rest:03} {code}") == amount
    assert money(f"{whole}.{rest:03} {code}", coded=True) == amount


@given(
    st.integers(1, 999_999), st.integers(0, 999), st.sampled_from(["KWD", "OMR", "TND"]), st.sampled_from([".,", ",.", " ,"])
)
def test_a_dinar_has_a_thousand_parts_in_any_text(whole: int, parts: int, code: str, marks: str) -> None:
    """Whatever marks group its thousands, the last three digits are its parts."""
    text = f"{whole:,}".replace(",", marks[0]) + f"{marks[1]}{parts:03} {code}"
    assert money(text) == Money(code, whole * 1_000_000 + parts * 1000)


@pytest.mark.parametrize(
    ("text", "amount"),
    [(",89 €", 0.89), ("€ .75", 0.75), ("1,234,567.89 €", 1234567.89), ("249,- €", 249), ("59€99", 59.99), ("١٢٫٥٠ €", 12.5)],
)
def test_rare_ways_to_write_an_amount(text: str, amount: float) -> None:
    """A mark at the beginning, several groups, a dash for the cents, a symbol as the mark, other digits."""
    assert money(text) == Money("EUR", round(amount * 1_000_000))


@given(CENTS, CENTS)
def test_a_range_is_no_discount(one: int, other: int) -> None:
    """ "$20 - $40" is a price from 20 on, and nothing is struck out."""
    low, high = sorted((one, other + 1_000_000))
    assert sale_and_list(f"€{low / 100:.2f} - €{high / 100:.2f}") == (_cents(low), None)
    assert sale_and_list(f"€{high / 100:.2f} €{low / 100:.2f}") == (_cents(low), _cents(high))


def test_letters_before_a_number_are_a_currency_only_where_they_are_a_code() -> None:
    """The number of a model is no price."""
    assert sale_and_list("Tarn GTX 1080") == (None, None)
    assert sale_and_list("Tarn GTX 1080, EUR 59") == (_cents(5900), None)


# -- scripts and feeds -----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(NAMES, CENTS), min_size=1, max_size=5, unique_by=lambda row: row[0]), st.data())
def test_every_value_of_a_script_is_read(products: list[tuple[str, int]], data: st.DataObject) -> None:
    """Several values in one script, whatever stands between them; all of them count."""
    between = st.sampled_from(["", "\n", ";", ",", "}", " \n; ", "/* next */", "<!-- -->"])
    nodes = [json.dumps(_node(name, cents, url=f"/p/{place}")) for place, (name, cents) in enumerate(products)]
    script = json.dumps({"@type": "Organization", "name": "Shop"}) + "".join(data.draw(between) + node for node in nodes)
    found = read_page(f'<script type="application/ld+json">{script}</script>', READING)
    assert [(row.name, row.price) for row in found] == [(name, _cents(cents)) for name, cents in products]


def test_nothing_is_read_inside_a_broken_value() -> None:
    """What a broken value holds may be another product's."""
    related = json.dumps(_node("Other", 100))
    page = f'<script type="application/ld+json">{{"@type": "Product", "name" "Tarn", "isRelatedTo": {related}}}</script>'
    assert read_page(page, READING) == []


TEXTS = (
    st.text(st.sampled_from("ab \"'12,;"), min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda said: any(map(str.isalnum, said)))
)


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_a_quote_in_a_title_takes_no_row_along(titles: list[str]) -> None:
    """Tab-separated text is not CSV: quotes are characters, wherever they stand and whether or not they are closed."""
    rows = _feed(*((str(place), title, "80.00 EUR", "in_stock") for place, title in enumerate(titles)))
    assert [row.sku for row in rows] == [str(place) for place in range(len(titles))]
    assert all(row.price == _cents(8000) and row.availability is Availability.IN_STOCK for row in rows)


CELLS = st.text(st.sampled_from('ab" \t'), max_size=10) | st.text(st.sampled_from('ab" \n'), max_size=10)


@given(st.lists(CELLS.map(lambda said: f"x{said}x"), min_size=1, max_size=5))
def test_a_spreadsheet_quotes_tabs_and_line_ends(descriptions: list[str]) -> None:
    """A field that holds them, with its quotes doubled, is one field."""
    rows = [(str(n), "Tent", '"' + said.replace('"', '""') + '"', "80.00 EUR") for n, said in enumerate(descriptions)]
    found = _feed(*rows, head="id title description price")
    assert [row.sku for row in found] == [str(n) for n in range(len(descriptions))]
    assert [row.description for row in found] == [" ".join(said.split()) for said in descriptions]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 3))
def test_a_feed_kept_as_a_gzip_file(steps: list[int], members: int) -> None:
    """In one member or several, however its bytes come."""
    text = b"id\ttitle\tprice\n1\tTent\t80.00 EUR\n2\tRope\t60.00 EUR\n"
    size = len(text) // members + 1
    data = b"".join(gzip.compress(text[at : at + size]) for at in range(0, len(text), size)) + b"\0" * 8
    pieces, at = [], 0
    for step in [*steps, len(data)]:
        pieces.append(data[at : at + step])
        at += step
    assert [row.price for row in listings(read_items(pieces), READING)] == [_cents(8000), _cents(6000)]


def test_a_gzip_file_is_bounded_and_whole() -> None:
    """One that blows up, ends too soon or is broken is refused."""
    bomb = gzip.compress(b"id\ttitle\n" + b"1\tx\n" * 200_000)
    with pytest.raises(BadFeed, match="larger"):
        list(read_items([bomb], limit=10_000))
    for data in (bomb[:-20], bomb[:300] + b"\0" * 50 + bomb[350:]):
        with pytest.raises(BadFeed, match="gzip"):
            list(read_items([data]))


# -- offers ----------------------------------------------------------------------------------------------------------

ASIDE_OFFERS = st.sampled_from(
    [
        {"itemCondition": "https://schema.org/UsedCondition"},
        {"itemCondition": "RefurbishedCondition"},
        {"itemCondition": "http://schema.org/DamagedCondition"},
        {"eligibleQuantity": {"@type": "QuantitativeValue", "minValue": 12}},
        {"businessFunction": "http://purl.org/goodrelations/v1#LeaseOut"},
        {"priceValidUntil": "2020-01-31"},
        {"validFrom": "2100-01-01T00:00:00Z"},
        {"url": "/boards/another"},
    ]
)


@given(CENTS, st.lists(st.tuples(ASIDE_OFFERS, CENTS), min_size=1, max_size=4), st.booleans())
def test_a_cheaper_offer_of_another_kind_is_not_the_price(cents: int, others: list[tuple[Any, int]], first: bool) -> None:
    """Used, by the dozen, to rent, of last year, of next century, of another page: the plain offer is the price."""
    own = {"@type": "Offer", "price": cents / 100, "priceCurrency": "EUR", "url": URL}
    rows = [{"@type": "Offer", "price": other / 100, "priceCurrency": "EUR", **fields} for fields, other in others]
    rows = [{"url": URL, **row} for row in rows]
    [found] = read_page(_ld(_node("Ripcord", 1, url=URL, offers=[own, *rows] if first else [*rows, own])), READING)
    assert found.price == _cents(cents)
    assert not any(row.price and row.price != found.price for row in found.variants)


@given(CENTS, CENTS, st.sampled_from([{"billingIncrement": 1}, {"billingDuration": 12}, {"unitCode": "MON"}]))
def test_a_subscription_is_not_the_price(cents: int, monthly: int, kind: dict[str, Any]) -> None:
    """An offer that is paid again and again gives way to the one that is paid once."""
    paid = {"@type": "UnitPriceSpecification", "price": monthly / 100, "priceCurrency": "EUR", **kind}
    again = {"@type": "Offer", "price": monthly / 100, "priceCurrency": "EUR", "priceSpecification": paid}
    once = {"@type": "Offer", "price": cents / 100, "priceCurrency": "EUR"}
    [found] = read_page(_ld(_node("Ripcord", 1, url=URL, offers=[again, once])), READING)
    assert found.price == _cents(cents)


@given(CENTS, st.sampled_from(["UsedCondition", "RefurbishedCondition"]))
def test_what_is_only_sold_used_says_so(cents: int, condition: str) -> None:
    """Its price is the used one's, and the condition stands beside it."""
    [found] = read_page(_ld(_node("Ripcord", cents, offer={"itemCondition": f"https://schema.org/{condition}"})), READING)
    assert (found.price, found.attributes) == (_cents(cents), {"item condition": condition})


NARROW = st.sampled_from(
    [
        {"eligibleQuantity": {"minValue": 10}},
        {"referenceQuantity": {"value": 1, "unitCode": "KGM"}},
        {"validForMemberTier": {"@id": "#gold"}},
        {"billingDuration": 12},
        {"@type": "DeliveryChargeSpecification"},
        {"validThrough": "2019-12-31"},
    ]
)


@given(CENTS, NARROW, CENTS, st.booleans(), st.booleans())
def test_a_price_that_not_everybody_pays_is_not_the_price(
    cents: int, fields: Any, other: int, first: bool, numbered: bool
) -> None:
    """For ten, for a kilogram, for members, a month, for delivery, until last year; also in a numbered object."""
    own = {"@type": "UnitPriceSpecification", "price": cents / 100, "priceCurrency": "EUR"}
    aside = {"@type": "UnitPriceSpecification", "price": other / 100, "priceCurrency": "EUR", **fields}
    rows = [own, aside] if first else [aside, own]
    stated: Any = {**{str(at): row for at, row in enumerate(rows)}, "priceCurrency": "EUR"} if numbered else rows
    [found] = read_page(_ld(_node("Ripcord", 1, offers={"@type": "Offer", "priceSpecification": stated})), READING)
    assert found.price == _cents(cents)


@given(CENTS, CENTS)
def test_the_gross_price_is_the_one_to_pay(net: int, gross: int) -> None:
    """Of a price with and one without the tax."""
    rows = [
        {"price": net / 100, "priceCurrency": "EUR", "valueAddedTaxIncluded": False},
        {"price": gross / 100, "priceCurrency": "EUR", "valueAddedTaxIncluded": True},
    ]
    [found] = read_page(_ld(_node("Ripcord", 1, offers={"@type": "Offer", "priceSpecification": rows})), READING)
    assert found.price == _cents(gross)


def test_prices_by_quantity_in_embedded_state() -> None:
    """A price from ten pieces on is not the price; what a size has in stock is no such quantity."""
    tiers = {"sku": "1", "title": "Tarn", "image": "/a", "prices": [{"qty": 1, "price": 80}, {"qty": 10, "price": 60}]}
    sizes = {
        "sku": "2",
        "title": "Nido",
        "image": "/b",
        "variants": [{"sku": "a", "quantity": 1, "price": 70}, {"sku": "b", "quantity": 9, "price": 50}],
    }
    page = f"<script>x = {{price: 1, list: {json.dumps([tiers, sizes])}}}</script>"
    assert [row.price for row in read_page(page, READING)] == [_cents(8000), _cents(5000)]


def test_a_used_piece_of_a_group_in_a_feed() -> None:
    """It is not what the product costs; a used product by itself says that it is."""
    head = "id title price condition item_group_id"
    [row] = _feed(("1", "Tent", "80 EUR", "new", "T"), ("2", "Tent", "30 EUR", "used", "T"), head=head)
    assert (row.price, len(row.variants)) == (_cents(8000), 1)
    [alone] = _feed(("2", "Tent", "30 EUR", "used", ""), head=head)
    assert (alone.price, alone.attributes["condition"]) == (_cents(3000), "used")


# -- whose offer it is -----------------------------------------------------------------------------------------------


def _tile(name: str, cents: int, place: int, micro: bool) -> str:
    scope = ' itemscope itemtype="https://schema.org/Product"' if micro else ""
    offer = ' itemprop="offers" itemscope itemtype="https://schema.org/Offer"' if micro else ""
    return (
        f'<li class="tile"{scope}><a href="/p/{place}"><span{" itemprop=name" if micro else ""}>{name}</span></a>'
        f"<div{offer}><span{' itemprop=price' if micro else ''}>{_german(cents)}</span> €</div></li>"
    )


TILES = st.lists(st.tuples(NAMES, CENTS), min_size=2, max_size=4, unique_by=lambda row: row[0])


@given(CENTS, TILES, st.sampled_from(["ld", "micro", "state", "tiles"]), st.booleans(), st.booleans())
def test_a_carousel_is_never_the_pages_product(
    cents: int, others: list[tuple[str, int]], kind: str, priced: bool, first: bool
) -> None:
    """Whatever carries the carousel, the page gives its own product, with its own price or with none."""
    own = _node("Boreal Split", cents)
    if not priced:
        del own["offers"]
    nodes = [_node(name, other, url=f"/p/{place}", sku=f"N{place}") for place, (name, other) in enumerate(others)]
    carousel = {
        "ld": _ld({"@type": "ItemList", "itemListElement": [{"@type": "ListItem", "item": node} for node in nodes]}),
        "micro": "".join(_tile(*row, place, True) for place, row in enumerate(others)),
        "state": "<script>window.state = "
        + json.dumps(
            [
                {"sku": f"N{n}", "title": name, "price": other / 100, "image": "/a.png", "url": f"/p/{n}"}
                for n, (name, other) in enumerate(others)
            ]
        )
        + "</script>",
        "tiles": "<ul>" + "".join(_tile(*row, place, False) for place, row in enumerate(others)) + "</ul>",
    }[kind]
    body = "<div><h1>Boreal Split</h1><p>A board.</p></div>"
    page = (carousel + _ld(own) if first else _ld(own) + carousel) + body + f"<section>{carousel}</section>"
    found = find(page, READING)
    main = main_listing(found.listings, found.heading, URL)
    assert main is not None
    assert main.name == "Boreal Split"
    assert main.price == (_cents(cents) if priced else None)
    assert [row.name for row in found.listings] == ["Boreal Split"]


@given(CENTS, TILES)
def test_a_theme_that_puts_its_carousel_into_the_products_markup(cents: int, others: list[tuple[str, int]]) -> None:
    """Names and offers behind the first ones, in one item, are those of other products."""
    tiles = "".join(
        f'<div><b itemprop="name">{name}</b><div itemprop="offers" itemscope><b itemprop="price">{_german(other)} €</b></div></div>'
        for name, other in others
    )
    page = f"""<main itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Boreal Split</h1>
      <div itemprop="offers" itemscope><s itemprop="price">{_german(cents + 100)} €</s>
      <b itemprop="price">{_german(cents)} €</b></div>{tiles}</main>"""
    [found] = read_page(page, READING)
    assert (found.name, found.price, found.list_price) == ("Boreal Split", _cents(cents), _cents(cents + 100))


def test_a_listing_page_keeps_all_its_products() -> None:
    """Even where its heading is the name of one."""
    nodes = [_node(name, 5000, url=f"/p/{name}") for name in ("Boreal Split", "Tarn", "Nido")]
    page = _ld({"@type": "CollectionPage"}) + "".join(map(_ld, nodes)) + "<h1>Boreal Split</h1>"
    assert len(read_page(page, READING)) == 3


# -- what people see -------------------------------------------------------------------------------------------------


@given(NAMES, CENTS, st.sampled_from(["span", "b", "div", "i"]), st.sampled_from(["€{}", "{} €", "EUR {}", "{}EUR"]))
def test_a_name_glued_to_its_price_is_two_things(name: str, cents: int, tag: str, mark: str) -> None:
    """Nothing stands between the elements, and yet "Atlas 40" and "59,00 €" are a name and a price."""
    price = mark.format(_german(cents))
    tiles = "".join(
        f'<li class="t"><a href="/p/{n}"><{tag}>{name} v{n}</{tag}><{tag}>{price}</{tag}></a></li>' for n in range(3)
    )
    found = read_page(f"<ul>{tiles}</ul>", READING)
    assert [(row.name, row.price) for row in found] == [(f"{name} v{n}", _cents(cents)) for n in range(3)]


@given(NAMES, CENTS, st.booleans())
def test_a_price_inside_the_heading_is_no_part_of_the_name(name: str, cents: int, micro: bool) -> None:
    """In what people see and in microdata."""
    scope, prop = (' itemscope itemtype="https://schema.org/Product"', ' itemprop="name"') if micro else ("", "")
    price = (
        f'<b itemprop="offers" itemscope><i itemprop="price">{_german(cents)} €</i></b>'
        if micro
        else f"<b>{_german(cents)} €</b>"
    )
    [found] = read_page(f"<div{scope}><h1{prop}>{name}{price}</h1></div>", READING)
    assert (found.name, found.price) == (name, _cents(cents))


def test_tiles_of_related_products_are_not_listed() -> None:
    """A page that only shows a carousel offers nothing."""
    tiles = "".join(_tile(f"Tarn {place}", 5000, place, False) for place in range(3))
    assert read_page(f'<h1>Boreal Split</h1><p>Ask us.</p><div class="related-products"><ul>{tiles}</ul></div>', READING) == []


@given(st.integers(1, 9999), st.integers(0, 99), st.sampled_from(["sup", 'span class="cents"', 'span class="price-fraction"']))
def test_raised_cents_are_cents(whole: int, cents: int, tag: str) -> None:
    """A price that is split into elements is one price."""
    split = f"<span>€</span><span>{whole}</span><{tag}>{cents:02}</{tag.split()[0]}>"
    [found] = read_page(f"<div><h1>Boreal Split</h1><p>{split}</p></div>", READING)
    assert found.price == Money("EUR", whole * 1_000_000 + cents * 10_000)


@given(CENTS, CENTS, st.sampled_from(["s", "del", 'span class="old-price"', 'span style="text-decoration: line-through"']))
@example(199, 99, "s")  # "1,00" is no whole part of 1.99 with its cents overlooked
def test_the_price_that_people_see_is_the_current_one(stale: int, cut: int, tag: str) -> None:
    """Data that still states the price before the sale, beside the sale's price: the visible one is the price."""
    now = stale - min(cut, stale // 2)
    struck = f"<{tag}>{_german(stale)} €</{tag.split()[0]}>"
    page = f"{_ld(_node('Boreal Split', stale))}<div><h1>Boreal Split</h1>{struck}<b>{_german(now)} €</b></div>"
    [found] = read_page(page, READING)
    assert (found.price, found.list_price) == (_cents(now), _cents(stale) if now < stale else None)


@pytest.mark.parametrize(
    "beside",
    [
        "<p>or 4 payments of {} €</p>",
        "<p>{} €/month</p>",
        "<p>Shipping from {} €</p>",
        "<p>{} € / kg</p>",
        '<div class="related"><a href="/p/2">Tarn</a> {} €</div>',
        "<section><h2>You may also like</h2><p>Tarn</p>{} €</section>",
        "<p hidden>{} €</p>",
        "<p>{} € excl. VAT</p>",
        "<p>$ {}</p>",
        "<ul><li><a href='/p/3'>Tarn</a> {} €</li></ul>",
    ],
)
@given(CENTS, st.integers(40, 250))
def test_other_amounts_are_no_price(beside: str, cents: int, share: int) -> None:
    """Instalments, shipping, unit prices, other products, hidden and net amounts do not replace what the data states."""
    page = (
        _ld(_node("Boreal Split", cents))
        + "<div><h1>Boreal Split</h1>"
        + beside.format(_german(cents * share // 100))
        + "</div>"
    )
    [found] = read_page(page, READING)
    assert (found.price, found.list_price) == (_cents(cents), None)


# -- numbers of a product, and stock ------------------------------------------------------------------------------------


@given(st.uuids(), st.uuids(), st.sampled_from([";jsessionid={}", "?sid={}", "?PHPSESSID={}", "?utm_campaign={}", "#{}"]))
def test_a_session_is_no_number_of_a_product(one: Any, other: Any, session: str) -> None:
    """Two visits to one page name one product, whatever the session is called."""
    keys = {address_key("https://s.example/boards/ripcord" + session.format(value)) for value in (one, other)}
    assert keys == {"ripcord"}


@given(st.integers(1, 9999), st.integers(10_000, 99_999), st.sampled_from(["id", "product_id", "artnr", "sku"]))
def test_a_number_in_the_query_is_one(left: int, right: int, name: str) -> None:
    """Pages that differ in it are two products, which "detail.php" alone would make one."""
    rows = [_node("Tarn", 5000, url=f"/detail.php?{name}={number}&utm_source=x") for number in (left, right)]
    rows[1]["name"] = "Nido"
    found = read_page("".join(map(_ld, rows)), READING)
    assert [row.sku for row in found] == [f"detail.php?{name}={left}", f"detail.php?{name}={right}"]


def test_products_of_one_name_with_pages_of_their_own_stay_two() -> None:
    """The same jacket in two colours: one is sold out, the other is not."""
    red = _node("Tarn", 5000, sku="T-R", url="/p/red", offer={"availability": "OutOfStock"})
    blue = _node("Tarn", 6000, sku="T-B", url="/p/blue", offer={"availability": "InStock"})
    found = read_page(_ld(red) + _ld(blue), READING)
    assert [(row.price, row.availability) for row in found] == [
        (_cents(5000), Availability.OUT_OF_STOCK),
        (_cents(6000), Availability.IN_STOCK),
    ]


@pytest.mark.parametrize(
    "note",
    [
        "<p hidden>Sold out</p>",
        '<div style="display: none">Out of stock</div>',
        "<select><option>158 - sold out</option></select><button>Add to cart</button>",
        "<ul><li><label>158 <i>Sold out</i></label></li><li>162</li></ul>",
        "<p>Sold out</p><button>Add to cart</button>",
        "<template>Sold out</template>",
        "<p>Tell me when my size is out of stock no longer</p>",
    ],
)
def test_a_note_that_is_no_note_of_the_product(note: str) -> None:
    """Hidden texts, one size of several, a form, and a button to buy beside it: the product is not sold out."""
    [found] = read_page(f"<div><h1>Boreal Split</h1><b>50,00 €</b>{note}</div>", READING)
    assert found.availability is not Availability.OUT_OF_STOCK


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"inventoryQuantity": 0}, Availability.OUT_OF_STOCK),
        ({"inventoryQuantity": 0, "inventoryManagement": None}, Availability.UNKNOWN),
        ({"inventoryQuantity": -3, "inventoryPolicy": "continue"}, Availability.UNKNOWN),
        ({"stock": 0, "backordersAllowed": True}, Availability.UNKNOWN),
        ({"stock": 0, "inStock": True}, Availability.IN_STOCK),
    ],
)
def test_nothing_left_is_sold_out_only_where_it_is_counted(fields: dict[str, Any], state: Availability) -> None:
    """A shop that does not count, or sells on, states no stock by a zero."""
    item = {"sku": "1", "title": "Tarn", "price": 80, "image": "/a.png", **fields}
    [found] = read_page(f"<script>x = {json.dumps(item)}</script>", READING)
    assert found.availability is state

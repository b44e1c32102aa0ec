"""The last resort: a page that carries no data, only what people see. Repeated tiles with a link and a price, or one product.

Taken only where it is plain: a tile has one product link and one price (or a struck and a new one), and tiles repeat; a
product page has one heading and a price close to it. Stock is read where words state it. Everything else stays empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from hexar.agents.vendors import text
from hexar.agents.vendors.model import Listing, Money
from hexar.agents.vendors.money import sale_and_list
from hexar.agents.vendors.page import visible
from hexar.agents.vendors.page.common import ReadContext, address_key, list_price, merged, web_url
from hexar.agents.vendors.page.visible import ASIDE, CURRENCY_MARK, price_text

#: Elements with a price that are looked at, and how far above one its tile may begin.
MAX_PRICES = 2000
MAX_CLIMB = 8
MAX_DEPTH = 256
_SKU = ("data-product-id", "data-productid", "data-sku", "data-pid", "data-itemid")


def listings(tree: LexborHTMLParser, heading: str, reading: ReadContext) -> list[Listing]:
    """The products that a page shows to people; empty where that is not plain."""
    if tree.body is None or not CURRENCY_MARK.search(tree.body.text(deep=True)):
        return []
    prices = list(_price_elements(tree))
    tiles: dict[int, tuple[LexborNode, str]] = {}
    shapes: Counter[tuple[str, str]] = Counter()
    links: dict[int, set[str]] = {}
    for element in prices:
        found = _tile(element, links)
        if found is not None and found[0].mem_id not in tiles:
            tiles[found[0].mem_id] = found
            shapes[_shape(found[0])] += 1
    rows = [_listing(node, address, reading) for node, address in tiles.values() if shapes[_shape(node)] >= 2]
    shown = merged(row for row in rows if row is not None)
    product = _product(tree, heading, reading) if heading else None
    # A product page may well show tiles of other products: the price beside the main heading decides.
    return [product] if product is not None else shown


def _price_elements(tree: LexborHTMLParser) -> Iterator[LexborNode]:
    count = 0
    for element in tree.css("*"):
        if count >= MAX_PRICES:
            return
        own = element.text(deep=False)
        if not own or not CURRENCY_MARK.search(own) or len(own) > 200 or _aside(element):
            continue
        count += 1
        yield element


def _aside(element: LexborNode) -> bool:
    node: LexborNode | None = element
    for _ in range(MAX_DEPTH):
        if node is None:
            return False
        if node.tag in ASIDE or visible.is_about_others(node):
            return True
        node = node.parent
    # Deeper than people write pages: not a page for people.
    return True


def _shape(node: LexborNode) -> tuple[str, str]:
    classes = (node.attributes.get("class") or "").split()
    return node.tag or "", classes[0] if classes else ""


def _links(node: LexborNode) -> set[str]:
    found = set()
    for link in [node, *node.css("a[href]")]:
        address = (link.attributes.get("href") or "").split("#")[0]
        if address and not address.lower().startswith(("javascript:", "mailto:", "tel:")):
            found.add(address.split("?")[0])
    return found


def _tile(element: LexborNode, known: dict[int, set[str]]) -> tuple[LexborNode, str] | None:
    """The largest element around a price that still has one product link, and that link. ``known`` are links by element."""
    best: tuple[LexborNode, str] | None = None
    node: LexborNode | None = element
    for _ in range(MAX_CLIMB):
        if node is None or node.tag in ("body", "html", "main"):
            break
        links = known.get(node.mem_id)
        if links is None:
            links = known[node.mem_id] = _links(node)
        if len(links) > 1:
            break
        if links:
            best = (node, next(iter(links)))
        node = node.parent
    return best


def _listing(node: LexborNode, address: str, reading: ReadContext) -> Listing | None:
    price, before = _prices(node, reading)
    name = _name(node)
    url = web_url(address, reading.url)
    if price is None or not name or not url:
        return None
    sku = next((found for key in _SKU for part in (node, *node.css(f"[{key}]")) if (found := part.attributes.get(key))), "")
    return Listing(
        vendor=reading.vendor,
        sku=text.clean(sku, 120) or address_key(url) or name,
        name=name,
        fetched_at=reading.fetched_at,
        url=url,
        year=text.year(name),
        price=price,
        list_price=list_price(price, before),
        availability=visible.stated_stock(node),
    )


def _prices(node: LexborNode, reading: ReadContext) -> tuple[Money | None, Money | None]:
    return sale_and_list(price_text(node), reading.currency, decimals=reading.decimals)


def _name(node: LexborNode) -> str:
    for heading in node.css("h1, h2, h3, h4, h5, [class*=name], [class*=title]"):
        name = visible.name_of(heading)
        if name:
            return name
    for link in [node, *node.css("a[href]")]:
        if link.tag != "a":
            continue
        name = text.clean(link.attributes.get("title"), text.MAX_NAME)
        name = name if name and not CURRENCY_MARK.search(name) else visible.name_of(link)
        if name:
            return name
    for image in node.css("img[alt]"):
        name = text.clean(image.attributes.get("alt"), text.MAX_NAME)
        if name:
            return name
    return ""


def _product(tree: LexborHTMLParser, heading: str, reading: ReadContext) -> Listing | None:
    shown = visible.beside_heading(tree, reading.url, reading.currency, reading.decimals)
    plain = shown.plain() if shown is not None else None
    if shown is None or plain is None:
        return None
    price, before = plain
    return Listing(
        vendor=reading.vendor,
        sku=address_key(reading.url) or heading,
        name=heading,
        fetched_at=reading.fetched_at,
        url=reading.url,
        year=text.year(heading),
        price=price,
        list_price=list_price(price, before),
        availability=visible.stated_stock(shown.block),
    )

"""A product or listing page as listings, whatever it carries: JSON-LD, microdata, RDFa, OpenGraph metas, embedded state, tiles.

The readings are tried from the most explicit to the least, and a later one only fills what an earlier one left open. When
nothing is stated, nothing is invented: a page without data gives no listing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from hexar.agents.vendors import text
from hexar.agents.vendors.model import Availability, Listing
from hexar.agents.vendors.money import currency_code, money
from hexar.agents.vendors.page import jsliteral, microdata, schema, state, tiles
from hexar.agents.vendors.page.common import (
    ReadContext,
    availability,
    filled,
    list_price,
    merged,
    name_key,
    objects,
    same_product,
    web_url,
)
from hexar.agents.vendors.text import words

#: Characters of a page, and places in its scripts, that are looked at.
MAX_PAGE = 8_000_000
MAX_PLACES = 400
#: Open elements at any place of a page; more is refused. Browsers stop at 512.
MAX_NESTING = 4000
# Elements whose end tag people leave out, and those without one, do not nest.
_NESTING_TAG = re.compile(
    r"<(/?)(?!(?:p|li|dt|dd|tr|td|th|tbody|thead|tfoot|option|optgroup|colgroup|br|hr|img|input|meta|link|base|area|col|embed|source"
    r"|track|wbr|param|path|rect|use|circle|line|polygon|g)\b)[a-z][a-z0-9-]*\b[^<>]*(?<!/)>",
    re.I,
)
_PRICED = re.compile(r"price|prix|precio", re.I)
_LITERAL = re.compile(r"(?:[=(:]|\breturn)\s*(?=[\[{])")
_PARSE = re.compile(r"JSON\.parse\(\s*(?=[\"'`])")
_PUSHED = re.compile(r"^[0-9a-f]{1,6}:(?:[A-Z])?(?=[\[{])", re.M)
_DATA_SCRIPT = re.compile(r"json|x-magento-init|x-component", re.I)
_DATA_ELEMENTS = ", ".join(f"[data-{name}]" for name in words("product product-json props state item gtm analytics"))
_CODE_IN_SCRIPT = re.compile(
    r"[\"']?(?:price_?currency|currency_?(?:iso_?)?(?:code)?)[\"']?\s*[:=]\s*[\"']([A-Z]{3})[\"']", re.I
)


@dataclass(slots=True)
class Page:
    """What a page carries: schema.org ``nodes``, ``metas`` by name, ``roots`` of embedded data, and the currencies it names."""

    nodes: list[Any] = field(default_factory=list)
    metas: dict[str, str] = field(default_factory=dict)
    roots: list[Any] = field(default_factory=list)
    currencies: Counter[str] = field(default_factory=Counter)
    canonical: str = ""
    heading: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class PageListings:
    """The products that a page shows, its main heading, and whether data on it was there but could not be read."""

    listings: list[Listing]
    heading: str
    broken: bool


def read_page(html: str, reading: ReadContext) -> list[Listing]:
    """The products that a page shows, each once, in page order.

    ``reading.currency`` is what the vendor's configuration says; the page's own word goes before it.
    """
    return find(html, reading).listings


def find(html: str, reading: ReadContext) -> PageListings:
    """As :func:`read_page`, with what one needs to choose the main product or to call a page malformed."""
    source = html[:MAX_PAGE]
    if _too_deep(source):
        return PageListings([], "", broken=True)
    tree = LexborHTMLParser(source)
    page = _collect(tree, source)
    found = _listings(tree, page, reading)
    if not found and not page.broken:
        base = replace(reading, url=_base(page, reading.url))
        found = tiles.listings(tree, page.heading, replace(base, currency=_currency(page, base)))
    if len(found) > 1:
        category = schema.breadcrumb(page.nodes)
        found = [row if row.category or not category else replace(row, category=category) for row in found]
    return PageListings(found, page.heading, page.broken and not found)


def _too_deep(source: str) -> bool:
    """True for nesting that no person writes: an HTML parser takes quadratic time for it."""
    if source.count("<") <= MAX_NESTING:
        return False
    depth = 0
    for match in _NESTING_TAG.finditer(source):
        depth += -1 if match.group(1) else 1
        if depth > MAX_NESTING:
            return True
        depth = max(depth, 0)
    return False


def _listings(tree: LexborHTMLParser, page: Page, reading: ReadContext) -> list[Listing]:
    reading = replace(reading, url=_base(page, reading.url))
    stated = schema.listings(page.nodes, replace(reading, currency=_currency(page, reading)))
    if stated and all(row.price and row.price.currency and row.availability is not Availability.UNKNOWN for row in stated):
        return _with_meta(stated, page, reading)
    page.roots = list(_roots(tree))
    embedded_nodes = [node for node in objects(page.roots, state.MAX_OBJECTS) if schema.is_product(node) and "@type" in node]
    page.currencies.update(state.currencies(page.roots))
    reading = replace(reading, currency=_currency(page, reading))
    if page.nodes or embedded_nodes:
        stated = schema.listings([*page.nodes, *embedded_nodes], reading)
    return _with_meta(_joined(stated, state.listings(page.roots, reading)), page, reading)


def main_listing(listings: list[Listing], heading: str, url: str) -> Listing | None:
    """The product that a product page is about: by its address, else by its heading, else the only or first one."""
    address = url.split("?")[0].rstrip("/")
    for listing in listings:
        if listing.url and listing.url.split("?")[0].rstrip("/") == address:
            return listing
    key = name_key(heading)
    for listing in listings:
        if key and name_key(listing.name) and (name_key(listing.name) in key or key in name_key(listing.name)):
            return listing
    return listings[0] if listings else None


def _joined(stated: list[Listing], embedded: list[Listing]) -> list[Listing]:
    if not stated:
        return embedded
    found = []
    for listing in stated:
        for other in embedded:
            if same_product(listing, other) or (listing.url and listing.url == other.url):
                listing = filled(listing, other)
        found.append(listing)
    if any(listing.price is not None for listing in found):
        return merged(found)
    # The vocabulary only names the products; the data behind the page prices them.
    return merged([*(row for row in found if row.price is not None), *embedded]) or found


def _collect(tree: LexborHTMLParser, source: str) -> Page:
    page = Page()
    work = jsliteral.Work()
    for element in tree.css("script[type]"):
        if "ld+json" not in (element.attributes.get("type") or "").lower():
            continue
        body = element.text(deep=True) or ""
        for candidate in (body, unescape(body) if "&" in body else ""):
            try:
                page.nodes.append(jsliteral.loads(candidate, work))
                break
            except jsliteral.NotData:
                continue
        else:
            page.broken = page.broken or bool(body.strip())
    page.nodes.extend(microdata.nodes(tree, source))
    for element in tree.css("meta[content]"):
        name = element.attributes.get("property") or element.attributes.get("name") or ""
        if name:
            page.metas.setdefault(name.strip().lower(), element.attributes.get("content") or "")
    link = tree.css_first("link[rel=canonical]")
    page.canonical = (link.attributes.get("href") or "") if link is not None else ""
    heading = tree.css_first("h1")
    page.heading = text.clean(heading.text(deep=True), text.MAX_NAME) if heading is not None else ""
    for name in ("product:price:currency", "og:price:currency"):
        code = currency_code(page.metas.get(name))
        if code:
            page.currencies[code] += 1000
    for element in tree.css("script:not([src])"):
        for match in _CODE_IN_SCRIPT.finditer(element.text(deep=True) or ""):
            if match.group(1).isupper() and currency_code(match.group(1)):
                page.currencies[match.group(1)] += 1
    return page


def _base(page: Page, url: str) -> str:
    return url or web_url(page.canonical, "") or web_url(page.metas.get("og:url"), "")


def _currency(page: Page, reading: ReadContext) -> str:
    """The currency that the page states. Of several, the configured one where it is among them, else the metas' one."""
    if not page.currencies:
        return reading.currency
    if len(page.currencies) == 1:
        return next(iter(page.currencies))
    if reading.currency in page.currencies:
        return reading.currency
    (first, count), *_ = page.currencies.most_common(1)
    return first if count >= 1000 else reading.currency


def _with_meta(listings: list[Listing], page: Page, reading: ReadContext) -> list[Listing]:
    if len(listings) > 1:
        return listings
    metas = page.metas
    currency = currency_code(metas.get("product:price:currency") or metas.get("og:price:currency")) or _currency(page, reading)
    stated = metas.get("product:sale_price:amount") or metas.get("product:price:amount") or metas.get("og:price:amount")
    price = money(stated, currency, decimals=reading.decimals)
    before = money(
        metas.get("product:original_price:amount") or metas.get("product:price:amount"), currency, decimals=reading.decimals
    )
    name = text.clean(metas.get("og:title"), text.MAX_NAME)
    if not listings and (price is None or not name):
        return []
    url = web_url(metas.get("og:url"), reading.url) or reading.url
    sku = text.clean(metas.get("product:retailer_item_id") or metas.get("product:sku"), 120)
    meta = Listing(
        vendor=reading.vendor,
        sku=sku or url.split("?")[0].rstrip("/").rpartition("/")[2] or name,
        name=page.heading or name,
        fetched_at=reading.fetched_at,
        url=url,
        brand=text.clean(metas.get("product:brand") or metas.get("og:brand"), text.MAX_NAME),
        gtin=text.gtin(metas.get("product:gtin") or metas.get("product:ean") or metas.get("product:upc")),
        category=text.clean(metas.get("product:category"), text.MAX_LINE),
        year=text.year(page.heading or name),
        description=text.plain(metas.get("og:description") or metas.get("description")),
        image_url=web_url(metas.get("og:image"), reading.url),
        price=price,
        list_price=list_price(price, before),
        availability=availability(metas.get("product:availability") or metas.get("og:availability")),
    )
    return [filled(listings[0], meta)] if listings else [meta]


def _roots(tree: LexborHTMLParser) -> Iterator[Any]:
    places = MAX_PLACES
    work = jsliteral.Work()
    for element in tree.css("script:not([src])"):
        kind = element.attributes.get("type") or ""
        body = element.text(deep=True) or ""
        if "ld+json" in kind.lower() or not _PRICED.search(body):
            continue
        if _DATA_SCRIPT.search(kind):
            try:
                yield from _unpacked(jsliteral.loads(body, work), work)
            except jsliteral.NotData:
                continue
            continue
        end = 0
        matches = sorted([*_LITERAL.finditer(body), *_PARSE.finditer(body)], key=lambda match: match.end())
        for match in matches:
            if match.end() < end or places <= 0:
                continue
            window = body[match.end() : match.end() + 4000]
            if not _PRICED.search(window) and len(window) < 4000:
                continue
            places -= 1
            try:
                if match.re is _PARSE:
                    inner, end = jsliteral.string(body, match.end())
                    yield jsliteral.loads(inner, work)
                else:
                    value, end = jsliteral.read(body, match.end(), work)
                    yield from _unpacked(value, work)
            except jsliteral.NotData:
                continue
    for element in tree.css(_DATA_ELEMENTS):
        for name, value in element.attributes.items():
            if name.startswith("data-") and value and value[:1] in "{[" and _PRICED.search(value) and places > 0:
                places -= 1
                try:
                    yield jsliteral.loads(value, work)
                except jsliteral.NotData:
                    continue


def _unpacked(value: Any, work: jsliteral.Work) -> Iterator[Any]:
    """A value, and the data that its long strings carry in turn (hydration data is often a string inside a string)."""
    yield value
    budget = 2000
    stack = [value]
    while stack and budget:
        budget -= 1
        node = stack.pop()
        if isinstance(node, (list, dict)):
            children = node.values() if isinstance(node, dict) else node
            stack.extend(child for child in children if isinstance(child, (list, dict, str)))
        elif isinstance(node, str) and len(node) > 100 and '"' in node and _PRICED.search(node):
            starts = [match.end() for match in _PUSHED.finditer(node)] or ([0] if node.lstrip()[:1] in ("{", "[") else [])
            for start in starts[:50]:
                try:
                    yield jsliteral.read(node, start, work)[0]
                except jsliteral.NotData:
                    continue

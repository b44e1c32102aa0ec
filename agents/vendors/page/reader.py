"""A product or listing page as listings, whatever it carries: JSON-LD, microdata, RDFa, OpenGraph metas, embedded state, tiles.

The readings are tried from the most explicit to the least, and a later one only fills what an earlier one left open. When
nothing is stated, nothing is invented: a page without data gives no listing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from hexar.agents.vendors import text
from hexar.agents.vendors.model import Availability, Listing
from hexar.agents.vendors.money import currency_code, money
from hexar.agents.vendors.page import jsliteral, microdata, schema, state, tiles, visible
from hexar.agents.vendors.page.common import (
    ReadContext,
    address_key,
    availability,
    filled,
    list_price,
    merged,
    name_key,
    objects,
    page_path,
    same_product,
    web_url,
)
from hexar.agents.vendors.page.offers import types
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
#: Nodes of the vocabulary whose types tell what kind of page it is; and how much of the stated price the shown one must be.
MAX_KINDS = 5000
MIN_SHARE = 0.3
_TITLE_PARTS = re.compile(r"\s[|–—:-]\s|\s*[|]\s*")
_NAME_WORD = re.compile(r"[^\W_]{2,}")
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
    title: str = ""
    broken: bool = False

    def names(self) -> tuple[str, ...]:
        """What the page's metas and title call what it is about, without the shop's name behind a dash."""
        titles = [self.metas.get("og:title", ""), self.title]
        return tuple(part for title in titles for part in (title, *_TITLE_PARTS.split(title)[:1]) if part)


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
    if not (
        stated and all(row.price and row.price.currency and row.availability is not Availability.UNKNOWN for row in stated)
    ):
        page.roots = list(_roots(tree))
        embedded_nodes = [
            node for node in objects(page.roots, state.MAX_OBJECTS) if schema.is_product(node) and "@type" in node
        ]
        page.currencies.update(state.currencies(page.roots))
        reading = replace(reading, currency=_currency(page, reading))
        if page.nodes or embedded_nodes:
            stated = schema.listings([*page.nodes, *embedded_nodes], reading)
        stated = _joined(stated, state.listings(page.roots, reading), page, reading.url)
    found = _with_meta(_own(stated, page, reading.url), page, reading)
    return [_as_shown(found[0], tree, reading)] if len(found) == 1 and page.heading else found


def _is_complete(row: Listing) -> bool:
    return row.price is not None and bool(row.price.currency) and row.availability is not Availability.UNKNOWN


#: Types of pages and lists that show several products; and what a page about one product says of itself.
_LISTING_PAGES = frozenset({"searchresultspage", "collectionpage", "offercatalog"})
_PRODUCT_PAGES = frozenset({"itempage", "productpage"})
_META_PRICES = ("product:sale_price:amount", "product:price:amount", "og:price:amount")


def _own(found: list[Listing], page: Page, url: str) -> list[Listing]:
    """Of a page about one product, that product alone: what a carousel shows beside it is not what the page offers.

    Empty where the page is about a product and none of ``found`` is it.
    """
    kinds = {kind for node in objects(page.nodes, MAX_KINDS) for kind in types(node)}
    if kinds & _LISTING_PAGES:
        return found
    own = about(found, page.heading, url, *page.names())
    if own is not None:
        return [own]
    # Themes call any page a product in og:type; a price in the metas is one product's.
    if not kinds & _PRODUCT_PAGES and not any(page.metas.get(name) for name in _META_PRICES):
        return found
    elsewhere = {page_path(url), page_path(web_url(page.canonical, url))}
    return [row for row in found if not row.url or page_path(row.url) in elsewhere]


def about(found: list[Listing], heading: str, url: str, *names: str) -> Listing | None:
    """The listing that a page is about: the one with its address, else the one that its heading or title names outright."""
    here = [row for row in found if row.url and page_path(row.url) == page_path(url)]
    if len(here) == 1:
        return here[0]
    for name in (heading, *names):
        key = name_key(name)
        named = [row for row in here or found if key and name_key(row.name) == key]
        if len(named) == 1:
            return named[0]
    return None


def main_listing(found: list[Listing], heading: str, url: str, known: Listing | None = None) -> Listing | None:
    """The product that a product page is about; None where nothing says which it is.

    By its address, by its heading, by what is ``known`` of it (number, name); else the only one, unless its own address or
    its name says that it is another. A page never gives the offer of a product that it merely shows.
    """
    own = about(found, heading, url, known.name if known is not None else "")
    if own is not None:
        return own
    if known is not None:
        for row in found:
            if row.sku == known.sku or (row.gtin and row.gtin == known.gtin):
                return row
    open_rows = [row for row in found if not row.url or page_path(row.url) == page_path(url)]
    candidates = open_rows or found
    named = [row for row in candidates if _names(heading, row.name) or (known is not None and _names(known.name, row.name))]
    if len(named) == 1:
        return named[0]
    said = [name for name in (heading, known.name if known is not None and known.name != known.sku else "") if name]
    if len(open_rows) == 1 and not any(_unlike(name, open_rows[0].name) for name in said):
        return open_rows[0]
    return None


def _names(said: str, name: str) -> bool:
    """True where one of two names holds the other."""
    left, right = name_key(said), name_key(name)
    return bool(left) and bool(right) and (left in right or right in left)


def _unlike(said: str, name: str) -> bool:
    """True where two names have no word in common."""
    return set(_NAME_WORD.findall(said.casefold())).isdisjoint(_NAME_WORD.findall(name.casefold()))


def _as_shown(listing: Listing, tree: LexborHTMLParser, reading: ReadContext) -> Listing:
    """``listing`` with the price that people see beside its heading, where the page's data states an older one.

    Only where one price is to be seen, the data names one as well, and both are of the same size: what is far off is an
    instalment or an accessory.
    """
    prices = {row.price for row in listing.variants if row.price is not None} | {listing.price}
    if listing.price is None or len(prices) != 1:
        return listing
    shown = visible.beside_heading(tree, reading.url, listing.price.currency, reading.decimals)
    plain = shown.plain() if shown is not None else None
    if plain is None or plain[0].currency != listing.price.currency:
        return listing
    price, before = plain
    if price.micros == listing.price.micros:
        return listing if listing.list_price is not None else replace(listing, list_price=list_price(price, before))
    # Raised cents are easily overlooked: "59" beside 59.99 is no other price, unless the page strikes out 59.99.
    whole = before != listing.price and price.micros == listing.price.micros // 1_000_000 * 1_000_000
    if whole or not MIN_SHARE <= price.micros / listing.price.micros <= 1 / MIN_SHARE:
        return listing
    return replace(
        listing,
        price=price,
        list_price=list_price(price, before or listing.list_price),
        variants=tuple(replace(row, price=price, list_price=None) if row.price else row for row in listing.variants),
    )


def _joined(stated: list[Listing], embedded: list[Listing], page: Page, url: str) -> list[Listing]:
    if not stated:
        return embedded
    found = []
    for listing in stated:
        for other in embedded:
            if same_product(listing, other) or (listing.url and listing.url == other.url):
                listing = filled(listing, other)
        found.append(listing)
    own = about(found, page.heading, url, *page.names())
    if any(listing.price is not None for listing in found) or own is not None:
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
                page.nodes.extend(jsliteral.values(candidate, work))
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
    page.heading = (visible.name_of(heading) or text.clean(heading.html, text.MAX_NAME)) if heading is not None else ""
    title = tree.css_first("title")
    page.title = text.clean(title.text(deep=True), text.MAX_NAME) if title is not None else ""
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
    stated = next((metas[name] for name in _META_PRICES if metas.get(name)), None)
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
        sku=sku or address_key(url) or name,
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
    if not listings:
        return [meta]
    known = listings[0]
    if known.url and page_path(known.url) != page_path(url) and _unlike(name, known.name) and _unlike(page.heading, known.name):
        # What was found is another product of the page, and the metas name its own.
        return [meta] if name and price is not None else listings
    return [filled(known, meta)]


def _roots(tree: LexborHTMLParser) -> Iterator[Any]:
    places = MAX_PLACES
    work = jsliteral.Work()
    for element in tree.css("script:not([src])"):
        kind = element.attributes.get("type") or ""
        body = element.text(deep=True) or ""
        if "ld+json" in kind.lower() or not _PRICED.search(body):
            continue
        if _DATA_SCRIPT.search(kind):
            with suppress(jsliteral.NotData):
                for value in jsliteral.values(body, work):
                    yield from _unpacked(value, work)
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

"""The adapter for Shopify's ``/products.json``: the whole catalogue with variants, prices and stock, in pages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import orjson
from selectolax.lexbor import LexborHTMLParser

from hexar.agents.transport.cancel import Cancel
from hexar.agents.vendors import text
from hexar.agents.vendors.config import VendorConfig
from hexar.agents.vendors.errors import VendorStatus
from hexar.agents.vendors.formats.adapter import CatalogueAgent
from hexar.agents.vendors.model import Availability, Listing, Variant
from hexar.agents.vendors.money import currency_code, money
from hexar.agents.vendors.page.common import (
    MAX_TAGS,
    ReadContext,
    add_attribute,
    availability,
    best_availability,
    cheapest,
    list_price,
    unique,
    variants_of,
    web_url,
)
from hexar.agents.vendors.transport.http import Validators
from hexar.core.deadline import Deadline

#: Products asked for in one page, the most that the format gives.
PAGE_SIZE = 250
_SIZE = re.compile(r"\b(?:size|sizes|length|talla|tamaño|taille|grösse|größe|taglia)\b", re.I)
_SEASON = re.compile(r"(\d\d)[-/](\d\d)")
_FACT = re.compile(r"([A-Z][\w /&()-]{1,38}?)\s*[:–]\s+(\S.{0,180})")


class ShopifyConfig(VendorConfig):
    """A Shopify shop."""

    adapter: Literal["shopify"]


class ShopifyAgent(CatalogueAgent[ShopifyConfig]):
    """Reads ``url``/products.json page after page. The format names no currency: ``currency`` or /meta.json does."""

    def read(
        self, deadline: Deadline, validators: Validators | None, cancel: Cancel | None
    ) -> tuple[list[Listing], Validators] | None:
        """Fetch all pages; an unchanged catalogue is not read twice. Raises VendorError."""
        pages: list[list[Any]] = []
        digest = hashlib.sha256()
        for number in range(1, self.config.max_pages + 1):
            url = self._under(f"/products.json?limit={PAGE_SIZE}&page={number}")
            page = self.client.get(url, deadline, accept="application/json", cancel=cancel)
            rows = self._rows(page.body)
            # A shop that ignores "page" sends the same products again: that ends the catalogue too.
            if pages and rows == pages[-1]:
                break
            pages.append(rows)
            digest.update(page.body)
            if len(rows) < PAGE_SIZE or len(pages) * PAGE_SIZE >= self.config.max_products:
                break
        same = Validators(etag=digest.hexdigest())
        if validators == same:
            return None
        reading = self._reading(self._under("/"), self.config.currency or self._stated_currency(deadline, cancel))
        found: dict[str, Listing] = {}
        for rows in pages:
            for listing in read_products(rows, reading):
                found.setdefault(listing.sku, listing)
        return list(found.values()), same

    def _rows(self, body: bytes) -> list[Any]:
        try:
            data = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            raise self._malformed("products.json is not JSON") from error
        rows = data.get("products") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise self._malformed("products.json holds no list of products")
        return rows

    def _stated_currency(self, deadline: Deadline, cancel: Cancel | None) -> str:
        try:
            page = self.client.get(self._under("/meta.json"), deadline, accept="application/json", cancel=cancel)
            data = orjson.loads(page.body)
        except (VendorStatus, orjson.JSONDecodeError):
            # A shop may not tell; its prices then have no currency.
            return ""
        return currency_code(data.get("currency")) if isinstance(data, dict) else ""


def read_products(rows: list[Any], reading: ReadContext) -> Iterator[Listing]:
    """The listings of the ``products`` of one products.json; rows that name no product are passed over."""
    for row in rows:
        if isinstance(row, dict):
            listing = _product(row, reading)
            if listing is not None:
                yield listing


def _product(row: Mapping[str, Any], reading: ReadContext) -> Listing | None:
    name = text.clean(row.get("title"), text.MAX_NAME)
    handle = text.clean(row.get("handle"), 200)
    sku = handle or text.clean(row.get("id"), 40)
    if not name or not sku:
        return None
    options = _options(row)
    variants = variants_of(_variants(row, options, reading))
    price, before = cheapest([(part.price, part.list_price, part.availability) for part in variants], reading.currency)
    tags = row.get("tags")
    tags = tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list) else []
    tags = [tag for tag in (text.clean(tag, 100) for tag in tags) if tag]
    attributes = _attributes(row, options, tags)
    gtins = {part.gtin for part in variants if part.gtin}
    return Listing(
        vendor=reading.vendor,
        sku=sku,
        name=name,
        fetched_at=reading.fetched_at,
        url=web_url(f"products/{handle}", reading.url) if handle else "",
        brand=text.clean(row.get("vendor"), text.MAX_NAME),
        gtin=next(iter(gtins)) if len(gtins) == 1 else "",
        category=text.clean(row.get("product_type")),
        year=_year(name, handle, tags),
        description=text.plain(row.get("body_html")),
        image_url=_image(row, reading),
        attributes=attributes,
        tags=unique(tags, MAX_TAGS),
        price=price,
        list_price=list_price(price, before),
        availability=best_availability(part.availability for part in variants),
        sizes=unique((part.size for part in variants), 200),
        variants=variants,
    )


def _options(row: Mapping[str, Any]) -> list[str]:
    """The names of option1, option2, option3."""
    options = row.get("options")
    rows = options if isinstance(options, list) else []
    named = [option.get("name") if isinstance(option, dict) else option for option in rows]
    return [text.clean(name, 60) for name in named]


def _variants(row: Mapping[str, Any], options: list[str], reading: ReadContext) -> Iterator[Variant]:
    parts = row.get("variants")
    sized = next((index for index, name in enumerate(options, 1) if _SIZE.search(name)), None)
    for part in parts if isinstance(parts, list) else []:
        if not isinstance(part, dict):
            continue
        price = money(part.get("price"), reading.currency, decimals=reading.decimals)
        before = money(part.get("compare_at_price"), reading.currency, decimals=reading.decimals)
        state = part.get("available")
        title = text.clean(part.get("title"), text.MAX_NAME)
        yield Variant(
            sku=text.clean(part.get("sku"), 120) or text.clean(part.get("id"), 40),
            title="" if title == "Default Title" else title,
            size=text.clean(part.get(f"option{sized}"), 60) if sized else "",
            price=price,
            list_price=list_price(price, before),
            availability=availability(state) if isinstance(state, bool) else Availability.UNKNOWN,
            gtin=text.gtin(part.get("barcode")),
        )


def _attributes(row: Mapping[str, Any], options: list[str], tags: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for tag in tags:
        name, mark, value = tag.partition(":")
        if mark and name.strip() and value.strip() and not value.startswith("//"):
            add_attribute(found, name.strip().lower(), value)
    parts = row.get("variants")
    for index, name in enumerate(options, 1):
        if name and name.lower() != "title" and not _SIZE.search(name):
            for part in parts if isinstance(parts, list) else []:
                if isinstance(part, dict):
                    add_attribute(found, name.lower(), part.get(f"option{index}"))
    body = row.get("body_html")
    if isinstance(body, str) and ("<li" in body or "<td" in body):
        for name, value in _facts(body):
            add_attribute(found, name, value)
    return found


def _facts(body: str) -> Iterator[tuple[str, str]]:
    """ "Flex: 6" in the bullets of a description, and rows of two cells in its tables."""
    tree = LexborHTMLParser(body[:200_000])
    for bullet in tree.css("li"):
        match = _FACT.fullmatch(text.clean(bullet.html))
        if match:
            yield match.group(1), match.group(2)
    for row in tree.css("tr"):
        cells = [text.clean(cell.html) for cell in row.css("td, th")]
        if len(cells) == 2 and 0 < len(cells[0]) <= 40:
            yield cells[0], cells[1]


def _year(name: str, handle: str, tags: list[str]) -> int | None:
    found = text.year(name, handle.replace("-", " "))
    if found is not None:
        return found
    seasons = {
        2000 + int(match.group(2))
        for match in (_SEASON.fullmatch(tag) for tag in tags)
        if match and int(match.group(2)) == int(match.group(1)) + 1 and int(match.group(2)) >= 10
    }
    years = seasons | {int(tag) for tag in tags if re.fullmatch(r"20[0-4]\d", tag)}
    return years.pop() if len(years) == 1 else None


def _image(row: Mapping[str, Any], reading: ReadContext) -> str:
    images = row.get("images")
    first = images[0] if isinstance(images, list) and images else row.get("image")
    return web_url(first.get("src") if isinstance(first, dict) else first, reading.url)

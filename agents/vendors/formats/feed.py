"""The adapter for Google Merchant feeds: what its items (:mod:`hexar.agents.vendors.formats.feed_items`) say of products."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Literal

from hexar.agents.transport.cancel import Cancel
from hexar.agents.vendors import text
from hexar.agents.vendors.config import VendorConfig
from hexar.agents.vendors.formats.adapter import CatalogueAgent
from hexar.agents.vendors.formats.feed_items import BadFeed, Item, read_items
from hexar.agents.vendors.model import Listing, Money, Variant
from hexar.agents.vendors.money import money
from hexar.agents.vendors.page.common import (
    ReadContext,
    add_attribute,
    availability,
    best_availability,
    cheapest,
    is_used,
    list_price,
    number,
    unique,
    variants_of,
    web_url,
)
from hexar.agents.vendors.page.offers import MAX_DAYS, fastest
from hexar.agents.vendors.text import words
from hexar.agents.vendors.transport.http import Validators
from hexar.core.deadline import Deadline

#: Fields that have a place of their own in a listing; the others are attributes.
_TAKEN = frozenset(
    words(
        """id title description summary content link imagelink additionalimagelink availability price saleprice
    salepriceeffectivedate brand gtin mpn itemgroupid size producttype googleproductcategory shipping productdetail
    producthighlight updated published guid tax installment minhandlingtime maxhandlingtime"""
    )
)


class FeedConfig(VendorConfig):
    """A merchant feed; ``url`` is its own address."""

    adapter: Literal["feed"]
    #: The feed's form; ``auto`` looks at the first bytes.
    feed_format: Literal["auto", "xml", "tsv"] = "auto"


class FeedAgent(CatalogueAgent[FeedConfig]):
    """Reads the feed at ``url``; an unchanged feed (ETag, Last-Modified) is not read twice."""

    def read(
        self, deadline: Deadline, validators: Validators | None, cancel: Cancel | None
    ) -> tuple[list[Listing], Validators] | None:
        """Fetch the feed. Raises VendorError."""
        accept = "application/xml, text/xml, text/tab-separated-values, */*;q=0.1"
        with self.client.stream(self.config.url, deadline, accept=accept, validators=validators, cancel=cancel) as answer:
            if answer.status == 304:
                return None
            try:
                items = read_items(answer.chunks, self.config.feed_format, limit=self.config.max_bytes)
                found = listings(items, self._reading(answer.url), limit=self.config.max_products)
            except BadFeed as error:
                raise self._malformed(f"the feed cannot be read: {error}") from error
            return found, Validators.of(answer.headers)


def listings(items: Iterable[Item], reading: ReadContext, *, limit: int = 1_000_000) -> list[Listing]:
    """The products of a feed. Items of one ``item_group_id`` are variants of one product."""
    groups: dict[str, list[_Read]] = {}
    for item in items:
        row = _read(item, reading)
        if row is None:
            continue
        key = f"g:{row.group}" if row.group else f"i:{row.listing.sku}"
        if key in groups or len(groups) < limit:
            groups.setdefault(key, []).append(row)
    return [_grouped(rows, reading) for rows in groups.values()]


class _Read:
    __slots__ = ("listing", "group", "size")

    def __init__(self, listing: Listing, group: str, size: str) -> None:
        self.listing = listing
        self.group = group
        self.size = size


def _said(item: Item, *names: str) -> str:
    for name in names:
        for value in item.get(name, ()):
            if isinstance(value, str) and value:
                return value
    return ""


def _read(item: Item, reading: ReadContext) -> _Read | None:
    name = text.clean(_said(item, "title"), text.MAX_NAME)
    link = _said(item, "link")
    sku = text.clean(_said(item, "id") or _said(item, "guid") or link, 200)
    if not name or not sku:
        return None
    regular = money(_said(item, "price"), reading.currency, decimals=reading.decimals, coded=True)
    sale = money(_said(item, "saleprice"), reading.currency, decimals=reading.decimals, coded=True)
    if not _runs(_said(item, "salepriceeffectivedate"), reading.fetched_at):
        sale = None
    if sale is not None and regular is not None and sale.currency == regular.currency and sale.micros > regular.micros:
        sale = None  # a sale that costs more is a leftover: what is regular holds
    price = sale or regular
    kinds = [text.clean(_said(item, key)) for key in ("producttype", "googleproductcategory")]
    listing = Listing(
        vendor=reading.vendor,
        sku=sku,
        name=name,
        fetched_at=reading.fetched_at,
        url=web_url(link, reading.url),
        brand=text.clean(_said(item, "brand"), text.MAX_NAME),
        gtin=text.gtin(_said(item, "gtin")),
        mpn=text.clean(_said(item, "mpn"), 120),
        category=next((kind for kind in kinds if kind and not kind.isdigit()), ""),
        year=text.year(name),
        description=text.plain(_said(item, "description", "summary", "content")),
        image_url=web_url(_said(item, "imagelink"), reading.url),
        attributes=_attributes(item),
        price=price,
        list_price=list_price(price, regular),
        availability=availability(_said(item, "availability")),
        shipping=_shipping(item, reading),
        delivery_days=_delivery(item),
    )
    return _Read(listing, text.clean(_said(item, "itemgroupid"), 120), text.clean(_said(item, "size"), 60))


def _attributes(item: Item) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in item.get("productdetail", ()):
        if isinstance(value, dict):
            add_attribute(found, value.get("attributename"), value.get("attributevalue"))
    for value in item.get("producthighlight", ()):
        add_attribute(found, "highlights", value)
    for name, values in item.items():
        if name not in _TAKEN and not name.endswith("link") and not name.startswith("customlabel"):
            for value in values[:5]:
                if isinstance(value, str) and len(value) <= 300:
                    add_attribute(found, _SHOWN_NAMES.get(name, name), value)
    return found


_SHOWN_NAMES = {"agegroup": "age group", "sizesystem": "size system", "sizetype": "size type", "productweight": "weight",
                "productlength": "length", "productwidth": "width", "productheight": "height"}  # fmt: skip


def _shipping(item: Item, reading: ReadContext) -> Money | None:
    costs = []
    for value in item.get("shipping", ()):
        stated = value.get("price") if isinstance(value, dict) else value
        cost = money(stated, reading.currency, decimals=reading.decimals, zero=True, coded=True)
        if cost is not None:
            costs.append(cost)
    return min(costs, key=lambda row: row.micros) if costs else None


def _delivery(item: Item) -> tuple[int, int] | None:
    """Days from the order to the door: handling, of the item or of one way of shipping, and transit; of several the fastest."""
    outer = {name: next(iter(item.get(name, ())), "") for name in ("minhandlingtime", "maxhandlingtime")}
    found = []
    for way in item.get("shipping", ()):
        if not isinstance(way, dict):
            continue
        stated = {**outer, **{name: value for name, value in way.items() if value}}
        days = {name: number(stated.get(name)) for name in _TIMES}
        longest = days["maxtransittime"] if days["maxtransittime"] is not None else days["mintransittime"]
        if longest is None:
            continue
        most = longest + (days["maxhandlingtime"] or days["minhandlingtime"] or 0)
        least = (days["mintransittime"] or 0) + (days["minhandlingtime"] or 0)
        if 0 <= least <= most <= MAX_DAYS:
            found.append((math.floor(least), math.ceil(most)))
    return fastest(found)


_TIMES = ("minhandlingtime", "maxhandlingtime", "mintransittime", "maxtransittime")


def _runs(period: str, now: float) -> bool:
    """True when ``now`` is inside "start/end" (ISO 8601); also where no period, or an unreadable one, is stated."""
    start, mark, end = period.partition("/")
    if not mark:
        return True
    try:
        first, last = (datetime.fromisoformat(part.strip()).timestamp() for part in (start, end))
    except ValueError:
        return True
    return first <= now <= last


def _grouped(rows: list[_Read], reading: ReadContext) -> Listing:
    first = rows[0]
    if not first.group:
        return replace(first.listing, sizes=(first.size,)) if first.size else first.listing
    # A used piece in a group of new ones is not what the product costs.
    rows = [row for row in rows if not is_used(row.listing.attributes.get("condition"))] or rows
    first, parts = rows[0], [row.listing for row in rows]
    price, before = cheapest([(part.price, part.list_price, part.availability) for part in parts], reading.currency)
    gtins = {part.gtin for part in parts}
    shippings = [part.shipping for part in parts if part.shipping is not None]
    return replace(
        first.listing,
        sku=first.group,
        name=_common_name(rows),
        gtin=first.listing.gtin if len(gtins) == 1 else "",
        price=price,
        list_price=list_price(price, before),
        availability=best_availability(part.availability for part in parts),
        sizes=unique((row.size for row in rows), 200),
        shipping=min(shippings, key=lambda row: row.micros) if shippings else None,
        delivery_days=fastest(part.delivery_days for part in parts),
        variants=variants_of(
            Variant(
                row.listing.sku,
                row.listing.name,
                row.size,
                row.listing.price,
                row.listing.list_price,
                row.listing.availability,
                row.listing.gtin,
            )
            for row in rows
        ),
    )


def _common_name(rows: list[_Read]) -> str:
    """The title without the size that a variant's title ends in, where all agree then."""
    names = {row.listing.name for row in rows}
    if len(names) == 1:
        return names.pop()
    bare = {
        re.sub(rf"[\s,(/|-]*\b{re.escape(row.size)}\)?$", "", row.listing.name).strip() if row.size else row.listing.name
        for row in rows
    }
    return bare.pop() if len(bare) == 1 else rows[0].listing.name

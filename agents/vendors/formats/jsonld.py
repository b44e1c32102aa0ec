"""The adapter for shops with product data in their pages: a search page is the light reading, product pages the heavy one.

JSON-LD gives it its name; a page that carries microdata, OpenGraph metas or embedded state instead is read as well
(:mod:`hexar.agents.vendors.page.reader`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal
from urllib.parse import quote, quote_plus

from pydantic import field_validator, model_validator

from hexar.agents.transport.cancel import Cancel
from hexar.agents.vendors import text
from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.config import VendorConfig, check_path
from hexar.agents.vendors.errors import VendorStatus
from hexar.agents.vendors.formats.adapter import HttpAgent
from hexar.agents.vendors.model import Listing
from hexar.agents.vendors.page import apart
from hexar.agents.vendors.page.common import filled, merged
from hexar.agents.vendors.page.reader import PageListings, main_listing
from hexar.core.deadline import Deadline

_ACCEPT = "text/html, application/xhtml+xml;q=0.9, */*;q=0.1"


class JsonLdConfig(VendorConfig):
    """A shop whose pages carry product data."""

    adapter: Literal["jsonld"]
    #: Path and query of the search page; ``{terms}`` is replaced by the quoted search terms.
    search: str = "/search?q={terms}"
    #: Path of a product page by ``{sku}``; empty where the shop has none (the listings' own URLs are used).
    product: str = ""

    _paths = field_validator("search", "product")(check_path)

    @model_validator(mode="after")
    def _sku(self) -> JsonLdConfig:
        if self.product and "{sku}" not in self.product:
            raise ValueError("product must contain {sku}")
        return self


class JsonLdAgent(HttpAgent[JsonLdConfig]):
    """Reads ``search`` once for the terms, and product pages for known products that the search does not show."""

    def light(self, request: LightRequest, deadline: Deadline, *, cancel: Cancel | None = None) -> list[Listing]:
        """The products of the search page, then the known ``skus`` that it does not show. Raises VendorError."""
        deadline = self._within(deadline)
        found: list[Listing] = []
        if request.terms or not (request.skus and self.config.product):
            found = self._page(self._search_url(request.terms), deadline, cancel).listings[: self.config.max_products]
        shown = {listing.sku for listing in found}
        missing = [sku for sku in dict.fromkeys(request.skus) if sku not in shown]
        if missing and self.config.product:
            wanted = [Listing(self.name, sku, sku, 0.0) for sku in missing[: self.config.max_pages]]
            if found:
                # The search page has answered: a product page that fails must not take its answer away.
                found = merged([*found, *self._tolerant(wanted, deadline, cancel)])
            else:
                found = self._side_by_side(lambda row: self._product(row, deadline, cancel), wanted, deadline)
        return found

    def heavy(self, listings: Sequence[Listing], deadline: Deadline, *, cancel: Cancel | None = None) -> list[Listing]:
        """The products with what their own pages say. Raises VendorError when no page could be read."""
        deadline = self._within(deadline)
        wanted = [row for row in listings if row.url or self.config.product][: self.config.max_pages]
        if not wanted:
            return []

        def read(listing: Listing) -> Listing | None:
            page = self._product(listing, deadline, cancel)
            return filled(page, listing) if page is not None else None

        return self._side_by_side(read, wanted, deadline)

    def light_key(self, request: LightRequest) -> dict[str, object]:
        """The search page's address, and the products that are read beside it."""
        skus = sorted(set(request.skus)) if self.config.product else []
        return {"adapter": self.config.adapter, "url": self._search_url(request.terms), "skus": skus}

    def _search_url(self, terms: str) -> str:
        words = text.clean(terms, 200).casefold()
        return self._under(self.config.search.replace("{terms}", quote_plus(words)))

    def _tolerant(self, wanted: list[Listing], deadline: Deadline, cancel: Cancel | None) -> list[Listing]:
        def read(listing: Listing) -> Listing | None:
            return self._product(listing, deadline, cancel) or listing

        try:
            rows = self._side_by_side(read, wanted, deadline)
        except VendorStatus:
            return []
        return [row for row in rows if row.fetched_at]

    def _product(self, listing: Listing, deadline: Deadline, cancel: Cancel | None) -> Listing | None:
        if self.config.product:
            url = self._under(self.config.product.replace("{sku}", quote(listing.sku, safe="")))
        else:
            url = listing.url
        try:
            page = self._page(url, deadline, cancel)
        except VendorStatus as error:
            if error.status in (404, 410):
                return None
            raise
        main = main_listing(page.listings, page.heading, url, listing)
        # The vendor's listing page named the product: its name for it stays, so that both readings meet again.
        return replace(main, sku=listing.sku) if main is not None else None

    def _page(self, url: str, deadline: Deadline, cancel: Cancel | None) -> PageListings:
        page = self.client.get(url, deadline, accept=_ACCEPT, cancel=cancel)
        source = text.decode(page.body, page.headers.get("content-type", ""))
        found = apart.find(source, self._reading(page.url), deadline, cancel)
        if not found.listings and (found.broken or "<" not in source[:10_000]):
            raise self._malformed("the page's data cannot be read")
        return found

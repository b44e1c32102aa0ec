"""The plain-Python oracle of merging: slow, obvious, not shipped. Same rules, none of the machinery."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.core.merge.oracle_matching import is_gtin

OFFER_FIELDS = {
    "price", "list_price", "sale_price", "discount", "currency", "availability", "stock", "sizes", "shipping", "variants",
    "offers", "url", "sku",
}  # fmt: skip
LIVE_FIRST = {"rating", "rating_count", "reviews"}
ABOUT_THE_ROW = {"id", "product_id", "vendor", "fetched_at", "tier", "stale"}


@dataclass(frozen=True)
class Reading:
    """One row of one vendor, and where it is from."""

    vendor: str
    live: bool
    fetched_at: float | None
    tier: str
    stale: bool
    row: Mapping[str, Any]

    def rank(self, live_first: bool) -> tuple[Any, ...]:
        """Ascending: the greatest rank wins."""
        return (
            self.live if live_first else False,
            -math.inf if self.fetched_at is None else self.fetched_at,
            self.live,
            descending(self.vendor),
            descending(self.tier),
            not self.stale,
        )

    def source(self) -> tuple[Any, ...]:
        return (self.vendor, self.fetched_at, self.tier, self.stale, self.live)


def descending(text: str) -> tuple[int, ...]:
    """Greater where ``text`` is smaller."""
    return (*(-ord(c) for c in text), 1)


def canonical(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{canonical(k)}:{canonical(v)}" for k, v in value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(canonical(v) for v in value) + "]"
    return f"{type(value).__name__} {value!r}"


def known(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != () and value != {}


def reading(vendor: str, live: bool, row: Mapping[str, Any]) -> Reading:
    return Reading(vendor, live, row.get("fetched_at"), str(row.get("tier") or ""), bool(row.get("stale")), row)


def merge(static: Sequence[Mapping[str, Any]], live_by_vendor: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Product id → fields, provenance and offers, from all readings at once: gather, then take the greatest."""
    by_product: dict[str, list[Reading]] = {}
    by_sku: dict[tuple[str, str], str] = {}
    by_gtin: dict[str, str] = {}
    for row in static:
        by_product.setdefault(row["id"], []).append(reading(row.get("vendor") or "", False, row))
        if row.get("vendor") and row.get("sku"):
            key = (row["vendor"], row["sku"])
            by_sku[key] = min(row["id"], by_sku.get(key, row["id"]))
        gtin = row.get("gtin") or ""
        if is_gtin(gtin):
            by_gtin[gtin.rjust(14, "0")] = min(row["id"], by_gtin.get(gtin.rjust(14, "0"), row["id"]))
    for vendor, rows in live_by_vendor.items():
        for row in rows:
            gtin = row.get("gtin") or ""
            if row.get("product_id"):
                name = row["product_id"]
            elif (vendor, row.get("sku")) in by_sku:
                name = by_sku[vendor, row["sku"]]
            elif is_gtin(gtin):
                name = by_gtin.get(gtin.rjust(14, "0"), "gtin:" + gtin.rjust(14, "0"))
            elif row.get("sku") or row.get("name") or row.get("title"):
                name = f"{vendor}/{row.get('sku') or row.get('name') or row.get('title')}"
            else:
                continue
            by_product.setdefault(name, []).append(reading(vendor, True, row))
    return {name: product(readings) for name, readings in by_product.items()}


def product(readings: list[Reading]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    provenance: dict[str, Any] = {}
    names = {name for r in readings for name, value in r.row.items() if known(value)}
    for name in names - OFFER_FIELDS - ABOUT_THE_ROW:
        candidates = [r for r in readings if known(r.row.get(name))]
        candidates.sort(key=lambda r: canonical(r.row[name]), reverse=True)
        winner = candidates[0]
        for r in candidates[1:]:
            if r.rank(name in LIVE_FIRST) >= winner.rank(name in LIVE_FIRST):
                winner = r
        fields[name], provenance[name] = winner.row[name], winner.source()
    offers: dict[tuple[str, str], tuple[Any, dict[str, Any]]] = {}
    ranked: list[tuple[Reading, dict[str, Any]]] = []
    for r in readings:
        values = {name: r.row[name] for name in OFFER_FIELDS & set(r.row) if known(r.row[name])}
        if values and r.vendor:
            ranked.append((r, values))
    ranked.sort(key=lambda pair: canonical(pair[1]), reverse=True)
    ranked.sort(key=lambda pair: pair[0].rank(True))
    for r, values in ranked:
        offers[r.vendor, values.get("sku", "")] = (r.source(), values)
    return {"fields": fields, "provenance": provenance, "offers": offers}

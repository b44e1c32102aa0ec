"""Products in the data that a page carries for its own scripts: initial state, hydration data, data layers, data attributes.

There is no vocabulary here, only habits: an object with a name, a price and further marks of a product is one. The names of
the marks below are those that shop systems use, compared without case and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from hexar.agents.vendors import text
from hexar.agents.vendors.model import Availability, Listing, Money, Variant
from hexar.agents.vendors.money import currency_code, money
from hexar.agents.vendors.page.common import (
    ReadContext,
    add_attribute,
    availability,
    best_availability,
    cheapest,
    is_used,
    list_price,
    merged,
    number,
    objects,
    rating,
    text_of,
    unique,
    variants_of,
    web_url,
    whole,
)
from hexar.agents.vendors.text import words

#: Objects of one page that are looked at.
MAX_OBJECTS = 50_000
#: Products of one page that are kept.
MAX_PRODUCTS = 2000
_NAME = words("productname name title producttitle displayname itemname fulltitle fullname productdisplayname")
_SKU = words(
    """sku productid itemid productcode itemnumber partnumber stylenumber styleid masterproductid pid prodid code
    objectid id handle"""
)
_PRICE = words(
    """saleprice salesprice currentprice sellingprice finalprice offerprice specialprice activeprice discountedprice nowprice
    yourprice price prices pricing priceinfo pricedata pricerange minprice lowprice lowestprice priceamount unitprice
    displayprice aggregates offers"""
)
_BEFORE = words(
    """listprice regularprice originalprice msrp compareatprice wasprice retailprice fullprice strikethroughprice oldprice
    rrp crossedprice baseprice"""
)
_NOW = words(
    """sales sale saleprice salesprice current currentprice now nowprice special specialprice discounted discountedprice
    final finalprice selling sellingprice offer price value amount minsaleprice min minprice low lowprice"""
)
_WAS = words(
    """list listprice regular regularprice original originalprice was wasprice msrp compareat compareatprice minlistprice
    compareatmin strike old rrp base baseprice"""
)
_SHOWN = words("formatted formattedvalue formattedprice display displayprice text")
_CURRENCY = words("currency currencycode pricecurrency currencyiso currencyisocode isocode")
_MARKS = (
    frozenset(["brand", "brandname", "manufacturer", "vendor", "itembrand"]),
    frozenset(words(
    """sku productid itemid productcode gtin gtin13 upc ean mpn partnumber stylenumber masterproductid handle"""
)),
    frozenset(words("image images imageurl thumbnail media tileimages picture featuredimage primaryimage")),
    frozenset(words("url producturl link slug handle pdpurl href canonicalurl")),
    frozenset(
        words(
    """availability instock isinstock available isavailable availableforsale soldout issoldout outofstock stockstatus
    availabilitystatus orderable inventory stock"""
)
    ),
    frozenset(words("variants variationattributes skus childskus options sizes variations representedsizes")),
    frozenset(["category", "categories", "producttype", "itemcategory"]),
    frozenset(words("description longdescription shortdescription ratings rating averagerating reviewcount")),
)  # fmt: skip
_STOCK = words("availability availabilitystatus stockstatus inventorystatus stockavailability availabilitymessage messages")
_YES = words(
    """instock isinstock available isavailable availableforsale orderable isorderable saleable issaleable purchasable
    hasstock"""
)
_NO = ["soldout", "issoldout", "outofstock", "isoutofstock"]
_LEVEL = words(
    """availabletosell ats inventoryquantity quantityavailable stockquantity stocklevel totalinventory inventory stock"""
)
#: Whether a shop counts its stock at all.
_COUNTED = words("inventorymanagement managestock trackinventory inventorytracked tracksinventory ismanaged")
_SOLD_ON = words("backorders backordersallowed allowbackorder backorderable isbackorderable")
#: From how many pieces on a price holds; and the state of a thing.
_QUANTITY = words("minquantity minqty minimumquantity fromquantity quantitybreak breakquantity minorderquantity qty quantity")
_CONDITION = words("condition itemcondition conditiontype state")
_PARTS = words("variants skus childskus variations offers items")
_SIZE = ["size", "sizename", "sizelabel", "displaysize"]


def listings(roots: Iterable[Any], reading: ReadContext) -> list[Listing]:
    """The products in embedded data, each once, in page order."""
    found = []
    outer: dict[int, Mapping[str, Any]] = {}
    for raw in objects(roots, MAX_OBJECTS):
        for child in raw.values():
            if isinstance(child, dict):
                outer[id(child)] = raw
        listing = _product(_folded(raw), reading)
        if listing is not None and not listing.url and id(raw) in outer:
            # A hit often wraps the product and its links side by side.
            listing = replace(listing, url=_url(_folded(outer[id(raw)]), reading))
        if listing is not None:
            found.append(listing)
            if len(found) >= MAX_PRODUCTS:
                break
    return merged(found)


def currencies(roots: Iterable[Any]) -> Iterator[str]:
    """Every currency that embedded data states, with repetitions."""
    for node in _objects(roots):
        for key in _CURRENCY[:5]:
            value = node.get(key)
            code = currency_code(value) or (currency_code(_folded(value).get("code")) if isinstance(value, dict) else "")
            if code:
                yield code


def _objects(roots: Iterable[Any]) -> Iterator[dict[str, Any]]:
    return (_folded(node) for node in objects(roots, MAX_OBJECTS))


def _folded(node: Mapping[str, Any]) -> dict[str, Any]:
    folded: dict[str, Any] = {}
    for key, value in node.items():
        folded.setdefault(re.sub(r"[^a-z0-9]", "", key.lower()), value)
    return folded


def _first(node: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((node[name] for name in names if node.get(name) not in (None, "", [], {})), None)


def _product(node: Mapping[str, Any], reading: ReadContext) -> Listing | None:
    name = next((found for key in _NAME if (found := text.clean(node.get(key), text.MAX_NAME))), "")
    if not name or sum(1 for marks in _MARKS if marks & node.keys()) < 2:
        return None
    currency = _currency(node) or reading.currency
    price, before = _prices(node, currency, reading)
    variants = _variants(node, currency, reading)
    if price is None:
        price, before = cheapest([(row.price, row.list_price, row.availability) for row in variants], currency)
    if price is None:
        return None
    attributes = _attributes(node)
    ratings = _folded(node["ratings"]) if isinstance(node.get("ratings"), dict) else (
        _folded(node["rating"]) if isinstance(node.get("rating"), dict) else node
    )  # fmt: skip
    count = whole(_first(ratings, ("reviewcount", "ratingcount", "numberofreviews", "count", "totalreviews", "reviewscount")))
    score = rating(_first(ratings, ("reviewaverage", "averagerating", "average", "ratingvalue", "rating", "score")))
    return Listing(
        vendor=reading.vendor,
        sku=next((found for key in _SKU if (found := text.clean(node.get(key), 120))), "") or name,
        name=name,
        fetched_at=reading.fetched_at,
        url=_url(node, reading),
        brand=text_of(_first(node, ("brand", "brandname", "itembrand", "manufacturer", "vendor")), "name", "label", "value"),
        gtin=next((found for key in ("gtin", "gtin13", "ean", "upc", "barcode") if (found := text.gtin(node.get(key)))), ""),
        mpn=text_of(node.get("mpn")),
        category=_category(node),
        year=text.year(name),
        description=text.plain(_first(node, ("longdescription", "description", "descriptionhtml", "shortdescription"))),
        image_url=web_url(
            text_of(_first(node, ("image", "images", "imageurl", "featuredimage", "thumbnail")), "url", "src"), reading.url
        ),
        attributes=attributes,
        price=price,
        list_price=list_price(price, before),
        availability=_stock(node, 0),
        sizes=unique([*(row.size for row in variants), *_sizes(node)], 200),
        variants=variants,
        rating=score if count != 0 else None,
        rating_count=count if score is not None and count else None,
    )


def _url(node: Mapping[str, Any], reading: ReadContext) -> str:
    stated = _first(node, ("url", "producturl", "canonicalurl", "pdpurl", "link", "href", "urls", "links"))
    if isinstance(stated, dict):
        stated = _first(_folded(stated), ("product", "url", "href", "pdp", "canonical", "self"))
    return web_url(stated, reading.url)


def _category(node: Mapping[str, Any]) -> str:
    stated = text_of(_first(node, ("category", "itemcategory", "primarycategory")), "name", "displayvalue")
    kind = text_of(node.get("producttype"), "name")
    # Shop systems also call the place of an object in their data model its product type.
    return stated or ("" if kind.lower() in ("master", "variant", "simple", "configurable", "standard", "variation") else kind)


def _currency(node: Mapping[str, Any]) -> str:
    for key in _CURRENCY:
        value = node.get(key)
        code = currency_code(value) or (currency_code(_folded(value).get("code")) if isinstance(value, dict) else "")
        if code:
            return code
    return ""


def _prices(node: Mapping[str, Any], currency: str, reading: ReadContext) -> tuple[Money | None, Money | None]:
    # A theme's product object counts in hundredths, and is known by these companions of its price.
    cents = isinstance(node.get("price"), int) and bool({"pricevaries", "pricemin"} & node.keys())
    price = before = None
    for key in _PRICE:
        price, before = _read_price(node.get(key), currency, reading, 0)
        if price is not None:
            break
    for key in _BEFORE:
        if before is not None:
            break
        before, _ = _read_price(node.get(key), currency, reading, 0)
    if price is None:
        price, before = before, None
    if cents:
        return _hundredth(price), _hundredth(before)
    return price, before


def _hundredth(value: Money | None) -> Money | None:
    return Money(value.currency, value.micros // 100) if value is not None else None


def _read_price(value: Any, currency: str, reading: ReadContext, depth: int) -> tuple[Money | None, Money | None]:
    if depth > 4 or value is None:
        return None, None
    if isinstance(value, list):
        rows = [_read_price(item, currency, reading, depth + 1) for item in _plain_rows(value[:200])]
        found = [row for row in rows if row[0] is not None]
        return min(found, key=lambda row: row[0].micros if row[0] else 0) if found else (None, None)
    if not isinstance(value, dict):
        return money(value, currency, decimals=reading.decimals), None
    node = _folded(value)
    currency = _currency(node) or currency
    if isinstance(node.get("centamount"), int):
        digits = whole(node.get("fractiondigits"))
        exact = money(node["centamount"], currency)
        scale = 10 ** min(digits if digits is not None else 2, 6)
        return (Money(exact.currency, exact.micros // scale) if exact is not None else None), None
    price = before = None
    for key in _NOW:
        price, before = _read_price(node.get(key), currency, reading, depth + 1)
        if price is not None:
            break
    for key in _WAS:
        if before is not None:
            break
        before, _ = _read_price(node.get(key), currency, reading, depth + 1)
    if price is None:
        price, before = before, None
    if price is None:
        price = next((shown for key in _SHOWN if (shown := money(node.get(key), currency, decimals=reading.decimals))), None)
    return price, before


def _plain_rows(rows: list[Any]) -> list[Any]:
    """The rows that are a price of one new piece; all, where none is."""
    return [row for row in rows if not isinstance(row, dict) or _is_plain(_folded(row))] or rows


def _is_plain(node: Mapping[str, Any]) -> bool:
    """False for a price of several pieces, and for a thing that was used."""
    # The quantity of a variant is its stock.
    names = _QUANTITY if _first(node, ("sku", "id", "size", "name", "title")) is None else _QUANTITY[:-2]
    least = number(_first(node, names))
    return (least is None or least <= 1) and not is_used(text_of(_first(node, _CONDITION), "name", "value", "label", "code"))


def _untracked(node: Mapping[str, Any]) -> bool:
    """True where nothing left does not mean sold out: the shop does not count, or sells on."""
    if any(node[name] in (None, False, "") for name in _COUNTED if name in node):
        return True
    if any(node.get(name) is True for name in _SOLD_ON):
        return True
    policy = text.clean(_first(node, ("inventorypolicy", "stockpolicy", *_SOLD_ON)))
    return policy.lower() in ("continue", "true", "yes", "notify", "allow")


def _stock(node: Mapping[str, Any], depth: int) -> Availability:
    for key in _STOCK:
        value = node.get(key)
        state = _stock(_folded(value), depth + 1) if isinstance(value, dict) and depth < 3 else availability(_word(value))
        if state is not Availability.UNKNOWN:
            return state
    for key in _YES:
        if isinstance(node.get(key), bool):
            return Availability.IN_STOCK if node[key] else Availability.OUT_OF_STOCK
    for key in _NO:
        if isinstance(node.get(key), bool):
            return Availability.OUT_OF_STOCK if node[key] else Availability.IN_STOCK
    for key in _LEVEL:
        value = node.get(key)
        if isinstance(value, dict) and depth < 3:
            state = _stock(_folded(value), depth + 1)
            if state is not Availability.UNKNOWN:
                return state
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if value > 0:
                return Availability.IN_STOCK
            if not _untracked(node):
                return Availability.OUT_OF_STOCK
    return _stock_of_parts(node, depth) if depth < 3 else Availability.UNKNOWN


def _stock_of_parts(node: Mapping[str, Any], depth: int) -> Availability:
    """The stock of a product that states it of its variants or of the values that can be chosen."""
    for key in _PARTS:
        rows = node.get(key)
        if isinstance(rows, list):
            state = best_availability(_stock(_folded(row), depth + 1) for row in rows[:500] if isinstance(row, dict))
            if state is not Availability.UNKNOWN:
                return state
    # A choice without a single value that can be ordered (every size) is a product that cannot be bought.
    choices = [_choice_stock(choice) for choice in _choices(node)]
    return next(
        (state for state in (Availability.OUT_OF_STOCK, Availability.IN_STOCK) if state in choices), Availability.UNKNOWN
    )


def _word(value: Any) -> Any:
    return text.clean(value[0]) if isinstance(value, list) and len(value) == 1 else value


def _choices(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = _first(node, ("variationattributes", "options", "attributes"))
    return [_folded(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _choice_values(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = choice.get("values")
    return [_folded(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _choice_stock(choice: Mapping[str, Any]) -> Availability:
    return best_availability(_stock(value, 3) for value in _choice_values(choice))


def _sizes(node: Mapping[str, Any]) -> Iterator[str]:
    for choice in _choices(node):
        label = " ".join(
            text.clean(choice.get(key), 60).lower() for key in ("id", "name", "displayname", "attributeid", "label")
        )
        if "size" in label or "length" in label or "talla" in label:
            for value in _choice_values(choice):
                yield text.clean(_first(value, ("displayvalue", "label", "name", "value")), 60)
            plain = choice.get("values")
            if isinstance(plain, list):
                yield from (text.clean(value, 60) for value in plain)
            return
    for key in ("sizes", "representedsizes", "availablesizes"):
        rows = node.get(key)
        if isinstance(rows, list):
            for row in rows:
                yield text_of(row, "name", "label", "value", "size")
            break


def _variants(node: Mapping[str, Any], currency: str, reading: ReadContext) -> tuple[Variant, ...]:
    rows = _first(node, _PARTS[:4])
    found = []
    cents = bool({"pricevaries", "pricemin"} & node.keys())
    for part in _plain_rows(rows[:500]) if isinstance(rows, list) else ():
        if not isinstance(part, dict):
            continue
        row = _folded(part)
        price, before = _prices(row, _currency(row) or currency, reading)
        if cents:
            price, before = _hundredth(price), _hundredth(before)
        sku = text.clean(_first(row, _SKU), 120)
        size = text_of(_first(row, _SIZE), "name", "value", "label")
        if sku or size:
            found.append(
                Variant(
                    sku=sku,
                    title=text.clean(_first(row, _NAME), text.MAX_NAME),
                    size=size,
                    price=price,
                    list_price=list_price(price, before),
                    availability=_stock(row, 1),
                    gtin=text.gtin(_first(row, ("gtin", "ean", "upc", "barcode"))),
                )
            )
    return variants_of(found)


def _attributes(node: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in ("attributes", "specifications", "specs", "features", "technicalspecs", "techspecs"):
        for row in _labelled(node.get(key)):
            label = text_of(_first(row, ("label", "name", "displayname", "key", "title")))
            values = _first(row, ("value", "values", "displayvalue", "text"))
            for value in values if isinstance(values, list) else [values]:
                add_attribute(found, label, text_of(value, "displayvalue", "value", "name", "label"))
    for key in ("color", "gender", "material", "weight", "flex", "shape", "season"):
        if isinstance(node.get(key), (str, int, float)) and number(node.get(key)) != 0:
            add_attribute(found, key, node[key])
    return found


def _labelled(rows: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    if isinstance(rows, dict):
        for key, value in rows.items():
            if isinstance(value, (str, int, float)):
                yield {"label": key, "value": value}
        return
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            folded = _folded(row)
            inner = folded.get("attributes") or folded.get("items")
            if isinstance(inner, list) and depth < 2:
                yield from _labelled(inner, depth + 1)
            else:
                yield folded

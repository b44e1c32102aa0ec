"""Offers of schema.org, and the values that its nodes are made of: text, lists, quantities.

An offer stands for a product where it is new, of one piece, to be bought, in force and for anybody; :class:`Offer` tells
which of these hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hexar.agents.vendors import text
from hexar.agents.vendors.model import Availability, Money
from hexar.agents.vendors.money import currency_code, money
from hexar.agents.vendors.page.common import (
    ReadContext,
    availability,
    best_availability,
    is_used,
    moment,
    number,
    text_of,
    web_url,
)
from hexar.agents.vendors.text import words

Node = Mapping[str, Any]

_STRUCK = ("strikethroughprice", "listprice", "srp", "msrp", "suggestedretailprice", "regularprice")
GTINS = ("gtin", "gtin13", "gtin12", "gtin14", "gtin8", "ean", "upc", "isbn")
#: Properties of a price that not everybody pays, or not once.
_NARROW = words("validForMemberTier billingDuration billingIncrement billingPeriod membershipPointsEarned eligibleCustomerType")
#: Units of a reference quantity that are one piece; empty where none is stated.
_PIECES = frozenset(["", "C62", "EA", "H87", "PCE", "NMP"])
#: What says that a price is paid again and again, and the units of the time between.
_BILLED = words("billingDuration billingIncrement billingPeriod")
_PERIODS = frozenset(["MON", "ANN", "WEE", "DAY"])
_LET = re.compile(r"lease|rent|maintain|repair|buy$|provideservice", re.I)
_UNITS = {"CMT": "cm", "MMT": "mm", "MTR": "m", "INH": "in", "FOT": "ft", "GRM": "g", "KGM": "kg", "LBR": "lb", "ONZ": "oz",
          "LTR": "l", "P1": "%"}  # fmt: skip

#: Units of time in days, and the days that an estimate may say.
_DAYS = {"DAY": 1.0, "D": 1.0, "HUR": 1 / 24, "HOUR": 1 / 24, "H": 1 / 24, "WEE": 7.0, "WEEK": 7.0}
MAX_DAYS = 366


def types(node: Any) -> set[str]:
    """The types of a node in lower case, without their vocabulary."""
    if not isinstance(node, dict):
        return set()
    value = node.get("@type", node.get("type"))
    rows = value if isinstance(value, list) else [value]
    return {re.split(r"[/#:]", row)[-1].lower() for row in rows if isinstance(row, str)}


def each(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, dict) and "@type" not in value:
        # PHP writes a list with a gap, or with a named entry beside it, as an object of numbered ones.
        numbered = [row for key, row in value.items() if key.isdigit() and isinstance(row, dict)]
        if numbered:
            return numbered
    return value if isinstance(value, list) else [value]


class Offer:
    """The reader of one offer; ``outer`` is the AggregateOffer around it."""

    __slots__ = words("price list_price availability sku gtin name size url shipping delivery condition single current")

    def __init__(self, node: Node, reading: ReadContext, outer: Node | None = None) -> None:
        outer = outer or {}
        stated = currency_code(first_text(node.get("priceCurrency"))) or currency_code(first_text(outer.get("priceCurrency")))
        currency = stated or reading.currency
        item = node.get("itemOffered")
        item = item if isinstance(item, dict) else {}
        self.price, self.list_price = _prices(node, currency, reading)
        #: As the page writes it ("UsedCondition").
        self.condition = first_text(item.get("itemCondition") or node.get("itemCondition") or outer.get("itemCondition"))
        self.condition = self.condition.rstrip("/").rpartition("/")[2]
        #: One piece, sold once and not let.
        self.single = _is_single(node) and not _recurs(node) and not _LET.search(first_text(node.get("businessFunction")))
        self.current = in_force(node, reading.fetched_at)
        states = [availability(text_of(value, "@id", "name")) for value in each(node.get("availability"))]
        if not any(state is not Availability.UNKNOWN for state in states):
            states = [availability(text_of(value, "@id", "name")) for value in each(outer.get("availability"))]
        self.availability = best_availability(states)
        if self.availability is Availability.UNKNOWN:
            self.availability = _inventory(node.get("inventoryLevel"))
        self.sku = text_of(node.get("sku")) or text_of(item.get("sku"))
        gtins = [text.gtin(text_of(source[key])) for source in (node, item) for key in GTINS if key in source]
        self.gtin = next((value for value in gtins if value), "")
        self.name = text_of(node.get("name")) or text_of(item.get("name"))
        self.size = next(iter(sizes(item.get("size", node.get("size")))), "")
        self.url = web_url(text_of(node.get("url")), reading.url) if node.get("url") else ""
        self.shipping = _shipping(node.get("shippingDetails"), currency, reading)
        self.delivery = _delivery(node)

    @property
    def new(self) -> bool:
        """True where the offer does not state that the thing was used."""
        return not is_used(self.condition)


def _prices(node: Node, currency: str, reading: ReadContext) -> tuple[Money | None, Money | None]:
    """The price of one piece to anybody, and the struck one beside it."""
    price = _price(node.get("price"), currency, reading) or _price(node.get("lowPrice"), currency, reading)
    before: Money | None = None
    rows = [row for row in each(node.get("priceSpecification")) if isinstance(row, dict) and _is_for_all(row)]
    rows = [row for row in rows if in_force(row, reading.fetched_at)] or rows
    # Of a net and a gross price the gross one is paid.
    rows.sort(key=lambda row: str(row.get("valueAddedTaxIncluded")).lower() == "false")
    for row in rows:
        own = currency_code(first_text(row.get("priceCurrency"))) or currency
        value = _price(row.get("price"), own, reading) or _price(row.get("minPrice"), own, reading)
        kind = first_text(row.get("priceType")).rpartition("/")[2].lower()
        if kind in _STRUCK:
            before = before or value
        elif price is None or kind == "saleprice":
            price = value or price
    return price, before


def _is_for_all(row: Node) -> bool:
    """False for a price of delivery, of several pieces, of a kilogram, of a month, or for members only."""
    if "deliverycharge" in " ".join(types(row)) or any(row.get(key) for key in _NARROW) or not _is_single(row):
        return False
    reference = row.get("referenceQuantity")
    unit = text_of(reference.get("unitCode")) if isinstance(reference, dict) else ""
    return unit.upper() in _PIECES


def _is_single(row: Node) -> bool:
    """False where at least two pieces must be bought."""
    for quantity in each(row.get("eligibleQuantity")):
        least = number(quantity.get("minValue", quantity.get("value"))) if isinstance(quantity, dict) else number(quantity)
        if least is not None and least > 1:
            return False
    return True


def _recurs(node: Node) -> bool:
    """Whether the offer's price is that of a subscription: paid again after a time, as its specification says."""
    asked = number(text_of(node.get("price")))
    for row in each(node.get("priceSpecification")):
        if isinstance(row, dict) and (any(row.get(key) for key in _BILLED) or text_of(row.get("unitCode")).upper() in _PERIODS):
            paid = number(text_of(row.get("price")))
            if paid is not None and paid == asked:
                return True
    return False


def in_force(row: Node, now: float) -> bool:
    """False where ``row`` states a time that has ended, or one that has not begun."""
    begun = [stamp for key in ("validFrom", "availabilityStarts") if (stamp := moment(first_text(row.get(key)))) is not None]
    names = ("validThrough", "priceValidUntil", "availabilityEnds")
    ended = [stamp for key in names if (stamp := moment(first_text(row.get(key)), end=True)) is not None]
    return all(stamp <= now for stamp in begun) and all(stamp >= now for stamp in ended)


def _price(value: Any, currency: str, reading: ReadContext) -> Money | None:
    if isinstance(value, dict):
        value = value.get("value", value.get("price", value.get("@value")))
    rows = [money(item, currency, decimals=reading.decimals) for item in each(value)]
    return next((row for row in rows if row is not None), None)


def _inventory(value: Any) -> Availability:
    level = number(value.get("value")) if isinstance(value, dict) else number(value)
    if level is None:
        return Availability.UNKNOWN
    return Availability.IN_STOCK if level > 0 else Availability.OUT_OF_STOCK


def _shipping(value: Any, currency: str, reading: ReadContext) -> Money | None:
    found = []
    for row in each(value):
        rate = row.get("shippingRate") if isinstance(row, dict) else None
        for amount in each(rate):
            if isinstance(amount, dict):
                own = currency_code(first_text(amount.get("currency"))) or currency
                found.append(money(amount.get("value", amount.get("maxValue")), own, decimals=reading.decimals, zero=True))
    costs = [row for row in found if row is not None]
    return min(costs, key=lambda row: row.micros) if costs else None


def _delivery(node: Node) -> tuple[int, int] | None:
    """Days from the order to the door: handling and transit together; of several ways the fastest. ``deliveryLeadTime`` says
    both in one."""
    found = []
    for row in each(node.get("shippingDetails")):
        for stated in each(row.get("deliveryTime") if isinstance(row, dict) else None):
            if isinstance(stated, dict) and (transit := _days(stated.get("transitTime"))) is not None:
                handling = _days(stated.get("handlingTime")) or (0, 0)
                found.append((handling[0] + transit[0], handling[1] + transit[1]))
    lead = _days(node.get("deliveryLeadTime"))
    return fastest([*found, *([lead] if lead else [])])


def _days(value: Any) -> tuple[int, int] | None:
    for row in each(value):
        if not isinstance(row, dict):
            continue
        if isinstance(row.get("duration"), dict):
            row = row["duration"]
        unit = text_of(row.get("unitCode")).upper() or text_of(row.get("unitText")).upper() or "DAY"
        scale = _DAYS.get(unit.removesuffix("S"))
        single = number(row.get("value"))
        low, high = number(row.get("minValue")), number(row.get("maxValue"))
        high = high if high is not None else single if single is not None else low
        low = low if low is not None else single if single is not None else 0
        if scale is None or high is None or not 0 <= low <= high <= MAX_DAYS / scale:
            continue
        return math.floor(low * scale), math.ceil(high * scale)
    return None


def fastest(times: Iterable[tuple[int, int] | None]) -> tuple[int, int] | None:
    """Of several estimates the one that ends first; None where there is none."""
    stated = [time for time in times if time is not None]
    return min(stated, key=lambda time: (time[1], time[0])) if stated else None


def sizes(value: Any) -> list[str]:
    found = [quantity(row) if isinstance(row, dict) else text.clean(row, 60) for row in each(value)]
    return [size for size in found if size]


def quantity(row: Node) -> str:
    value = text_of(row.get("value"))
    low, high = text_of(row.get("minValue")), text_of(row.get("maxValue"))
    if not value and (low or high):
        value = f"{low}-{high}" if low and high else low or high
    value = value or text_of(row.get("name"))
    code = text_of(row.get("unitCode"))
    unit = text_of(row.get("unitText")) or _UNITS.get(code, "")
    return f"{value} {unit}".strip() if value else ""


def first_text(value: Any) -> str:
    if isinstance(value, list):
        return next((found for item in value if (found := first_text(item))), "")
    if isinstance(value, dict):
        return first_text(value.get("@value", value.get("@id", value.get("name"))))
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""

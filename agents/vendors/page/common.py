"""What all readers of vendor data share: the context of a reading, words for stock, ratings, the merging of readings."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

from hexar.agents.vendors import text
from hexar.agents.vendors.errors import VendorRefused
from hexar.agents.vendors.model import Availability, Listing, Money, Review, Variant
from hexar.agents.vendors.money import Decimals
from hexar.agents.vendors.transport.guard import split_url

#: Most values kept of one product.
MAX_ATTRIBUTES = 100
MAX_TAGS = 100
MAX_VARIANTS = 500
MAX_REVIEWS = 500


_PLAIN_URL = re.compile(
    r"https?://[a-z0-9][a-z0-9.-]{0,250}(?::\d{1,5})?/[\w~%?=&+,;@!*()$/-]*(?:\.[\w~%?=&+,;@!*()$/-]+)*", re.A
)


@dataclass(frozen=True, slots=True)
class ReadContext:
    """Whose data is read, from where, and what holds where the data is silent."""

    vendor: str
    fetched_at: float
    url: str = ""
    currency: str = ""
    decimals: Decimals = "auto"


_STOCK = {
    Availability.IN_STOCK: """instock available instoreonly onlineonly limitedavailability lowstock limitedstock
        availablenow yes instockonline availableforsale disponible enstock hayexistencias enexistencias
        auflager lieferbar enstockdisponible""",
    Availability.OUT_OF_STOCK: """outofstock soldout notavailable unavailable reserved no oos outofstockonline agotado sinstock
        sinexistencias nodisponible ausverkauft nichtverfugbar rupturedestock epuise indisponible currentlyunavailable""",
    Availability.PREORDER: "preorder presale comingsoon preventa preorderonly availableforpreorder",
    Availability.BACKORDER: "backorder backordered madetoorder availableforbackorder onbackorder availableonorder",
    Availability.DISCONTINUED: "discontinued descatalogado endoflife",
}
_STOCK_WORDS = {word: state for state, words in _STOCK.items() for word in words.split()}
_BEST_FIRST = (
    Availability.IN_STOCK,
    Availability.PREORDER,
    Availability.BACKORDER,
    Availability.OUT_OF_STOCK,
    Availability.DISCONTINUED,
)


def availability(value: Any) -> Availability:
    """The stock that a word states: "https://schema.org/InStock", "in stock", "IN_STOCK", true, "agotado"."""
    if isinstance(value, bool):
        return Availability.IN_STOCK if value else Availability.OUT_OF_STOCK
    word = text.clean(value, 100).rstrip("/").rpartition("/")[2].rpartition("#")[2]
    return _STOCK_WORDS.get(re.sub(r"[^a-z]", "", word.lower().replace("é", "e").replace("ü", "u")), Availability.UNKNOWN)


_USED = re.compile(r"used|refurb|renewed|reconditioned|damaged|second ?hand|pre-?owned|open ?box|b-?ware|gebraucht|usado|usada"
                   r"|segunda mano|reacondicionad|occasion|ricondizionat|usato|defekt|outlet", re.I)  # fmt: skip
_NOT_USED = re.compile(r"\bun-?used|\bnever[ _-]?used|sin usar|^new", re.I)


def is_used(condition: Any) -> bool:
    """True where a word for the state of a thing says that it was used, returned or repaired ("UsedCondition", "open box")."""
    said = text.clean(condition, 100).rstrip("/").rpartition("/")[2]
    return bool(_USED.search(said)) and not _NOT_USED.search(said)


def moment(value: str, *, end: bool = False) -> float | None:
    """An ISO 8601 date or time as Unix seconds, None for anything else. A day ends with its last second; no zone is UTC."""
    try:
        stamp = datetime.fromisoformat(value.strip()[:40])
    except ValueError:
        return None
    if end and len(value.strip()) <= 10:
        stamp += timedelta(days=1)
    try:
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, OSError):
        return None


def best_availability(states: Iterable[Availability]) -> Availability:
    """The stock of a whole whose parts are ``states``: in stock when any part is."""
    found = set(states)
    return next((state for state in _BEST_FIRST if state in found), Availability.UNKNOWN)


def number(value: Any) -> float | None:
    """A finite number of a JSON value or text ("4,5"); None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        found = float(value) if abs(value) < 1e15 else math.inf
    elif isinstance(value, str):
        match = re.search(r"-?\d+(?:[.,]\d+)?", value[:40])
        if match is None:
            return None
        found = float(match.group().replace(",", "."))
    else:
        return None
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """A count: a whole number of zero or more; None for anything else ("1,204" and "1.204" are 1204)."""
    if isinstance(value, str):
        digits = re.sub(r"(?<=\d)[.,\s](?=\d{3}(?!\d))", "", value.strip()[:40])
        match = re.match(r"\d+", digits)
        return int(match.group()[:12]) if match else None
    found = number(value)
    return int(found) if found is not None and found >= 0 else None


def rating(value: Any, best: Any = None, worst: Any = None) -> float | None:
    """A rating on the scale 0..5. ``best`` is the vendor's best mark, 5 where it names none. None outside of its scale."""
    mark, top, bottom = number(value), number(best), number(worst)
    if mark is None or mark <= 0:
        return None
    top = top if top and top > 0 else 5.0
    if mark > top or (bottom is not None and mark < bottom):
        return None
    return round(mark * 5.0 / top, 3)


def web_url(value: Any, base: str) -> str:
    """``value`` as an absolute http(s) URL, resolved against ``base``; empty when it is none."""
    candidate = text.clean(value, text.MAX_URL).replace(" ", "%20")
    if not candidate or _PLAIN_URL.fullmatch(candidate):
        return candidate
    try:
        joined = urljoin(base, candidate)
        return joined if split_url("", joined) else ""
    except (ValueError, VendorRefused):
        return ""


_SESSION = re.compile(r";[^/?#]*")
_PLACE = re.compile(
    r"(?:index|default|detail|details|product|products|item|view|show|p|dp|artikel|producto|html?)?(?:\.\w{2,5})?", re.I
)
_NUMBERS = re.compile(
    r"(?:.*[_-])?(?:p|id|pid|sku|code|item|itemid|art|artnr|artno|article|articleid|artikel|prod|prodid|product|productid|nr|no|num"
    r"|number|model)",
    re.I,
)
_NO_NUMBERS = re.compile(
    r"(?:.*[_-])?(?:session|sess|sid|phpsess|jsession|cid|visitor|user|click|utm|ref|campaign|var|variant).*", re.I
)


def page_path(url: str) -> str:
    """The part of an address that names a page: no session, no query, no fragment, no slash at its end."""
    path = _SESSION.sub("", url.split("#")[0].split("?")[0]).rstrip("/")
    return path.partition("://")[2] if "://" in path else path


def address_key(url: str) -> str:
    """What names the product in its page's address, for a vendor that states no number of its own; empty for no address.

    The last part of the path, and what the query says of a product's number ("detail.php?id=7"). Sessions and campaigns are
    not part of it: they are others at every visit.
    """
    path, _, query = url.partition("#")[0].partition("?")
    parts = [part for part in _SESSION.sub("", path.partition("://")[2]).split("/")[1:] if part]
    while len(parts) > 1 and _PLACE.fullmatch(parts[-1]) and not query:
        parts.pop()
    numbers = sorted(
        pair
        for pair in query.split("&")[:50]
        if (name := pair.partition("=")[0]) and _NUMBERS.fullmatch(name) and not _NO_NUMBERS.fullmatch(name)
    )
    return (parts[-1] if parts else "") + ("?" + "&".join(numbers) if numbers else "")


def review(
    body: Any, *, id: Any = "", title: Any = "", mark: float | None = None, author: Any = "", published: Any = ""
) -> Review | None:
    """A review with text; None without. An id is made of the content where the vendor gives none."""
    said = text.plain(body, 5000)
    if not said:
        return None
    who, when = text.clean(author, 100), text.clean(published, 40)
    if not re.match(r"^\d{4}-\d\d(-\d\d([T ]\d\d:\d\d.*)?)?$", when):
        when = ""
    name = text.clean(id, 200) or hashlib.sha256("\x1f".join((said, who, when)).encode("utf-8", "replace")).hexdigest()[:16]
    return Review(id=name, text=said, title=text.clean(title, 200), rating=mark, author=who, published=when)


def add_attribute(attributes: dict[str, str], name: Any, value: Any) -> None:
    """Note ``name`` → ``value`` once; several values are joined."""
    key, shown = text.clean(name, 100), text.clean(value, 1000)
    if not key or not shown:
        return
    if key not in attributes:
        if len(attributes) < MAX_ATTRIBUTES:
            attributes[key] = shown
    elif shown not in attributes[key].split(", "):
        attributes[key] = text.bounded(f"{attributes[key]}, {shown}", 1000)


def unique(values: Iterable[str], limit: int) -> tuple[str, ...]:
    """The distinct, non-empty values in their order, at most ``limit``."""
    return tuple(value for value in dict.fromkeys(values) if value)[:limit]


def cheapest(
    offers: Sequence[tuple[Money | None, Money | None, Availability]], currency: str
) -> tuple[Money | None, Money | None]:
    """The price (and its list price) to show for several offers: the lowest that can be bought, in one currency."""
    priced = [offer for offer in offers if offer[0] is not None]
    if not priced:
        return None, None
    currencies = [offer[0].currency for offer in priced if offer[0] is not None]
    chosen = currency if currency in currencies else currencies[0]
    same = [(price, before, state) for price, before, state in priced if price is not None and price.currency == chosen]
    buyable = [row for row in same if row[2] not in (Availability.OUT_OF_STOCK, Availability.DISCONTINUED)] or same
    price, before, _ = min(buyable, key=lambda row: row[0].micros)
    return price, before


def list_price(price: Money | None, before: Money | None) -> Money | None:
    """``before`` where it is a price before a discount: same currency, and higher."""
    if price is None or before is None or before.currency != price.currency or before.micros <= price.micros:
        return None
    return before


def name_key(name: str) -> str:
    """A name without case, marks and spaces, to find one product twice on one page."""
    return re.sub(r"[\W_]+", "", name.casefold())


def filled(first: Listing, second: Listing) -> Listing:
    """``first`` with what it does not say taken from ``second``."""
    changes: dict[str, Any] = {}
    for name in Listing.__dataclass_fields__:
        mine, other = getattr(first, name), getattr(second, name)
        if name in ("price", "list_price"):
            continue
        if name == "description" and mine and len(other) > len(mine):
            changes[name] = other
            continue
        if name == "attributes" and mine and other:
            changes[name] = {**other, **mine}
        elif mine in (None, "", (), {}, Availability.UNKNOWN) and other not in (None, "", (), {}, Availability.UNKNOWN):
            changes[name] = other
    if first.price is None and second.price is not None:
        changes["price"], changes["list_price"] = second.price, second.list_price
    elif first.price is not None and first.list_price is None:
        changes["list_price"] = list_price(first.price, second.list_price) if second.price == first.price else None
    if first.price is not None and not first.price.currency and second.price and second.price.micros == first.price.micros:
        changes["price"] = second.price
    return replace(first, **changes) if changes else first


def merged(listings: Iterable[Listing]) -> list[Listing]:
    """One listing for each product of one page: the same sku, GTIN or name is the same product; the first reading wins."""
    found: list[Listing] = []
    index: dict[tuple[str, str], int] = {}
    for listing in listings:
        keys = _identity(listing)
        at = next((index[key] for key in keys if key in index and not _apart(found[index[key]], listing, key[0])), None)
        if at is None:
            at = len(found)
            found.append(listing)
        else:
            found[at] = filled(found[at], listing)
        for key in keys:
            index.setdefault(key, at)
    return found


def _apart(first: Listing, second: Listing, shared: str) -> bool:
    """True for two products of one name, each with a page and a number of its own (the same jacket in red and in blue)."""
    if shared != "name" or not first.url or not second.url or page_path(first.url) == page_path(second.url):
        return False
    return first.gtin != second.gtin if first.gtin and second.gtin else first.sku != second.sku


def _identity(listing: Listing) -> list[tuple[str, str]]:
    keys = [("sku", listing.sku), ("gtin", listing.gtin), ("name", name_key(listing.name))]
    return [key for key in keys if key[1]]


def same_product(first: Listing, second: Listing) -> bool:
    """True when two listings of one vendor are the same product."""
    shared = set(_identity(first)) & set(_identity(second))
    return any(not _apart(first, second, kind) for kind, _ in shared)


def variants_of(rows: Iterable[Variant]) -> tuple[Variant, ...]:
    """The distinct variants, bounded."""
    return tuple(dict.fromkeys(rows))[:MAX_VARIANTS]


def text_of(value: Any, *names: str) -> str:
    """The text of a value that may be text, an object with a name, or a list of these (the first)."""
    if isinstance(value, list):
        return next((found for item in value if (found := text_of(item, *names))), "")
    if isinstance(value, dict):
        return next((found for name in (names or ("name",)) if (found := text_of(value.get(name), *names))), "")
    return text.clean(value, text.MAX_NAME)


def objects(roots: Iterable[Any], most: int) -> Iterator[dict[str, Any]]:
    """Every object in embedded data, outer before inner, as it is written; of ``most`` values at the most."""
    stack = list(roots)[::-1]
    while stack and most:
        most -= 1
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node[::-1])
        elif isinstance(node, dict):
            yield node
            stack.extend([child for child in node.values() if isinstance(child, (list, dict))][::-1])

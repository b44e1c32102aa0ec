"""What people see of prices and stock on a page: split prices, struck prices, and the price beside the main heading.

Shops show more prices than their product's: other products in a carousel, instalments, shipping, the price of a kilogram.
Only what is plainly the product's own is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from hexar.agents.vendors import text
from hexar.agents.vendors.model import Availability, Money
from hexar.agents.vendors.money import CODES, Decimals, sale_and_list
from hexar.agents.vendors.page.common import availability, page_path, web_url

#: Elements around a heading that are looked at, and how far above it its product's block may begin.
MAX_ELEMENTS = 20_000
MAX_PRICES = 300
MAX_CLIMB = 8
MAX_DEPTH = 256
#: Pieces of one price, and characters of its text.
MAX_PIECES = 40
MAX_PRICE_TEXT = 200
CURRENCY_MARK = re.compile(
    r"[$€£¥₹₩₽₺₴₫₪฿₱]|zł|Kč|(?<![A-Za-z])(?:kr|Rp|Ft|Fr)\b|(?<![A-Za-z])(?:" + "|".join(sorted(CODES)) + r")(?![A-Za-z])"
)
ASIDE = frozenset({"head", "nav", "footer", "aside", "script", "style", "noscript", "template", "select", "option", "datalist"})
_NUMBER = re.compile(r"[\d.,'\s\u00a0\u202f]*\d[\d.,'\s\u00a0\u202f]*[-–—]?")
_MARK = re.compile(rf"\s*(?:{CURRENCY_MARK.pattern})\.?\s*")
_CENTS = re.compile(r"(?:^|[\s_-])(?:cents?|decimals?|fraction|sup|centimos?)(?:$|[\s_-])", re.I)
_STRUCK_TAGS = frozenset({"s", "del", "strike"})
_STRUCK = re.compile(
    r"(?:^|[\s_-])(?:old|was|strike\w*|struck|regular|list|msrp|srp|rrp|uvp|compare\w*|before|original|crossed|previous|antes"
    r"|anterior|tachado|statt)(?:$|[\s_-])",
    re.I,
)
_LINE_THROUGH = re.compile(r"line-through", re.I)
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_HIDDEN_CLASSES = frozenset({"hidden", "hide", "d-none", "is-hidden", "invisible", "u-hidden"})
#: Blocks that are about other things than the page's product, by the names that shops give them.
_OTHERS = re.compile(
    r"related|recommend|recomend|carousel|up-?sells?|cross-?sell|similar|also-?(?:bought|viewed|like)|recently|bundle|accessor"
    r"|complement|suggest|sponsor|mini-?cart|basket|breadcrumb|reviews?\b|instal?lment|financ|shipping|delivery|gift|loyalty",
    re.I,
)
_RELATED = re.compile(
    r"related|recommend|recomend|carousel|up-?sells?|cross-?sell|similar|also-?(?:bought|viewed|like)|recently|suggest|sponsor",
    re.I,
)
#: Words beside an amount that is not what one pays for the thing.
_NOT_A_PRICE = re.compile(
    r"/\s?(?:month|mo|mes|monat|mois|day|d[ií]a|week|kg|g|l|100|m|unit)\b|\bper (?:month|day|week|kg|unit)|\bal mes\b"
    r"|\bmonthly\b|\bpayments?\b|instal?lment|\bcuotas?\b|\bplazos?\b|\braten?\b|\bsave\b|\byou save\b|ahorr|\bspar"
    r"|\bshipping\b|delivery|env[ií]o|versand|livraison|\bover\b|\bfrom orders|\bdeposit\b|\bse[ñn]al\b|gift ?card"
    r"|\bpoints?\b|\bmembers?\b|\bsocios?\b|\bclub\b|\bexcl|\bex\.? ?vat|sin iva|\bnetto\b|\bnet price\b|\bcoupon|cup[oó]n"
    r"|\bused\b|\busad[oa]|gebraucht|\brefurb|\brent\b|\balquiler|\bminimum order|\btrade-?in|\bcashback|\bwarrant|\bgarant",
    re.I,
)
_ACTIONS = re.compile(
    r"cart|basket|checkout|wish|size|talla|guide|ship|env[ií]o|return|financ|review|help|login|account|compare|share", re.I
)
_BUY = re.compile(
    r"\b(?:add to (?:cart|bag|basket)|buy now|a[ñn]adir al? (?:carrito|cesta)|agregar al carrito|comprar(?: ahora)?"
    r"|in den warenkorb|ajouter au panier|aggiungi al carrello)\b",
    re.I,
)
_STATED = re.compile(
    r"(?:currently |temporarily |actualmente )?(in stock|out of stock|not in stock|sold out|unavailable|pre-?order"
    r"|back-?order(?:ed)?|discontinued|agotado|en stock|sin existencias|sin stock|no disponible|disponible|ausverkauft"
    r"|auf lager|épuisé|en rupture de stock|esaurito|esgotado)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """The prices beside the main heading: those to pay, and those struck out, each once; and the block they stand in."""

    current: tuple[Money, ...]
    struck: tuple[Money, ...]
    block: LexborNode

    def plain(self) -> tuple[Money, Money | None] | None:
        """The price and the struck one; None where more than one could be meant."""
        if len(self.current) != 1:
            return None
        price = self.current[0]
        before = [row for row in self.struck if row.currency == price.currency and row.micros > price.micros]
        return price, (max(before, key=lambda row: row.micros) if before else None)


def beside_heading(tree: LexborHTMLParser, url: str, currency: str, decimals: Decimals) -> Shown | None:
    """The prices of the smallest block around the main heading that shows any of the product's own; None where none does."""
    heading = tree.css_first("h1")
    block = heading.parent if heading is not None else None
    for _ in range(MAX_CLIMB):
        if block is None or block.tag == "html":
            return None
        shown = _shown(block, url, currency, decimals)
        if shown is not None:
            return shown
        block = block.parent
    return None


def _shown(block: LexborNode, url: str, currency: str, decimals: Decimals) -> Shown | None:
    current: dict[Money, None] = {}
    struck: dict[Money, None] = {}
    named: dict[Money, None] = {}
    own = _Own(block, url)
    prices = 0
    for count, element in enumerate(block.css("*")):
        said = element.text(deep=False)
        if not said or len(said) > MAX_PRICE_TEXT or not CURRENCY_MARK.search(said):
            continue
        prices += 1
        if count > MAX_ELEMENTS or prices > MAX_PRICES:
            return None
        if not own.holds(element):
            continue
        node = _priced(element, block)
        price, before = sale_and_list(price_text(node), currency, decimals=decimals)
        if price is None or _is_other_amount(node, block):
            continue
        how = _struck(element, block)
        (struck if how == "tag" else named if how else current)[price] = None
        if before is not None:
            struck[before] = None
    if not current and not struck and len(named) == 1:
        # A theme may call the one price that there is the regular one.
        current, named = named, {}
    return Shown(tuple(current), (*struck, *named), block) if current or struck or named else None


def price_text(node: LexborNode) -> str:
    """The text of ``node`` with line ends between its elements, except inside a price that is split into elements.

    "Atlas 40" and "59,00 €" in two elements stay two; "$", "59" and a raised "99" are "$59.99".
    """
    found = ""
    before = ""
    for count, (piece, parent) in enumerate(_pieces(node)):
        if count >= MAX_PIECES or len(found) > 10 * MAX_PRICE_TEXT:
            break
        said = re.sub(r"\s+", " ", piece).strip()
        if not said:
            continue
        if re.fullmatch(r"\d\d", said) and re.search(r"\d[.,]?\s*$", found) and _is_cents(parent):
            found += said if found.rstrip()[-1] in ".," else f".{said}"
        elif found and _belongs(before, said):
            found += said
        else:
            found += ("\n" if found else "") + said
        before = said
    return found


def _belongs(left: str, right: str) -> bool:
    """True for a currency and a number, or a number that goes on behind its decimal mark."""
    if left[-1] in ".," and re.fullmatch(r"\d{2}", right) and _NUMBER.fullmatch(left):
        return True
    if _NUMBER.fullmatch(left) and re.fullmatch(r"[.,]\s?\d{0,2}", right):
        return True
    return bool((_MARK.fullmatch(left) and _NUMBER.match(right)) or (_NUMBER.fullmatch(left) and _MARK.fullmatch(right)))


def _is_cents(parent: LexborNode | None) -> bool:
    return parent is not None and (parent.tag == "sup" or bool(_CENTS.search(parent.attributes.get("class") or "")))


def _pieces(node: LexborNode) -> Iterator[tuple[str, LexborNode | None]]:
    """The texts inside ``node`` in their order, each with its element; those of scripts and hidden elements are left out."""
    stack = [node]
    while stack:
        one = stack.pop()
        if one.tag == "-text":
            yield one.text(deep=False) or "", one.parent
        elif one.tag not in ASIDE and not is_hidden(one):
            stack.extend(list(one.iter(include_text=True))[::-1])


def name_of(node: LexborNode) -> str:
    """The text of ``node`` without its prices, also where one stands right behind a name."""
    said = [line for line in price_text(node).split("\n") if not CURRENCY_MARK.search(line)]
    return text.clean(" ".join(said), text.MAX_NAME)


def is_about_others(node: LexborNode) -> bool:
    """True for a block that its class or id calls one of related, similar or recommended products."""
    attributes = node.attributes
    return bool(attributes) and bool(_RELATED.search(f"{attributes.get('class') or ''} {attributes.get('id') or ''}"))


def is_hidden(node: LexborNode) -> bool:
    """True where ``node`` is marked as not to be shown."""
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes or _HIDDEN_STYLE.search(attributes.get("style") or ""):
        return True
    return not _HIDDEN_CLASSES.isdisjoint((attributes.get("class") or "").split())


def stated_stock(node: LexborNode) -> Availability:
    """The stock that the block ``node`` states; UNKNOWN where it states none, or several things.

    A note counts where it stands alone, not hidden, and not beside one of several sizes. A button to buy contradicts it.
    """
    states: set[Availability] = set()
    buyable = False
    for count, element in enumerate(node.css("*")):
        if count >= MAX_ELEMENTS:
            break
        said = text.clean(element.text(deep=False), 80)
        if not said:
            continue
        note = _STATED.match(said)
        if note is not None and len(said) <= len(note.group()) + 25 and _counts(element, node):
            states.add(availability(note.group(1).replace("-", "")))
        elif _BUY.search(said) and _counts(element, node) and "disabled" not in element.attributes:
            buyable = True
    states.discard(Availability.UNKNOWN)
    if len(states) != 1:
        return Availability.UNKNOWN
    state = states.pop()
    gone = state in (Availability.OUT_OF_STOCK, Availability.DISCONTINUED)
    return Availability.UNKNOWN if gone and buyable else state


def _counts(element: LexborNode, block: LexborNode) -> bool:
    """False for what is hidden, and for one of several choices (a size)."""
    node: LexborNode | None = element
    for _ in range(MAX_DEPTH):
        if node is None or node.mem_id == block.mem_id:
            return True
        if node.tag in ASIDE or node.tag in ("label", "input") or is_hidden(node):
            return False
        if node.tag == "li" and len(element.text(deep=True) or "") < len(node.text(deep=True) or ""):
            return False
        node = node.parent
    return False


def _up(element: LexborNode, block: LexborNode) -> Iterator[LexborNode]:
    """``element`` and what is around it inside of ``block``."""
    node: LexborNode | None = element
    for _ in range(MAX_DEPTH):
        if node is None or node.mem_id == block.mem_id:
            return
        yield node
        node = node.parent


class _Own:
    """Tells the prices of one block's product from those of others in it. Every element is judged once."""

    def __init__(self, block: LexborNode, url: str) -> None:
        self._block = block
        self._url = url
        self._foreign: dict[int, bool] = {}
        self._tiles: dict[tuple[int, str], bool] = {}

    def holds(self, element: LexborNode) -> bool:
        """False for a price of something else: hidden, aside, under a heading of its own, or in a tile that leads elsewhere."""
        depth = 0
        for node in _up(element, self._block):
            depth += 1
            foreign = self._foreign.get(node.mem_id)
            if foreign is None:
                foreign = self._foreign[node.mem_id] = self._is_foreign(node)
            if foreign:
                return False
        return depth < MAX_DEPTH

    def _is_foreign(self, node: LexborNode) -> bool:
        attributes = node.attributes
        names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
        if node.tag in ASIDE or is_hidden(node) or _OTHERS.search(names):
            return True
        if node.tag == "a":
            return _leads_elsewhere(node, self._url)
        if _has_heading(node):
            return True
        leading = any(_leads_elsewhere(link, self._url) for link in node.css("a[href]")[:20])
        return leading and (node.tag in ("li", "article") or self._is_tile(node))

    def _is_tile(self, node: LexborNode) -> bool:
        """True for one of several siblings of one shape, each with a price and a link."""
        parent = node.parent
        if parent is None:
            return False
        shape = _shape(node)
        key = (parent.mem_id, shape)
        if key not in self._tiles:
            alike = [other for other in list(parent.iter(include_text=False))[:200] if _shape(other) == shape]
            self._tiles[key] = sum(map(_has_price_and_link, alike)) >= 2
        return self._tiles[key]


def _shape(node: LexborNode) -> str:
    return " ".join([node.tag or "", *(node.attributes.get("class") or "").split()[:1]])


def _has_price_and_link(node: LexborNode) -> bool:
    return node.css_first("a[href]") is not None and bool(CURRENCY_MARK.search(node.text(deep=True) or ""))


def _has_heading(node: LexborNode) -> bool:
    for heading in node.css("h2, h3, h4, h5, h6")[:20]:
        said = text.clean(heading.text(deep=True), 200)
        if said and heading.mem_id != node.mem_id and not CURRENCY_MARK.search(said):
            return node.css_first("h1") is None
    return False


def _leads_elsewhere(link: LexborNode, url: str) -> bool:
    address = (link.attributes.get("href") or "").split("#")[0]
    if not address or address.lower().startswith(("javascript:", "mailto:", "tel:")) or _ACTIONS.search(address):
        return False
    target = web_url(address, url)
    return bool(target) and page_path(target) != page_path(url)


def _priced(element: LexborNode, block: LexborNode) -> LexborNode:
    """The smallest element around a currency mark whose text holds a number as well."""
    for count, node in enumerate(_up(element, block)):
        if re.search(r"\d", node.text(deep=True) or "") or count >= 3:
            return node
    return element


def _is_other_amount(node: LexborNode, block: LexborNode) -> bool:
    said = price_text(node)
    parent = node.parent
    if parent is not None and parent.mem_id != block.mem_id:
        around = text.plain(parent.html or "", 400)
        said += " " + around if len(around) <= 120 else ""
    return bool(_NOT_A_PRICE.search(said))


def _struck(element: LexborNode, block: LexborNode) -> str:
    """ "tag" where the price is struck out, "name" where only its class says so, "" where neither does."""
    for count, node in enumerate(_up(element, block)):
        if node.tag in _STRUCK_TAGS or _LINE_THROUGH.search(node.attributes.get("style") or ""):
            return "tag"
        if count < 2 and _STRUCK.search(node.attributes.get("class") or ""):
            return "name"
    return ""

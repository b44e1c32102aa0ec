"""schema.org products as listings: Product, ProductGroup, Offer, AggregateOffer, ItemList, reviews.

Nodes are plain mappings with ``@type`` and properties, as JSON-LD writes them. Sites nest, repeat and misspell them, so every
reader takes one value, a list, an object or a reference, and leaves empty what it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from hexar.agents.vendors import text
from hexar.agents.vendors.model import Listing, Review, Variant
from hexar.agents.vendors.page.common import (
    MAX_REVIEWS,
    MAX_TAGS,
    ReadContext,
    add_attribute,
    address_key,
    best_availability,
    cheapest,
    list_price,
    merged,
    number,
    objects,
    page_path,
    rating,
    review,
    text_of,
    unique,
    variants_of,
    web_url,
    whole,
)
from hexar.agents.vendors.page.offers import GTINS, Node, Offer, each, fastest, first_text, quantity, sizes, types
from hexar.agents.vendors.text import words

#: Nodes of one page that are looked at.
MAX_NODES = 100_000
#: Products of one page that are kept.
MAX_PRODUCTS = 2000
_PRODUCTS = frozenset({"product", "productgroup", "productmodel", "individualproduct", "someproducts"})
# Other products that a product mentions are not what the page offers.
_ASIDE = frozenset(
    words(
        """isrelatedto issimilarto isaccessoryorsparepartfor isconsumablefor itemreviewed isvariantof review reviews hasvariant
    offers relatedlink mentions model"""
    )
)
_PLAIN_ATTRIBUTES = (
    "color", "material", "pattern", "weight", "width", "height", "depth", "length", "itemCondition", "countryOfOrigin", "award"
)  # fmt: skip


def is_product(node: Any) -> bool:
    """True for a schema.org product of any kind."""
    return bool(types(node) & _PRODUCTS)


def listings(roots: Iterable[Any], reading: ReadContext) -> list[Listing]:
    """The products that the nodes of one page offer, each once, in page order."""
    roots = list(roots)
    index = _index(roots)
    products = list(islice(_products(roots, index), MAX_PRODUCTS))
    groups = {id(node): _group_ids(node) for node in products if "productgroup" in types(node)}
    loose: dict[str, list[Node]] = {}
    alone: list[Node] = []
    known = {key for keys in groups.values() for key in keys}
    for node in products:
        parent = _parent_ids(node)
        key = next((name for name in parent if name in known), None)
        if key is not None and id(node) not in groups:
            loose.setdefault(key, []).append(node)
        else:
            alone.append(node)
    single = len(alone) == 1
    category = _breadcrumb(roots, single=single)
    found = []
    for node in alone:
        members = [member for key in groups.get(id(node), ()) for member in loose.get(key, [])]
        listing = _Product(node, members, index, reading, single=single, category=category).listing()
        if listing is not None:
            found.append(listing)
    return merged(found)


def breadcrumb(roots: list[Any]) -> str:
    """The category of a listing page: its breadcrumbs, joined by " > "; empty where there are none."""
    return _breadcrumb(roots, single=False)


def _index(roots: list[Any]) -> dict[str, Node]:
    index: dict[str, Node] = {}
    for node in objects(roots, MAX_NODES):
        name = node.get("@id")
        if isinstance(name, str) and len(node) > 1:
            index.setdefault(name, node)
    return index


def _resolve(node: Any, index: Mapping[str, Node]) -> Any:
    if isinstance(node, dict) and len(node) <= 2 and isinstance(node.get("@id"), str) and "name" not in node:
        return index.get(node["@id"], node)
    return node


def _products(roots: list[Any], index: Mapping[str, Node]) -> Iterator[Node]:
    stack = roots[::-1]
    seen: set[int] = set()
    budget = MAX_NODES
    while stack and budget:
        budget -= 1
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node[::-1])
            continue
        node = _resolve(node, index)
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        kinds = types(node)
        if kinds & _PRODUCTS:
            yield node
        elif "offer" in kinds and is_product(_resolve(node.get("itemOffered"), index)):
            # An offer that names its product, as catalogues of offers do.
            product = _resolve(node["itemOffered"], index)
            seen.add(id(product))
            yield {**product, "offers": {key: value for key, value in node.items() if key != "itemOffered"}}
            continue
        elif "listitem" in kinds and "item" not in node and node.get("name") and node.get("url"):
            # The short form of a listing page: a name and an address for each product.
            yield {"@type": "Product", **{key: node[key] for key in ("name", "url", "image", "description") if key in node}}
            continue
        if "breadcrumblist" in kinds:
            continue
        inside = kinds & _PRODUCTS
        for key, child in reversed(list(node.items())):
            if isinstance(child, (list, dict)) and not (inside and key.lower() in _ASIDE):
                if key.lower() in ("isrelatedto", "issimilarto", "itemreviewed"):
                    continue
                stack.append(child)


def _group_ids(node: Node) -> list[str]:
    return [f"{name}" for key in ("productGroupID", "@id") for name in each(node.get(key)) if isinstance(name, (str, int))]


def _parent_ids(node: Node) -> list[str]:
    names = [name for name in each(node.get("inProductGroupWithID")) if isinstance(name, (str, int))]
    for parent in each(node.get("isVariantOf")):
        if isinstance(parent, dict):
            names.extend(_group_ids(parent))
    return [f"{name}" for name in names]


def _breadcrumb(roots: list[Any], *, single: bool) -> str:
    for node in objects(roots, MAX_NODES):
        if "breadcrumblist" not in types(node):
            continue
        rows = [row for row in each(node.get("itemListElement")) if isinstance(row, dict)]
        rows.sort(key=lambda row: number(row.get("position")) or 0.0)
        names = [text_of(row.get("name")) or text_of(row.get("item")) for row in rows]
        names = [name for name in names if name and name.lower() not in ("home", "inicio")]
        # The last crumb of a product page is the product itself, that of a listing page the category.
        return " > ".join(names[:-1] if single else names)[: text.MAX_LINE]
    return ""


class _Product:
    """The reader of one product node."""

    def __init__(
        self, node: Node, members: list[Node], index: Mapping[str, Node], reading: ReadContext, *, single: bool, category: str
    ) -> None:
        self._node = node
        self._index = index
        self._reading = reading
        self._single = single
        self._category = category
        self._parts = [
            part
            for part in (*(_resolve(row, index) for row in each(node.get("hasVariant"))), *members)
            if isinstance(part, dict)
        ]

        self._own = self._standing([offer for _, offer in self._offers(node)])

    def listing(self) -> Listing | None:
        node, reading = self._node, self._reading
        name = text_of(node.get("name")) or text_of(node.get("title")) or text_of([part.get("name") for part in self._parts])
        if not name:
            return None
        offers = self._own
        variants = self._variants()
        prices = [(row.price, row.list_price, row.availability) for row in variants] + [
            (offer.price, offer.list_price, offer.availability) for offer in offers
        ]
        price, before = cheapest(prices, reading.currency)
        states = [row.availability for row in variants] + [offer.availability for offer in offers]
        url = web_url(text_of(node.get("url"), "@id", "url"), reading.url) or next(
            (offer.url for offer in offers if offer.url), ""
        )
        attributes = self._attributes()
        if offers and not any(offer.new for offer in offers):
            add_attribute(attributes, "item condition", offers[0].condition)
        model = text_of(node.get("model"))
        average, count = self._rating()
        shippings = [offer.shipping for offer in offers if offer.shipping is not None]
        return Listing(
            vendor=reading.vendor,
            sku=self._sku(offers, variants, url, name),
            name=name,
            fetched_at=reading.fetched_at,
            url=url or (reading.url if self._single else ""),
            brand=text_of(node.get("brand")) or text_of(node.get("manufacturer")),
            gtin=self._gtin(node) or (offers[0].gtin if len(offers) == 1 else ""),
            mpn=text_of(node.get("mpn")),
            model=model,
            category=self._category_of(),
            year=text.year(model, name, *(value for key, value in attributes.items() if key.lower() in _YEAR_NAMES)),
            description=text.plain(first_text(node.get("description"))),
            image_url=web_url(text_of(node.get("image"), "contentUrl", "url", "@id"), reading.url),
            attributes=attributes,
            tags=unique(self._tags(), MAX_TAGS),
            price=price,
            list_price=list_price(price, before),
            availability=best_availability(states),
            sizes=unique([*(row.size for row in variants), *sizes(node.get("size"))], 200),
            shipping=min(shippings, key=lambda row: row.micros) if shippings else None,
            delivery_days=fastest(offer.delivery for offer in offers),
            variants=variants,
            rating=average,
            rating_count=count,
            reviews=self._reviews(),
        )

    def _standing(self, offers: list[Offer]) -> list[Offer]:
        """The offers that stand for the product: new, of one piece, to be bought, in force, and of this page.

        Others (used, by the dozen, to rent, of last week, of the page of another product) only where there are no such.
        """
        address = page_path(web_url(text_of(self._node.get("url"), "@id", "url"), self._reading.url) or self._reading.url)
        for stands in (
            lambda offer: offer.single,
            lambda offer: offer.new,
            lambda offer: offer.current,
            lambda offer: not offer.url or page_path(offer.url) == address,
        ):
            kept = [offer for offer in offers if stands(offer)]
            offers = kept if any(offer.price for offer in kept) else offers
        return offers

    def _offers(self, node: Node) -> Iterator[tuple[Node, Offer]]:
        rows = [_resolve(row, self._index) for row in each(node.get("offers"))]
        for row in rows:
            if not isinstance(row, dict):
                continue
            inner = [_resolve(item, self._index) for item in each(row.get("offers"))]
            parts = [item for item in inner if isinstance(item, dict)]
            if parts and any(Offer(item, self._reading, row).price for item in parts):
                yield from ((item, Offer(item, self._reading, row)) for item in parts)
            else:
                yield row, Offer(row, self._reading)

    def _variants(self) -> tuple[Variant, ...]:
        rows = []
        for part in self._parts:
            offers = self._standing([offer for _, offer in self._offers(part)])
            price, before = cheapest([(o.price, o.list_price, o.availability) for o in offers], self._reading.currency)
            rows.append(
                Variant(
                    sku=text_of(part.get("sku")) or next((offer.sku for offer in offers if offer.sku), ""),
                    title=text_of(part.get("name")),
                    size=next(iter(sizes(part.get("size"))), ""),
                    price=price,
                    list_price=list_price(price, before),
                    availability=best_availability(offer.availability for offer in offers),
                    gtin=self._gtin(part) or next((offer.gtin for offer in offers if offer.gtin), ""),
                )
            )
        own = self._own
        if len(own) > 1:
            rows.extend(
                Variant(offer.sku, offer.name, offer.size, offer.price, offer.list_price, offer.availability, offer.gtin)
                for offer in own
                if offer.sku or offer.name or offer.size or offer.gtin
            )
        return variants_of(rows)

    def _sku(self, offers: list[Offer], variants: tuple[Variant, ...], url: str, name: str) -> str:
        node = self._node
        stated = [text_of(node.get(key)) for key in ("sku", "productGroupID", "productID")]
        stated += [text_of(row.get("value")) for row in each(node.get("identifier")) if isinstance(row, dict)]
        stated += [text_of(row) for row in each(node.get("identifier")) if isinstance(row, (str, int))]
        if len(offers) == 1:
            stated.append(offers[0].sku)
        stated += [text_of(node.get("mpn")), self._gtin(node), *(row.sku for row in variants[:1])]
        found = next((value for value in stated if value), "")
        found = re.sub(r"^(?:sku|mpn|gtin\d*|asin):", "", found, flags=re.I)
        return found or address_key(url) or name

    def _gtin(self, node: Node) -> str:
        return next((found for key in GTINS for value in each(node.get(key)) if (found := text.gtin(value))), "")

    def _category_of(self) -> str:
        value = self._node.get("category")
        names = [text_of(item, "name", "codeValue") for item in each(value)]
        return " > ".join(unique(names, 6))[: text.MAX_LINE] or self._category

    def _tags(self) -> Iterator[str]:
        for value in each(self._node.get("keywords")):
            said = text_of(value, "name", "termCode")
            yield from (tag.strip() for tag in said.split(","))

    def _attributes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for row in each(self._node.get("additionalProperty")):
            row = _resolve(row, self._index)
            if isinstance(row, dict):
                for value in each(row.get("value")):
                    name = text_of(row.get("name")) or text_of(row.get("propertyID"))
                    add_attribute(found, name, quantity({**row, "value": value}))
                if row.get("value") is None and (row.get("minValue") is not None or row.get("maxValue") is not None):
                    add_attribute(found, text_of(row.get("name")), quantity(row))
        for name in _PLAIN_ATTRIBUTES:
            for value in each(self._node.get(name)):
                shown = quantity(value) if isinstance(value, dict) else text.clean(value, 300)
                add_attribute(found, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower(), shown.rpartition("schema.org/")[2])
        for audience in each(self._node.get("audience")):
            if isinstance(audience, dict):
                add_attribute(found, "gender", text_of(audience.get("suggestedGender")).rpartition("/")[2])
                add_attribute(found, "audience", text_of(audience.get("audienceType")))
        return found

    def _rating(self) -> tuple[float | None, int | None]:
        for row in each(self._node.get("aggregateRating")):
            row = _resolve(row, self._index)
            if not isinstance(row, dict):
                continue
            counts = [whole(row.get(key)) for key in ("ratingCount", "reviewCount")]
            count = max((value for value in counts if value is not None), default=None)
            mark = rating(row.get("ratingValue"), row.get("bestRating"), row.get("worstRating"))
            if mark is not None and count != 0:
                return mark, count
        return None, None

    def _reviews(self) -> tuple[Review, ...]:
        found: dict[str, Review] = {}
        for key in ("review", "reviews"):
            for row in each(self._node.get(key)):
                row = _resolve(row, self._index)
                if not isinstance(row, dict):
                    continue
                scores = [score for score in each(row.get("reviewRating")) if isinstance(score, dict)]
                score: Node = scores[0] if scores else {}
                said = review(
                    first_text(row.get("reviewBody")) or first_text(row.get("description")),
                    id=row.get("@id") or text_of(row.get("identifier"), "value"),
                    title=text_of(row.get("headline")) or text_of(row.get("name")),
                    mark=rating(score.get("ratingValue"), score.get("bestRating"), score.get("worstRating")),
                    author=text_of(row.get("author")),
                    published=first_text(row.get("datePublished")),
                )
                if said is not None and len(found) < MAX_REVIEWS:
                    found.setdefault(said.id, said)
        return tuple(found.values())


_YEAR_NAMES = frozenset({"year", "model year", "season", "temporada", "año", "modelyear"})

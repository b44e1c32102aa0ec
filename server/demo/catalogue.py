"""The demo shops' stock: what products.yaml holds, and what one shop sells of it.

products.yaml lists ``synonyms`` (what the search box understands) and ``products``; a product's ``offers`` say which shops sell
it, at what price, under which name, and whether it is in stock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Opinion:
    """A customer's review; ``rating`` is 1..5, ``date`` ISO 8601."""

    author: str
    rating: int
    title: str
    text: str
    date: str


@dataclass(frozen=True, slots=True)
class Article:
    """A product as one shop sells it. Prices are in ``currency``; ``stock`` is in, out or preorder; shipping may be unknown."""

    sku: str
    name: str
    brand: str
    model: str
    category: str
    year: int
    gtin: str
    description: str
    attributes: Mapping[str, str]
    sizes: tuple[str, ...]
    sold_out_sizes: frozenset[str]
    by_size: bool
    reviews: tuple[Opinion, ...]
    currency: str
    price: float
    list_price: float | None
    stock: str
    shipping: float | None

    def size_stock(self, size: str) -> str:
        """The stock of one size."""
        return "out" if size in self.sold_out_sizes else self.stock

    @property
    def average(self) -> float:
        """The mean of the ratings; call it only where there are reviews."""
        return round(sum(review.rating for review in self.reviews) / len(self.reviews), 2)


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    # libyaml, where PyYAML was built with it, reads the file ten times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    source = files("hexar.server.demo").joinpath("products.yaml").read_text("utf-8")
    loaded: dict[str, Any] = yaml.load(source, Loader=loader)
    return loaded


@lru_cache(maxsize=8)
def stock_of(shop: str) -> tuple[Article, ...]:
    """What ``shop`` sells, in the order of the file."""
    return tuple(_article(row, row["offers"][shop], shop) for row in _data()["products"] if shop in row["offers"])


def search(shop: str, terms: str) -> list[Article]:
    """What the shop's search box finds: articles that hold any of the words, those that hold more first."""
    wanted = {_data()["synonyms"].get(word, word) for word in _WORD.findall(terms.casefold())}
    scored = [(len(wanted & _words(article)), article) for article in stock_of(shop)]
    found = [(score, article) for score, article in scored if score]
    return [article for _, article in sorted(found, key=lambda row: -row[0])]


@lru_cache(maxsize=512)
def _words_of(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _words(article: Article) -> frozenset[str]:
    facts = " ".join(article.attributes.values())
    return _words_of(f"{article.name} {article.brand} {article.model} {article.category} {facts}")


def _article(row: Mapping[str, Any], offer: Mapping[str, Any], shop: str) -> Article:
    plain = f"{row['brand']} {row['model']} {_SINGULAR.get(row['category'], row['category'])} {row['year']}"
    return Article(
        sku=f"{shop[:2].upper()}-{row['key']}".upper(),
        name=offer.get("name") or plain,
        brand=row["brand"],
        model=row["model"],
        category=row["category"],
        year=row["year"],
        gtin=row["gtin"],
        description=row["description"],
        attributes=row["attributes"],
        sizes=tuple(row["sizes"]),
        sold_out_sizes=frozenset(row.get("sold_out_sizes", ())),
        by_size=row.get("by_size", False),
        reviews=tuple(Opinion(**review) for review in row["reviews"]),
        currency=offer.get("currency", "USD"),
        price=offer["price"],
        list_price=offer.get("list_price"),
        stock=offer["stock"],
        shipping=offer.get("shipping"),
    )


_SINGULAR = {
    "Snowboards": "Snowboard",
    "Jackets": "Jacket",
    "Tents": "Tent",
    "Backpacks": "Backpack",
    "Helmets": "Helmet",
    "Sleeping Bags": "Sleeping Bag",
}

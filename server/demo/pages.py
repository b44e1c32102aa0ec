"""What the demo shops send: alpine's HTML with JSON-LD, boardroom's products.json, summit's merchant feed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape as xml_escape

from hexar.server.demo.catalogue import Article

_SCHEMA_STOCK = {"in": "InStock", "out": "OutOfStock", "preorder": "PreOrder"}
_FEED_STOCK = {"in": "in_stock", "out": "out_of_stock", "preorder": "preorder"}


def search_page(base: str, terms: str, found: Iterable[Article]) -> bytes:
    """alpine's search page: an ItemList of products with offers."""
    articles = list(found)
    rows = [{"@type": "ListItem", "position": at, "item": _summary(base, row)} for at, row in enumerate(articles, 1)]
    data = {"@context": "https://schema.org", "@type": "ItemList", "numberOfItems": len(rows), "itemListElement": rows}
    tiles = "".join(
        f'<li><a href="/p/{quote(row.sku)}">{escape(row.name)}</a> <span class="price">{_money(row)}</span></li>'
        for row in articles
    )
    return _html(f"Search: {terms}", f"<h1>{len(articles)} results for “{escape(terms)}”</h1><ul>{tiles}</ul>", [data])


def product_page(base: str, article: Article) -> bytes:
    """alpine's product page: everything that the shop knows, reviews included."""
    node = _summary(base, article)
    node["description"] = article.description
    node["additionalProperty"] = [
        {"@type": "PropertyValue", "name": name, "value": value} for name, value in article.attributes.items()
    ]
    if article.reviews:
        node["review"] = [
            {
                "@type": "Review",
                "@id": f"{base}/p/{quote(article.sku)}#review-{number}",
                "name": review.title,
                "reviewBody": review.text,
                "reviewRating": {"@type": "Rating", "ratingValue": review.rating, "bestRating": 5},
                "author": {"@type": "Person", "name": review.author},
                "datePublished": review.date,
            }
            for number, review in enumerate(article.reviews, 1)
        ]
    if article.sizes:
        node["@type"] = "ProductGroup"
        node["productGroupID"] = article.sku
        node["variesBy"] = "https://schema.org/size"
        node["hasVariant"] = [
            {
                "@type": "Product",
                "sku": f"{article.sku}-{size}",
                "name": f"{article.name} {size}",
                "size": size,
                "offers": _offer(base, article, article.size_stock(size)),
            }
            for size in article.sizes
        ]
        del node["offers"]
    shelf = f"{base}/search?q={quote(article.category)}"
    crumbs = {
        "@context": "https://schema.org",
        "@type": "BreadcrumbList",
        "itemListElement": [
            {"@type": "ListItem", "position": 1, "name": article.category, "item": shelf},
            {"@type": "ListItem", "position": 2, "name": article.name},
        ],
    }
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in article.attributes.items())
    said = "".join(f"<blockquote>{escape(review.text)} — {escape(review.author)}</blockquote>" for review in article.reviews)
    body = f"<h1>{escape(article.name)}</h1><p>{_money(article)}</p><p>{escape(article.description)}</p><dl>{facts}</dl>{said}"
    return _html(article.name, body, [{"@context": "https://schema.org", **node}, crumbs])


def products_json(base: str, articles: Iterable[Article], page: int, limit: int) -> bytes:
    """boardroom's catalogue, one page of it. ``page`` counts from 1."""
    rows = list(articles)[(page - 1) * limit : page * limit]
    return json.dumps({"products": [_shopify(base, row) for row in rows]}, ensure_ascii=False).encode()


def feed(base: str, articles: Iterable[Article]) -> bytes:
    """summit's merchant feed."""
    items = "".join(item for article in articles for item in _items(base, article))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>'
        f"<title>Summit Outfitters</title><link>{xml_escape(base)}</link>{items}</channel></rss>"
    ).encode()


def _summary(base: str, article: Article) -> dict[str, Any]:
    node: dict[str, Any] = {
        "@type": "Product",
        "@id": f"{base}/p/{quote(article.sku)}",
        "url": f"{base}/p/{quote(article.sku)}",
        "sku": article.sku,
        "name": article.name,
        "model": article.model,
        "brand": {"@type": "Brand", "name": article.brand},
        "category": article.category,
        "image": image(base, article),
        "offers": _offer(base, article, article.stock),
    }
    if article.gtin:
        node["gtin13"] = article.gtin
    if article.reviews:
        node["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": article.average,
            "bestRating": 5,
            "reviewCount": len(article.reviews),
        }
    return node


def image(base: str, article: Article) -> str:
    """The address of the article's picture."""
    return f"{base}/images/{quote(article.sku)}.svg"


def picture(article: Article) -> bytes:
    """The article's picture: its name in a frame."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="200"><rect width="320" height="200" fill="#e8eef2"/>'
        f'<text x="160" y="104" text-anchor="middle" font-size="16">{xml_escape(article.name)}</text></svg>'
    ).encode()


def _offer(base: str, article: Article, stock: str) -> dict[str, Any]:
    offer: dict[str, Any] = {
        "@type": "Offer",
        "url": f"{base}/p/{quote(article.sku)}",
        "price": f"{article.price:.2f}",
        "priceCurrency": article.currency,
        "availability": f"https://schema.org/{_SCHEMA_STOCK[stock]}",
    }
    if article.list_price is not None:
        offer["priceSpecification"] = {
            "@type": "UnitPriceSpecification",
            "priceType": "https://schema.org/ListPrice",
            "price": f"{article.list_price:.2f}",
            "priceCurrency": article.currency,
        }
    if article.shipping is not None:
        offer["shippingDetails"] = {
            "@type": "OfferShippingDetails",
            "shippingRate": {"@type": "MonetaryAmount", "value": f"{article.shipping:.2f}", "currency": article.currency},
            "deliveryTime": {
                "@type": "ShippingDeliveryTime",
                "handlingTime": {"@type": "QuantitativeValue", "minValue": 0, "maxValue": 1, "unitCode": "DAY"},
                "transitTime": {"@type": "QuantitativeValue", "minValue": 2, "maxValue": 4, "unitCode": "DAY"},
            },
        }
    return offer


def _shopify(base: str, article: Article) -> dict[str, Any]:
    number = 8_000_000_000 + sum(ord(letter) * 131**at for at, letter in enumerate(article.sku[:8])) % 1_000_000_000
    handle = f"{article.sku[3:].lower()}-{article.year}"
    variants = [
        {
            "id": number * 100 + at,
            "title": size or "Default Title",
            "option1": size or "Default Title",
            "sku": f"{article.sku}-{size}" if size else article.sku,
            "available": article.size_stock(size) == "in",
            "price": f"{article.price:.2f}",
            "compare_at_price": f"{article.list_price:.2f}" if article.list_price is not None else None,
            "position": at,
            "product_id": number,
        }
        for at, size in enumerate(article.sizes or ("",), 1)
    ]
    option = {"name": "Size" if article.sizes else "Title", "position": 1, "values": [row["title"] for row in variants]}
    return {
        "id": number,
        "title": article.name,
        "handle": handle,
        "body_html": f"<p>{escape(article.description)}</p>",
        "vendor": article.brand,
        "product_type": article.category,
        "tags": [*(f"{name}:{value}" for name, value in article.attributes.items()), str(article.year)],
        "variants": variants,
        "images": [{"src": image(base, article), "position": 1}],
        "options": [option],
    }


def _items(base: str, article: Article) -> Iterator[str]:
    sizes = article.sizes if article.by_size else ("",)
    for size in sizes:
        sku = f"{article.sku}-{size}" if size else article.sku
        stock = article.size_stock(size) if size else article.stock
        fields = [
            ("g:id", sku),
            ("g:title", f"{article.name} - {size}" if size else article.name),
            ("g:description", article.description),
            ("g:link", f"{base}/p/{quote(article.sku)}"),
            ("g:image_link", image(base, article)),
            ("g:brand", article.brand),
            ("g:product_type", article.category),
            ("g:availability", _FEED_STOCK[stock]),
            ("g:price", f"{article.list_price or article.price:.2f} {article.currency}"),
            ("g:condition", "new"),
        ]
        if article.list_price is not None:
            fields.append(("g:sale_price", f"{article.price:.2f} {article.currency}"))
        if size:
            fields += [("g:item_group_id", article.sku), ("g:size", size)]
        elif article.gtin:
            fields.append(("g:gtin", article.gtin))
        body = "".join(f"<{name}>{xml_escape(value)}</{name}>" for name, value in fields)
        if article.shipping is not None:
            cost = f"{article.shipping:.2f} {article.currency}"
            body += f"<g:shipping><g:country>US</g:country><g:price>{cost}</g:price>"
            body += "<g:min_transit_time>3</g:min_transit_time><g:max_transit_time>6</g:max_transit_time></g:shipping>"
        for name, value in article.attributes.items():
            body += (
                "<g:product_detail><g:section_name>Specifications</g:section_name>"
                f"<g:attribute_name>{xml_escape(name)}</g:attribute_name>"
                f"<g:attribute_value>{xml_escape(value)}</g:attribute_value></g:product_detail>"
            )
        yield f"<item>{body}</item>"


def _money(article: Article) -> str:
    return f"{article.price:.2f} {article.currency}"


def _html(title: str, body: str, data: list[dict[str, Any]]) -> bytes:
    # "</" inside a script would end it.
    written = (json.dumps(node, ensure_ascii=False).replace("</", "<\\/") for node in data)
    scripts = "".join(f'<script type="application/ld+json">{text}</script>' for text in written)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} | Alpine Gear</title>{scripts}'
        f"</head><body>{body}</body></html>"
    ).encode()

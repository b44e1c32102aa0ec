"""Microdata and RDFa Lite: the vocabulary of JSON-LD, written into the tags of a page. Read into the same nodes."""

from __future__ import annotations

import re
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from hexar.agents.vendors import text
from hexar.agents.vendors.page import visible

#: Items of one page that are read.
MAX_ITEMS = 5000
MAX_DEPTH = 12
MAX_CLIMB = 256
#: References are followed in pages of up to so many items.
MAX_REFERENCES = 200
_MARKED = re.compile(r"\b(?:itemprop|typeof)\s*=", re.I)
_ADDRESS = {"a": "href", "link": "href", "area": "href", "img": "src", "source": "src", "video": "src", "audio": "src",
            "object": "data", "data": "value", "meter": "value", "time": "datetime"}  # fmt: skip


def nodes(tree: LexborHTMLParser, source: str) -> list[dict[str, Any]]:
    """The top-level items of a page as nodes with ``@type``; properties that occur twice become lists."""
    if not _MARKED.search(source):
        return []
    found: list[dict[str, Any]] = []
    for scope, kind, prop in (("itemscope", "itemtype", "itemprop"), ("typeof", "typeof", "property")):
        taken: set[int] = set()
        for element in tree.css(f"[{scope}]"):
            if len(found) >= MAX_ITEMS:
                break
            if element.mem_id in taken or (element.attributes.get(prop) and _inside(element, scope)):
                continue
            found.append(_alone(_item(element, scope, kind, prop, taken, 0)))
    return found


def _alone(item: dict[str, Any]) -> dict[str, Any]:
    """``item`` with its own offer only, where a theme put a carousel inside it: several names, each with an offer.

    What stands first is the item's own; the rest belongs to products that have no item of their own in the markup.
    """
    names, offers = item.get("name"), item.get("offers")
    if not isinstance(names, list) or not isinstance(offers, list) or len({str(name) for name in names}) < 2:
        return item
    return {**item, "name": names[0], "offers": offers[0]}


def _is_struck(element: LexborNode) -> bool:
    node: LexborNode | None = element
    for _ in range(3):
        if node is None:
            return False
        if node.tag in ("s", "del", "strike"):
            return True
        node = node.parent
    return False


def _inside(element: LexborNode, scope: str) -> bool:
    parent = element.parent
    for _ in range(MAX_CLIMB):
        if parent is None:
            return False
        if scope in parent.attributes:
            return True
        parent = parent.parent
    return False


def _item(element: LexborNode, scope: str, kind: str, prop: str, taken: set[int], depth: int) -> dict[str, Any]:
    taken.add(element.mem_id)
    item: dict[str, Any] = {"@type": (element.attributes.get(kind) or "").split()}
    identity = element.attributes.get("itemid") or element.attributes.get("resource")
    if identity:
        item["@id"] = identity
    stack = list(element.iter(include_text=False))[::-1]
    for name in (element.attributes.get("itemref") or "").split()[:20]:
        if len(taken) <= MAX_REFERENCES and re.fullmatch(r"[\w-]+", name):
            root = element.parser.css_first(f"[id='{name}']")
            if root is not None:
                stack.insert(0, root)
    while stack:
        child = stack.pop()
        names = [name for name in (child.attributes.get(prop) or "").split() if ":" not in name or name.startswith("schema:")]
        scoped = scope in child.attributes
        if names:
            if scoped and depth < MAX_DEPTH:
                value: Any = _item(child, scope, kind, prop, taken, depth + 1)
            else:
                value = (visible.name_of(child) if names == ["name"] and "content" not in child.attributes else "") or _text(
                    child
                )
            for name in names:
                name = name.removeprefix("schema:")
                if name == "price" and isinstance(value, str) and _is_struck(child):
                    # A theme marks both prices of a sale.
                    name, value = "priceSpecification", {"priceType": "ListPrice", "price": value}
                _add(item, name, value)
        if not scoped:
            stack.extend(list(child.iter(include_text=False))[::-1])
    return item


def _add(item: dict[str, Any], name: str, value: Any) -> None:
    if value in ("", None):
        return
    if name not in item:
        item[name] = value
    elif isinstance(item[name], list):
        item[name].append(value)
    else:
        item[name] = [item[name], value]


def _text(element: LexborNode) -> str:
    # ``content`` is read on every element: a page shows "$399" and states content="399.00".
    stated = element.attributes.get("content")
    if stated is None:
        stated = element.attributes.get(_ADDRESS.get(element.tag or "", ""))
    if stated is not None and stated.strip():
        return stated.strip()
    return text.plain(element.html or "")

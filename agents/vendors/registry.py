"""The data formats that are understood. A new adapter is one file and one line here (docs/vendors.md).

Values are ``module:class`` so that a format's parsers load only when a vendor uses them. A class takes a ``VendorConfig``
and offers :class:`hexar.agents.vendors.base.VendorAgent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

ADAPTERS: Mapping[str, str] = MappingProxyType(
    {
        "jsonld": "hexar.agents.vendors.formats.jsonld:JsonLdAgent",
        "shopify": "hexar.agents.vendors.formats.shopify:ShopifyAgent",
        "feed": "hexar.agents.vendors.formats.feed:FeedAgent",
    }
)


def adapter(name: str) -> Any:
    """The agent class of a registered format. Raises KeyError for a name that is not registered."""
    module, _, class_name = ADAPTERS[name].partition(":")
    return getattr(import_module(module), class_name)

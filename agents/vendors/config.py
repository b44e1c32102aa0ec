"""vendors.yaml: which shops there are, and how each is read (docs/vendors.md describes every field).

::

    vendors:
      - name: alpine
        adapter: jsonld
        url: https://shop.example
        search: /search?q={terms}
        currency: USD
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from hexar.agents.vendors.base import VendorAgent
from hexar.agents.vendors.registry import ADAPTERS, adapter

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "cookie", "accept-encoding", "upgrade", "te", "trailer"}
)


class VendorsFileError(ValueError):
    """vendors.yaml cannot be used; the text names the file, the vendor and the field."""


class VendorConfig(BaseModel):
    """One vendor: a few lines of vendors.yaml. Times are seconds, sizes bytes after decompression."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Unique name: lower-case letters, digits, ``-`` and ``_``.
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    #: A data format of :mod:`hexar.agents.vendors.registry`.
    adapter: str
    #: The shop's address (jsonld, shopify) or the feed's own address (feed).
    url: str
    enabled: bool = True
    #: Name for people; the vendor's ``name`` where empty.
    label: str = ""
    #: jsonld: path and query of the search page; ``{terms}`` is replaced by the quoted search terms.
    search: str = "/search?q={terms}"
    #: jsonld: path of a product page by ``{sku}``; empty where the shop has none (the listings' own URLs are used).
    product: str = ""
    #: feed: its format; ``auto`` looks at the first bytes.
    feed_format: Literal["auto", "xml", "tsv"] = "auto"
    #: ISO 4217 code of prices that state none. Empty: such a price has no currency, none is guessed.
    currency: Annotated[str, Field(pattern=r"^([A-Z]{3})?$")] = ""
    #: How this shop writes the decimal mark of a price in running text; ``auto`` reads each price by its own shape.
    decimal: Literal["auto", "point", "comma"] = "auto"
    user_agent: str = "Hexar/1 (+product comparison)"
    #: Sent to the vendor's own host only, never after a redirect to another one.
    headers: dict[str, str] = Field(default_factory=dict)
    #: Hosts that may resolve to a private or loopback address, for shops in one's own network.
    allow_private_hosts: tuple[str, ...] = ()
    #: PEM file of certificate authorities beside the system's, for shops in one's own network.
    ca_file: str = ""
    #: Ports that may be connected to beside the one of ``url``.
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = (80, 443)
    connect_timeout: Annotated[float, Field(gt=0, le=60)] = 3.0
    #: Longest wait for the next bytes.
    read_timeout: Annotated[float, Field(gt=0, le=300)] = 10.0
    #: Longest whole reading, whatever the caller's deadline.
    timeout: Annotated[float, Field(gt=0, le=600)] = 30.0
    #: Largest answer of one request.
    max_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 32 << 20
    #: Most requests of one reading (catalogue pages, product pages).
    max_pages: Annotated[int, Field(ge=1, le=1000)] = 40
    #: Most listings kept of one reading.
    max_products: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    #: Pages of one heavy reading that are fetched side by side.
    parallel: Annotated[int, Field(ge=1, le=16)] = 4

    @field_validator("adapter")
    @classmethod
    def _known_adapter(cls, value: str) -> str:
        if value not in ADAPTERS:
            raise ValueError(f"unknown adapter {value!r}; known: {', '.join(sorted(ADAPTERS))}")
        return value

    @field_validator("url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        try:
            url: Url = parse_url(value)
        except LocationParseError as error:
            raise ValueError("not a URL") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("must be an http or https URL with a host")
        if url.auth:
            raise ValueError("must not hold credentials; use headers")
        if re.search(r"[\x00-\x20\x7f]", value):
            raise ValueError("must not hold spaces or control characters")
        return value

    @field_validator("search", "product")
    @classmethod
    def _path(cls, value: str) -> str:
        if value and not value.startswith("/"):
            raise ValueError("must start with /")
        if re.search(r"[\x00-\x20\x7f]", value):
            raise ValueError("must not hold spaces or control characters")
        return value

    @field_validator("user_agent")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable():
            raise ValueError("must be printable ASCII")
        return value

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a header name")
            if name.lower() in _FORBIDDEN_HEADERS:
                raise ValueError(f"{name} is set by the client itself")
            if not text.isascii() or not text.isprintable():
                raise ValueError(f"the value of {name} must be printable ASCII")
        return value

    @field_validator("allow_private_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not host or "/" in host or "*" in host or "@" in host:
                raise ValueError(f"{host!r} is not a host name or address")
        return tuple(host.strip("[]").rstrip(".").lower() for host in value)

    @model_validator(mode="after")
    def _terms(self) -> VendorConfig:
        if self.product and "{sku}" not in self.product:
            raise ValueError("product must contain {sku}")
        return self


def parse_vendors(text: str, origin: str = "vendors.yaml") -> list[VendorConfig]:
    """The vendors of a YAML text, in its order.

    Raises:
        VendorsFileError: the text is not YAML of the shape above, a field is wrong, or a name appears twice.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise VendorsFileError(f"{origin}: not YAML{where}") from error
    if data is None:
        return []
    if not isinstance(data, dict) or not isinstance(data.get("vendors", []), list) or set(data) - {"vendors"}:
        raise VendorsFileError(f"{origin}: must be a mapping whose one key is 'vendors', a list")
    configs: list[VendorConfig] = []
    seen: set[str] = set()
    for index, row in enumerate(data.get("vendors") or []):
        if not isinstance(row, dict):
            raise VendorsFileError(f"{origin}: vendors[{index}]: must be a mapping")
        label = f"vendors[{index}] ({row.get('name')!s:.40})" if row.get("name") else f"vendors[{index}]"
        try:
            config = VendorConfig.model_validate(row)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in item['loc']) or 'vendor'}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors()
            )
            raise VendorsFileError(f"{origin}: {label}: {problems}") from error
        if config.name in seen:
            raise VendorsFileError(f"{origin}: {label}: name: {config.name!r} appears twice")
        seen.add(config.name)
        configs.append(config)
    return configs


def load_vendors(path: Path | str) -> list[VendorConfig]:
    """The vendors of a file. Raises VendorsFileError, also when the file cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VendorsFileError(f"{path}: cannot be read as UTF-8 text") from error
    return parse_vendors(text, str(path))


def build_agents(configs: Iterable[VendorConfig]) -> list[VendorAgent]:
    """One agent for each enabled vendor, in the given order."""
    return [adapter(config.adapter)(config) for config in configs if config.enabled]

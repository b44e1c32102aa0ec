"""What every vendor's configuration has, whatever its data format (docs/how-to/vendors.md describes every field)."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "cookie", "accept-encoding", "upgrade", "te", "trailer"}
)


class VendorConfig(BaseModel):
    """One vendor: a few lines of vendors.yaml. Times are seconds, sizes bytes after decompression.

    A format's own class extends it (:mod:`hexar.agents.vendors.formats`); ``VendorConfig(adapter="feed", …)`` makes one of that
    class, once :mod:`hexar.agents.vendors.registry` is imported.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    _formats: ClassVar[dict[str, type[VendorConfig]]] = {}

    def __new__(cls, **fields: Any) -> VendorConfig:
        """An object of the class of ``adapter``'s format."""
        return super().__new__(cls._formats.get(str(fields.get("adapter")), cls) if cls is VendorConfig else cls)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        for name in get_args(cls.model_fields["adapter"].annotation):
            cls._formats[name] = cls

    #: Unique name: lower-case letters, digits, ``-`` and ``_``.
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    #: The data format. Each format narrows it to its own name, and adds the fields that only it has.
    adapter: str
    #: The shop's address, or the address of what the format reads.
    url: str
    enabled: bool = True
    #: Name for people; the vendor's ``name`` where empty.
    label: str = ""
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


def check_path(value: str) -> str:
    """A path of the shop, for formats that have one in their configuration. Raises ValueError."""
    if value and not value.startswith("/"):
        raise ValueError("must start with /")
    if re.search(r"[\x00-\x20\x7f]", value):
        raise ValueError("must not hold spaces or control characters")
    return value


def __getattr__(name: str) -> Any:
    # Whoever configures vendors in code finds their agents here as well; the registry imports this module, not the reverse.
    if name == "build_agents":
        return import_module("hexar.agents.vendors.registry").build_agents
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

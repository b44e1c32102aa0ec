"""The data formats that are understood, and vendors.yaml in their terms: which shops there are, and how each is read.

::

    vendors:
      - name: alpine
        adapter: jsonld
        url: https://shop.example
        search: /search?q={terms}
        currency: USD

A new format is an agent and the class of its configuration, whose ``adapter`` is the format's name: one file and one line of
:data:`BUILT_IN` here, or a package of one's own with an entry point ``hexar.formats`` that names such a pair
(docs/how-to/formats.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from importlib.metadata import entry_points
from operator import or_
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_args

import structlog
import yaml
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from hexar.agents.vendors.base import VendorAgent
from hexar.agents.vendors.config import VendorConfig
from hexar.agents.vendors.formats.feed import FeedAgent, FeedConfig
from hexar.agents.vendors.formats.jsonld import JsonLdAgent, JsonLdConfig
from hexar.agents.vendors.formats.shopify import ShopifyAgent, ShopifyConfig

log = structlog.get_logger(__name__)

#: What a format is configured by, and the agent that it makes.
Format: TypeAlias = tuple[type[VendorConfig], Callable[[Any], VendorAgent]]
#: The formats that ship.
BUILT_IN: tuple[Format, ...] = ((JsonLdConfig, JsonLdAgent), (ShopifyConfig, ShopifyAgent), (FeedConfig, FeedAgent))


def _name(config: type[VendorConfig]) -> str:
    (name,) = get_args(config.model_fields["adapter"].annotation)
    return str(name)


def installed() -> Iterator[Format]:
    """The formats of other packages, by name. One that cannot be loaded, or has the name of another, is logged and left out."""
    taken = {_name(config) for config, _ in BUILT_IN}
    for entry in sorted(entry_points(group="hexar.formats"), key=lambda point: point.name):
        try:
            config, agent = entry.load()
            name = _name(config)
        except Exception as error:  # whatever a package does when it is imported
            log.error("format_not_loaded", format=entry.name, entry=entry.value, reason=f"{type(error).__name__}: {error}")
            continue
        if name in taken:
            log.error("format_not_loaded", format=entry.name, entry=entry.value, reason=f"there is a format {name!r} already")
            continue
        taken.add(name)
        yield config, agent


FORMATS: tuple[Format, ...] = (*BUILT_IN, *installed())

#: The agents by the names of their formats.
AGENTS: Mapping[str, Callable[[Any], VendorAgent]] = {_name(config): agent for config, agent in FORMATS}
# The discriminated union of all formats' configurations; made of the list, it is no type to a type checker.
_UNION: Any = reduce(or_, (config for config, _ in FORMATS))
_ANY: TypeAdapter[VendorConfig] = TypeAdapter(Annotated[_UNION, Field(discriminator="adapter")])


class VendorsFileError(ValueError):
    """vendors.yaml cannot be used; the text names the file, the vendor and the field."""


def check_vendor(row: Mapping[str, object]) -> VendorConfig:
    """A vendor's configuration, of the class of its format. Raises pydantic's ValidationError."""
    return _ANY.validate_python(row)


def _problem(error: ErrorDetails) -> str:
    """One problem as a person reads it: the field, and what is wrong with it."""
    if error["type"] == "union_tag_invalid":
        return f"adapter: unknown adapter {error['ctx']['tag']!r}; known: {', '.join(sorted(AGENTS))}"
    if error["type"] == "union_tag_not_found":
        return f"adapter: Field required; known: {', '.join(sorted(AGENTS))}"
    if error["type"] == "extra_forbidden":
        text = f"{error['loc'][0]} has no such field"
    else:
        text = error["msg"].removeprefix("Value error, ")
    # The first part of the place is the format.
    return f"{'.'.join(str(part) for part in error['loc'][1:]) or 'vendor'}: {text}"


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
            config = check_vendor(row)
        except ValidationError as error:
            problems = "; ".join(_problem(item) for item in error.errors())
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
    return [AGENTS[config.adapter](config) for config in configs if config.enabled]

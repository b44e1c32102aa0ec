"""``hexar vendors``: the configured shops, and what is read of one of their pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text
from urllib3.util import parse_url

from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.config import VendorConfig
from hexar.agents.vendors.errors import VendorError, VendorRefused
from hexar.agents.vendors.model import Listing
from hexar.agents.vendors.registry import VendorsFileError, build_agents, check_vendor, load_vendors
from hexar.core.deadline import Deadline
from hexar.server.process.startup import ConfigurationError, failed, load_settings
from hexar.server.servicers.query import GearSettings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at the configured shops, and at what is read of a page.",
)
Vendors = Annotated[Path | None, typer.Option("--vendors", help="The file of the shops; as configured where not given.")]


def configured(path: Path | None) -> list[VendorConfig]:
    """The shops of the file; a wrong one ends the command."""
    path = path or load_settings().section(GearSettings).vendors
    try:
        return load_vendors(path)
    except VendorsFileError as error:
        raise failed(ConfigurationError(str(error)), 2) from None


@app.command("list")
def list_vendors(vendors: Vendors = None) -> None:
    """List the configured shops."""
    for config in configured(vendors):
        typer.echo(f"{config.name}  {config.adapter}  {config.url}{'' if config.enabled else '  (off)'}")


@app.command()
def check(
    what: Annotated[str, typer.Argument(metavar="URL|NAME", help="A page, a feed, or the name of a configured shop.")],
    terms: Annotated[str, typer.Option(help="What a configured shop is asked for.")] = "",
    adapter: Annotated[
        str, typer.Option(help="The format of a URL: jsonld, shopify, feed or another that is there.")
    ] = "jsonld",
    currency: Annotated[str, typer.Option(help="ISO 4217 code of prices that state none.")] = "",
    private: Annotated[bool, typer.Option("--private", help="The URL's host may have a private address.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Products shown.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a product.")] = False,
    vendors: Vendors = None,
) -> None:
    """Read a page as a query would, and show what is understood of it; exit code 1 where nothing is."""
    config = _of_url(what, adapter, currency, private) if "://" in what else _of_name(what, configured(vendors))
    agent = build_agents([config])[0]
    try:
        found = agent.light(LightRequest(terms), Deadline.after(config.timeout))
    except VendorError as error:
        text = str(error)
        if "://" in what:
            advice = "; --private lets it be read" if isinstance(error, VendorRefused) and not private else ""
            text = f"{what}: {error.reason}{advice}"
        raise failed(ConfigurationError(text), 1) from None
    finally:
        agent.close()
    console = Console(highlight=False, stderr=as_json)
    for listing in found[:limit]:
        if as_json:
            typer.echo(json.dumps(listing.to_json(), ensure_ascii=True))
        else:
            _show(console, listing)
    more = f", {limit} shown" if len(found) > limit else ""
    console.print(f"{len(found)} products were read{more}")
    if not found:
        raise typer.Exit(1)


def _of_name(name: str, configs: list[VendorConfig]) -> VendorConfig:
    for config in configs:
        if config.name == name:
            return config.model_copy(update={"enabled": True})
    known = ", ".join(config.name for config in configs) or "none"
    raise failed(ConfigurationError(f"there is no shop {name!r}; configured are: {known}"), 2)


def _of_url(url: str, adapter: str, currency: str, private: bool) -> VendorConfig:
    """A configuration whose reading is that of one page."""
    try:
        parsed = parse_url(url)
        ports = (80, 443, *((parsed.port,) if parsed.port else ()))
        hosts = (parsed.host or "",) if private else ()
        fields: dict[str, Any] = {
            "name": "page",
            "adapter": adapter,
            "currency": currency,
            "ports": ports,
            "allow_private_hosts": hosts,
        }
        if adapter == "jsonld":
            # The page stands where a search would: the shop is its host.
            return check_vendor(fields | {"url": f"{parsed.scheme}://{parsed.netloc}", "search": parsed.request_uri})
        return check_vendor(fields | {"url": url})
    except ValidationError as error:
        reasons = "; ".join(
            ": ".join([*(str(part) for part in row["loc"][-1:]), row["msg"].removeprefix("Value error, ")])
            for row in error.errors()
        )
        raise failed(ConfigurationError(reasons), 2) from None
    except ValueError as error:
        raise failed(ConfigurationError(f"{url}: {error}"), 2) from None


def _show(console: Console, listing: Listing) -> None:
    """A product in three lines: what it is, what it costs, what else is known."""
    price = (
        f"{listing.price.micros / 1e6:.2f} {listing.price.currency or 'currency not stated'}" if listing.price else "no price"
    )
    known = [
        ("brand", listing.brand),
        ("gtin", listing.gtin),
        ("category", listing.category),
        ("sizes", ", ".join(listing.sizes)),
    ]
    known.append(("rating", f"{listing.rating} of {listing.rating_count}" if listing.rating is not None else ""))
    known += list(listing.attributes.items())
    for line in (
        Text(listing.name, style="bold"),
        Text(f"  {price}  {listing.availability.value.replace('_', ' ')}  {listing.url}"),
        Text("  " + ", ".join(f"{name} {value}" for name, value in known if value)),
    ):
        console.print(line, soft_wrap=True)

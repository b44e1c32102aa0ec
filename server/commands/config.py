"""``hexar config``: what the configuration comes to, without starting anything."""

from __future__ import annotations

from typing import Any

import typer
import yaml

from hexar.agents.vendors.registry import VendorsFileError, load_vendors
from hexar.server.process.startup import ConfigurationError, failed, load_settings
from hexar.server.servicers.query import GearSettings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check the configuration, and show what it comes to.",
)


@app.command()
def check() -> None:
    """Read the configuration and the file of the shops; what is wrong is told a line each, with exit code 2."""
    settings = load_settings()
    path = settings.section(GearSettings).vendors
    try:
        vendors = load_vendors(path) if path.exists() else []
    except VendorsFileError as error:
        raise failed(ConfigurationError(str(error)), 2) from None
    shops = (
        f"{len(vendors)} shop{'s' * (len(vendors) != 1)} in {path}" if path.exists() else f"no shops, since there is no {path}"
    )
    typer.echo(f"the configuration is right: port {settings.port}, {shops}")


@app.command()
def show() -> None:
    """Print the settings as YAML: the environment over the file over the defaults. Secrets are not shown."""
    values: dict[str, Any] = load_settings().model_dump(mode="json")
    typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)

"""``hexar new-key``: make an API key."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated

import typer


def new_key(
    tenant: Annotated[str, typer.Option(help="The tenant that the key belongs to.")] = "default",
    scopes: Annotated[str, typer.Option(help="What it may do: use, ops, or both with a comma.")] = "use",
) -> None:
    """Make an API key: shown once, and the entry for the configuration, which holds its digest only."""
    key = secrets.token_urlsafe(32)
    typer.echo(f"key, shown this once:  {key}", err=True)
    words = ", ".join(scope.strip() for scope in scopes.split(","))
    digest = hashlib.sha256(key.encode()).hexdigest()
    typer.echo(f"auth:\n  tokens:\n    - sha256: {digest}\n      tenant: {tenant}\n      scopes: [{words}]")

"""``hexar context``: servers by name, kept in contexts.json of the user's configuration folder.

The file may hold tokens, so that only its owner may read it. ``HEXAR_CONTEXT`` and ``--context`` choose one for a command.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from hexar_client.commands import common

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="Keep servers by name, and choose one."
)
Name = Annotated[str, typer.Argument(help="The context's name.")]


def contexts_file() -> Path:
    """Where contexts are kept."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "hexar" / "contexts.json"


def read() -> dict[str, Any]:
    """{"current": name, "contexts": {name: {"server", "token", "tls", "authority", "certificate", "key"}}}."""
    try:
        found = json.loads(contexts_file().read_text("utf-8"))
    except FileNotFoundError:
        found = {}
    except ValueError:
        raise common.fail(f"{contexts_file()} is not JSON", 2) from None
    if not isinstance(found, dict) or not isinstance(found.setdefault("contexts", {}), dict):
        raise common.fail(f"{contexts_file()} is not as `hexar context` writes it", 2)
    return found


def chosen(name: str = "") -> dict[str, Any]:
    """The context of ``name``, else the current one; empty where there is none."""
    found = read()
    name = name or found.get("current", "")
    if not name:
        return {}
    if name not in found["contexts"]:
        raise common.fail(f"there is no context {name!r}; `hexar context list` shows them", 2)
    return dict(found["contexts"][name])


def _write(found: dict[str, Any]) -> None:
    path = contexts_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(found, file, indent=2)
    new.replace(path)


@app.command("set")
def set_context(
    name: Name,
    server: Annotated[str, typer.Option("--server", help="host:port of the server.")],
    token: Annotated[str, typer.Option(help="Bearer token; HEXAR_TOKEN needs no file.")] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Connect with TLS.")] = False,
    authority: Annotated[Path | None, typer.Option("--ca", help="Authority to trust, PEM.")] = None,
    certificate: Annotated[Path | None, typer.Option("--cert", help="Certificate to show, PEM.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Its private key, PEM.")] = None,
) -> None:
    """Keep a server under a name, and use it where it is the first."""
    found = read()
    entry = {"server": server, "token": token, "tls": tls}
    entry |= {
        field: str(path.absolute())
        for field, path in (("authority", authority), ("certificate", certificate), ("key", key))
        if path is not None
    }
    found["contexts"][name] = {field: value for field, value in entry.items() if value}
    found.setdefault("current", name)
    _write(found)


@app.command("use")
def use_context(name: Name) -> None:
    """Use a context from now on."""
    found = read()
    if name not in found["contexts"]:
        raise common.fail(f"there is no context {name!r}; `hexar context list` shows them")
    found["current"] = name
    _write(found)


@app.command("list")
def list_contexts() -> None:
    """List the contexts; the one in use has a star."""
    found = read()
    for name, entry in sorted(found["contexts"].items()):
        how = ", ".join(word for word in ("tls" if entry.get("tls") else "", "token" if entry.get("token") else "") if word)
        typer.echo(f"{'*' if name == found.get('current') else ' '} {name}  {entry['server']}{f'  ({how})' if how else ''}")


@app.command("remove")
def remove_context(name: Name, yes: common.Yes = False) -> None:
    """Forget a context."""
    found = read()
    if name not in found["contexts"]:
        raise common.fail(f"there is no context {name!r}; `hexar context list` shows them")
    common.confirm(f"Forget {name}?", yes)
    del found["contexts"][name]
    if found.get("current") == name:
        del found["current"]
    _write(found)

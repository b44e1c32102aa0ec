"""The ``hexar`` command.

Commands that call a server live in :mod:`hexar_client.commands`, one module a system; they are imported when they run. Where
the server is installed too, its own commands (``hexar serve``, ``hexar demo-shops``) join by the entry points
``hexar.commands``: each is a table of names like :data:`COMMANDS`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated, ClassVar

try:
    import typer
except ImportError:
    print("hexar: the command needs typer and rich: pip install 'hexar-client[cli]'", file=sys.stderr)
    raise SystemExit(2) from None

from hexar_client.commands import common, context
from hexar_client.commands.lazy import HELP, LazyGroup

COMMANDS = {
    "chat": ("hexar_client.commands.chat:chat", "Ask about a portfolio's documents."),
    "context": ("hexar_client.commands.context:app", "Keep servers by name, and choose one."),
    "legal": ("hexar_client.commands.legal:app", "Draft, check and cite legal documents."),
    "market": ("hexar_client.commands.market:app", "Analyse sales tables."),
    "mcp": ("hexar_client.commands.mcp:mcp", "Serve answers as tools of the Model Context Protocol."),
    "ops": ("hexar_client.commands.ops:app", "Operate a running server."),
    "parts": ("hexar_client.commands.parts:app", "Find the parts that fit a vehicle."),
    "portfolio": ("hexar_client.commands.portfolio:app", "Keep and search documents."),
    "query": ("hexar_client.commands.query:query", "Ask for products, and watch the ranking form."),
    "top": ("hexar_client.commands.ops:top", "Watch what a server does, until Ctrl-C."),
}
DEFAULT_SERVER = "localhost:50051"


class Commands(LazyGroup):
    """All commands of ``hexar``."""

    table: ClassVar[dict[str, tuple[str, str]]] = dict(COMMANDS)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=HELP,
    pretty_exceptions_enable=False,
    help="Ask Hexar, and operate it.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hexar {version('hexar-client')}")
        raise typer.Exit


@app.callback()
def connect(  # noqa: PLR0913  # an option is a parameter
    typer_context: typer.Context,
    server: Annotated[str, typer.Option(envvar="HEXAR_SERVER", help=f"host:port of the server [{DEFAULT_SERVER}].")] = "",
    token: Annotated[str, typer.Option(envvar="HEXAR_TOKEN", help="Bearer token.")] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Connect with TLS.")] = False,
    authority: Annotated[Path | None, typer.Option("--ca", help="Authority to trust, PEM; TLS.")] = None,
    certificate: Annotated[Path | None, typer.Option("--cert", help="Certificate to show, PEM; TLS.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Its private key, PEM.")] = None,
    name: Annotated[str, typer.Option("--context", envvar="HEXAR_CONTEXT", help="A server kept by `hexar context`.")] = "",
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Remember how to connect, for the commands."""
    if (certificate is None) != (key is None):
        raise typer.BadParameter("--cert and --key go together")
    # What is kept is for where nothing else is said of the server.
    kept = {} if server and not name else context.chosen(name)
    paths = {field: Path(kept[field]) for field in ("authority", "certificate", "key") if kept.get(field)}
    typer_context.obj = common.Target(
        server or kept.get("server", DEFAULT_SERVER),
        token or kept.get("token", ""),
        tls or bool(kept.get("tls")),
        authority or paths.get("authority"),
        certificate or paths.get("certificate"),
        key or paths.get("key"),
    )


def load_plugins() -> None:
    """Add the commands of the distributions that are installed beside this one."""
    for entry in sorted(entry_points(group="hexar.commands"), key=lambda point: point.name):
        found = entry.load()
        if isinstance(found, Mapping):
            Commands.table.update(found)
        elif isinstance(found, typer.Typer):
            app.add_typer(found, name=entry.name)
        else:
            app.command(entry.name)(found)


def main() -> None:
    """Run the command. What goes wrong is one line on standard error: a wrong use 2, everything else 1."""
    try:
        load_plugins()
        app(prog_name="hexar")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Whoever read has seen enough. The interpreter's last flush would fail as well.
        sys.stdout = None
        raise SystemExit(141) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"hexar: {where}{error.strerror or error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()

"""The ``hexar`` command.

Commands that call a server live in :mod:`hexar_client.commands`, one module a system. Where the server is installed too, its
own commands (``hexar serve``, ``hexar demo-shops``) join by the entry points ``hexar.commands``.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from hexar_client.commands import chat, common, legal, market, ops, parts, portfolio, query
from hexar_client.errors import HexarError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Ask Hexar, and operate it.")


@app.callback()
def connect(
    context: typer.Context,
    server: Annotated[str, typer.Option(envvar="HEXAR_SERVER", help="host:port of the server.")] = "localhost:50051",
    token: Annotated[str, typer.Option(envvar="HEXAR_TOKEN", help="Bearer token.")] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Connect with TLS.")] = False,
) -> None:
    """Remember how to connect, for the commands."""
    context.obj = common.Target(server, token, tls)


app.command("query")(query.query)
app.command("chat")(chat.chat)
app.add_typer(portfolio.app, name="portfolio", help="Keep and search documents.")
app.add_typer(parts.app, name="parts", help="Find the parts that fit a vehicle.")
app.add_typer(legal.app, name="legal", help="Draft, check and cite legal documents.")
app.add_typer(market.app, name="market", help="Analyse sales tables.")
app.add_typer(ops.app, name="ops", help="Operate a running server.")


def load_plugins() -> None:
    """Add the commands of the distributions that are installed beside this one."""
    for entry in sorted(entry_points(group="hexar.commands"), key=lambda point: point.name):
        command = entry.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=entry.name)
        else:
            app.command(entry.name)(command)


def main() -> None:
    """Run the command; an error of the server is one line on standard error and exit code 1."""
    load_plugins()
    try:
        app()
    except HexarError as error:
        print(f"hexar: {error.code.name}: {error.message}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()

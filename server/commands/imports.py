"""``hexar import``: one command a system that reads data into the store."""

from pathlib import Path
from typing import Annotated

import typer

from hexar.server.commands.import_legal import import_corpus, import_templates
from hexar.server.commands.import_parts import import_parts
from hexar.server.commands.stores import open_store

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Read catalogues, corpora and document types into the store.",
)
app.command("parts")(import_parts)
app.command("corpus")(import_corpus)
app.command("templates")(import_templates)


@app.command("demo")
def import_demo(
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the store; as configured where not given.")] = None,
) -> None:
    """Import the small catalogue and corpus that ship, for trying things out; what is there stays."""
    from hexar.server.demo.store import fill

    with open_store(data_dir) as database:
        fill(database)
    typer.echo("the demo's parts catalogue and legal corpus are there")


@app.callback()
def main() -> None:
    """Read data into the store of this machine's server."""

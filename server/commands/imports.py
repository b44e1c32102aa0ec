"""``hexar import``: one command a system that reads data into the store."""

import typer

from hexar.server.commands.import_legal import import_corpus, import_templates
from hexar.server.commands.import_parts import import_parts

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Read catalogues, corpora and document types into the store."
)
app.command("parts")(import_parts)
app.command("corpus")(import_corpus)
app.command("templates")(import_templates)


@app.callback()
def main() -> None:
    """Read data into the store of this machine's server."""

"""``python -m hexar.server``: the commands ``serve`` (where none is named) and ``worker``, without the client's."""

import sys

import typer

from hexar.server.commands.serve import serve
from hexar.server.commands.worker import worker

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command("serve")(serve)
app.command("worker")(worker)

if __name__ == "__main__":
    app(args=sys.argv[1:] or ["serve"], prog_name="python -m hexar.server")

"""``hexar serve``: run a server, in one process or in several."""

from __future__ import annotations

from typing import Annotated

import typer

from hexar.server.commands.several import run_several
from hexar.server.process.startup import ConfigurationError, built, failed, load_settings, prepare, run_loop
from hexar.server.process.supervision.address import Address
from hexar.server.settings.config import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that share the port; 1: this one.")] = None,
) -> None:
    """Run a server: in this process, or in several under it."""
    settings = load_settings(host=host, port=port, workers=workers)
    if settings.workers > 1:
        run_several("serve", settings, settings.workers)
    try:
        run(settings)
    except ConfigurationError as error:
        raise failed(error, 2) from None
    except OSError as error:
        raise failed(error, 1) from None


def run(settings: Settings) -> None:
    """Serve in this process until SIGTERM or SIGINT."""
    from hexar.server.process.app import App

    if settings.port:
        # Found out before anything is opened, and in words: gRPC says it in its own on standard error.
        Address(settings.host, settings.port).close()
    prepare(settings)
    run_loop(built(lambda: App(settings)).run(owns_process=True), cpu_affinity=settings.cpu_affinity)

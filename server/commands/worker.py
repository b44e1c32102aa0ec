"""``hexar worker``: run background jobs, in one process or in several."""

from __future__ import annotations

from typing import Annotated

import typer

from hexar.server.commands.several import check_shared, run_several
from hexar.server.process.startup import ConfigurationError, built, failed, load_settings, prepare, run_loop
from hexar.server.settings.config import Settings


def worker(
    workers: Annotated[int, typer.Option(min=1, help="Processes; 1: this one.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Jobs at once in a process; jobs.workers where not given.")] = None,
    host: Annotated[str | None, typer.Option(help="Address of the health service.")] = None,
    port: Annotated[int | None, typer.Option(min=0, help="Port of the health service; none where not given.")] = None,
    metrics_port: Annotated[int | None, typer.Option(min=0, help="Prometheus endpoint; metrics_port where not given.")] = None,
) -> None:
    """Run background jobs of the configured store, and no service but health."""
    settings = load_settings(host=host, port=port, metrics_port=metrics_port)
    if threads is not None:
        settings.jobs.workers = threads
    try:
        check_shared(settings, "hexar worker")
        if not settings.jobs.workers:
            raise ConfigurationError("jobs.workers: 0 threads would run nothing; give --threads")
    except ConfigurationError as error:
        raise failed(error, 2) from None
    if workers > 1:
        run_several("work", settings, workers, listen=port is not None, threads=threads)
    try:
        run(settings, health=port is not None)
    except ConfigurationError as error:
        raise failed(error, 2) from None
    except OSError as error:
        raise failed(error, 1) from None


def run(settings: Settings, *, health: bool) -> None:
    """Run jobs in this process until SIGTERM or SIGINT."""
    from hexar.server.process.worker import JobProcess

    prepare(settings)
    run_loop(built(lambda: JobProcess(settings, health=health)).run(owns_process=True))

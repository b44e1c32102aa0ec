"""From a command to a supervisor over several processes."""

from __future__ import annotations

import asyncio
import sys
from typing import Literal, NoReturn

from hexar.server.process.startup import ConfigurationError, configure_logging, failed
from hexar.server.settings.config import Settings


def check_shared(settings: Settings, what: str) -> None:
    """Raise ConfigurationError where ``settings`` cannot serve more than one process."""
    if settings.redis_url is None:
        # Without it a process would go on serving from its memory what another has made old (docs/adr/0008).
        raise ConfigurationError(
            f"redis_url: {what} shares its caches and running answers with other processes; set HEXAR_REDIS_URL"
        )


def run_several(
    role: Literal["serve", "work"], settings: Settings, count: int, *, listen: bool = True, threads: int | None = None
) -> NoReturn:
    """Run ``count`` processes until SIGTERM or SIGINT, then end this one."""
    if sys.platform == "win32":
        raise failed(ConfigurationError("workers: several processes on one port need SO_REUSEPORT; Windows has none"), 2)
    from hexar.server.process.supervision.supervisor import NotStarted, Supervisor

    try:
        check_shared(settings, f"a server of {count} processes" if role == "serve" else "hexar worker")
    except ConfigurationError as error:
        raise failed(error, 2) from None
    configure_logging(settings)
    try:
        asyncio.run(Supervisor(role, settings, count, listen=listen, threads=threads).run())
    except NotStarted as error:
        raise failed(error, error.code) from None
    except OSError as error:
        raise failed(error, 1) from None
    raise SystemExit(0)

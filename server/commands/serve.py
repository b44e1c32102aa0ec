"""``hexar serve``: run a server."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Annotated

import structlog
import typer
from pydantic import ValidationError

from hexar.server.app import App
from hexar.server.config import Settings


def configure_logging(settings: Settings) -> None:
    """Structured logs on standard error: one line an event, JSON where asked for."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def run(settings: Settings) -> None:
    """Serve with ``settings`` until SIGTERM or SIGINT."""
    configure_logging(settings)
    # Agents' threads hand tokens to the loop: with the default of 5 ms a busy thread delays it noticeably (docs/adr/0005).
    sys.setswitchinterval(0.001)
    app = App(settings)
    if sys.platform == "win32":
        asyncio.run(app.run())
    else:
        import uvloop

        uvloop.run(app.run())


def load_settings(**overrides: object) -> Settings:
    """The configuration, or a message that names the wrong setting and exit code 2."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            print(f"hexar: {name}: {problem['msg']}", file=sys.stderr)
        raise SystemExit(2) from None
    except ValueError as error:
        print(f"hexar: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.")] = None,
) -> None:
    """Run a server in this process."""
    _serve(load_settings(host=host, port=port))


def main() -> None:
    """``python -m hexar.server``."""
    _serve(load_settings())


def _serve(settings: Settings) -> None:
    try:
        run(settings)
    except OSError as error:
        print(f"hexar: {error}", file=sys.stderr)
        raise SystemExit(1) from None

"""What every command that runs a process does first: settings, logs, the event loop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hexar.core.errors import HexarError
from hexar.server.settings.config import Settings
from hexar.server.systems import make_settings, settings_type
from hexar.server.tuning import loop_factory

T = TypeVar("T")
#: What the name of a setting begins with.
PREFIX = "HEXAR_"
#: What else is read from the environment: where the file is, what the command of
#: the client reads, and what builds, tests and the compose file of the documentation use.
OTHER_VARIABLES = frozenset(
    PREFIX + name
    for name in ("CONFIG", "SERVER", "TOKEN", "CONTEXT", "BUILD", "DATA", "SEED", "KILLS", "OUTAGE", "OPERATIONS", "PROTO")
) | {"HEXAR_DB_PASSWORD", "HEXAR_VENDORS_FILE"}


class ConfigurationError(Exception):
    """The configuration is wrong; the text names the setting, one line a problem."""


def read_settings(**overrides: object) -> Settings:
    """The configuration, with ``overrides`` that are not None in its place. Raises ConfigurationError."""
    unknown = unknown_variables(os.environ)
    if unknown:
        raise ConfigurationError("\n".join(unknown))
    try:
        return make_settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise ConfigurationError("\n".join(map(_problem, error.errors()))) from None
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """A line for each name of ``environment`` that looks like a setting and is none; the sections check what is in them."""
    settings = {PREFIX + name.upper() for name in settings_type().model_fields}
    found = []
    for name in sorted(environment):
        top = name.upper().split("__")[0]
        if top.startswith(PREFIX) and top not in settings | OTHER_VARIABLES:
            near = get_close_matches(top, settings, 1, 0.8)
            found.append(f"{name}: there is no such setting{f'; is {near[0]} meant?' if near else ''}")
    return found


def _problem(error: ErrorDetails) -> str:
    text = error["msg"].removeprefix("Value error, ")
    # What concerns several fields names them itself.
    return f"{'.'.join(map(str, error['loc']))}: {text}" if error["loc"] else text


def load_settings(**overrides: object) -> Settings:
    """As `read_settings`; a wrong one ends the command with a message and exit code 2."""
    try:
        return read_settings(**overrides)
    except ConfigurationError as error:
        raise failed(error, 2) from None


def built(make: Callable[[], T]) -> T:
    """The process that ``make`` makes; what of the configuration keeps it from being made raises ConfigurationError."""
    try:
        return make()
    except (ValueError, HexarError) as error:
        raise ConfigurationError(str(error)) from error


def failed(error: Exception, code: int) -> SystemExit:
    """The end of a command that cannot go on, said on standard error."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    for line in text.splitlines():
        print(f"hexar: {line}", file=sys.stderr)
    return SystemExit(code)


def configure_logging(settings: Settings, worker: int | None = None) -> None:
    """Structured logs on standard error: one line an event, JSON where asked for. ``worker``: whose lines these are."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )

    level = logging.getLevelNamesMapping()[settings.log_level.upper()]

    def named(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if worker is not None:
            event.setdefault("worker", worker)
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            named,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What libraries log (gRPC, urllib3, the page's server) looks the same. The lines of gRPC's C core are not among it: it
    # writes them to standard error by itself.
    foreign = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            named,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(foreign)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # The chatter of libraries is for who debugs; their warnings are for everybody.
    root.setLevel(max(logging.WARNING, level) if level > logging.DEBUG else level)


def prepare(settings: Settings, worker: int | None = None) -> None:
    """Logs, how often threads take turns, and how often the garbage collector looks for cycles."""
    configure_logging(settings, worker)
    # Agents' threads hand tokens to the loop: with the default of 5 ms a busy thread delays it noticeably (docs/adr/0005).
    sys.setswitchinterval(0.001)
    # A stream makes thousands of objects and hardly a cycle. Each look at the old ones holds every stream up; the young ones
    # are looked at in quiet moments, some thousands at a time, so that a rush is over before their number is reached
    # (hexar.server.tuning.collecting).
    gc.set_threshold(60_000, 20, 20)


def run_loop(work: Coroutine[Any, Any, None], *, cpu_affinity: bool = False) -> None:
    """Run ``work`` on the event loop of this system; ``cpu_affinity``: on one that can keep to a CPU."""
    with asyncio.Runner(loop_factory=loop_factory(cpu_affinity=cpu_affinity)) as runner:
        runner.run(work)

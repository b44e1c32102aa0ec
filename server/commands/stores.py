"""The configured store for a command: open, migrated where asked for, and every error one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from hexar.core.errors import HexarError
from hexar.core.store import Database
from hexar.server.engine.store import StoreNotReady, open_database, prepare_database
from hexar.server.process.startup import failed, load_settings
from hexar.server.systems import TABLES

#: Problems printed of an import; all are counted.
MAX_PRINTED = 20
#: Exit code where a part was refused and the rest was imported.
REFUSED = 3


@contextmanager
def open_store(data_dir: Path | None = None, *, migrate: bool = True) -> Iterator[Database]:
    """The configured store. ``migrate``: with the schema of this release."""
    settings = load_settings(data_dir=data_dir)
    database = open_database(settings)
    try:
        if migrate:
            prepare_database(settings, database, TABLES)
        yield database
    except (HexarError, StoreNotReady) as error:
        raise failed(error, 1) from None
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        raise failed(OSError(f"{what}{error.strerror or error}"), 1) from None
    finally:
        database.close()


def tell_refused(console: Console, problems: Sequence[tuple[str, int, str]], total: int) -> None:
    """Print the first of what was refused (file, line or 0, reason); exit code 3 where there is any."""
    for file, line, reason in problems[:MAX_PRINTED]:
        where = f"{file}, line {line}" if line else file
        console.print(f"  {where}: {reason}", highlight=False, markup=False)
    hidden = total - min(len(problems), MAX_PRINTED)
    if hidden > 0:
        console.print(f"  … and {hidden:,} more", highlight=False)
    if total:
        raise typer.Exit(REFUSED)

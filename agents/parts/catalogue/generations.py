"""Generations: begin one, publish it with one update, remove what is left over.

A generation is *dead* when its process is gone (same host) or has not touched it for :data:`ABANDONED` seconds. A retired
generation stays for :data:`RETIRED_GRACE` seconds, longer than any request may run, so that an answer that began on it
reads one whole catalogue to its end.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping

import orjson
from sqlalchemy import Connection, delete, func, insert, select, update

from hexar.agents.parts.catalogue import tables
from hexar.agents.parts.catalogue.report import CatalogueExists
from hexar.core.store import STORE_ERRORS, Database, insert_or

#: Seconds without a sign of life after which an import on another host counts as dead.
ABANDONED = 900.0
#: Seconds that a replaced generation stays readable.
RETIRED_GRACE = 600.0
#: Keys removed in one transaction, so that other writers are not locked out for long.
REMOVE_KEYS = 20_000


def _is_dead(host: str, process: int, touched_at: float, now: float) -> bool:
    if host == socket.gethostname():
        if process == os.getpid():
            return False
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return now - touched_at > ABANDONED
    return now - touched_at > ABANDONED


def current(connection: Connection, catalogue: str, *, lock: bool = False) -> tuple[int, int] | None:
    """The (generation, version) that readers see, or None where there is no such catalogue; ``lock`` until the commit."""
    statement = select(tables.catalogues.c.generation, tables.catalogues.c.version).where(tables.catalogues.c.name == catalogue)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    return (row.generation, row.version) if row else None


def begin(database: Database, catalogue: str, *, replace: bool) -> int:
    """Register a new generation and return its number; raises CatalogueExists where the name is taken."""
    with database.write() as connection:
        if not replace and current(connection, catalogue) is not None:
            raise CatalogueExists(f"catalogue {catalogue!r} is there already; ask to replace it, or give another name")
        result = connection.execute(
            insert(tables.generations).values(
                catalogue=catalogue, host=socket.gethostname(), process=os.getpid(), touched_at=time.time()
            )
        )
        key = result.inserted_primary_key
        assert key is not None
        return int(key[0])


def touch(connection: Connection, generation: int) -> None:
    """Say that the import is alive."""
    connection.execute(
        update(tables.generations).where(tables.generations.c.generation == generation).values(touched_at=time.time())
    )


def publish(database: Database, catalogue: str, generation: int, counts: Mapping[str, int], *, replace: bool) -> int:
    """Make a generation the visible one and return the catalogue's new version; one transaction."""
    now = time.time()
    row = {"generation": generation, "imported_at": now, "counts": orjson.dumps(dict(counts)).decode()}
    with database.write() as connection:
        before = current(connection, catalogue, lock=True)
        if before is not None and not replace:
            raise CatalogueExists(f"catalogue {catalogue!r} was imported meanwhile")
        if before is None:
            version = 1
            first = insert_or(connection, tables.catalogues).values(name=catalogue, version=version, **row)
            if not connection.execute(first.on_conflict_do_nothing()).rowcount:
                raise CatalogueExists(f"catalogue {catalogue!r} was imported meanwhile")
        else:
            version = before[1] + 1
            connection.execute(
                update(tables.catalogues).where(tables.catalogues.c.name == catalogue).values(version=version, **row)
            )
            connection.execute(
                update(tables.generations).where(tables.generations.c.generation == before[0]).values(retired_at=now)
            )
        connection.execute(
            update(tables.generations).where(tables.generations.c.generation == generation).values(published_at=now)
        )
    return version


def leftovers(database: Database, *, grace: float = RETIRED_GRACE) -> list[int]:
    """Generations that nobody reads or writes any more."""
    now = time.time()
    with database.read() as connection:
        visible = set(connection.execute(select(tables.catalogues.c.generation)).scalars())
        rows = connection.execute(select(tables.generations)).all()
    dead = []
    for row in rows:
        if row.generation in visible:
            continue
        if row.published_at is not None:
            if row.retired_at is not None and now - row.retired_at >= grace:
                dead.append(row.generation)
        elif _is_dead(row.host, row.process, row.touched_at, now):
            dead.append(row.generation)
    return dead


def remove(database: Database, generation: int) -> None:
    """Delete every row of a generation, in short transactions; may be repeated after an interruption."""
    for table, name in tables.GENERATION_TABLES:
        column = table.c[name]
        with database.read() as connection:
            last = connection.execute(select(func.max(column)).where(table.c.generation == generation)).scalar()
        if last is None:
            continue
        # Fitments hang on variants, hundreds to a key; the other tables have one row or a few.
        step = 100 if name == "variant_key" or name == "group_key" else REMOVE_KEYS
        for first in range(0, int(last) + 1, step):
            with database.write() as connection:
                connection.execute(
                    delete(table).where(table.c.generation == generation, column >= first, column < first + step)
                )
    with database.write() as connection:
        connection.execute(delete(tables.generations).where(tables.generations.c.generation == generation))


def collect(database: Database, *, grace: float = RETIRED_GRACE) -> list[int]:
    """Remove all leftovers and return their numbers."""
    removed = leftovers(database, grace=grace)
    for generation in removed:
        remove(database, generation)
    return removed


def discard(database: Database, generation: int) -> None:
    """Remove a generation that failed; what cannot be removed now is left to the next import."""
    with contextlib.suppress(OSError, *STORE_ERRORS):
        remove(database, generation)

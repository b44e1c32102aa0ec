"""The tables that tenants gave: kept in the store, read from this process' own copies or from where they lie.

Every method blocks: call it on a pool. An uploaded table's rows are kept as pieces of one Parquet file; a process that has no
copy of its own makes one. Files in a table folder are read again when their size or their time changed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from hexar.agents.market.figures.aggregates import Source
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.figures.sql import literal
from hexar.agents.market.tables import files
from hexar.agents.market.tables.model import Profile, ReadTable
from hexar.agents.market.tables.reading import Source as File
from hexar.agents.market.tables.reading import TableReader
from hexar.agents.market.tables.schema import pieces, tables
from hexar.agents.market.tables.warehouse import Warehouse, read_relation
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from hexar.core.store import Database
from hexar.v1 import market_pb2 as pb

UPLOAD, FILES, WAREHOUSE = "upload", "files", "warehouse"
#: Bytes of a piece, and pieces written in one transaction.
PIECE, PIECES_AT_ONCE = 1 << 20, 16
#: For so long a table that was looked up is not looked up again, seconds.
FRESH = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A table that can be analysed. ``content`` names what is in it: it changes when the rows, or how they are read, do."""

    description: pb.Table
    profile: Profile
    source: Source
    content: str


@dataclass(frozen=True, slots=True)
class LibraryConfig:
    """Where tables may lie, and how large a file may be when unpacked, bytes."""

    folder: Path
    roots: tuple[Path, ...] = ()
    limit: int = 4 << 30


class TableLibrary:
    """The tables of all tenants. Thread-safety: all methods may be called from any thread."""

    def __init__(
        self, database: Database, engine: DuckEngine, config: LibraryConfig, warehouses: Mapping[str, Warehouse] | None = None
    ) -> None:
        self._database = database
        self._engine = engine
        self._config = config
        self._warehouses = dict(warehouses or {})
        self._reader = TableReader(engine, config.folder, config.limit)
        self._fresh: dict[tuple[str, str], tuple[float, Entry]] = {}

    # -- giving a table -----------------------------------------------------------------------------------------------------

    def upload(self, tenant: str, options: pb.TableOptions, given: Sequence[File], cancel: Cancel) -> pb.Table:
        """Keep a table out of files that this process received; they may go afterwards. AlreadyExists, InvalidArgument."""
        self._check_free(tenant, options)
        made = self._reader.read(given, options, cancel)
        try:
            self._keep(made.copy)
            return self._write(tenant, options, UPLOAD, made, [file.name for file in given], [])
        except BaseException:
            self._drop(made.copy)
            raise

    def register(self, tenant: str, options: pb.TableOptions, paths: Sequence[str], cancel: Cancel) -> pb.Table:
        """Make a table known whose files lie below a table folder."""
        self._check_free(tenant, options)
        if not self._config.roots:
            raise FailedPrecondition("no table folder is configured on this server (market.roots); upload the table instead")
        found = [files.below_roots(path, self._config.roots, f"paths[{at}]") for at, path in enumerate(paths)]
        made = self._read_files(options, found, paths, cancel)
        return self._write(tenant, options, FILES, made, [str(path) for path in found], _stamps(found))

    def register_relation(
        self, tenant: str, options: pb.TableOptions, warehouse: str, relation: str, cancel: Cancel
    ) -> pb.Table:
        """Make a relation of a configured warehouse known."""
        self._check_free(tenant, options)
        made = read_relation(self._warehouse(warehouse, "warehouse"), relation, options, cancel)
        return self._write(tenant, options, f"{WAREHOUSE}:{warehouse}", made, [relation], [])

    def _read_files(self, options: pb.TableOptions, found: Sequence[Path], names: Sequence[str], cancel: Cancel) -> ReadTable:
        given = [File(Path(name).name, path, f"paths[{at}]") for at, (name, path) in enumerate(zip(names, found, strict=True))]
        return self._reader.read(given, options, cancel, in_place=True)

    def _warehouse(self, name: str, field: str) -> Warehouse:
        found = self._warehouses.get(name)
        if found is None:
            raise InvalidArgument(field, f"no warehouse {name[:100]!r} is configured on this server")
        return found

    def _check_free(self, tenant: str, options: pb.TableOptions) -> None:
        if options.replace:
            return
        with self._database.read() as connection:
            if self._row(connection, tenant, options.name) is not None:
                raise AlreadyExists(f"table {options.name!r} exists; replace says to take its place")

    def _write(
        self, tenant: str, options: pb.TableOptions, source: str, made: ReadTable, paths: Sequence[str], stamps: Sequence[Any]
    ) -> pb.Table:
        made.description.source = source
        row = {
            "source": source,
            "copy": made.copy,
            "options": options.SerializeToString(deterministic=True),
            "description": made.description.SerializeToString(deterministic=True),
            "profile": made.profile.encode(),
            "paths": orjson.dumps(list(paths)).decode(),
            "stamps": orjson.dumps(list(stamps)).decode(),
            "updated_at": time.time(),
        }
        where = sa.and_(tables.c.tenant == tenant, tables.c.name == options.name)
        try:
            with self._database.write() as connection:
                old = connection.execute(sa.select(tables.c.copy).where(where).with_for_update()).scalar()
                if old is not None and not options.replace:
                    raise AlreadyExists(f"table {options.name!r} exists; replace says to take its place")
                if old is None:
                    connection.execute(sa.insert(tables).values(tenant=tenant, name=options.name, **row))
                else:
                    connection.execute(sa.update(tables).where(where).values(**row))
                    if old and old != made.copy:
                        connection.execute(sa.delete(pieces).where(pieces.c.copy == old))
        except sa.exc.IntegrityError:
            raise AlreadyExists(f"table {options.name!r} exists; replace says to take its place") from None
        self._fresh.pop((tenant, options.name), None)
        return made.description

    # -- what is there ------------------------------------------------------------------------------------------------------

    def fresh(self, tenant: str, name: str) -> Entry | None:
        """The table as it was looked up within the last second; never blocks."""
        known = self._fresh.get((tenant, name))
        return known[1] if known is not None and known[0] > time.monotonic() else None

    def get(self, tenant: str, name: str, cancel: Cancel) -> Entry:
        """A table as it is now; files that changed are read again. NotFound."""
        with self._database.read() as connection:
            row = self._row(connection, tenant, name)
        if row is None:
            raise NotFound("table", name)
        if row["source"] == FILES:
            row = self._again(tenant, row, cancel)
        entry = self._entry(row)
        if len(self._fresh) > 1000:
            self._fresh.clear()
        self._fresh[tenant, name] = (time.monotonic() + FRESH, entry)
        return entry

    def page(self, tenant: str, after: str, limit: int) -> list[pb.Table]:
        """Descriptions by name past ``after``."""
        statement = (
            sa.select(tables.c.description)
            .where(tables.c.tenant == tenant, tables.c.name > after)
            .order_by(tables.c.name)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [pb.Table.FromString(row.description) for row in connection.execute(statement)]

    def delete(self, tenant: str, name: str) -> None:
        """Forget a table and what was uploaded for it. NotFound."""
        where = sa.and_(tables.c.tenant == tenant, tables.c.name == name)
        with self._database.write() as connection:
            copy = connection.execute(sa.select(tables.c.copy).where(where).with_for_update()).scalar()
            if copy is None:
                raise NotFound("table", name)
            connection.execute(sa.delete(tables).where(where))
            connection.execute(sa.delete(pieces).where(pieces.c.copy == copy))
        self._fresh.pop((tenant, name), None)
        if copy:
            (self._config.folder / copy).unlink(missing_ok=True)

    def _row(self, connection: sa.Connection, tenant: str, name: str) -> Any:
        statement = sa.select(tables).where(tables.c.tenant == tenant, tables.c.name == name)
        return connection.execute(statement).mappings().first()

    def _again(self, tenant: str, row: Any, cancel: Cancel) -> Any:
        """The row of a table of files, read anew where a file changed or this process has no copy."""
        found = [Path(path) for path in orjson.loads(row["paths"])]
        missing = [path.name for path in found if not path.is_file()]
        if missing:
            raise FailedPrecondition(f"the file {missing[0]!r} of the table is not there any more")
        stamps = orjson.loads(row["stamps"])
        kept = not row["copy"] or (self._config.folder / row["copy"]).is_file()
        if stamps == _stamps(found) and kept:
            return row
        options = pb.TableOptions.FromString(row["options"])
        for at, path in enumerate(found):
            files.below_roots(str(path), self._config.roots, f"paths[{at}]")
        made = self._read_files(options, found, [path.name for path in found], cancel)
        options.replace = True
        self._write(tenant, options, FILES, made, [str(path) for path in found], _stamps(found))
        with self._database.read() as connection:
            return self._row(connection, tenant, row["name"])

    def _entry(self, row: Any) -> Entry:
        description = pb.Table.FromString(row["description"])
        profile = Profile.decode(row["profile"])
        if row["source"].startswith(f"{WAREHOUSE}:"):
            name = row["source"].partition(":")[2]
            content = f"{row['source']}/{orjson.loads(row['paths'])[0]}/{row['updated_at']}"
            return Entry(description, profile, self._warehouse(name, "table"), content)
        if row["copy"]:
            path = self._copy(row["copy"])
            profile = replace(profile, select=f"SELECT * FROM read_parquet({literal(str(path))})")
        return Entry(description, profile, self._engine, description.content_sha256.hex())

    # -- copies -------------------------------------------------------------------------------------------------------------

    def _keep(self, copy: str) -> None:
        """Write this process' copy to the store, so that it outlives the process and others can read it."""
        number, batch = 0, list[dict[str, Any]]()
        with (self._config.folder / copy).open("rb") as file:
            while data := file.read(PIECE):
                batch.append({"copy": copy, "number": number, "data": data})
                number += 1
                if len(batch) == PIECES_AT_ONCE:
                    self._insert(batch)
                    batch = []
        if batch:
            self._insert(batch)

    def _insert(self, batch: list[dict[str, Any]]) -> None:
        with self._database.write() as connection:
            connection.execute(sa.insert(pieces), batch)

    def _drop(self, copy: str) -> None:
        if copy:
            with self._database.write() as connection:
                connection.execute(sa.delete(pieces).where(pieces.c.copy == copy))
            (self._config.folder / copy).unlink(missing_ok=True)

    def _copy(self, copy: str) -> Path:
        """This process' own copy, made from the store where there is none."""
        path = self._config.folder / copy
        if path.is_file():
            return path
        self._config.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{copy}.{os.getpid()}-{time.monotonic_ns()}.part")
        number = 0
        with part.open("wb") as out:
            while True:
                statement = sa.select(pieces.c.data).where(pieces.c.copy == copy, pieces.c.number == number)
                with self._database.read() as connection:
                    data = connection.execute(statement).scalar()
                if data is None:
                    break
                out.write(data)
                number += 1
        if not number:
            part.unlink()
            raise NotFound("table", copy)
        part.replace(path)
        return path


def _stamps(paths: Sequence[Path]) -> list[list[int]]:
    return [[status.st_size, status.st_mtime_ns] for status in (path.stat() for path in paths)]

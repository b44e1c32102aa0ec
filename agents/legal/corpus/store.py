"""Corpora in the store: whole versions, written in one transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hexar.agents.legal.corpus.passages import CorpusKey, Coverage, Passage
from hexar.agents.legal.tables import corpora, passages
from hexar.core.errors import Aborted, FailedPrecondition, NotFound
from hexar.core.store import Database

DEFAULT = "default"
#: Versions of a corpus that stay, the current one among them.
KEPT = 3
#: Rows of one INSERT.
BATCH = 500


#: The highest number that the stores' columns take; a request may name a higher one.
MAX_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class CorpusRow:
    """A corpus as it is listed: its current version, and those that a request can pin."""

    key: CorpusKey
    imported_at: float
    coverage: Coverage
    versions: tuple[int, ...]


def dependency(tenant: str, name: str) -> str:
    """The name of the version that a new import of a corpus raises."""
    return f"corpus:{tenant}:{name}"


class CorpusStore:
    """Reads and writes corpora. All methods block on the store and may be called from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self, tenant: str, name: str) -> CorpusKey | None:
        """The current version of the tenant's corpus of that name, else of the server's; None where there is neither."""
        statement = (
            sa.select(corpora.c.tenant, sa.func.max(corpora.c.version))
            .where(corpora.c.name == name, corpora.c.tenant.in_((tenant, "")))
            .group_by(corpora.c.tenant)
            .order_by(corpora.c.tenant.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        return None if row is None else CorpusKey(row[0], name, int(row[1]))

    def load(self, key: CorpusKey) -> tuple[float, list[Passage]]:
        """(when it was imported, its passages); FailedPrecondition where that version is not kept."""
        missing = FailedPrecondition(f"version {key.version} of corpus {key.name!r} is not kept")
        if key.version > MAX_VERSION:
            raise missing
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(corpora.c.key, corpora.c.imported_at).where(
                    corpora.c.tenant == key.tenant, corpora.c.name == key.name, corpora.c.version == key.version
                )
            ).first()
            if row is None:
                raise missing
            records = connection.execute(
                sa.select(passages.c.record).where(passages.c.corpus_key == row[0]).order_by(passages.c.number)
            )
            return float(row[1]), [_passage(orjson.loads(record)) for (record,) in records]

    def rows(self, tenant: str, after: str, limit: int) -> list[CorpusRow]:
        """The corpora that a tenant sees, by name after ``after``; its own hide the server's of the same name."""
        statement = (
            sa.select(corpora)
            .where(corpora.c.tenant.in_((tenant, "")), corpora.c.name > after)
            .order_by(corpora.c.name, corpora.c.tenant.desc(), corpora.c.version.desc())
        )
        with self._database.read() as connection:
            found = connection.execute(statement).all()
        listed: dict[str, list[Any]] = {}
        for row in found:
            rows = listed.setdefault(row.name, [])
            if not rows or rows[0].tenant == row.tenant:
                rows.append(row)
        return [_row(rows) for rows in list(listed.values())[:limit]]

    def replace(self, tenant: str, name: str, found: Sequence[Passage]) -> CorpusRow:
        """Write a new version and drop the oldest; nobody sees a part of it. Raises Aborted where another import won."""
        coverage = Coverage.of(list(found))
        try:
            with self._database.write() as connection:
                latest = connection.execute(
                    sa.select(sa.func.max(corpora.c.version)).where(corpora.c.tenant == tenant, corpora.c.name == name)
                ).scalar()
                version = int(latest or 0) + 1
                key = connection.execute(
                    sa.insert(corpora)
                    .values(
                        tenant=tenant, name=name, version=version, imported_at=time.time(),
                        coverage=orjson.dumps(asdict(coverage)).decode(),
                    )
                    .returning(corpora.c.key)
                ).scalar_one()  # fmt: skip
                for at in range(0, len(found), BATCH):
                    rows = [
                        {"corpus_key": key, "number": at + offset, "record": orjson.dumps(asdict(passage)).decode()}
                        for offset, passage in enumerate(found[at : at + BATCH])
                    ]
                    connection.execute(sa.insert(passages), rows)
                self._drop(connection, tenant, name, version - KEPT)
        except IntegrityError:
            raise Aborted(f"corpus {name!r} was imported by someone else meanwhile; import it again") from None
        return self.row(tenant, name)

    def row(self, tenant: str, name: str) -> CorpusRow:
        """One corpus as it is listed; NotFound."""
        statement = (
            sa.select(corpora).where(corpora.c.tenant == tenant, corpora.c.name == name).order_by(corpora.c.version.desc())
        )
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        if not rows:
            raise NotFound("corpus", name)
        return _row(list(rows))

    @staticmethod
    def _drop(connection: sa.Connection, tenant: str, name: str, up_to: int) -> None:
        old = sa.select(corpora.c.key).where(corpora.c.tenant == tenant, corpora.c.name == name, corpora.c.version <= up_to)
        keys = list(connection.execute(old).scalars())
        if keys:
            connection.execute(sa.delete(passages).where(passages.c.corpus_key.in_(keys)))
            connection.execute(sa.delete(corpora).where(corpora.c.key.in_(keys)))


def _row(rows: list[Any]) -> CorpusRow:
    first = rows[0]
    kept = orjson.loads(first.coverage)
    topics = {path: tuple(names) for path, names in kept["topics"].items()}
    return CorpusRow(
        CorpusKey(first.tenant, first.name, first.version),
        first.imported_at,
        Coverage(kept["passages"], kept["jurisdictions"], topics),
        tuple(row.version for row in rows),
    )


def _passage(record: dict[str, Any]) -> Passage:
    for name in ("jurisdictions", "topics"):
        record[name] = tuple(record[name])
    for name in ("valid_from", "valid_until"):
        record[name] = date.fromisoformat(record[name]) if record[name] else None
    return Passage(**record)

"""Vectors searched by pgvector on a real PostgreSQL: as good as a full comparison, and each portfolio's alone."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from hexar.agents.llm.embeddings import StaticEmbeddings
from hexar.agents.portfolio.documents.formats import read
from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.retrieval.pgvector import build_index, index_name, nearest, similarities
from hexar.agents.portfolio.retrieval.retriever import Mode, Retriever
from hexar.agents.portfolio.tables import vectors
from hexar.core.cache.versions import Versions
from hexar.core.store import Database

IDENTITY, OTHER = "test:32's %s", "other"
DIMENSION = 32
#: Vectors of three portfolios; the last is a small one among large ones.
SIZES = {1: 2500, 2: 1500, 3: 40}


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """A store in PostgreSQL."""
    made = Database(postgres_url)
    yield made
    made.close()


@pytest.fixture
def rows(database: Database) -> dict[int, np.ndarray[Any, Any]]:
    """Unit vectors by chunk key, kept and indexed; a portfolio's keys begin at ten thousand times its number."""
    rng = np.random.default_rng(zlib.crc32(b"pgvector"))
    made: dict[int, np.ndarray[Any, Any]] = {}
    values = []
    for portfolio, size in SIZES.items():
        drawn = rng.standard_normal((size, DIMENSION)).astype(np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        for number, row in enumerate(drawn):
            key = 10_000 * portfolio + number
            made[key] = row.astype(np.float16).astype(np.float32)
            kept = row.astype(np.float16).tobytes()
            values += [
                {"chunk_key": key, "identity": name, "portfolio_key": portfolio, "vector": kept} for name in (IDENTITY, OTHER)
            ]
    with database.write() as connection:
        # The chunks that they belong to do not matter here.
        connection.execute(sa.text("ALTER TABLE vectors DROP CONSTRAINT fk_vectors_chunk_key_chunks"))
        connection.execute(sa.insert(vectors), values)
    assert build_index(database, IDENTITY, DIMENSION)
    with database.write() as connection:
        connection.execute(sa.text("ANALYZE vectors"))
    return made


def _queries(count: int) -> np.ndarray[Any, Any]:
    drawn = np.random.default_rng(7).standard_normal((count, DIMENSION)).astype(np.float32)
    result: np.ndarray[Any, Any] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return result


def _best(rows: dict[int, np.ndarray[Any, Any]], portfolio: int, query: np.ndarray[Any, Any]) -> list[int]:
    keys = [key for key in rows if key // 10_000 == portfolio]
    scores = np.stack([rows[key] for key in keys]) @ query.astype(np.float16).astype(np.float32)
    return [keys[at] for at in np.argsort(-scores)[:10]]


def test_vectors_come_back_as_they_were_kept(database: Database, rows: dict[int, np.ndarray[Any, Any]]) -> None:
    """What is kept as halfvec is read as the same bytes."""
    with database.read() as connection:
        found = connection.execute(sa.select(vectors.c.chunk_key, vectors.c.vector).where(vectors.c.identity == OTHER)).all()
    assert len(found) == len(rows)
    assert all(np.array_equal(np.frombuffer(data, np.float16).astype(np.float32), rows[key]) for key, data in found)


def test_the_graph_finds_what_a_full_comparison_finds(database: Database, rows: dict[int, np.ndarray[Any, Any]]) -> None:
    """Recall@10 is at least 0.95 of exact in a large portfolio and in a small one between large ones; nothing is of another."""
    plans: list[str] = []
    explaining = False

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        nonlocal explaining
        if "<#>" in statement and not explaining:
            explaining = True
            plans.append("\n".join(row[0] for row in cursor.connection.execute(f"EXPLAIN {statement}", parameters)))
            explaining = False

    with database.write() as connection:
        # So few rows would rather be found by portfolio, and sorted.
        connection.execute(sa.text("DROP INDEX ix_vectors_portfolio"))
    for portfolio, size in SIZES.items():
        found = 0
        for number, query in enumerate(_queries(40)):
            with database.read() as connection:
                connection.exec_driver_sql("SET LOCAL enable_sort = off")
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
                if number == 0:
                    sa.event.listen(connection, "before_cursor_execute", explain)
                keys, cosines = nearest(connection, portfolio, IDENTITY, query, 10, size, exact_limit=0)
            assert {key // 10_000 for key in keys} == {portfolio}
            assert cosines == sorted(cosines, reverse=True)
            found += len(set(keys) & set(_best(rows, portfolio, query)))
        assert found / 400 >= 0.95
    assert len(plans) == len(SIZES)
    assert [index_name(IDENTITY) in plan for plan in plans] == [True] * len(SIZES), plans


def test_a_small_portfolio_is_compared_whole(database: Database, rows: dict[int, np.ndarray[Any, Any]]) -> None:
    """Without the graph the ten nearest are exactly the ten nearest, also of a provider that has no index."""
    for identity in (IDENTITY, OTHER):
        for query in _queries(5):
            with database.read() as connection:
                keys, cosines = nearest(connection, 3, identity, query, 10, SIZES[3])
                again = similarities(connection, identity, query, keys)
            assert keys == _best(rows, 3, query)
            assert [again[key] for key in keys] == pytest.approx(cosines)


def test_an_index_that_was_interrupted_is_made_anew(database: Database, rows: dict[int, np.ndarray[Any, Any]]) -> None:
    """An index that PostgreSQL marks as invalid is replaced; a good one stays as it is."""
    name = index_name(IDENTITY)
    oid, valid = sa.text(f"SELECT '{name}'::regclass::oid"), sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = :oid")
    with database.read() as connection:
        before = connection.execute(oid).scalar_one()
    assert build_index(database, IDENTITY, DIMENSION)
    with database.write() as connection:
        assert connection.execute(oid).scalar_one() == before
        connection.execute(sa.text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = :oid"), {"oid": before})
    assert build_index(database, IDENTITY, DIMENSION)
    with database.read() as connection:
        after = connection.execute(oid).scalar_one()
        assert after != before
        assert connection.execute(valid, {"oid": after}).scalar_one()


def test_a_portfolio_without_room_in_memory_is_searched_in_the_store(database: Database, words: StaticEmbeddings) -> None:
    """With no memory at all, the same question finds the same passages, and another tenant's are not among them."""
    library = Library(database, Versions(database), words)
    texts = {
        "lights.txt": "The left headlight is replaced from the engine bay.",
        "warranty.txt": "The warranty covers seams and buckles for three years.",
        "money.txt": "Invoices are paid by bank transfer within ten days.",
    }
    for tenant in ("red", "blue"):
        library.create(tenant, "notes")
        for name, text in texts.items():
            data = f"{text} For {tenant}.".encode()
            library.upsert(tenant, "notes", name, read(data, name), data, title="", url="")
    resident, stored = Retriever(database, library, words=words), Retriever(database, library, words=words, resident_bytes=0)
    for question in ("how is a headlight replaced", "guarantee of the seams", "paying a bill"):
        for mode in (Mode.HYBRID, Mode.VECTOR):
            one = resident.search("red", "notes", question, 3, mode=mode)
            other = stored.search("red", "notes", question, 3, mode=mode)
            assert other.mode is mode
            assert [passage.document_id for passage in other.passages] == [passage.document_id for passage in one.passages]
            assert all("For red." in passage.text for passage in other.passages)
    assert len(stored.resident_index("red", "notes")) == 0
    resident.close()
    stored.close()

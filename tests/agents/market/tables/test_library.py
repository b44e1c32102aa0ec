"""Tables that are kept, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hexar.agents.market.figures.aggregates import Frame
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.figures.spans import make_scope
from hexar.agents.market.tables.library import File, LibraryConfig, TableLibrary
from hexar.agents.market.tables.schema import TABLES
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import AlreadyExists, NotFound
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.v1 import market_pb2 as pb


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    """A store with market's tables."""
    made = Database(store_url)
    create_tables(made, (TABLES,))
    yield made
    made.close()


def test_a_table_is_kept_and_read_by_another_process(database: Database, tmp_path: Path) -> None:
    """With its bytes, so that no file of the first one is needed; names are free again when it is deleted."""
    source = tmp_path / "one" / "sales.csv"
    source.parent.mkdir()
    source.write_text("date,brand,revenue\n2024-01-01,A,1.50\n2024-02-01,B 'x' 日本,2.25\n", encoding="utf-8")
    totals = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        engine = DuckEngine(folder, memory_mb=256, threads=1)
        folder.mkdir(exist_ok=True)
        library = TableLibrary(database, engine, LibraryConfig(folder))
        if not totals:
            table = library.upload("t", pb.TableOptions(name="sales"), [File("sales.csv", source, "parts[0]")], Cancel())
            assert table.rows == 2
            with pytest.raises(AlreadyExists):
                library.upload("t", pb.TableOptions(name="sales"), [File("sales.csv", source, "parts[0]")], Cancel())
            source.unlink()
        entry = library.get("t", "sales", Cancel())
        frame = Frame(entry.source, entry.profile, make_scope(entry.profile, "month"))
        totals.append({name: str(frame.value(sums, "revenue")) for (name,), sums in frame.groups("brand").items()})
        if folder.name == "two":
            assert [table.name for table in library.page("t", "", 10)] == ["sales"]
            with pytest.raises(NotFound):
                library.get("other", "sales", Cancel())
            library.delete("t", "sales")
            with pytest.raises(NotFound):
                library.get("t", "sales", Cancel())
        engine.close()
    assert totals[0] == totals[1] == {"A": "1.5000", "B 'x' 日本": "2.2500"}

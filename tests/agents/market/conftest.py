"""Tables that tests read, and frames over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.tables.model import ReadTable
from hexar.agents.market.tables.reading import Source, TableReader
from hexar.agents.transport.cancel import Cancel
from hexar.v1 import market_pb2 as pb

Reads = Callable[..., ReadTable]


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[DuckEngine]:
    """An engine that may read the test's own folder."""
    engine = DuckEngine(tmp_path / "engine", [tmp_path], memory_mb=256, threads=2)
    yield engine
    engine.close()


@pytest.fixture
def reads(duck: DuckEngine, tmp_path: Path) -> Reads:
    """Read a table from text, bytes or a path, under a file name."""

    def read(content: str | bytes | Path, name: str = "table.csv", *, limit: int = 1 << 28, **options: Any) -> ReadTable:
        path = content if isinstance(content, Path) else tmp_path / name
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif isinstance(content, bytes):
            path.write_bytes(content)
        options.setdefault("name", "table")
        reader = TableReader(duck, tmp_path / "engine", limit)
        return reader.read([Source(path.name, path, "paths[0]")], pb.TableOptions(**options), Cancel())

    return read

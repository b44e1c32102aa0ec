"""What legal keeps, on SQLite and on PostgreSQL: corpora with their versions, document types, drafts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from hexar.agents.legal.corpus.passages import Passage
from hexar.agents.legal.corpus.store import CorpusStore
from hexar.agents.legal.drafting.drafts import Drafts
from hexar.agents.legal.tables import TABLES
from hexar.agents.legal.templates.library import shipped
from hexar.core.errors import NotFound
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.v1 import legal_pb2 as pb


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    """A store with legal's tables."""
    made = Database(store_url)
    create_tables(made, (TABLES,))
    yield made
    made.close()


def passage(name: str) -> Passage:
    """One with every field, and letters outside of the BMP."""
    return Passage(
        id=name, quote=f"The “deposit” 𝔸 of {name} shall be kept.", title="T", citation=f"Ex. Code § {name}",
        jurisdictions=("us", "us/texas"), topics=("deposit",), valid_from=date(2020, 1, 1), valid_until=date(2030, 1, 1),
        superseded_by="x", url="https://example.org",
    )  # fmt: skip


def test_a_corpus_is_replaced_as_a_whole_and_older_versions_stay(database: Database) -> None:
    """What is read is what was written; three versions are kept; tenants see their own."""
    store = CorpusStore(database)
    assert store.current("t", "law") is None
    for version in range(1, 5):
        row = store.replace("t", "law", [passage(f"{version}-{at}") for at in range(3)])
        assert row.key.version == version
        assert row.coverage.passages == 3
    key = store.current("t", "law")
    assert key is not None
    assert store.load(key)[1] == [passage(f"4-{at}") for at in range(3)]
    assert list(store.row("t", "law").versions) == [4, 3, 2]
    assert store.load(replace(key, version=2))[1][0].id == "2-0"
    assert store.current("other", "law") is None
    assert [row.key.name for row in store.rows("t", "", 10)] == ["law"]
    assert store.rows("t", "law", 10) == []


def test_a_draft_is_kept_for_its_tenant(database: Database) -> None:
    """Another tenant's is not found, and what is too old goes."""
    drafts = Drafts(database, keep_days=1.0)
    request = pb.DraftRequest(document_type="nda", request="between Acme 𝔸 and Beta")
    name = drafts.keep("t", request, b"\x00state\xff")
    assert drafts.request("t", name) == request
    with pytest.raises(NotFound):
        drafts.request("other", name)
    Drafts(database, keep_days=0.0).keep("t", request, b"")
    with pytest.raises(NotFound):
        drafts.request("t", name)


def test_imported_types_come_back_as_they_were(database: Database) -> None:
    """Fields, clauses, alternatives and conditions."""
    from hexar.agents.legal.templates.library import Library
    from hexar.core.cache.versions import Versions

    kind = replace(next(kind for kind in shipped() if kind.name == "nda"), name="imported-nda", license="CC0")
    Library(database, Versions(database)).keep([kind])
    assert Library(database, Versions(database)).types()["imported-nda"][kind.language] == kind

"""A library on a real SQLite file, with and without the embedded vectors."""

from collections.abc import Callable, Iterator

import pytest

from hexar.agents.llm.embeddings import Embeddings, StaticEmbeddings, embedded
from hexar.agents.portfolio.documents.formats import read
from hexar.agents.portfolio.documents.library import Library, Written
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.tables import TABLES
from hexar.core.cache.versions import Versions
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables

Put = Callable[..., Written]


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    """A store of its own."""
    made = Database(store_url)
    create_tables(made, (TABLES,))
    yield made
    made.close()


@pytest.fixture
def words() -> StaticEmbeddings:
    """The embedded vectors; a test that needs them is skipped where their wheel is not installed."""
    found = embedded()
    if found is None:
        pytest.skip("the wheel with the embedded vectors is not installed")
    return found


@pytest.fixture
def versions(database: Database) -> Versions:
    """The versions of what answers depend on."""
    return Versions(database)


@pytest.fixture
def make_library(database: Database, versions: Versions) -> Callable[[Embeddings | None], Library]:
    """Libraries over one store, by embedding provider."""
    return lambda embeddings: Library(database, versions, embeddings)


@pytest.fixture
def library(make_library: Callable[[Embeddings | None], Library], words: StaticEmbeddings) -> Library:
    """A library with the embedded vectors and an empty portfolio "notes" of tenant "red"."""
    made = make_library(words)
    made.create("red", "notes")
    return made


@pytest.fixture
def retriever(database: Database, library: Library, words: StaticEmbeddings) -> Iterator[Retriever]:
    """A retriever over it."""
    made = Retriever(database, library, words=words)
    yield made
    made.close()


@pytest.fixture
def put(library: Library) -> Put:
    """Keep a document: ``put(name, text)``."""

    def keep(name: str, text: str, portfolio: str = "notes", tenant: str = "red") -> Written:
        data = text.encode()
        return library.upsert(tenant, portfolio, name, read(data, name), data, title="", url="")

    return keep

"""SearchResult passages in the cache: the same passages come back, from the tiers that are worth asking."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hexar.agents.llm.embeddings import StaticEmbeddings
from hexar.agents.portfolio.chat.scheduling import QuietScheduler
from hexar.agents.portfolio.documents.formats import read
from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.kinds import KINDS
from hexar.agents.portfolio.retrieval.finding import Finder, PassageQuery
from hexar.agents.portfolio.retrieval.passages import Mode, SearchResult
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.core.cache import Caches, Tier
from hexar.core.cache.sqlite import SqliteBackend
from hexar.core.cache.versions import Versions
from hexar.core.deadline import Deadline
from hexar.core.resilience.dispatch import Dispatcher
from hexar.core.store import Database
from tests.agents.portfolio.conftest import Put


class Remote:
    """The embedded vectors as if they came over a network."""

    blocking = True

    def __init__(self, words: StaticEmbeddings) -> None:
        self.words = words
        self.identity = "remote"
        self.dimension = words.dimension

    def embed(self, texts: Sequence[str], *, timeout: float = 30.0) -> NDArray[np.float32]:
        """The rows of the embedded vectors."""
        return self.words.embed(texts, timeout=timeout)


@asynccontextmanager
async def finder_over(database: Database, library: Library, versions: Versions, folder: Path) -> AsyncIterator[Finder]:
    """A finder with both tiers of the cache."""
    retriever = Retriever(database, library)
    caches = Caches(versions, SqliteBackend(folder / "cache.db", 1 << 24), kinds=KINDS)
    pool = Dispatcher()
    try:
        yield Finder(database, retriever, caches, pool, QuietScheduler())
    finally:
        pool.close()
        await caches.close()
        retriever.close()


async def found_by(finder: Finder) -> SearchResult:
    """The passages for one question."""
    query = PassageQuery("How long does the battery last?", 2)
    return await finder.search("red", "notes", query, Deadline.after(30))


async def test_passages_that_are_found_at_once_stay_in_memory(
    database: Database, library: Library, versions: Versions, put: Put, tmp_path: Path
) -> None:
    """The repetition is answered from memory with equal passages; nothing is written for the second tier, which is not asked."""
    put("lamp.txt", "The battery lasts nine hours.\n\nThe lens is made of glass.")
    put("bike.txt", "The chain lasts a season, the battery a year.")
    async with finder_over(database, library, versions, tmp_path) as finder:
        found = await found_by(finder)
        again = await found_by(finder)
        assert (found.tier, again.tier) == (Tier.SOURCE, Tier.MEMORY)
        assert len(found.passages) == 2 and found.mode is Mode.HYBRID
        assert again == replace(found, tier=Tier.MEMORY, embedding_seconds=0.0, seconds=0.0)
        assert finder.caches.memory.used_bytes > found.nbytes > sum(len(passage.text) for passage in found.passages)
        finder.caches.memory.clear()
        assert (await found_by(finder)).tier is Tier.SOURCE
        put("lamp.txt", "The battery lasts ten hours.")
        assert any("ten hours" in passage.text for passage in (await found_by(finder)).passages)


async def test_passages_that_cost_a_call_are_kept_in_both_tiers(
    database: Database, versions: Versions, words: StaticEmbeddings, tmp_path: Path
) -> None:
    """Where a question is embedded over a network, memory and then the backend answer, both with equal passages."""
    library = Library(database, versions, Remote(words))
    library.create("red", "notes")
    text = b"The battery lasts nine hours.\n\nThe lens is made of glass."
    library.upsert("red", "notes", "lamp.txt", read(text, "lamp.txt"), text, title="", url="")
    async with finder_over(database, library, versions, tmp_path) as finder:
        found = await found_by(finder)
        again = await found_by(finder)
        finder.caches.memory.clear()
        later = await found_by(finder)
    assert [each.tier for each in (found, again, later)] == [Tier.SOURCE, Tier.MEMORY, Tier.DISK]
    assert found.mode is again.mode is later.mode is Mode.HYBRID
    assert found.passages == again.passages
    # The number of a row in the store is not kept outside memory.
    assert [passage._replace(key=0) for passage in found.passages] == later.passages

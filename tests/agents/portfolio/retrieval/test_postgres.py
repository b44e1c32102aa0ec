"""The same library, retrieval and rows on a real PostgreSQL."""

import time
from collections.abc import Iterator

import pytest

from hexar.agents.llm.embeddings import StaticEmbeddings
from hexar.agents.portfolio.chat.conversations import Conversations, Turn
from hexar.agents.portfolio.chat.profiles import AgentRow, Agents
from hexar.agents.portfolio.documents.formats import read
from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.retrieval.passages import Mode
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.tables import TABLES
from hexar.core.cache.versions import Versions
from hexar.core.errors import AlreadyExists, NotFound
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables

TEXTS = {
    "lights.txt": "The left headlight is replaced from the engine bay. It's simple.",
    "garantia.txt": "La garantía cubre las costuras durante tres años. Vale para la bomba R-200.",
    "money.txt": "Invoices are paid by bank transfer.",
}


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    """A store in a PostgreSQL database of its own."""
    made = Database(postgres_url)
    create_tables(made, (TABLES,))
    yield made
    made.close()


def test_documents_are_kept_found_and_removed(postgres: Database, words: StaticEmbeddings) -> None:
    """Words in both languages, codes, quotes in a query, an edit and a delete: as on SQLite."""
    library = Library(postgres, Versions(postgres), words)
    library.create("red", "notes")
    with pytest.raises(AlreadyExists):
        library.create("red", "notes")
    for name, text in TEXTS.items():
        library.upsert("red", "notes", name, read(text.encode(), name), text.encode(), title="", url="")
    retriever = Retriever(postgres, library, words=words)

    def best(query: str, mode: Mode = Mode.HYBRID) -> str:
        return retriever.search("red", "notes", query, 2, mode=mode).passages[0].document_id

    assert best("replacing left headlights", Mode.LEXICAL) == "lights.txt"
    assert best("¿Qué cubre la garantía?") == "garantia.txt"
    assert best("R-200") == "garantia.txt"
    assert best("it's a 'bank' \\ transfer") == "money.txt"
    changed = b"The right headlight needs the battery taken out."
    library.upsert("red", "notes", "lights.txt", read(changed, "lights.txt"), changed, title="", url="")
    assert retriever.search("red", "notes", "headlight", 1).passages[0].text.startswith("The right")
    assert library.delete_document("red", "notes", "lights.txt")[0] == 1
    assert not retriever.search("red", "notes", "headlight", 1, mode=Mode.LEXICAL).passages
    assert library.delete("red", "notes") == (2, 2)
    with pytest.raises(NotFound):
        retriever.search("red", "notes", "headlight", 1)
    retriever.close()


def test_conversations_and_agents_are_kept(postgres: Database) -> None:
    """Turns are numbered, a caller that comes back for the rest is not kept twice, agents have versions."""
    conversations = Conversations(postgres)
    turn = Turn(0, "run:1", "question", "answer", b"", time.time())
    assert conversations.record("red", "v-1", "notes", turn) == 1
    assert conversations.record("red", "v-1", "notes", turn, again="run") == 1
    assert conversations.record("red", "v-1", "notes", turn) == 2
    row, turns = conversations.read("red", "v-1", 0, 10)
    assert (row.turn_count, [each.number for each in turns]) == (2, [1, 2])
    assert conversations.delete("red", "v-1") == 2
    agents = Agents(postgres, Versions(postgres))
    agents.create("red", AgentRow("brief"))
    assert agents.update("red", AgentRow("brief", prompt="Be brief.")).version == 2
    agents.delete("red", "brief")
    with pytest.raises(NotFound):
        agents.get("red", "brief")

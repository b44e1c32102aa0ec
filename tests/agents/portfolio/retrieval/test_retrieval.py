"""Retrieval over a real store: fusion, languages, updates, other processes, no vectors."""

from collections.abc import Callable

import numpy as np
import pytest
import sqlalchemy as sa

from hexar.agents.llm.embeddings import Embeddings, StaticEmbeddings
from hexar.agents.portfolio.documents.formats import read
from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.retrieval.passages import Mode
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.retrieval.vectors import VectorIndex
from hexar.core.cache.versions import Versions
from hexar.core.errors import NotFound
from hexar.core.store import Database
from tests.agents.portfolio.conftest import Put


def names(retriever: Retriever, query: str, mode: Mode = Mode.HYBRID) -> list[str]:
    """Documents of the passages found, best first."""
    return [passage.document_id for passage in retriever.search("red", "notes", query, 3, mode=mode).passages]


def test_inflected_words_are_found_in_both_languages(retriever: Retriever, put: Put) -> None:
    """A stem matches its other forms, in English and in Spanish, accents or not."""
    put("a.txt", "The technicians were replacing worn batteries.")
    put("b.txt", "Los técnicos sustituyeron las baterías gastadas.")
    assert names(retriever, "replace battery", Mode.LEXICAL)[0] == "a.txt"
    assert names(retriever, "¿Quién sustituyó la bateria?", Mode.LEXICAL)[0] == "b.txt"


def test_related_words_are_found_by_vectors(retriever: Retriever, put: Put) -> None:
    """Where no word is shared the vectors decide, and the passage says so by its ranks."""
    put("a.txt", "Our physician treats sick children.")
    put("b.txt", "The invoice is paid by bank transfer.")
    found = retriever.search("red", "notes", "doctor for kids", 2)
    assert found.mode is Mode.HYBRID
    assert found.passages[0].document_id == "a.txt"
    assert found.passages[0].lexical_rank == 0
    assert found.passages[0].vector_rank == 1


def test_codes_are_found_whole(retriever: Retriever, put: Put) -> None:
    """A part number is one term, so its neighbour in the series does not come first."""
    for number in (100, 200, 300):
        put(f"r{number}.txt", f"Pump R-{number} moves water. It has a filter and a valve.")
    assert names(retriever, "What moves R-200?")[0] == "r200.txt"


def test_a_change_is_seen_by_the_next_search_of_every_process(
    database: Database, library: Library, retriever: Retriever, put: Put, words: StaticEmbeddings
) -> None:
    """Adding, replacing and removing documents is seen by a second retriever that had the portfolio in memory."""
    other = Retriever(database, library, words=words)
    put("a.txt", "The key is under the mat.")
    assert names(retriever, "where is the key") == names(other, "where is the key") == ["a.txt"]
    put("a.txt", "The ladder is in the shed.")
    assert other.search("red", "notes", "where is the ladder", 3).passages[0].text == "The ladder is in the shed."
    library.delete_document("red", "notes", "a.txt")
    assert names(other, "where is the ladder") == []
    other.close()


def test_another_tenants_portfolio_is_not_found(retriever: Retriever, put: Put) -> None:
    """The same name under another tenant does not exist."""
    put("a.txt", "The key is under the mat.")
    with pytest.raises(NotFound):
        retriever.search("blue", "notes", "key", 3)


def test_without_vectors_retrieval_is_lexical_and_says_so(
    database: Database, make_library: Callable[[Embeddings | None], Library], words: StaticEmbeddings
) -> None:
    """No provider: LEXICAL. With a provider later the missing vectors are made and the answer is HYBRID."""
    bare = make_library(None)
    bare.create("red", "bare")
    data = b"The key is under the mat."
    written = bare.upsert("red", "bare", "a.txt", read(data, "a.txt"), data, title="", url="")
    assert not written.vectors
    lexical = Retriever(database, bare)
    assert lexical.search("red", "bare", "where is the key", 3).mode is Mode.LEXICAL
    lexical.close()
    later = Retriever(database, make_library(words), words=words)
    later.search("red", "bare", "where is the key", 3)
    later.close()  # waits for the vectors that the first search found missing
    assert len(later.resident_index("red", "bare")) == 1
    assert later.search("red", "bare", "where is the key", 3).mode is Mode.HYBRID


def test_the_graph_finds_what_comparing_everything_finds() -> None:
    """Above the limit a graph is built; after removals and additions its neighbours are still those of the exact search."""
    chance = np.random.default_rng(3)
    rows = chance.normal(size=(3000, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = VectorIndex(32, exact_limit=1000)
    index.change((), np.arange(2500), rows[:2500])
    assert index.wants_graph
    index.build_graph()
    assert not index.exact
    index.change(range(500), np.arange(2500, 3000), rows[2500:])
    recall = []
    for query in rows[500:600]:
        near, exact = index.search(query, 10).keys, index.exact_search(query, 10).keys
        assert not set(near) & set(range(500))
        recall.append(len(set(near) & set(exact)) / 10)
    assert float(np.mean(recall)) >= 0.95


def test_a_query_of_common_words_does_not_score_the_whole_portfolio(retriever: Retriever, put: Put) -> None:
    """Function words alone find something by vectors; one rare word decides among many common ones."""
    for number in range(40):
        put(f"d{number}.txt", f"The valve of engine {number} is checked every year.")
    put("rare.txt", "The valve of the sousaphone is oiled every year.")
    assert names(retriever, "valve checked every year sousaphone")[0] == "rare.txt"
    assert len(names(retriever, "what is it")) == 3


@pytest.fixture
def statements(database: Database) -> list[str]:
    """The statements that the store is sent from now on."""
    sent: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda c, cursor, text, *rest: sent.append(text))
    return sent


def test_a_portfolio_in_memory_is_searched_without_the_store(
    retriever: Retriever, put: Put, statements: list[str], words: StaticEmbeddings
) -> None:
    """After the first search no statement is sent; a change is seen at once, and read alone."""
    for number in range(30):
        put(f"d{number}.txt", f"The key of room {number} hangs on hook {number + 100}.")
    query = "where is the key of room 7"
    assert names(retriever, query)[0] == "d7.txt"
    statements.clear()
    assert names(retriever, query)[0] == "d7.txt"
    found = retriever.search_now("red", "notes", query, 3, vector=words.embed([query])[0])
    assert found is not None
    assert [passage.document_id for passage in found.passages] == names(retriever, query)
    assert statements == []
    put("d7.txt", "Room 7 has no key any more: it is a cupboard.")
    assert retriever.search_now("red", "notes", query, 3, vector=words.embed([query])[0]) is None
    assert retriever.search("red", "notes", query, 30).passages[0].text.startswith("Room 7 has no key")
    put("d8.txt", "Nothing.")
    read_rows = len(retriever.search("red", "notes", "hook", 50).passages)
    assert read_rows == 30


def test_memory_and_store_find_the_same(
    database: Database, library: Library, retriever: Retriever, put: Put, words: StaticEmbeddings
) -> None:
    """Where there is no room in memory the store is searched: the same passages in the same order, in every mode."""
    for number in range(40):
        put(
            f"d{number}.txt", f"Pump R-{number} moves {number * 3} litres. Its filter {number % 7} is cleaned in plan {number}."
        )
    outside = Retriever(database, library, words=words, resident_bytes=0)
    for query in ("How much does R-12 move?", "filter 3 plan 17", "litres"):
        for mode in (Mode.HYBRID, Mode.LEXICAL, Mode.VECTOR):
            here, there = (each.search("red", "notes", query, 3, mode=mode) for each in (retriever, outside))
            assert here.mode is there.mode is mode
            assert [p.similarity for p in here.passages] == pytest.approx([p.similarity for p in there.passages], abs=1e-4)
            assert here.passages[0].document_id == there.passages[0].document_id
    assert outside.search_now("red", "notes", "litres", 3, mode=Mode.LEXICAL) is None
    outside.close()


def test_a_store_is_asked_in_the_other_language_too(database: Database, library: Library, put: Put) -> None:
    """Words that a portfolio outside memory does not hold are looked for as words of its language, and without their accents."""
    put("a.txt", "Las vacaciones se piden con un mes de antelación. La garantía del horno dura dos años.")
    put("b.txt", "El almacén abre los lunes y guarda las herramientas de los socios durante todo el invierno.")
    outside = Retriever(database, library, resident_bytes=0)
    for query in ("holiday", "garantia"):
        found = outside.search("red", "notes", query, 1, mode=Mode.LEXICAL, language="en" if query == "holiday" else "es")
        assert [passage.document_id for passage in found.passages] == ["a.txt"]
    outside.close()


def test_what_is_in_memory_is_bounded_in_bytes(database: Database, library: Library, words: StaticEmbeddings, put: Put) -> None:
    """The portfolio that was searched longest ago goes first; it is read again when it is searched again."""
    for name in ("one", "two", "three"):
        library.create("red", name)
        for number in range(20):
            put(f"{number}.txt", f"{name} {number} " + "words of a text that takes some room. " * 40, portfolio=name)
    room = Retriever(database, library, words=words)
    room.search("red", "one", "one 7", 3)
    size = room.resident_bytes
    room.close()
    tight = Retriever(database, library, words=words, resident_bytes=int(size * 2.5))
    for name in ("one", "two", "one", "three"):
        assert tight.search("red", name, f"{name} 7", 3).passages
        assert tight.resident_bytes <= size * 2.5
    vector = words.embed(["7"])[0]
    held = {name: tight.search_now("red", name, "7", 3, vector=vector) is not None for name in ("one", "two", "three")}
    assert held == {"one": True, "two": False, "three": True}
    assert tight.search("red", "two", "two 7", 3).passages
    tight.close()


def test_a_portfolio_in_memory_is_searched_while_the_store_is_away(
    database: Database, library: Library, retriever: Retriever, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions that nobody can confirm: the passages in memory with the last known version, and the result says so."""
    put("a.txt", "The key is under the mat.")
    known = retriever.search("red", "notes", "key", 3)
    assert known.confirmed
    monkeypatch.setattr(Versions, "trusted", lambda self: False)

    def away() -> None:
        raise sa.exc.OperationalError("SELECT", {}, OSError("the store is away"))

    monkeypatch.setattr(database, "read", away)
    found = retriever.search("red", "notes", "key", 3)
    assert not found.confirmed
    assert (found.portfolio_version, found.passages) == (known.portfolio_version, known.passages)
    with pytest.raises(sa.exc.OperationalError):
        retriever.search("red", "other", "key", 3)


def test_a_portfolio_of_the_same_name_is_another_one(retriever: Retriever, library: Library, put: Put) -> None:
    """Tenants share no memory, and what was deleted and made anew holds nothing of before."""
    library.create("blue", "notes")
    put("a.txt", "The red key is under the mat.")
    put("b.txt", "The blue key is in the pot.", tenant="blue")
    for _ in range(2):
        assert names(retriever, "where is the key") == ["a.txt"]
        assert retriever.search("blue", "notes", "where is the key", 3).passages[0].document_id == "b.txt"
    library.delete("red", "notes")
    with pytest.raises(NotFound):
        retriever.search("red", "notes", "key", 3)
    library.create("red", "notes")
    assert names(retriever, "where is the key") == []
    assert retriever.search("blue", "notes", "where is the key", 3).passages[0].document_id == "b.txt"

"""Portfolios, documents, conversations and agents through the SDK: made, read, listed over pages, changed, removed."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hexar.server.process.app import App
from hexar.server.systems import make_settings
from hexar.v1 import chat_pb2
from hexar_client import AsyncClient, Client, NotFound
from hexar_client.chat import Upload, uploads

#: More than one page holds.
MANY = 101


async def serve(folder: Path, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Run ``work`` against a server."""
    app = App(make_settings(port=0, data_dir=folder / "data", vendors=folder / "none.yaml", drain_seconds=0))
    await app.start()
    try:
        await work(f"127.0.0.1:{app.port}")
    finally:
        await app.stop(0)


def blocking(target: str) -> None:
    """A life of each kind of row."""
    with Client(target) as client:
        assert client.portfolios.create("notes", "Notes").title == "Notes"
        client.portfolios.add("notes", [Upload(f"n{n}.txt", f"The key of room {n} is red.".encode()) for n in range(3)])
        assert client.portfolios.get("notes").document_count == 3
        assert [row.portfolio_id for row in client.portfolios.list()] == ["notes"]
        assert [row.document_id for row in client.portfolios.documents("notes")] == ["n0.txt", "n1.txt", "n2.txt"]
        assert client.portfolios.document("notes", "n1.txt", with_text=True).text == "The key of room 1 is red."
        assert client.portfolios.delete_document("notes", "n1.txt").chunk_count == 1
        list(client.chat("notes", "Where is the key of room 2?"))
        [conversation] = client.conversations.list("notes")
        assert client.conversations.get(conversation.conversation_id).turn_count == 1
        assert [turn.message for turn in client.conversations.turns(conversation.conversation_id)] == [
            "Where is the key of room 2?"
        ]
        assert client.conversations.delete(conversation.conversation_id) == 1
        made = [client.agents.create(chat_pb2.Agent(agent_id=f"a{n:03d}", title="brief")) for n in range(MANY)]
        assert [row.agent_id for row in client.agents.list()] == [row.agent_id for row in made]
        assert client.agents.update(chat_pb2.Agent(agent_id="a007", title="long")).version == 2
        assert client.agents.get("a007").title == "long"
        client.agents.delete("a007")
        with pytest.raises(NotFound):
            client.agents.get("a007")
        assert client.portfolios.delete("notes").document_count == 2


async def test_rows_are_handled_in_blocking_code(tmp_path: Path) -> None:
    """Each method of the contract has a typed one; lists go over all pages."""

    async def work(target: str) -> None:
        await asyncio.to_thread(blocking, target)

    await serve(tmp_path, work)


async def test_rows_are_handled_on_the_event_loop(tmp_path: Path) -> None:
    """The same names; files are read on a thread."""
    (tmp_path / "n.txt").write_text("The key is red.")

    async def work(target: str) -> None:
        async with AsyncClient(target) as client:
            await client.portfolios.create("notes")
            await client.portfolios.add("notes", uploads([tmp_path / "n.txt"]))
            assert [row.document_id async for row in client.portfolios.documents("notes")] == ["n.txt"]
            assert [row.portfolio_id async for row in client.portfolios.list()] == ["notes"]
            assert (await client.portfolios.document("notes", "n.txt", with_text=True)).text == "The key is red."
            _ = [event async for event in client.chat("notes", "Which key is red?")]
            [conversation] = [row async for row in client.conversations.list()]
            turns = [turn.number async for turn in client.conversations.turns(conversation.conversation_id)]
            assert turns == [1]
            assert await client.conversations.delete(conversation.conversation_id) == 1
            await client.agents.create(chat_pb2.Agent(agent_id="a"))
            assert [row.agent_id async for row in client.agents.list()] == ["a"]
            await client.agents.delete("a")
            assert (await client.portfolios.delete("notes")).document_count == 1
            with pytest.raises(NotFound):
                await client.portfolios.get("notes")

    await serve(tmp_path, work)

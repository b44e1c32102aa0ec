"""The SDK's chat and the commands ``hexar chat`` and ``hexar portfolio`` against a real server."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hexar.server.process.app import App
from hexar.server.systems import make_settings
from hexar.v1 import chat_pb2, portfolio_pb2
from hexar_client import AsyncClient, Client
from hexar_client.chat import Upload, text_of, uploads
from hexar_client.cli import app as cli
from hexar_client.errors import NotFound

GUIDE = "# Stove guide\n\nThe stove burns gas for ninety minutes. Never use it inside the tent.\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on a loop of its own thread: its address."""
    folder = tmp_path_factory.mktemp("server")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> App:
        app = App(make_settings(port=0, data_dir=folder / "data", vendors=folder / "vendors.yaml"))
        await app.start()
        return app

    app = asyncio.run_coroutine_threadsafe(begin(), loop).result(30)
    yield f"127.0.0.1:{app.port}"
    asyncio.run_coroutine_threadsafe(app.stop(0), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_documents_are_added_asked_about_and_removed(server: str) -> None:
    """Blocking: add from memory, chat with typed events, search, delete, and NotFound after it."""
    with Client(server) as client:
        summary = client.portfolios.add("stoves", [Upload("guide.md", GUIDE.encode())])
        assert (summary.added, summary.rejected) == (1, 0)
        stream = client.chat("stoves", "How long does the stove burn gas?")
        events = list(stream)
        assert isinstance(events[0].body, chat_pb2.ChatStarted)
        assert isinstance(events[-1].body, chat_pb2.ChatDone)
        assert "ninety minutes" in text_of(events)
        assert stream.cache == "miss"
        found = client.portfolios.search("stoves", "gas", top_k=1)
        assert found.passages[0].document_id == "guide.md"
        client.portfolios.call("DeletePortfolio", portfolio_pb2.DeletePortfolioRequest(portfolio_id="stoves"))
        with pytest.raises(NotFound):
            list(client.chat("stoves", "How long does the stove burn gas?"))


async def test_the_asynchronous_client_has_the_same_names(server: str) -> None:
    """Asynchronous: the same calls, awaited."""
    async with AsyncClient(server) as client:
        await client.portfolios.add("camping", [Upload("guide.md", GUIDE.encode())])
        events = [event async for event in client.chat("camping", "How long does the stove burn gas?")]
        assert "ninety minutes" in text_of(events)
        assert (await client.portfolios.search("camping", "gas")).passages


def test_files_of_a_folder_are_named_by_their_path_below_it(tmp_path: Path) -> None:
    """A folder gives its documents only, named relative to it; a file gives its own name."""
    (tmp_path / "guides").mkdir()
    (tmp_path / "guides" / "stove.md").write_text(GUIDE)
    (tmp_path / "picture.png").write_bytes(b"x")
    assert [upload.document_id for upload in uploads([tmp_path])] == ["guides/stove.md"]
    assert [upload.document_id for upload in uploads([tmp_path / "guides" / "stove.md"])] == ["stove.md"]


def test_the_command_adds_lists_asks_and_searches(server: str, tmp_path: Path) -> None:
    """``hexar portfolio add`` tells what was kept and why not, ``hexar chat`` prints the answer with its sources."""
    (tmp_path / "stove.md").write_text(GUIDE)
    (tmp_path / "empty.txt").write_text(" ")
    runner = CliRunner()

    def run(*arguments: str, code: int = 0) -> str:
        result = runner.invoke(cli, ["--server", server, *arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    added = run("portfolio", "add", "outdoor", str(tmp_path), code=3)
    assert "1 added" in added
    assert "1 rejected" in added
    assert "empty.txt" in added
    assert "stove.md" in run("portfolio", "list", "outdoor")
    assert "outdoor" in run("portfolio", "list")
    answer = run("chat", "outdoor", "How long does the stove burn gas?")
    assert "ninety minutes" in answer
    assert "Stove guide" in answer
    assert "Stove guide" in run("portfolio", "search", "outdoor", "gas")
    lines = [json.loads(line) for line in run("chat", "outdoor", "Is it used in the tent?", "--json").splitlines()]
    assert "done" in lines[-1]
    run("portfolio", "remove", "outdoor", "stove.md", "--yes")
    assert "stove.md" not in run("portfolio", "list", "outdoor")

"""`hexar mcp` over standard input and output, asked by the protocol's own client."""

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from hexar_client import Client
from hexar_client.chat import Upload
from hexar_client.market import options
from tests.fix.demo_server import demo_server

mcp = pytest.importorskip("mcp", reason="the extra hexar-client[mcp] is not installed")
HEXAR = str(Path(sys.executable).with_name("hexar"))
TABLE = "date,brand,revenue\n2024-01-15,Tindra,120.50\n2024-02-15,Korva,90\n2024-03-15,Tindra,60\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that has something to say of everything."""
    folder = tmp_path_factory.mktemp("demo")
    with demo_server(folder) as address, Client(address) as client:
        client.portfolios.add("manuals", [Upload("atlas.md", b"# Atlas 40\n\nThe warranty of the Atlas 40 is three years.\n")])
        (folder / "sales.csv").write_text(TABLE)
        client.market.upload(options("sales"), folder / "sales.csv")
        yield address


async def test_every_tool_gives_a_typed_result(server: str) -> None:
    """Each has a schema of what it gives, and gives that; an error is a text."""
    parameters = mcp.StdioServerParameters(command=HEXAR, args=["--server", server, "mcp"])
    async with mcp.Client(mcp.stdio_client(parameters)) as client:
        assert client.server_info.version == version("hexar-client")
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"query", "chat", "search", "discover", "analyze", "draft"}
        assert all(tool.output_schema and tool.description for tool in tools.values())

        async def call(tool: str, **arguments: Any) -> Any:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content
            return result.structured_content

        found = await call("query", text="beginner snowboard under $400", limit=3)
        assert len(found["products"]) == 3
        assert found["products"][0]["offers"][0]["price"]["currency"] == "USD"
        answer = await call("chat", portfolio="manuals", message="How long is the warranty of the Atlas 40?")
        assert "three years" in answer["text"]
        assert answer["citations"][0]["document"] == "atlas.md"
        assert (await call("search", portfolio="manuals", query="warranty"))["passages"][0]["title"] == "Atlas 40"
        parts = await call("discover", vehicle="Vauxhall Astra 2006 1.6", damages=["front bumper:severe"])
        assert parts["parts"][0]["component"] == "front bumper"
        assert "Tindra" in (await call("analyze", table="sales", question="Which brand sold most in 2024?"))["answer"]
        drafted = await call(
            "draft", document_type="nda", jurisdiction="US-CA", request="Mutual NDA between Acme Inc. and Beta LLC."
        )
        assert drafted["markdown"].startswith("#")
        wrong = await client.call_tool("chat", {"portfolio": "nowhere", "message": "why"})
        assert wrong.is_error
        assert "nowhere" in str(wrong.content)

"""The SDK and the command of market, against a real server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hexar.agents.market.demo import write_table
from hexar.server.process.app import App
from hexar_client import AsyncClient
from hexar_client.cli import app as cli
from hexar_client.market import analysis, options


async def test_figures_are_data_frames(app: App, tmp_path: Path) -> None:
    """In pandas and in polars, a row a figure, a column a dimension."""
    path = write_table(tmp_path / "outdoor.csv")
    async with AsyncClient(f"127.0.0.1:{app.port}") as client:
        table = await client.market.upload(options("sales", currency_code="EUR"), path)
        assert table.currency_code == "EUR"
        seen = await client.market.run(analysis("sales", tools=["brand", "overview"]))
        assert [table.name async for table in client.market.tables()] == ["sales"]
        await client.market.delete("sales")
    brands = seen.to_pandas("brand")
    assert set(brands[brands["name"] == "revenue"]["brand"]) == {"Tindra", "Korva", "Ulme"}
    assert seen.to_polars().height == len(seen.rows())
    with pytest.raises(ValueError, match="MARKET_TOOL_NOTHING"):
        analysis("sales", tools=["nothing"])


async def test_the_command_analyses_a_file_and_writes_a_page(app: App, tmp_path: Path) -> None:
    """The page loads nothing from anywhere, and holds charts, advice and the reading of the table."""
    path, page = write_table(tmp_path / "outdoor.csv"), tmp_path / "page.html"
    target = ["--server", f"127.0.0.1:{app.port}", "market"]
    command = [*target, "analyze", str(path), "--report", str(page), "--budget", "5000"]
    result = await asyncio.to_thread(CliRunner().invoke, cli, command)
    assert result.exit_code == 0, result.output
    assert "forecast" in result.output
    assert "▁" in result.output or "█" in result.output
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") + text.count("class='bars'") > 8
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)
    assert "Recommendations" in text
    assert "How the table was read" in text
    listed = await asyncio.to_thread(CliRunner().invoke, cli, [*target, "tables"])
    assert "outdoor" in listed.output
    roles = await asyncio.to_thread(CliRunner().invoke, cli, [*target, "roles"])
    assert "unit_cost" in roles.output

"""The demo's questions for the market system: a small sales table, the whole analysis, and a question in words."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console

from hexar.agents.market.demo import write_table
from hexar_client import AsyncClient
from hexar_client.commands.market import show, show_table, sparkline
from hexar_client.market import Analysis, analysis, options

QUESTION = "¿Qué marca perdió más ventas en 2024?"


async def ask_market(client: AsyncClient, console: Console) -> None:
    """Print an analysis as it forms."""
    console.rule("market: MarketService.Analyze")
    with tempfile.TemporaryDirectory(prefix="hexar-demo-table-") as folder:
        table = await client.market.upload(options("outdoor"), write_table(Path(folder) / "outdoor.csv"))
    show_table(console, table)
    seen = Analysis()
    async for event in client.market.analyze(analysis("outdoor")):
        show(console, event, seen)
    line = [figure.value for figure in seen.tools["trend"].figures if figure.name == "revenue"]
    console.print(f"  revenue by month {sparkline(line)}", highlight=False)
    for entry in seen.recommendations:
        console.print(f"  {entry.title}: {entry.text}", highlight=False, markup=False)
    console.print(f"[bold]{QUESTION}[/]", highlight=False)
    found = await client.market.run(analysis("outdoor", QUESTION))
    if found.started is not None and found.completed is not None:
        console.print(f"  {found.started.reading.text}", highlight=False)
        console.print(f"  {found.completed.answer}", highlight=False)

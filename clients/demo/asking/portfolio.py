"""The demo's questions for the portfolio system: documents in, cited tokens out, in two languages."""

from __future__ import annotations

from importlib.resources import as_file, files

from rich.console import Console

from hexar_client import AsyncClient
from hexar_client.chat import uploads
from hexar_client.commands.chat import Printer

PORTFOLIO = "demo"
QUESTIONS = (
    "How were the gauges of Tidewatch kept clean?",
    "¿Cuántas panaderías usan Molino?",
    "How were the gauges of Tidewatch kept clean?",
    "thanks!",
)


async def ask_portfolio(client: AsyncClient, console: Console) -> None:
    """Upload three documents, then print the answers as they come; the first question is asked twice."""
    console.rule("portfolio: ChatService.Chat")
    with as_file(files("hexar.server.demo").joinpath("documents")) as documents:
        added = await client.portfolios.add(PORTFOLIO, uploads([documents]), create=True)
    console.print(f"{added.added} documents were read, {added.rejected} refused", style="dim")
    for question in QUESTIONS:
        console.print(f"\n[bold]“{question}”[/]")
        printer = Printer(console)
        async for event in client.chat(PORTFOLIO, question):
            printer.show(event.body)

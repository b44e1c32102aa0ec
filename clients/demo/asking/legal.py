"""The demo's question for the legal system: a non-disclosure agreement over the demo corpus."""

from __future__ import annotations

from rich.console import Console

from hexar_client import AsyncClient
from hexar_client.commands.legal import show
from hexar_client.legal import Document, draft_request

REQUEST = "Mutual NDA between Acme Robotics Inc. and Beta Labs LLC, effective 1 May 2026, with a notice of 60 days."


async def ask_legal(client: AsyncClient, console: Console) -> None:
    """Print a document while it is drafted, reviewed, validated and cited."""
    console.rule("legal: LegalService.Draft")
    console.print(f"[bold]{REQUEST}[/]", highlight=False)
    document = Document()
    async for event in client.legal.draft(draft_request("nda", "US-CA", request=REQUEST)):
        document.feed(event.kind, event.body)
        show(console, event, document)

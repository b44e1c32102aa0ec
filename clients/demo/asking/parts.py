"""The demo's question for the parts system: a damage report over the demo catalogue."""

from __future__ import annotations

from rich.console import Console

from hexar.v1 import parts_pb2
from hexar_client import AsyncClient
from hexar_client.commands.parts import show
from hexar_client.parts import report

DAMAGES = ("front bumper:severe", "o/s headlight:moderate", "bonnet:minor")


async def ask_parts(client: AsyncClient, console: Console) -> None:
    """Print the parts for a damaged car as they are found."""
    console.rule("parts: PartsService.Discover")
    console.print(f"[bold]Vauxhal Astra 2006 1.6[/] (sic): {', '.join(DAMAGES)}", highlight=False)
    request = report(DAMAGES, parts_pb2.VehicleQuery(text="Vauxhal Astra 2006 1.6"))
    async for event in client.parts.discover(request):
        show(console, event)

"""The demo's question for the gear system: asked cold, then again from the cache."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live

from hexar_client import AsyncClient, Ranking
from hexar_client.commands.query import draw

QUESTION = "beginner snowboard under $400"


async def ask_gear(client: AsyncClient, console: Console) -> None:
    """Print the stream of a query as it forms, then how the same query is replayed."""
    console.rule("gear: QueryService.Query")
    console.print(f"[bold]“{QUESTION}”[/]: three shops, answering after 0.15, 0.4 and 0.8 s")
    began = time.monotonic()
    ranking = Ranking()
    stream = client.query(QUESTION, limit=6, wait=5.0)
    with Live(console=console, refresh_per_second=12) as live:
        async for event in stream:
            ranking.apply(event)
            elapsed = (time.monotonic() - began) * 1000
            if not console.is_terminal:
                console.print(f"  {elapsed:6.0f} ms  event {event.seq:<3} {event.kind}")
            live.update(draw(ranking, stream.cache, time.monotonic() - began))
    # The analyses that have just landed supersede the answer; the one assembled from the caches is what is kept.
    for _ in range(2):
        again = client.query(QUESTION, limit=6, wait=5.0)
        began = time.monotonic()
        events = [event async for event in again]
    console.print(
        f"asked again: {len(events)} events replayed in {(time.monotonic() - began) * 1000:.1f} ms (cache {again.cache})"
    )

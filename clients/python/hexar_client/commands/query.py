"""``hexar query``: ask for products and watch the ranking form."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hexar.v1 import common_pb2, query_pb2
from hexar_client.commands import common
from hexar_client.gear import Ranking, filters, money

_OUTCOME = {
    query_pb2.VENDOR_OUTCOME_FRESH: "fresh",
    query_pb2.VENDOR_OUTCOME_CACHED: "cached",
    query_pb2.VENDOR_OUTCOME_STALE: "stale",
    query_pb2.VENDOR_OUTCOME_MISSING: "missing",
}
_STOCK = {
    query_pb2.AVAILABILITY_IN_STOCK: "in stock",
    query_pb2.AVAILABILITY_OUT_OF_STOCK: "out of stock",
    query_pb2.AVAILABILITY_PREORDER: "preorder",
    query_pb2.AVAILABILITY_BACKORDER: "backorder",
    query_pb2.AVAILABILITY_DISCONTINUED: "discontinued",
}


def query(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What you look for, in English or Spanish.")] = "",
    limit: Annotated[int, typer.Option(help="How many products.")] = 10,
    price_min: Annotated[float | None, typer.Option(help="Lowest price.")] = None,
    price_max: Annotated[float | None, typer.Option(help="Highest price.")] = None,
    currency: Annotated[str, typer.Option(help="Currency of the prices.")] = "USD",
    skill: Annotated[str, typer.Option(help="beginner, intermediate, advanced or expert.")] = "",
    brand: Annotated[list[str] | None, typer.Option(help="Brand allowed; repeat for more.")] = None,
    category: Annotated[list[str] | None, typer.Option(help="Category allowed; repeat for more.")] = None,
    terrain: Annotated[list[str] | None, typer.Option(help="Terrain wanted; repeat for more.")] = None,
    in_stock: Annotated[bool, typer.Option("--in-stock", help="Only what can be delivered now.")] = False,
    user: Annotated[str, typer.Option(help="User whose context takes part.")] = "",
    wait: Annotated[float, typer.Option(help="Seconds to wait for background analyses.")] = 0.0,
    timeout: Annotated[float, typer.Option(help="Seconds that the whole answer may take.")] = 30.0,
    json_lines: Annotated[bool, typer.Option("--json", help="Print one event a line.")] = False,
) -> None:
    """Ask for products."""
    try:
        wanted = filters(
            price_min=None if price_min is None else money(price_min, currency),
            price_max=None if price_max is None else money(price_max, currency),
            skill_level=skill,
            brands=brand or (),
            categories=category or (),
            in_stock=in_stock,
            terrain=terrain or (),
        )
    except ValueError:
        raise typer.BadParameter("must be beginner, intermediate, advanced or expert", param_hint="--skill") from None
    with common.client(context) as client:
        stream = client.query(
            text, timeout=timeout, wait=wait, restart=not json_lines, limit=limit, filters=wanted, user_id=user
        )
        if json_lines:
            for event in stream:
                common.print_event(event)
            return
        ranking = Ranking()
        console = Console()
        began = time.monotonic()
        with Live(console=console, refresh_per_second=12, transient=False) as live:
            for event in stream:
                ranking.apply(event)
                live.update(draw(ranking, stream.cache, time.monotonic() - began))


def draw(ranking: Ranking, cache: str, elapsed: float) -> Any:
    """The ranking as a table, with a line on the vendors below it."""
    table = Table(expand=False, pad_edge=False)
    for heading in ("product", "brand", "best price", "vendors", "rating", "score"):
        table.add_column(heading, overflow="fold")
    for product in ranking.products:
        name = Text(product.name)
        for sign, claims, style in (("+", product.analysis.pros, "green"), ("−", product.analysis.cons, "red")):
            # One sentence may speak of several aspects: it is shown once.
            for text in list(dict.fromkeys(claim.text for claim in claims))[:2]:
                name.append(f"\n  {sign} {text}", style=style)
        table.add_row(
            name,
            product.brand,
            _best_price(product),
            "\n".join(f"{offer.vendor}: {_STOCK.get(offer.availability, 'stock not stated')}" for offer in product.offers),
            f"{product.rating.value:.1f} ({product.rating.count})" if product.HasField("rating") else "",
            f"{ranking.rank(product.product_id).score:.3f}",
        )
    return Group(table, _footer(ranking, cache, elapsed))


def _best_price(product: query_pb2.Product) -> str:
    prices = [offer.price for offer in product.offers if offer.HasField("price")]
    by_currency: dict[str, common_pb2.Money] = {}
    for price in prices:
        best = by_currency.get(price.currency_code)
        if best is None or price.micros < best.micros:
            by_currency[price.currency_code] = price
    return "\n".join(f"{price.micros / 1e6:.2f} {code}" for code, price in sorted(by_currency.items()))


def _footer(ranking: Ranking, cache: str, elapsed: float) -> Text:
    line = Text()
    for status in sorted(ranking.vendors.values(), key=lambda row: row.vendor):
        outcome = _OUTCOME.get(status.outcome, "unknown")
        bad = outcome in ("missing", "stale")
        line.append(f"{status.vendor}: {outcome}", style="yellow" if bad else "")
        line.append(f" ({status.detail})  " if status.detail else "  ")
    if ranking.completed is not None:
        line.append(f"{ranking.completed.matched} matched, cache {cache}, {elapsed * 1000:.0f} ms", style="dim")
        for one in ranking.completed.narrowed:
            line.append(f"\n{one.products} not shown: {one.detail}", style="yellow")
            names = ", ".join(nearest.name for nearest in one.nearest)
            line.append(f" (nearest: {names})" if names else "")
    return line

"""``hexar query``: ask for products and watch the ranking form."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from hexar.v1 import common_pb2, query_pb2
from hexar_client.commands import common, output
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


@output.answers
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
            text, timeout=timeout, wait=wait, restart=not output.is_json(context), limit=limit, filters=wanted, user_id=user
        )
        if output.is_json(context):
            for event in stream:
                output.print_event(event)
            return
        ranking = Ranking()
        console = output.console()
        began = time.monotonic()
        with output.live_view(console, refresh_per_second=12) as live:
            for event in stream:
                ranking.apply(event)
                live.update(draw(ranking, stream.cache, time.monotonic() - began))


def draw(ranking: Ranking, cache: str, elapsed: float) -> Any:
    """The ranking, three lines a product, with a line on the vendors below it."""
    lines: list[Text] = []
    for place, product in enumerate(ranking.products, 1):
        lines += _product(place, product, ranking.rank(product.product_id).score)
    if not lines and ranking.completed is not None:
        lines += _nothing(ranking)
    return Group(*lines, _footer(ranking, cache, elapsed))


def _product(place: int, product: query_pb2.Product, score: float) -> list[Text]:
    """A product in three lines, each cut where the screen ends: what it is, who sells it, what is said of it."""
    name = Text(f"{place}. ", style="dim")
    name.append(product.name, style="bold")
    offers = Text(f"   {_best_price(product) or 'no price'}")
    for offer in product.offers:
        offers.append(f"  {offer.vendor}: {_STOCK.get(offer.availability, 'stock not stated')}", style="cyan")
    said = Text(f"   score {score:.3f}")
    if product.HasField("rating"):
        said.append(f"  rated {product.rating.value:.1f} of {product.rating.count}")
    for sign, claims, style in (("+", product.analysis.pros, "green"), ("−", product.analysis.cons, "red")):
        for claim in claims[:1]:
            said.append(f"  {sign} {claim.text}", style=style)
    for line in (name, offers, said):
        line.no_wrap, line.overflow = True, "ellipsis"
    return [name, offers, said]


def _nothing(ranking: Ranking) -> list[Text]:
    """What is said where nothing was found: how the request was understood, and what of it was not."""
    lines = [Text("nothing was found", style="yellow")]
    understood = ranking.started.understood if ranking.started is not None else None
    if understood is not None:
        lines.append(Text(f"understood: {understood.terms or 'no words to look for'}"))
        wanted = filter_words(understood.filters)
        if wanted:
            lines.append(Text(f"only: {wanted}"))
        lines += [Text(f"read {each.written!r} as {each.read!r}") for each in understood.corrections]
        lines += [Text(f"not applied: {each.phrase} ({each.reason})", style="yellow") for each in understood.not_applied]
    return lines


def filter_words(wanted: query_pb2.Filters) -> str:
    """Filters in words: "price max 400.00 USD, skill level beginner"."""
    said = []
    for field, value in wanted.ListFields():
        label = field.name.replace("_", " ")
        if isinstance(value, common_pb2.Money):
            said.append(f"{label} {value.micros / 1e6:.2f} {value.currency_code}")
        elif isinstance(value, bool):
            said.append(label)
        elif field.enum_type is not None:
            name = field.enum_type.values_by_number[value].name
            said.append(f"{label} {name.rpartition('_')[2].lower()}")
        elif isinstance(value, str | int | float):
            said.append(f"{label} {value}")
        else:
            said.append(f"{label} {', '.join(str(each) for each in value)}")
    return ", ".join(said)


def _best_price(product: query_pb2.Product) -> str:
    prices = [offer.price for offer in product.offers if offer.HasField("price")]
    by_currency: dict[str, common_pb2.Money] = {}
    for price in prices:
        best = by_currency.get(price.currency_code)
        if best is None or price.micros < best.micros:
            by_currency[price.currency_code] = price
    return " / ".join(f"{price.micros / 1e6:.2f} {code}" for code, price in sorted(by_currency.items()))


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

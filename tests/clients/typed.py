"""The SDK as a type checker sees it, from a user's side. `make check` reads this file; nothing runs it.

A line with ``type: ignore`` is one that must not pass: where it does, mypy reports the comment as unused.
"""

from typing import assert_type

from hexar.v1 import chat_pb2, common_pb2, parts_pb2, query_pb2
from hexar_client import AsyncClient, Client, Ranking, filters
from hexar_client.market import analysis, options
from hexar_client.parts import report


def blocking(client: Client) -> None:
    """Calls of the blocking client."""
    ranking = Ranking()
    with client.query("boots", filters=filters(in_stock=True), limit=5, vendors=["alpine"], user_id=None) as stream:
        for event in stream:
            ranking.apply(event)
            if event.kind == "upsert":
                assert_type(event.body, query_pb2.ProductUpsert)
                print(event.body.produkt)  # type: ignore[attr-defined]
            elif event.kind == "restarted":
                print(event.body.reason)
            elif event.kind == "snapshots":  # type: ignore[comparison-overlap]
                pass
    for said in client.chat("docs", "why"):
        match said.kind:
            case "token":
                assert_type(said.body, chat_pb2.ChatToken)
            case "done":
                assert_type(said.body, chat_pb2.ChatDone)
            case _:
                pass
    client.query("boots", limt=5)  # type: ignore[call-arg]
    client.query("boots", limit="five")  # type: ignore[arg-type]
    client.chat("docs", "why", top_k=3, cache_policy=common_pb2.CACHE_POLICY_REFRESH)
    client.chat("docs", "why", topk=3)  # type: ignore[call-arg]
    client.portfolios.search("docs", "why", language="en")
    client.portfolios.search("docs", "why", lang="en")  # type: ignore[call-arg]
    client.parts.match(["bumper"], limit=3)
    client.parts.match(["bumper"], limits=3)  # type: ignore[call-arg]
    client.parts.discover(report(["bumper:severe"], parts_pb2.VehicleQuery(text="Golf"), max_parts=3))
    report(["bumper"], parts_pb2.VehicleQuery(), maxparts=3)  # type: ignore[call-arg]
    client.market.analyze(analysis("sales", "why", top_n=3))
    analysis("sales", "why", topn=3)  # type: ignore[call-arg]
    options("sales", currency_code="EUR")
    options("sales", currency="EUR")  # type: ignore[call-arg]


async def asynchronous(client: AsyncClient) -> None:
    """The same of the asynchronous one."""
    async with client.query("boots", limit=5) as stream:
        async for event in stream:
            print(event.kind, event.seq)
    client.query("boots", limt=5)  # type: ignore[call-arg]
    await client.portfolios.search("docs", "why", top_k=3)
    await client.portfolios.search("docs", "why", topk=3)  # type: ignore[call-arg]

"""Gear queries: building a request, typing its events, folding them to the ranking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal, TypeAlias, Unpack

from google.protobuf.duration_pb2 import Duration

from hexar.v1 import common_pb2, query_pb2
from hexar_client._rpc.fields import QueryFields
from hexar_client._rpc.stream import Event, Restarted

#: One event of a query: ``event.kind`` says what ``event.body`` is.
QueryEvents: TypeAlias = (
    Event[Literal["started"], query_pb2.QueryStarted]
    | Event[Literal["upsert"], query_pb2.ProductUpsert]
    | Event[Literal["move"], query_pb2.ProductMove]
    | Event[Literal["retract"], query_pb2.ProductRetract]
    | Event[Literal["vendor"], query_pb2.VendorStatus]
    | Event[Literal["ranked"], query_pb2.QueryRanked]
    | Event[Literal["completed"], query_pb2.QueryCompleted]
    | Event[Literal["snapshot"], query_pb2.ProductSnapshot]
    | Event[Literal["restarted"], Restarted]
)
#: What these events hold.
QueryBody: TypeAlias = (
    query_pb2.QueryStarted
    | query_pb2.ProductUpsert
    | query_pb2.ProductMove
    | query_pb2.ProductRetract
    | query_pb2.VendorStatus
    | query_pb2.QueryRanked
    | query_pb2.QueryCompleted
    | query_pb2.ProductSnapshot
    | Restarted
)


def money(amount: Decimal | float | int | str, currency: str) -> common_pb2.Money:
    """An amount in ``currency`` (ISO 4217), exact to a millionth."""
    return common_pb2.Money(currency_code=currency, micros=int(Decimal(str(amount)) * 1_000_000))


def filters(
    *,
    price_min: common_pb2.Money | None = None,
    price_max: common_pb2.Money | None = None,
    skill_level: str = "",
    brands: Sequence[str] = (),
    categories: Sequence[str] = (),
    in_stock: bool = False,
    terrain: Sequence[str] = (),
) -> query_pb2.Filters:
    """Filters of a query. ``skill_level`` is "beginner", "intermediate", "advanced", "expert" or empty."""
    level = query_pb2.SkillLevel.Value(f"SKILL_LEVEL_{skill_level.upper()}") if skill_level else 0
    return query_pb2.Filters(
        price_min=price_min,
        price_max=price_max,
        skill_level=query_pb2.SkillLevel.Name(level),
        brands=brands,
        categories=categories,
        in_stock=in_stock,
        terrain=terrain,
    )


def query_request(text: str, *, wait: float = 0.0, **fields: Unpack[QueryFields]) -> query_pb2.QueryRequest:
    """A QueryRequest; ``wait`` is wait_for_analysis in seconds, the rest are its fields by name."""
    request = query_pb2.QueryRequest(text=text, **fields)
    if wait:
        duration = Duration()
        duration.FromMicroseconds(int(wait * 1e6))
        request.wait_for_analysis.CopyFrom(duration)
    return request


class Ranking:
    """The products of a query as its events fold: apply each, then read :attr:`products`."""

    def __init__(self) -> None:
        self._products: dict[str, query_pb2.Product] = {}
        self._ranks: dict[str, query_pb2.Rank] = {}
        #: The first event, once it has come: how the request was understood.
        self.started: query_pb2.QueryStarted | None = None
        #: The last event, once it has come.
        self.completed: query_pb2.QueryCompleted | None = None
        #: How each vendor's part ended, by name.
        self.vendors: dict[str, query_pb2.VendorStatus] = {}

    def __repr__(self) -> str:
        ended = "complete" if self.completed is not None else "not complete"
        return f"Ranking({len(self._products)} products, {ended})"

    def apply(self, event: QueryEvents) -> None:
        """Take in one event."""
        body = event.body
        if isinstance(body, query_pb2.QueryStarted):
            self.started = body
        elif isinstance(body, query_pb2.ProductUpsert):
            self._set(body)
        elif isinstance(body, query_pb2.ProductSnapshot):
            for upsert in body.products:
                self._set(upsert)
        elif isinstance(body, query_pb2.ProductMove):
            self._ranks[body.product_id] = body.rank
        elif isinstance(body, query_pb2.ProductRetract):
            self._products.pop(body.product_id, None)
            self._ranks.pop(body.product_id, None)
        elif isinstance(body, Restarted):
            self._products.clear()
            self._ranks.clear()
            self.vendors.clear()
            self.completed = None
        elif isinstance(body, query_pb2.VendorStatus):
            self.vendors[body.vendor] = body
        elif isinstance(body, query_pb2.QueryCompleted):
            self.completed = body
            self.vendors.update((status.vendor, status) for status in body.vendors)

    def _set(self, upsert: query_pb2.ProductUpsert) -> None:
        self._products[upsert.product.product_id] = upsert.product
        self._ranks[upsert.product.product_id] = upsert.rank

    def apply_all(self, events: Iterable[QueryEvents]) -> Ranking:
        """Take in all events; returns itself."""
        for event in events:
            self.apply(event)
        return self

    @property
    def products(self) -> list[query_pb2.Product]:
        """The products, best first."""
        return [self._products[product_id] for product_id in self.product_ids]

    @property
    def product_ids(self) -> list[str]:
        """Their ids: by score, the highest first; equal scores by id."""
        return sorted(self._products, key=lambda product_id: (-self._ranks[product_id].score, product_id))

    def rank(self, product_id: str) -> query_pb2.Rank:
        """The rank of one of them, with its contributions."""
        return self._ranks[product_id]

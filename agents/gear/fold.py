"""From one ranked state to the next by events, and back: :func:`diff` makes events, :func:`apply` folds them.

A state is what a caller who folded all events so far holds: products by id with their rank. Whatever the events were on the
way, the fold of all of them is the last state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hexar.v1 import query_pb2

#: Why a product was taken back, as the contract names it.
MERGED, FILTERED, OUTRANKED = "merged", "filtered", "outranked"


@dataclass(frozen=True, slots=True)
class Shown:
    """One product as it is shown. Messages are never changed once they are in a state."""

    product: query_pb2.Product
    rank: query_pb2.Rank


State = Mapping[str, Shown]


def ranking(state: State) -> list[str]:
    """The ids, best first: by score, then by id."""
    return sorted(state, key=lambda one: (-state[one].rank.score, one))


def diff(old: State, new: State, reason: Callable[[str], str]) -> Iterator[query_pb2.QueryEvent]:
    """The events that turn ``old`` into ``new``: retracts, then upserts and moves from the best on.

    ``reason`` says why a product that was shown is not any more.
    """
    for product_id in sorted(old.keys() - new.keys()):
        yield query_pb2.QueryEvent(retract=query_pb2.ProductRetract(product_id=product_id, reason=reason(product_id)))
    for product_id in ranking(new):
        shown, before = new[product_id], old.get(product_id)
        if before is None or (before.product is not shown.product and before.product != shown.product):
            yield query_pb2.QueryEvent(upsert=query_pb2.ProductUpsert(product=shown.product, rank=shown.rank))
        elif before.rank != shown.rank:
            yield query_pb2.QueryEvent(move=query_pb2.ProductMove(product_id=product_id, rank=shown.rank))


def apply(state: dict[str, Shown], event: query_pb2.QueryEvent) -> None:
    """Fold one event into ``state``; events that are about no product change nothing.

    Raises KeyError where a move names a product that was not sent.
    """
    kind = event.WhichOneof("event")
    if kind == "upsert":
        state[event.upsert.product.product_id] = Shown(event.upsert.product, event.upsert.rank)
    elif kind == "snapshot":
        state.update((upsert.product.product_id, Shown(upsert.product, upsert.rank)) for upsert in event.snapshot.products)
    elif kind == "move":
        state[event.move.product_id] = Shown(state[event.move.product_id].product, event.move.rank)
    elif kind == "retract":
        state.pop(event.retract.product_id, None)


def fold(events: Iterable[query_pb2.QueryEvent]) -> list[Shown]:
    """What a caller holds after ``events``, best first."""
    state: dict[str, Shown] = {}
    for event in events:
        apply(state, event)
    return [state[product_id] for product_id in ranking(state)]

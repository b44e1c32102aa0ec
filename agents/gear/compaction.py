"""A finished gear answer in the fewest messages: how it was understood, all products as they stand at the end, the end.

Superseded upserts, moves and retracts are gone, and so are the statuses of vendors one by one: the last event has them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hexar.agents.gear.fold import Shown, apply, ranking
from hexar.core.eventlog import Compaction
from hexar.v1 import query_pb2

#: Bytes of products in one message, but for a product that is larger alone.
SNAPSHOT_BYTES = 256 * 1024


def compact(events: Sequence[bytes]) -> Compaction:
    """The compacted form of a finished log, made of its numbered events.

    The snapshot stands right behind the first event, so that until its last part has come a reader has everything up to
    event 1 only, whatever it has of the products: a reader who stops there is given all events past the first again.
    """
    state: dict[str, Shown] = {}
    ranked = b""
    parsed = [query_pb2.QueryEvent.FromString(event) for event in events]
    for event in parsed:
        apply(state, event)
        if event.HasField("ranked"):
            ranked = _payload(event)
    first, last = parsed[0], parsed[-1]
    if not first.HasField("started") or not last.HasField("completed"):
        raise ValueError("a finished answer begins with started and ends with completed")
    before_end = len(events) - 1
    kept = [(1, _payload(first))]
    parts = [part.SerializeToString() for part in _snapshots([state[product_id] for product_id in ranking(state)])]
    kept += [(1, part) for part in parts[:-1]]
    if parts:
        kept.append((1 if ranked else before_end, parts[-1]))
    if ranked:
        kept.append((before_end, ranked))
    kept.append((len(events), _payload(last)))
    return Compaction(kept)


def _snapshots(products: Sequence[Shown]) -> Iterator[query_pb2.QueryEvent]:
    """All products, best first, in as few messages as :data:`SNAPSHOT_BYTES` allows."""
    event, size = query_pb2.QueryEvent(), 0
    for shown in products:
        upsert = query_pb2.ProductUpsert(product=shown.product, rank=shown.rank)
        more = upsert.ByteSize()
        if size and size + more > SNAPSHOT_BYTES:
            yield event
            event, size = query_pb2.QueryEvent(), 0
        event.snapshot.products.append(upsert)
        size += more
    if size:
        yield event


def _payload(event: query_pb2.QueryEvent) -> bytes:
    """The event as it was before it was numbered."""
    bare = query_pb2.QueryEvent()
    bare.CopyFrom(event)
    bare.ClearField("seq")
    return bare.SerializeToString()

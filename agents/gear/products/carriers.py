"""Which vendors carry a product, told by the answers that showed it."""

from __future__ import annotations

from collections.abc import Iterable

from hexar.agents.gear.fold import Shown, apply
from hexar.core.eventlog.frames import unpack
from hexar.v1 import query_pb2


def carriers(answers: Iterable[bytes], product_id: str) -> set[str]:
    """The vendors whose offers make up the product in any of ``answers``, finished logs as they are kept."""
    found: set[str] = set()
    name = product_id.encode()
    for value in answers:
        # An id is a digest: it stands in few of them, and only those are decoded.
        log = unpack(value) if name in value else None
        state: dict[str, Shown] = {}
        for event in log.replay(0, original=False) if log is not None else ():
            apply(state, query_pb2.QueryEvent.FromString(event))
        if product_id in state:
            found |= {offer.vendor for offer in state[product_id].product.offers}
    return found

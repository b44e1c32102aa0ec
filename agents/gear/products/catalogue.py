"""Batches as products: clustered and put together once, however many queries look at them.

Vendors' catalogues change every quarter of an hour, queries come every millisecond: what depends on the batches alone
(which listings are one product, and what they say together) is kept for the latest sets of batches.

Thread-safety: all methods may be called from any thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hexar.agents.gear.candidates import Batch
from hexar.agents.gear.products.assembly import Assembly, Member, SourcedListing, assembly
from hexar.core.cache import Tier
from hexar.core.merge import cluster

V = TypeVar("V")

#: Sets of batches that are kept. One of 2,000 listings takes about 4 MB.
KEPT = 16


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A vendor's batch and how it came here; one reading for each listing."""

    batch: Batch
    tier: Tier
    stale: bool
    readings: tuple[SourcedListing, ...]


class _Latest(Generic[V]):
    """The values of the latest keys. A key holds ids, so each value keeps alive what the ids are of."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, tuple[object, V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> V | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
            return kept[1]

    def put(self, key: Hashable, alive: object, value: V) -> V:
        with self._lock:
            _, value = self._kept.setdefault(key, (alive, value))
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
            return value


class Catalogue:
    """The products of sets of batches."""

    def __init__(self) -> None:
        self._placed: _Latest[Placed] = _Latest(4 * KEPT)
        self._partitions: _Latest[list[list[tuple[int, int]]]] = _Latest(KEPT)
        self._products: _Latest[tuple[Assembly, ...]] = _Latest(KEPT)

    def place(self, batch: Batch, tier: Tier, *, stale: bool) -> Placed:
        """``batch`` with its readings; the same object for the same batch, so that what was made of it is found again."""
        key = (id(batch), tier, stale)
        kept = self._placed.get(key)
        if kept is not None:
            return kept
        rows = zip(batch.listings, batch.facts, batch.values, strict=True)
        readings = tuple(SourcedListing(listing, facts, tier, stale, values=values) for listing, facts, values in rows)
        placed = Placed(batch, tier, stale, readings)
        return self._placed.put(key, batch, placed)

    def products(self, placed: Mapping[str, Placed], before: Sequence[Assembly] = ()) -> tuple[Assembly, ...]:
        """All products of the batches, without static knowledge. Those of ``before`` that did not change are used again."""
        shelves = [placed[vendor] for vendor in sorted(placed)]
        key = tuple(map(id, shelves))
        kept = self._products.get(key)
        if kept is not None:
            return kept
        known = {id(product.members[0].live): product for product in before}
        found: list[Assembly] = []
        for rows in self._partition([shelf.batch for shelf in shelves]):
            members = [shelves[shelf].readings[row] for shelf, row in rows]
            same = known.get(id(members[0]))
            if same is None or [id(member.live) for member in same.members] != [id(reading) for reading in members]:
                same = assembly([Member(reading) for reading in members])
            found.append(same)
        return self._products.put(key, shelves, tuple(found))

    def _partition(self, batches: Sequence[Batch]) -> list[list[tuple[int, int]]]:
        """For each product, its listings as (batch, row), in the order of vendor and sku."""
        key = tuple(map(id, batches))
        kept = self._partitions.get(key)
        if kept is not None:
            return kept
        places = [(number, row) for number, batch in enumerate(batches) for row in range(len(batch))]
        clusters = cluster([record for batch in batches for record in batch.records])
        return self._partitions.put(key, list(batches), [[places[place] for place in rows] for rows in clusters])

"""The background job ``gear.analyse``: the heavy agents read up to 20 products, the analyst reads their reviews.

Each vendor that lists a product is asked once for all of its products in the batch. What was learnt lies under
``static_analysis`` by vendor and sku; a product that a vendor no longer knows is remembered as such. The version of a
vendor's knowledge is raised, in the transaction that ends the job, only where its content changed: cached answers that show
the vendor are then unreachable. A vendor that fails does not keep the others' results back; the job fails and is tried
again for what is missing.

::

    hexar.core.errors.Unavailable
    └── AnalysisIncomplete    some vendors could not be asked; the rest is done
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError as FutureCancelledError
from dataclasses import replace
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
import structlog

from hexar.agents.gear.analysis.analyses import Analyses
from hexar.agents.gear.analysis.analyst import read
from hexar.agents.gear.analysis.knowledge import KIND, Knowledge, key_fields, vendor_name, version_name
from hexar.agents.gear.products.candidates import is_sound
from hexar.agents.vendors.base import VendorAgent
from hexar.agents.vendors.errors import VendorError
from hexar.agents.vendors.model import Listing
from hexar.core.cache import Caches, Tier
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.errors import Unavailable
from hexar.core.jobs.model import JobContext, LostLease

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: Seconds that one vendor may take for its products of one batch.
VENDOR_SECONDS = 60.0
#: Seconds that a worker waits for the disk cache; what it does not hold is read anew.
CACHE_SECONDS = 5.0


class AnalysisIncomplete(Unavailable):
    """Some vendors could not be asked."""


class HeavyReader:
    """The handler of ``gear.analyse``.

    Thread-safety: :meth:`handle` runs on the job workers' threads, any number at once; ``loop`` is the engine's.
    """

    def __init__(
        self,
        agents: Mapping[str, VendorAgent],
        caches: Caches,
        analyses: Analyses,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._agents = agents
        self._caches = caches
        self._analyses = analyses
        self.loop = loop

    def handle(self, payload: bytes, context: JobContext) -> bytes | None:
        """Analyse the products of ``payload``. The result names how many listings were read, gone and unchanged."""
        work = orjson.loads(payload)
        tenant = context.job.tenant
        wanted: defaultdict[str, list[Listing]] = defaultdict(list)
        for product in work["products"]:
            for row in product:
                listing = Listing.from_json(row)
                wanted[listing.vendor].append(listing)
        failed: list[str] = []
        learnt: list[Knowledge] = []
        changed: set[str] = set()
        counts = {"read": 0, "gone": 0, "unchanged": 0, "kept": 0}
        for vendor, listings in sorted(wanted.items()):
            if context.lost:
                raise LostLease("another worker has taken the analysis over")
            stored = {listing.sku: self._stored(tenant, listing) for listing in listings}
            missing = [one for one in listings if not _holds(stored[one.sku], work["before"])]
            counts["kept"] += len(listings) - len(missing)
            try:
                found, complete = self._read(vendor, missing)
            except VendorError as error:
                log.warning("heavy_reading_failed", vendor=vendor, failure=error.failure)
                failed.append(vendor)
                continue
            if not complete:
                failed.append(vendor)
            for one in found:
                old = stored[one.sku]
                same = old is not None and old.checksum() == one.checksum()
                counts["gone" if one.listing is None else "read"] += 1
                counts["unchanged"] += same
                if not same:
                    changed.add(vendor)
            learnt.extend(found)
        done = [(vendor, listing.sku) for vendor in wanted if vendor not in failed for listing in wanted[vendor]]
        if failed:
            # What the others said is kept at once; only this attempt has failed.
            self._keep(tenant, learnt)
            for vendor in sorted(changed):
                self._analyses.raised(vendor, self._caches.versions.bump(version_name(vendor)))
            self._analyses.ended(tenant, done, dead=False)
            if context.job.attempts >= context.job.max_attempts:
                rest = [(vendor, listing.sku) for vendor in failed for listing in wanted[vendor]]
                self._analyses.ended(tenant, rest, dead=True)
            raise AnalysisIncomplete(f"vendors that could not be read: {', '.join(failed)}")
        versions: dict[str, int] = {}

        def bump(connection: sa.Connection) -> None:
            for vendor in sorted(changed):
                versions[vendor] = self._caches.versions.bump_in(connection, version_name(vendor))

        def publish() -> None:
            # Entries first: an answer that is made under the new version must find them.
            self._keep(tenant, learnt)
            for vendor, version in versions.items():
                self._analyses.raised(vendor, version)
                self._caches.versions.published(version_name(vendor), version)
            self._analyses.ended(tenant, done, dead=False)

        context.commit(bump)
        context.then(publish)
        return orjson.dumps(counts)

    def _read(self, vendor: str, listings: Sequence[Listing]) -> tuple[list[Knowledge], bool]:
        """What the vendor says of its ``listings``, and whether it had the time to say all of it."""
        agent = self._agents.get(vendor)
        if agent is None or not listings:
            return [], True
        now, version = time.time(), self._caches.versions.get(version_name(vendor))
        deadline = Deadline.after(VENDOR_SECONDS)
        read_now = {one.sku: one for one in agent.heavy(listings, deadline) if is_sound(one)}
        # A product that is left out is gone, unless the time was over before its turn came.
        complete = not deadline.expired
        found = []
        for listing in listings:
            heavy = read_now.get(listing.sku)
            if heavy is not None or complete:
                found.append(Knowledge.of(vendor, listing.sku, heavy, read(heavy) if heavy is not None else (), now, version))
        return found, complete

    def _keep(self, tenant: str, learnt: Sequence[Knowledge]) -> None:
        """Put what was learnt into the caches; it is in the shared tier when this returns, where that answers."""
        for one in learnt:
            key = cache_key(tenant, KIND, key_fields(one.vendor, one.sku))
            depends = self._caches.snapshot(tenant, KIND, vendor_name(one.vendor))
            self._caches.put(KIND, key, one.encode(), depends, view=replace(one, tier=Tier.MEMORY))
        if learnt and self._caches.backend is not None:
            self._on_loop(self._caches.backend.flush())

    def _stored(self, tenant: str, listing: Listing) -> Knowledge | None:
        key = (listing.vendor, listing.sku)
        return self._analyses.in_memory(tenant, key) or self._on_loop(self._analyses.read(tenant, key))

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of ``work`` on the engine's loop; None where that has ended or takes too long."""
        if self.loop is None or self.loop.is_closed():
            work.close()
            return None
        asked = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return asked.result(CACHE_SECONDS)
        except (TimeoutError, FutureCancelledError):
            asked.cancel()
            return None


def _holds(known: Knowledge | None, before: float) -> bool:
    return known is not None and known.holds(before)

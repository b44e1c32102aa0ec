"""The background job ``gear.analyse``: the heavy agents read up to 20 products, the analyst reads their reviews.

Each vendor that lists a product is asked once for all of its products in the batch. What was learnt lies under
``static_analysis`` by vendor and sku; a product that a vendor no longer knows is remembered as such. The version of a
vendor's knowledge is raised, in the transaction that ends the job, only where its content changed: cached answers that show
the vendor are then unreachable. Where a model is configured it reads the texts of the whole batch in one call; where it does
not answer, what the extractive analyst found stands and says so. A vendor that fails does not keep the others' results back;
the job fails and is tried again for what is missing.

::

    hexar.core.errors.Unavailable
    └── AnalysisIncomplete    some vendors could not be asked; the rest is done
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError as FutureCancelledError
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
import structlog

from hexar.agents.gear.analysis.analyses import Analyses, Key
from hexar.agents.gear.analysis.analyst import METHOD, read, specification_mentions
from hexar.agents.gear.analysis.knowledge import KIND, Knowledge, key_fields, vendor_name, version_name
from hexar.agents.gear.analysis.model_analyst import ModelAnalyst
from hexar.agents.gear.candidates import is_sound
from hexar.agents.vendors.base import VendorAgent
from hexar.agents.vendors.errors import VendorError
from hexar.agents.vendors.model import Listing
from hexar.core.cache import Caches, Tier
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from hexar.core.jobs.model import JobContext, LostLease

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: Seconds that one vendor may take for its products of one batch.
VENDOR_SECONDS = 60.0
#: Seconds that a worker waits for the disk cache; what it does not hold is read anew.
CACHE_SECONDS = 5.0


class AnalysisIncomplete(Unavailable):
    """Some vendors could not be asked."""


@dataclass(slots=True)
class _Batch:
    """The work of one job. ``stored`` is what was known before, ``learnt`` what is new, by vendor and sku."""

    tenant: str
    before: float
    wanted: defaultdict[str, list[Listing]] = field(default_factory=lambda: defaultdict(list))
    stored: dict[Key, Knowledge | None] = field(default_factory=dict)
    learnt: dict[Key, Knowledge] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=lambda: Counter(read=0, gone=0, unchanged=0, kept=0))
    used: dict[str, Any] = field(default_factory=dict)

    def done(self) -> list[Key]:
        """What needs no other attempt."""
        return [(vendor, one.sku) for vendor, rows in self.wanted.items() if vendor not in self.failed for one in rows]


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
        analyst: ModelAnalyst | None = None,
        seconds: float = VENDOR_SECONDS,
    ) -> None:
        self._seconds = seconds
        self._agents = agents
        self._analyst = analyst
        self._caches = caches
        self._analyses = analyses
        self.loop = loop

    def handle(self, payload: bytes, context: JobContext) -> bytes | None:
        """Analyse the products of ``payload``. The result names how many listings were read, gone and unchanged, and what the
        model used."""
        work = orjson.loads(payload)
        products = [[Listing.from_json(row) for row in product] for product in work["products"]]
        batch = _Batch(context.job.tenant, work["before"])
        for product in products:
            for listing in product:
                batch.wanted[listing.vendor].append(listing)
        for vendor, listings in sorted(batch.wanted.items()):
            if context.lost:
                raise LostLease("another worker has taken the analysis over")
            self._read_vendor(batch, vendor, listings)
        self._deepen(batch, products)
        for one in batch.learnt.values():
            old = batch.stored[one.vendor, one.sku]
            same = old is not None and old.checksum() == one.checksum()
            batch.counts["gone" if one.listing is None else "read"] += 1
            batch.counts["unchanged"] += same
            if not same:
                batch.changed.add(one.vendor)
        if batch.failed:
            self._give_up(batch, context)
        self._finish(batch, context)
        return orjson.dumps({**batch.counts, **({"model": batch.used} if batch.used else {})})

    def _read_vendor(self, batch: _Batch, vendor: str, listings: Sequence[Listing]) -> None:
        stored = {listing.sku: self._stored(batch.tenant, listing) for listing in listings}
        batch.stored.update({(vendor, sku): known for sku, known in stored.items()})
        missing = [one for one in listings if not self._holds(stored[one.sku], batch.before)]
        batch.counts["kept"] += len(listings) - len(missing)
        try:
            found, complete = self._read(vendor, missing)
        except VendorError as error:
            log.warning("heavy_reading_failed", vendor=vendor, failure=error.failure)
            batch.failed.append(vendor)
            return
        if not complete:
            batch.failed.append(vendor)
        batch.learnt.update({(one.vendor, one.sku): one for one in found})

    def _deepen(self, batch: _Batch, products: Sequence[Sequence[Listing]]) -> None:
        """Let the model say what it reads in what was learnt now; what it has read before, word for word the same, stays."""
        analyst = self._analyst
        if analyst is None:
            return
        asked: list[list[Knowledge]] = []
        for product in products:
            new = []
            for listing in product:
                key = (listing.vendor, listing.sku)
                one, old = batch.learnt.get(key), batch.stored.get(key)
                if one is None or one.listing is None:
                    continue
                if old is not None and old.method != METHOD and old.says_the_same(one):
                    batch.learnt[key] = replace(one, mentions=old.mentions, method=old.method)
                else:
                    new.append(one)
            if new:
                asked.append(new)
        if not asked:
            return
        try:
            found = analyst.analyse(batch.tenant, [[one.listing for one in new if one.listing] for new in asked])
        except (Unavailable, ResourceExhausted, DeadlineExceeded) as error:
            # What was read with the tables stands, and says so; it is made anew when the model may be back.
            log.warning("model_analysis_failed", model=analyst.name, reason=type(error).__name__)
            self._analyses.model_answers = False
            return
        self._analyses.model_answers = True
        batch.used = found.to_json()
        if found.dropped:
            log.warning("claims_dropped", model=found.model, dropped=found.dropped, claims=found.claims)
        for number, new in enumerate(asked):
            for one in new:
                if one.listing is None or not found.model:
                    continue
                mentions = [*specification_mentions(one.listing)]
                mentions += [mention for mention in found.mentions.get(number, ()) if mention.vendor == one.vendor]
                batch.learnt[one.vendor, one.sku] = replace(one, mentions=tuple(dict.fromkeys(mentions)), method=found.model)

    def _give_up(self, batch: _Batch, context: JobContext) -> None:
        """What the others said is kept at once; only this attempt has failed. Raises AnalysisIncomplete."""
        self._keep(batch.tenant, list(batch.learnt.values()))
        for vendor in sorted(batch.changed):
            self._analyses.raised(vendor, self._caches.versions.bump(version_name(vendor)))
        self._analyses.ended(batch.tenant, batch.done(), dead=False)
        if context.job.attempts >= context.job.max_attempts:
            rest = [(vendor, listing.sku) for vendor in batch.failed for listing in batch.wanted[vendor]]
            self._analyses.ended(batch.tenant, rest, dead=True)
        raise AnalysisIncomplete(f"vendors that could not be read: {', '.join(batch.failed)}")

    def _finish(self, batch: _Batch, context: JobContext) -> None:
        """Raise the versions in the transaction that ends the job, then make what was learnt reachable."""
        versions: dict[str, int] = {}

        def bump(connection: sa.Connection) -> None:
            for vendor in sorted(batch.changed):
                versions[vendor] = self._caches.versions.bump_in(connection, version_name(vendor))

        def publish() -> None:
            # Entries first: an answer that is made under the new version must find them.
            self._keep(batch.tenant, list(batch.learnt.values()))
            for vendor, version in versions.items():
                self._analyses.raised(vendor, version)
                self._caches.versions.published(version_name(vendor), version)
            self._analyses.ended(batch.tenant, batch.done(), dead=False)

        context.commit(bump)
        context.then(publish)

    def _holds(self, known: Knowledge | None, before: float) -> bool:
        return known is not None and known.holds(before, by_model=self._analyst is not None)

    def _read(self, vendor: str, listings: Sequence[Listing]) -> tuple[list[Knowledge], bool]:
        """What the vendor says of its ``listings``, and whether it had the time to say all of it."""
        agent = self._agents.get(vendor)
        if agent is None or not listings:
            return [], True
        now, version = time.time(), self._caches.versions.get(version_name(vendor))
        deadline = Deadline.after(self._seconds)
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

"""Background analyses: which products need one, which are under way, and what came of them.

The same work is never queued twice: a listing that a job already covers is not put into another one, and the job itself
has a dedupe key, which also holds between processes. A user who waits raises the priority of the jobs that cover what they
look at.

Where several processes share the caches, another may have made the analysis: it wrote the shared tier and raised the version
of the vendor's knowledge. What lay in this process's memory before that is read anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import orjson
import structlog

from hexar.agents.gear.analysis.analyst import METHOD
from hexar.agents.gear.analysis.knowledge import JOB, KIND, Knowledge, key_fields, version_name
from hexar.agents.gear.products.assembly import Assembly
from hexar.agents.vendors.model import Listing
from hexar.core.cache import Caches, Entry, Tier
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.jobs import Job, Jobs
from hexar.core.jobs.jobs import BACKGROUND, NORMAL, WAITED_FOR
from hexar.core.store import STORE_ERRORS

log = structlog.get_logger(__name__)

#: Products in one job.
BATCH = 20
#: How long a listing is taken to be covered by a job that this process queued, seconds; the handler ends it sooner.
COVERED_SECONDS = 120.0
#: How long the results of an ended job are looked for, seconds: the process that ran it writes them when it has ended.
RESULT_SECONDS = 2.0
#: How long an analysis that ended in the dead letters is not tried again, seconds.
DEAD_SECONDS = 600.0
#: Fields of a listing that a heavy agent needs to find the product again.
_IDENTITY = ("vendor", "sku", "name", "fetched_at", "url", "brand", "gtin", "mpn", "model", "category", "year")

Key = tuple[str, str]


@dataclass(slots=True)
class _Covered:
    job: str
    until: float
    payload: bytes
    dedupe_key: str
    priority: int


class Analyses:
    """Static knowledge by listing, and the jobs that make it.

    Thread-safety: :meth:`ended`, :meth:`raised` and :meth:`in_memory` may be called from any thread, the rest belongs to the
    event loop.
    """

    def __init__(self, caches: Caches, jobs: Jobs | None, delay: float, *, model: str = "", batch: int = BATCH) -> None:
        #: The model that reads the texts; empty: none does.
        self.model = model
        #: False while its last call failed.
        self.model_answers = True
        #: False: none is queued; an operator may turn it off.
        self.enabled = True
        self._caches = caches
        self._jobs = jobs
        self._delay = delay
        self._batch = batch
        self._covered: dict[tuple[str, Key], _Covered] = {}
        self._dead: dict[tuple[str, Key], float] = {}
        # By vendor: the version seen last, and the one below which what lies in memory may be outdated.
        self._floors: dict[str, tuple[int, int]] = {}
        self._own: defaultdict[str, set[int]] = defaultdict(set)

    @property
    def available(self) -> bool:
        """True where analyses can be queued."""
        return self._jobs is not None and self.enabled

    @property
    def made_by(self) -> str:
        """Who makes the analyses now: "extractive", the model's name, or "unavailable" where they cannot be queued."""
        if not self.available:
            return "unavailable"
        return self.model if self.model and self.model_answers else METHOD

    def at_hand(self, tenant: str, keys: Iterable[Key]) -> dict[Key, Knowledge]:
        """The static knowledge of ``keys`` that is in memory, also stale knowledge, marked so."""
        return {key: known for key in keys if (known := self.in_memory(tenant, key)) is not None}

    async def known(self, tenant: str, keys: Iterable[Key]) -> dict[Key, Knowledge]:
        """As :meth:`at_hand`, from all tiers."""
        asked = list(keys)
        found = await asyncio.gather(*(self.read(tenant, key) for key in asked))
        return {key: known for key, known in zip(asked, found, strict=True) if known is not None}

    def in_memory(self, tenant: str, key: Key) -> Knowledge | None:
        """The knowledge of one listing, where it is in memory and no other process has learnt more of its vendor since."""
        entry = self._caches.peek(KIND, cache_key(tenant, KIND, key_fields(*key)), allow_stale=True)
        known = _view(entry) if entry is not None else None
        return known if known is not None and known.version >= self._floor(key[0]) else None

    async def read(self, tenant: str, key: Key) -> Knowledge | None:
        """The knowledge of one listing from the first tier that has it."""
        known = self.in_memory(tenant, key)
        if known is not None:
            return known
        name = cache_key(tenant, KIND, key_fields(*key))
        if self._caches.backend is not None:
            self._caches.memory.remove(name)
        # Before the reading: what another process changes from here on is seen by its version.
        version = self._caches.versions.get(version_name(key[0]))
        entry = await self._caches.get(KIND, name, allow_stale=True)
        known = _view(entry) if entry is not None else None
        if known is None:
            return None
        known = replace(known, version=version)
        kept = self._caches.memory.get(name)
        if kept is not None:
            kept.view = replace(known, tier=Tier.MEMORY, stale=False)
        return known

    async def results(self, tenant: str, keys: Sequence[Key], before: float, deadline: Deadline) -> dict[Key, Knowledge]:
        """What a job that has ended put into the caches, here or in another process; ``before`` as for :meth:`request`."""
        until = Deadline.after(deadline.bounded(RESULT_SECONDS))
        pause = 0.02
        found: dict[Key, Knowledge] = {}
        while True:
            lacking = [key for key in keys if key not in found or not found[key].holds(before, by_model=bool(self.model))]
            if self._caches.backend is not None:
                for key in lacking:
                    held = self.in_memory(tenant, key)
                    if held is not None and not held.holds(before, by_model=bool(self.model)):
                        self._caches.memory.remove(cache_key(tenant, KIND, key_fields(*key)))
            found |= await self.known(tenant, lacking)
            if all(key in found and found[key].holds(before, by_model=bool(self.model)) for key in keys) or until.expired:
                return found
            await asyncio.sleep(until.bounded(pause))
            pause *= 2

    def raised(self, vendor: str, version: int) -> None:
        """Told by the handler before anyone else knows: this process made that version of the vendor's knowledge."""
        if self._caches.versions.guard is not None:
            self._own[vendor].add(version)

    def _floor(self, vendor: str) -> int:
        versions = self._caches.versions
        if versions.guard is None:
            return -1
        now = versions.get(version_name(vendor))
        seen, floor = self._floors.get(vendor, (now, -1))
        if seen < now:
            # What this process learnt itself it has put into its memory.
            own = self._own[vendor]
            if not own.issuperset(range(seen + 1, now + 1)):
                floor = now
            own.difference_update(range(seen + 1, now + 1))
        self._floors[vendor] = (now, floor)
        return floor

    def dead(self, tenant: str, keys: Iterable[Key]) -> list[Key]:
        """Those of ``keys`` whose analysis failed for good not long ago."""
        now = time.monotonic()
        return [key for key in keys if self._dead.get((tenant, key), 0.0) > now]

    async def request(self, tenant: str, products: Sequence[Assembly], *, waiting: bool, before: float) -> dict[str, list[Key]]:
        """Queue the analysis of ``products``, or join what covers them already; the jobs, and the listings that each covers.

        What is known since ``before`` (Unix seconds) and not stale is not read again.
        """
        jobs = self._jobs
        if jobs is None:
            return {}
        now = time.monotonic()
        priority = WAITED_FOR if waiting else NORMAL
        ids: defaultdict[str, list[Key]] = defaultdict(list)
        raised: dict[str, _Covered] = {}
        needed: list[list[Listing]] = []
        for product in products:
            lacking = []
            for member in product.members:
                if member.knowledge is not None and member.knowledge.holds(before, by_model=bool(self.model)):
                    continue
                covered = self._covered.get((tenant, member.key))
                if covered is not None and covered.until > now:
                    ids[covered.job].append(member.key)
                    raised[covered.job] = covered
                elif self._dead.get((tenant, member.key), 0.0) <= now:
                    lacking.append(member.live.listing)
            if lacking:
                needed.append(lacking)
        for covered in raised.values():
            if covered.priority < priority:
                covered.priority = priority
                await jobs.submit(JOB, covered.payload, tenant=tenant, priority=priority, dedupe_key=covered.dedupe_key)
        # Where nobody waits, the vendors' light readings of the queries that follow go first.
        queued = await self._queue(jobs, tenant, needed, before, priority, 0.0 if waiting else self._delay)
        for job_id, keys in queued.items():
            ids[job_id] += keys
        return dict(ids)

    async def refresh(self, tenant: str, listings: Sequence[Listing], before: float) -> None:
        """Queue the reading of ``listings`` whose knowledge is older than ``before``, behind all other work."""
        if self._jobs is None:
            return
        now = time.monotonic()
        free = [one for one in listings if not self._under_way(tenant, (one.vendor, one.sku), now)]
        await self._queue(self._jobs, tenant, [[one] for one in free], before, BACKGROUND, 0.0)

    def _under_way(self, tenant: str, key: Key, now: float) -> bool:
        covered = self._covered.get((tenant, key))
        return (covered is not None and covered.until > now) or self._dead.get((tenant, key), 0.0) > now

    async def _queue(
        self, jobs: Jobs, tenant: str, needed: Sequence[Sequence[Listing]], before: float, priority: int, delay: float
    ) -> dict[str, list[Key]]:
        """Jobs for products of listings, a batch each; the listings that each covers."""
        now = time.monotonic()
        ids: defaultdict[str, list[Key]] = defaultdict(list)
        for start in range(0, len(needed), self._batch):
            part = needed[start : start + self._batch]
            covered = _cover(part, before)
            job = await jobs.submit(
                JOB, covered.payload, tenant=tenant, priority=priority, dedupe_key=covered.dedupe_key, delay=delay
            )
            covered.job, covered.priority, covered.until = job.id, priority, now + COVERED_SECONDS
            for listing in (listing for product in part for listing in product):
                ids[job.id].append((listing.vendor, listing.sku))
                self._covered[tenant, (listing.vendor, listing.sku)] = covered
        self._forget(now)
        return ids

    async def request_or_none(
        self, tenant: str, products: Sequence[Assembly], *, waiting: bool, before: float
    ) -> dict[str, list[Key]] | None:
        """As :meth:`request`; None where the store cannot be asked: an answer does not fail for that."""
        try:
            return await self.request(tenant, products, waiting=waiting, before=before)
        except STORE_ERRORS as error:
            log.warning("analysis_not_queued", error=type(error).__name__)
            return None

    async def wait(self, job_id: str, timeout: float) -> Job | None:
        """The job when it has ended, or as it is after ``timeout`` seconds."""
        return await self._jobs.wait(job_id, timeout) if self._jobs is not None else None

    def ended(self, tenant: str, keys: Iterable[Key], *, dead: bool) -> None:
        """Told by the handler, or by who waited: these listings are analysed, or their job has failed for the last time."""
        now = time.monotonic()
        for key in keys:
            self._covered.pop((tenant, key), None)
            if dead:
                self._dead[tenant, key] = now + DEAD_SECONDS

    def _forget(self, now: float) -> None:
        if len(self._covered) > 50_000:
            self._covered = {key: one for key, one in list(self._covered.items()) if one.until > now}
        if len(self._dead) > 50_000:
            self._dead = {key: until for key, until in list(self._dead.items()) if until > now}


def _view(entry: Entry) -> Knowledge | None:
    """The knowledge in ``entry``, parsed once while the entry stays in memory."""
    kept = entry.view
    if isinstance(kept, Knowledge) and kept.tier is entry.tier and kept.stale is entry.stale:
        return kept
    try:
        known = Knowledge.decode(entry.value, entry.tier, stale=entry.stale)
    except (KeyError, TypeError, ValueError) as error:
        log.warning("static_knowledge_unreadable", error=type(error).__name__)
        return None
    entry.view = known
    return known


def _cover(products: Sequence[Sequence[Listing]], before: float) -> _Covered:
    rows = [
        [{name: value for name, value in listing.to_json().items() if name in _IDENTITY} for listing in product]
        for product in products
    ]
    names = sorted(f"{listing.vendor}\0{listing.sku}" for product in products for listing in product)
    digest = hashlib.sha256("\1".join([str(before > 0.0), *names]).encode()).hexdigest()
    payload = orjson.dumps({"before": before, "products": rows})
    return _Covered("", 0.0, payload, f"{JOB}:{digest[:40]}", NORMAL)

"""The live offers of one vendor: from the caches, or from the vendor, once for everyone who asks meanwhile.

Different queries that need the same reading (a catalogue does not depend on the terms) share one call. The call runs to the
deadline of the query that began it; a query that joined with more time left begins another one when that call runs out of
time, so that no caller is cut short by another's hurry. When nobody waits any more the call is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import structlog

from hexar.agents.gear.analysis.knowledge import vendor_name
from hexar.agents.gear.candidates import Batch
from hexar.agents.gear.kinds import LIVE_OFFERS
from hexar.agents.transport.cancel import Cancel
from hexar.agents.vendors.base import LightRequest, VendorAgent
from hexar.agents.vendors.errors import VendorError, VendorTimeout, VendorUnreachable
from hexar.agents.vendors.model import Listing
from hexar.core.cache import Caches, Entry, Tier
from hexar.core.cachekey import cache_key
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded
from hexar.core.resilience import RetryPolicy
from hexar.core.resilience.dispatch import Dispatcher
from hexar.core.resilience.hedging import HedgeConfig, Hedger

log = structlog.get_logger(__name__)

#: The cache kind.
KIND = LIVE_OFFERS.name
#: Cached offers up to this size are read on the loop, larger ones on a thread: reading costs about 10 ms a megabyte.
INLINE_BYTES = 32 * 1024
#: The bulkhead of our own work on the dispatcher; no vendor's name has a dot.
LANE = "hexar.gear"
#: Listings that are encoded on the loop: they take about 1 ms.
INLINE_LISTINGS = 64


@dataclass(frozen=True, slots=True)
class Held:
    """A vendor's cached offers."""

    batch: Batch
    tier: Tier
    stale: bool


@dataclass(slots=True, eq=False)
class _Flight:
    """One call of a vendor. ``batch`` is there before ``task`` ends, which also writes it to the caches."""

    key: bytes
    deadline: Deadline
    batch: asyncio.Future[Batch]
    task: asyncio.Task[None] | None = None
    waiting: int = 0


class LiveOffers:
    """Cached and fetched offers of all vendors.

    Thread-safety: everything belongs to the event loop; fetching and reading happen on the dispatcher's threads.
    """

    def __init__(self, caches: Caches, dispatcher: Dispatcher, retry: RetryPolicy, hedge: HedgeConfig | None = None) -> None:
        #: Asks a second time where a vendor is late, if that is configured.
        self.hedger = Hedger(hedge or HedgeConfig())
        self._caches = caches
        self._dispatcher = dispatcher
        self._retry = retry
        self._flights: dict[bytes, _Flight] = {}

    def key(self, tenant: str, agent: VendorAgent, request: LightRequest) -> bytes:
        """The cache key of what ``agent`` answers to ``request``."""
        return cache_key(tenant, KIND, {"vendor": agent.name, "reading": agent.light_key(request)})

    async def held(self, vendor: str, key: bytes) -> Held | None:
        """The cached offers, also stale ones; None where nothing, or nothing readable, is there."""
        entry = await self._caches.get(KIND, key, allow_stale=True)
        if entry is None:
            return None
        if entry.view is None and (batch := await self._read(vendor, entry)) is not None:
            entry.view = batch
        return Held(entry.view, entry.tier, entry.stale) if entry.view is not None else None

    async def _read(self, vendor: str, entry: Entry) -> Batch | None:
        try:
            if len(entry.value) <= INLINE_BYTES:
                return _decode(vendor, entry.value)
            return await self._dispatcher.call(LANE, _decode, vendor, entry.value)
        except (KeyError, TypeError, ValueError) as error:
            # Written by another release: as good as nothing.
            log.warning("cached_offers_unreadable", vendor=vendor, error=type(error).__name__)
            return None

    async def fetch(self, tenant: str, agent: VendorAgent, request: LightRequest, key: bytes, deadline: Deadline) -> Batch:
        """The vendor's offers now; cached when they arrive.

        A call for the same reading that is under way is joined.

        Raises what the agent raises (VendorError), or BreakerOpen, BulkheadFull, DeadlineExceeded.
        """
        began = False
        while True:
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = _Flight(key, deadline, asyncio.get_running_loop().create_future())
                flight.task = asyncio.create_task(self._fly(flight, tenant, agent, request))
                began = True
            try:
                return await self._wait(flight, deadline)
            except (DeadlineExceeded, VendorTimeout):
                hurried = flight.deadline.at < deadline.at - 0.05
                if began or not hurried or deadline.remaining() < 0.05:
                    raise
                self._leave(flight)

    async def _wait(self, flight: _Flight, deadline: Deadline) -> Batch:
        flight.waiting += 1
        remaining = deadline.remaining()
        try:
            async with asyncio.timeout(None if remaining == float("inf") else max(0.0, remaining)):
                return await asyncio.shield(flight.batch)
        except TimeoutError as error:
            raise DeadlineExceeded("the vendor did not answer in time") from error
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.batch.done() and flight.task is not None:
                self._leave(flight)
                flight.task.cancel()

    async def _fly(self, flight: _Flight, tenant: str, agent: VendorAgent, request: LightRequest) -> None:
        """Ask, hand the batch to all who wait, then keep it; until it is kept, who comes later joins as well."""
        depends = self._caches.snapshot(tenant, KIND, vendor_name(agent.name))
        limit = flight.deadline

        async def ask() -> Batch:
            gone = Cancel()
            return await self._dispatcher.call(
                agent.name, _ask, agent, request, limit, gone, deadline=limit, retry=self._retry, abandoned=gone.cancel
            )

        try:
            batch = await self.hedger.call(agent.name, ask)
            flight.batch.set_result(batch)
            if len(batch) <= INLINE_LISTINGS:
                value = _encode(batch.listings)
            else:
                value = await self._dispatcher.call(LANE, _encode, batch.listings)
            self._caches.put(KIND, flight.key, value, depends, view=batch)
        except asyncio.CancelledError:
            flight.batch.cancel()
            raise
        except Exception as error:
            if flight.batch.done():
                log.exception("offers_not_kept", vendor=agent.name)
            else:
                flight.batch.set_exception(error)
                flight.batch.exception()  # looked at: those who waited may all have left
        finally:
            self._leave(flight)

    def _leave(self, flight: _Flight) -> None:
        """Nobody joins ``flight`` any more."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]


def _ask(agent: VendorAgent, request: LightRequest, deadline: Deadline, gone: Cancel) -> Batch:
    """On a thread of the vendor: ask and index."""
    try:
        listings = agent.light(request, deadline, cancel=gone)
    except VendorError as error:
        # A query asks each vendor once. Only one that was not reached has not been asked yet.
        error.retryable = error.retryable and isinstance(error, VendorUnreachable)
        raise
    return Batch(agent.name, listings)


def _encode(listings: Sequence[Listing]) -> bytes:
    return orjson.dumps([listing.to_json() for listing in listings])


def _decode(vendor: str, value: bytes) -> Batch:
    return Batch(vendor, [Listing.from_json(row) for row in orjson.loads(value)])

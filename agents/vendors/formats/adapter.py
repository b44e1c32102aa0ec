"""What the HTTP adapters share: one client, one deadline, one set of errors, and a memory of the last catalogue."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from hexar.agents.transport.cancel import Cancel
from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.config import VendorConfig
from hexar.agents.vendors.errors import VendorCancelled, VendorError, VendorMalformed, VendorTimeout
from hexar.agents.vendors.model import Listing
from hexar.agents.vendors.page.common import ReadContext, filled
from hexar.agents.vendors.transport.guard import Resolver
from hexar.agents.vendors.transport.http import HttpClient, Validators
from hexar.core.deadline import Deadline

#: A heavy reading that follows a light one within this time reads the catalogue that is still in memory, seconds.
CATALOGUE_SECONDS = 120.0


C = TypeVar("C", bound=VendorConfig)


class HttpAgent(Generic[C]):
    """Base of the adapters. Thread-safe; ``clock`` tells Unix seconds."""

    def __init__(self, config: C, *, resolver: Resolver | None = None, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.client = HttpClient(config, resolver=resolver)
        self._clock = clock

    @property
    def name(self) -> str:
        """The vendor's configured name."""
        return self.config.name

    def close(self) -> None:
        """Close idle connections."""
        self.client.close()

    def _within(self, deadline: Deadline) -> Deadline:
        """The caller's deadline, or the vendor's own ``timeout`` where that is earlier."""
        return Deadline(min(deadline.at, Deadline.after(self.config.timeout).at))

    def _reading(self, url: str, currency: str | None = None) -> ReadContext:
        config = self.config
        return ReadContext(config.name, self._clock(), url, config.currency if currency is None else currency, config.decimal)

    def _under(self, path: str) -> str:
        return self.config.url.split("#")[0].split("?")[0].rstrip("/") + path

    def _malformed(self, reason: str) -> VendorMalformed:
        return VendorMalformed(self.name, reason)

    def _side_by_side(
        self, read: Callable[[Listing], Listing | None], listings: Sequence[Listing], deadline: Deadline
    ) -> list[Listing]:
        """``read`` for each listing, a few at once. What fails is left out; when all fail, the first error is raised."""
        errors: list[VendorError] = []

        def attempt(listing: Listing) -> Listing | None:
            if deadline.expired:
                errors.append(VendorTimeout(self.name, fair=False))
                return None
            try:
                return read(listing)
            except VendorCancelled:
                raise
            except VendorError as error:
                errors.append(error)
                return None

        if len(listings) == 1:
            results = [attempt(listings[0])]
        else:
            with ThreadPoolExecutor(self.config.parallel, thread_name_prefix=f"hexar-{self.name}") as pool:
                results = list(pool.map(attempt, listings))
        found = [listing for listing in results if listing is not None]
        if errors and not found:
            raise errors[0]
        return found


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A catalogue as it was read ``at`` (monotonic clock); equal ``validators`` mean an equal catalogue."""

    listings: tuple[Listing, ...]
    validators: Validators
    at: float


class CatalogueAgent(HttpAgent[C], ABC):
    """Base of formats that give the whole catalogue in one go: what is fetched does not depend on the terms.

    The knowledge of a product comes with its offer, so a heavy reading picks from the catalogue that a light one read.
    """

    def __init__(self, config: C, *, resolver: Resolver | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(config, resolver=resolver, clock=clock)
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def light(self, request: LightRequest, deadline: Deadline, *, cancel: Cancel | None = None) -> list[Listing]:
        """The whole catalogue, whatever ``request`` looks for. Raises VendorError."""
        return list(self._fetch(self._within(deadline), cancel).listings)

    def heavy(self, listings: Sequence[Listing], deadline: Deadline, *, cancel: Cancel | None = None) -> list[Listing]:
        """The same products with their knowledge; those that left the catalogue are left out. Raises VendorError."""
        if not listings:
            return []
        with self._lock:
            snapshot = self._snapshot
        if snapshot is None or time.monotonic() - snapshot.at > CATALOGUE_SECONDS:
            snapshot = self._fetch(self._within(deadline), cancel)
        by_sku = {listing.sku: listing for listing in snapshot.listings}
        return [filled(by_sku[listing.sku], listing) for listing in listings if listing.sku in by_sku]

    def light_key(self, request: LightRequest) -> dict[str, object]:
        """The catalogue's address: the terms do not matter."""
        return {"adapter": self.config.adapter, "url": self.config.url, "currency": self.config.currency}

    @abstractmethod
    def read(
        self, deadline: Deadline, validators: Validators | None, cancel: Cancel | None
    ) -> tuple[list[Listing], Validators] | None:
        """Fetch and read the catalogue; None when it has not changed since ``validators``. Raises VendorError."""

    def _fetch(self, deadline: Deadline, cancel: Cancel | None) -> Snapshot:
        with self._lock:
            last = self._snapshot
        known = last.validators if last is not None and last.validators != Validators() else None
        found = self.read(deadline, known, cancel)
        now = self._clock()
        if found is None and last is not None:
            fresh = Snapshot(tuple(replace(row, fetched_at=now) for row in last.listings), last.validators, time.monotonic())
        else:
            listings, validators = found or ([], Validators())
            fresh = Snapshot(tuple(listings[: self.config.max_products]), validators, time.monotonic())
        with self._lock:
            self._snapshot = fresh
        return fresh

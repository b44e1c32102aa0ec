"""What every vendor agent offers: a light and a heavy reading, both blocking, both run on pool threads.

A *light* reading is for the query that waits: offers and identity, as few requests as the format allows. A *heavy* reading
adds knowledge (description, attributes, reviews) to listings that a light one found, and runs in the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hexar.agents.transport.cancel import Cancel
from hexar.agents.vendors.model import Listing
from hexar.core.deadline import Deadline


@dataclass(frozen=True, slots=True)
class LightRequest:
    """What is looked for: ``terms`` a shopper would type, and the vendor's ``skus`` that are known already (may be empty)."""

    terms: str = ""
    skus: tuple[str, ...] = ()


class VendorAgent(Protocol):
    """One configured vendor. Thread-safe: any number of readings may run at once."""

    @property
    def name(self) -> str:
        """The vendor's configured name, unique in vendors.yaml."""
        ...

    def light(self, request: LightRequest, deadline: Deadline, *, cancel: Cancel | None = None) -> list[Listing]:
        """Offers for ``request``. Catalogue formats answer with the whole catalogue, whatever the terms.

        ``cancel`` cuts the reading's connections when nobody waits for it any more.

        Raises:
            VendorError: one of :mod:`hexar.agents.vendors.errors`; never a library's error.
        """
        ...

    def heavy(self, listings: Sequence[Listing], deadline: Deadline) -> list[Listing]:
        """The same products with their knowledge, in the same order; a product that is gone is left out.

        Raises:
            VendorError: when nothing could be read. What was read before the deadline is returned without error.
        """
        ...

    def light_key(self, request: LightRequest) -> dict[str, object]:
        """What the bytes fetched by :meth:`light` depend on: equal keys may share one cached reading."""
        ...

    def close(self) -> None:
        """Close idle connections; readings that are under way end by their deadlines."""
        ...

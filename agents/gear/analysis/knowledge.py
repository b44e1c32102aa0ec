"""What the heavy agents have learnt of one vendor's product: the form in which it lies under ``static_analysis``.

An entry exists also where nothing could be learnt, so that the same question is not asked of the vendor again until the
entry's time is over.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from hexar.agents.gear.analysis.analyst import METHOD, Mention
from hexar.agents.gear.candidates import Facts, facts
from hexar.agents.gear.kinds import STATIC_ANALYSIS
from hexar.agents.vendors.model import Listing
from hexar.core.cache import Tier

#: The cache kind, and the name of the background job that fills it.
KIND, JOB = STATIC_ANALYSIS.name, "gear.analyse"

#: How long what was read without the configured model is taken for good, seconds.
PROVISIONAL_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One vendor's product as the heavy agent read it, and what its reviews and specifications say.

    ``listing`` is None where the vendor no longer knows the product.
    """

    vendor: str
    sku: str
    analysed_at: float
    listing: Listing | None
    mentions: tuple[Mention, ...]
    facts: Facts | None
    #: Who read the texts: "extractive", or the model's name.
    method: str = METHOD
    tier: Tier = Tier.SOURCE
    stale: bool = False
    #: The version of the vendor's knowledge (:func:`version_name`) before this was read; not kept with it.
    version: int = field(default=-1, compare=False)

    @classmethod
    def of(
        cls, vendor: str, sku: str, listing: Listing | None, mentions: Sequence[Mention], analysed_at: float, version: int = -1
    ) -> Knowledge:
        """What was just learnt."""
        known = facts(listing) if listing is not None else None
        return cls(vendor, sku, analysed_at, listing, tuple(mentions), known, version=version)

    def encode(self) -> bytes:
        """The cached form."""
        return orjson.dumps(
            {
                "vendor": self.vendor,
                "sku": self.sku,
                "analysed_at": self.analysed_at,
                "listing": self.listing.to_json() if self.listing is not None else None,
                "mentions": [mention.to_json() for mention in self.mentions],
                "method": self.method,
            }
        )

    @classmethod
    def decode(cls, data: bytes, tier: Tier, *, stale: bool) -> Knowledge:
        """The inverse of :meth:`encode`. Raises KeyError, TypeError or ValueError on a foreign shape."""
        row: dict[str, Any] = orjson.loads(data)
        listing = Listing.from_json(row["listing"]) if row["listing"] is not None else None
        return cls(
            row["vendor"],
            row["sku"],
            float(row["analysed_at"]),
            listing,
            tuple(Mention(**mention) for mention in row["mentions"]),
            facts(listing) if listing is not None else None,
            row.get("method", METHOD),
            tier,
            stale,
        )

    def holds(self, before: float, *, by_model: bool = False) -> bool:
        """True where it is within its time and was read since ``before`` (Unix seconds).

        ``by_model``: what was read without a model holds only until the model may be back.
        """
        provisional = by_model and self.method == METHOD and time.time() - self.analysed_at > PROVISIONAL_SECONDS
        return not self.stale and self.analysed_at >= before and not provisional

    def says_the_same(self, other: Knowledge) -> bool:
        """True where both hold the same texts, whenever they were read."""
        mine, theirs = self.listing, other.listing
        if mine is None or theirs is None:
            return False
        return (mine.name, mine.attributes, mine.reviews) == (theirs.name, theirs.attributes, theirs.reviews)

    def checksum(self) -> bytes:
        """Equal where the content is, whenever it was read."""
        row = self.listing.to_json() if self.listing is not None else {}
        row.pop("fetched_at", None)
        content = [self.vendor, self.sku, row, [mention.to_json() for mention in self.mentions], self.method]
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def key_fields(vendor: str, sku: str) -> dict[str, object]:
    """What the cache key of an entry is made of."""
    return {"vendor": vendor, "sku": sku}


def vendor_name(vendor: str) -> str:
    """The version that everything read from this vendor depends on; raised by an operator who wants it forgotten."""
    return f"vendor:{vendor}"


def version_name(vendor: str) -> str:
    """The version that every answer with this vendor depends on; raised when its knowledge changed."""
    return f"static:{vendor}"

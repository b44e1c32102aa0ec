"""Which queries are asked most, so that their answers can be made before they are asked again."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

#: Queries that are counted, and the seconds in which a count halves.
COUNTED, HALF_LIFE = 1024, 3600.0


@dataclass(slots=True)
class Popular:
    """One query: its answer's cache key, and what asks it again."""

    tenant: str
    key: bytes
    text: str
    vendors: tuple[str, ...]
    count: float
    at: float

    def now(self, clock: float) -> float:
        """The count as it has faded until ``clock``."""
        return self.count * math.exp2((self.at - clock) / HALF_LIFE)


class MostAsked:
    """Counts queries of a text and vendors alone: those of a user, with filters or without a cache are nobody else's.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._queries: dict[bytes, Popular] = {}

    def asked(self, tenant: str, key: bytes, text: str, vendors: tuple[str, ...]) -> None:
        """Count a query under its answer's key."""
        if not self.again(key):
            if len(self._queries) >= COUNTED:
                self._forget()
            self._queries[key] = Popular(tenant, key, text, vendors, 1.0, self._clock())

    def again(self, key: bytes) -> bool:
        """Count a query that was counted before; False where it was not."""
        query = self._queries.get(key)
        if query is not None:
            query.at, query.count = (now := self._clock()), query.now(now) + 1.0
        return query is not None

    def top(self, number: int, least: float) -> list[Popular]:
        """The ``number`` queries that are asked most, each of a count of at least ``least``."""
        now = self._clock()
        found = sorted(self._queries.values(), key=lambda query: -query.now(now))[:number]
        return [query for query in found if query.now(now) >= least]

    def _forget(self) -> None:
        kept = self.top(COUNTED // 2, 0.0)
        self._queries = {query.key: query for query in kept}

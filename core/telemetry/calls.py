"""The last calls and the last slow ones, without anything that their callers wrote; and one line of the log for each."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

#: Calls that are remembered, of each sort, and the time from which a call is slow, seconds.
KEPT = 100
SLOW = 7.0


class CallRecord(NamedTuple):
    """One call. ``ended`` is seconds since 1970, ``first`` seconds to the first event; ``cache`` and ``tier`` of its answer."""

    ended: float
    method: str
    code: str
    seconds: float
    first: float | None
    request_id: str
    tenant: str
    cache: str
    tier: str


class Calls:
    """Belongs to the event loop."""

    def __init__(self) -> None:
        self._recent: deque[CallRecord] = deque(maxlen=KEPT)
        self._slow: deque[CallRecord] = deque(maxlen=KEPT)

    def add(self, record: CallRecord) -> None:
        """Remember one call."""
        self._recent.append(record)
        if record.seconds > SLOW:
            self._slow.append(record)

    def dump(self, worker: int) -> dict[str, list[dict[str, Any]]]:
        """The latest first, as JSON takes them."""
        return {
            "recent": [{**call._asdict(), "worker": worker} for call in reversed(self._recent)],
            "slow": [{**call._asdict(), "worker": worker} for call in reversed(self._slow)],
        }


def latest(dumps: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The latest calls of several processes, as many as one remembers."""
    return sorted((row for dump in dumps for row in dump), key=lambda row: -row["ended"])[:KEPT]

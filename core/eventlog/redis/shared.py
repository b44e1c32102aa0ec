"""What a process knows of the runs that it shares with others."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import ResponseError

from hexar.core.errors import Aborted
from hexar.core.eventlog.live import AnswerSpec, LiveAnswer, LiveAnswers, Slot
from hexar.core.eventlog.log import EventLog
from hexar.core.eventlog.redis.store import RunSlice, RunState, RunStore, described
from hexar.core.redis.link import RedisDown, RedisLink

#: What ends a call to Redis that is not our fault: it is away, or it refuses.
GONE = (RedisDown, ResponseError)
NOT_KEPT = "the answer that was being received is no longer kept; ask again from the start"


@dataclass(slots=True)
class SharedRun:
    """What a process knows of a run: its ``fence`` where it leads (0: it follows), and how far it has read."""

    run: str
    fence: int = 0
    cursor: str = "0"
    #: Events read up to ``cursor``.
    read: int = 0
    #: Redis is gone, or has forgotten the run: this process makes the answer by itself.
    alone: bool = False
    #: The key of the pointer to this run; empty where there is none.
    pointer: str = ""
    #: When the call began that last told how the run stands, seconds of the monotonic clock.
    known: float = -math.inf
    #: Done when the answer has been begun anew in the place of this run, where this process does that.
    anew: asyncio.Future[None] | None = None
    #: Looks whether anybody still wants the run.
    look: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Work:
    """One task's hold on a run; both change where an answer is begun anew."""

    spec: AnswerSpec
    slot: Slot
    live: LiveAnswer
    shared: SharedRun


class SharedRuns:
    """The runs of this process, and the calls to Redis that keep what it knows of them right."""

    def __init__(self, link: RedisLink) -> None:
        self.link = link
        self.store = RunStore(link)
        self.of: dict[LiveAnswer, SharedRun] = {}
        #: Productions begun here, and leads taken from another process.
        self.productions = 0
        self.takeovers = 0

    def attach(self, answers: LiveAnswers) -> None:
        """Called once, with the answers of this process."""
        self.answers = answers

    async def read(self, shared: SharedRun, events: EventLog, wanted: float = 0.0) -> RunSlice | None:
        """Take all that was written and not read yet; the end too, where the run has one. None: Redis does not know the run.

        ``wanted``: seconds that this reader wants the answer to go on.
        """
        while True:
            asked = time.monotonic()
            piece = await self.store.read(shared.run, shared.cursor, wanted)
            if piece is None:
                return None
            shared.known = asked
            # After a lost lead the run is read again from its start: what is shown already is skipped.
            events.extend(piece.events[max(0, events.last_seq - shared.read) :])
            shared.read += len(piece.events)
            shared.cursor = piece.cursor
            if piece.more:
                continue
            if piece.state is RunState.FAILED:
                events.fail(described(piece.detail))
            elif piece.state in (RunState.DONE, RunState.PARTIAL) and events.last_seq < piece.last:
                events.fail(Aborted(NOT_KEPT))
            elif piece.state in (RunState.DONE, RunState.PARTIAL):
                events.finish()
            return piece

    async def renew(self, shared: SharedRun, at: int, events: Sequence[bytes]) -> float | None:
        """Write ``events`` after the first ``at``, or only keep the lead, as :meth:`RunStore.write` does."""
        asked = time.monotonic()
        age = await self.store.write(shared.run, shared.fence, at, events)
        if age is not None:
            shared.known = asked
        return age


def pointer_of(spec: AnswerSpec) -> str:
    """The name under which the run of an answer is found: of its key and the versions it is made from."""
    digest = hashlib.sha256(spec.key + bytes([spec.write_cache]))
    for name, version in sorted(spec.depends.items()):
        digest.update(f"{len(name)}:{name}{version};".encode())
    return digest.hexdigest()[:32]


def lost_events(events: EventLog) -> bool:
    """True where the run has ended and its events are no longer kept."""
    return isinstance(events.error, Aborted) and events.error.message == NOT_KEPT

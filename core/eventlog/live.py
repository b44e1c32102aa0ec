"""Answers that are being produced, and who reads them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import structlog

from hexar.core.cache import Caches, Tier
from hexar.core.deadline import Deadline
from hexar.core.eventlog.frames import Compaction, FinishedLog, number, pack
from hexar.core.eventlog.log import EventLog

log = structlog.get_logger(__name__)

#: How long the log of an answer that is not cached can still be resumed after its end, seconds, how many are
#: kept, and how many bytes of them.
RESUME_SECONDS = 60.0
RESUME_LOGS = 1024
RESUME_BYTES = 64 * 1024 * 1024
#: A request joins a running answer that adapts to its deadline only where that leaves at least this share of the request's
#: own time: one started by a caller in a great hurry would be less complete than this caller has time for.
JOIN_SHARE = 0.5

ABANDONED = "the answer was given up, since nobody read it; ask again from the start"
SHUTTING_DOWN = "the server is shutting down"


class Origin(StrEnum):
    """How a request got its answer."""

    REPLAYED = "hit"
    JOINED = "joined"
    PRODUCED = "miss"


@dataclass(frozen=True, slots=True)
class Completion:
    """What a producer says at the end. An answer that is partial or failed is not ``cacheable``."""

    cacheable: bool = True


#: Makes the compacted form of a finished log from its numbered events.
Compact = Callable[[Sequence[bytes]], Compaction]
Producer = Callable[[EventLog], Awaitable[Completion]]
#: Where a running answer is found: its cache key, and whether it will be kept.
Slot = tuple[bytes, bool]


@dataclass(frozen=True, slots=True)
class AnswerSpec:
    """An answer, before it exists.

    ``kind`` and ``key`` say where it is kept, ``depends`` the versions it is made from (taken before it is produced).
    ``read_cache`` and ``write_cache`` are the caller's cache policy. ``finish_alone``: go on when the last subscriber left.
    ``adaptive``: the answer holds what was there by its deadline, so that callers with other deadlines want another one.
    """

    kind: str
    key: bytes
    produce: Producer
    depends: Mapping[str, int]
    read_cache: bool = True
    write_cache: bool = True
    finish_alone: bool = False
    adaptive: bool = False
    #: Without it the log is kept only as it was sent.
    compact: Compact | None = None

    @property
    def slot(self) -> Slot:
        """Where requests for this answer find it while it is produced."""
        return self.key, self.write_cache

    @property
    def owner(self) -> str:
        """Whose answer of which kind it is, as its dependencies name it; empty where they do not."""
        return owner_of(self.depends)


def owner_of(depends: Mapping[str, int]) -> str:
    """The tenant and kind that an answer with these dependencies belongs to (hexar.core.cache.caches)."""
    return next((name for name in depends if name.startswith("kind:")), "")


@dataclass(slots=True, eq=False)
class LiveAnswer:
    """An answer while it is produced."""

    log: EventLog
    deadline: Deadline
    depends: Mapping[str, int]
    finish_alone: bool
    adaptive: bool = False
    subscribers: int = 0
    task: asyncio.Task[None] | None = None
    #: Callers that read now and wish the answer to go on for them when their connection is lost: name → seconds.
    asking: dict[str, float] = field(default_factory=dict)
    #: Those whose connection was lost: name → until when, event loop time.
    lingering: dict[str, float] = field(default_factory=dict)
    #: Those who said that they leave before that was seen.
    leavers: set[str] = field(default_factory=set)
    #: Nobody wanted it any more: its work is cancelled, and it is neither joined nor resumed.
    given_up: bool = False

    @classmethod
    def of(cls, spec: AnswerSpec, deadline: Deadline, log: EventLog) -> LiveAnswer:
        """The answer of ``spec``, to be produced into ``log`` by ``deadline``."""
        return cls(log, deadline, spec.depends, spec.finish_alone, spec.adaptive)

    def linger(self) -> float:
        """Seconds until the last of the callers who may come back has had its time; 0 or less: there is none."""
        return max(self.lingering.values(), default=0.0) - asyncio.get_running_loop().time()

    def works(self, task: asyncio.Task[None]) -> None:
        """``task`` makes the answer. It is forgotten when it ends: the error of a task holds its frames, and they hold this."""
        self.task = task
        task.add_done_callback(self._worked)

    def _worked(self, _: asyncio.Task[None]) -> None:
        self.task = None

    def give_up(self) -> None:
        """Cancel the work: nobody wants the answer."""
        self.given_up = True
        if self.task is not None:
            self.task.cancel()


class Answer:
    """One request's hold on an answer. Close it, however the request ends."""

    __slots__ = ("_finished", "_linger", "_live", "_log", "_release", "answer_id", "origin", "tier")

    def __init__(
        self,
        origin: Origin,
        *,
        finished: FinishedLog | None = None,
        live: LiveAnswer | None = None,
        tier: Tier = Tier.SOURCE,
        release: Callable[[LiveAnswer, str, float], None] | None = None,
    ) -> None:
        self.origin = origin
        self.tier = tier
        self._live = live
        self._release = release
        self._linger = ("", 0.0)
        self._log = live.log if live is not None else None
        self._finished = finished
        self.answer_id = finished.answer_id if finished is not None else live.log.answer_id if live is not None else ""

    @property
    def finished(self) -> FinishedLog | None:
        """The log of an answer that is already complete, in both forms where it is a kept one; None of one that still forms."""
        if self._finished is None and self._log is not None and self._log.done and self._log.error is None:
            self._finished = FinishedLog(self.answer_id, self._log.events)
        return self._finished

    @property
    def events(self) -> Sequence[bytes] | None:
        """All events, as they were sent, of an answer that is already complete; None of one that still forms."""
        finished = self.finished
        return finished.events if finished is not None else None

    async def batches(self, after: int = 0) -> AsyncIterator[Sequence[bytes]]:
        """The events past number ``after``: at once what is there, then whatever comes, together what came together.

        Raises the producer's error after the last event.
        """
        if self._log is None:
            if self._finished is not None and after < self._finished.count:
                yield self._finished.events[after:]
            return
        while True:
            await self._log.wait(after)
            ready = self._log.events[after:]
            if ready:
                after += len(ready)
                yield ready
            elif self._log.done:
                if self._log.error is not None:
                    raise self._log.error
                return

    def linger(self, caller: str, seconds: float) -> None:
        """Wish that the answer goes on for ``seconds`` when ``caller`` (a name of its own) loses its connection."""
        if self._live is not None and seconds > 0:
            self._linger = (caller, seconds)
            self._live.asking[caller] = seconds
            # It is back.
            self._live.lingering.pop(caller, None)

    def close(self) -> None:
        """Let go. When the last request lets go of an answer that is not worth finishing alone, its work is cancelled.

        Where a request wished to :meth:`linger` that is put off, so that its caller may come back.
        """
        live, self._live = self._live, None
        if live is not None and self._release is not None:
            self._release(live, *self._linger)


def alike(left: float, mine: float) -> bool:
    """Whether a caller with ``mine`` seconds may share an adaptive answer with ``left`` seconds to go."""
    # One that ends after this caller's own deadline is of no use to it; half a second is clock and network.
    return JOIN_SHARE * mine <= left <= mine + 0.5


def _finished(spec: AnswerSpec, events_log: EventLog) -> FinishedLog:
    """The whole log, to be kept, in both forms. What cannot be compacted is kept as it was sent: the answer is good."""
    events = tuple(events_log.events)
    if spec.compact is None:
        return FinishedLog(events_log.answer_id, events)
    try:
        made = spec.compact(events)
        numbers = [seq for seq, _ in made.events]
        if numbers != sorted(numbers) or numbers[-1:] != [len(events)] or numbers[0] < 1:
            raise ValueError(f"numbered {numbers}, the original ends at {len(events)}")
    except Exception:
        log.exception("compaction_failed", kind=spec.kind, answer_id=events_log.answer_id)
        return FinishedLog(events_log.answer_id, events)
    return FinishedLog(events_log.answer_id, events, tuple(number(seq, payload) for seq, payload in made.events), made.notes)


class Sharing(Protocol):
    """What the place where answers are produced says of one that runs here."""

    async def goes_on(self, live: LiveAnswer) -> bool:
        """Whether requests may still join ``live``."""
        ...

    def may_stop(self, live: LiveAnswer) -> bool:
        """Whether the work may stop when nobody here reads ``live``."""
        ...

    def give_up(self, live: LiveAnswer) -> None:
        """Stop the work, now or as soon as nobody elsewhere wants it either."""
        ...


class LiveAnswers:
    """The answers that this process produces or follows, and those that ended not long ago.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self, caches: Caches, sharing: Sharing, linger_seconds: float, resume_bytes: int = RESUME_BYTES) -> None:
        self.caches = caches
        #: The longest that an answer is made on for callers who lost their connection and may come back.
        self.linger_seconds = linger_seconds
        #: The process is about to end; no answer is begun.
        self.closing = False
        #: It still produces, but callers whose connections are cut come back to another process.
        self.draining = False
        self._sharing = sharing
        self._by_slot: dict[Slot, LiveAnswer] = {}
        #: Of answers that ended: when, the log, whose it is, its bytes; those of all of them, and the most that is kept.
        self.recent: OrderedDict[str, tuple[float, EventLog, str, int]] = OrderedDict()
        self.recent_bytes = 0
        self.recent_limit = resume_bytes

    def __len__(self) -> int:
        return len(self._by_slot)

    def tasks(self) -> list[asyncio.Task[None]]:
        """The work that is under way."""
        return [live.task for live in self._by_slot.values() if live.task is not None]

    def add(self, slot: Slot, live: LiveAnswer, origin: Origin) -> Answer:
        """Take ``live`` in, held by the request that began it."""
        self._by_slot[slot] = live
        return self.hold(live, origin)

    def replace(self, slot: Slot, before: LiveAnswer, after: LiveAnswer) -> None:
        """Give those who ask from now on ``after`` instead of ``before``."""
        if self._by_slot.get(slot) is before:
            self._by_slot[slot] = after

    def drop(self, slot: Slot, live: LiveAnswer) -> None:
        """Let nobody join ``live`` any more."""
        if self._by_slot.get(slot) is live:
            del self._by_slot[slot]

    def ended(self, live: LiveAnswer) -> None:
        """Keep the log of an answer that ended for those who resume it."""
        if not live.given_up:
            self._forget(live.log.answer_id)
            size = live.log.nbytes
            self.recent[live.log.answer_id] = (asyncio.get_running_loop().time(), live.log, owner_of(live.depends), size)
            self.recent_bytes += size
            self._drop_old()

    def keep(self, spec: AnswerSpec, log: EventLog) -> None:
        """Put a complete answer into the caches, as it was sent."""
        finished = _finished(spec, log)
        self.caches.put(spec.kind, spec.key, pack(finished), spec.depends, view=finished)

    async def join(self, slot: Slot, deadline: Deadline) -> Answer | None:
        """A hold on the running answer, where there is one to share. Waits only where that has to be asked elsewhere."""
        while (live := self._joinable(slot, deadline)) is not None:
            if not await self._sharing.goes_on(live):
                self.drop(slot, live)
            elif self._joinable(slot, deadline) is live:
                return self.hold(live, Origin.JOINED)
        return None

    def resume(self, answer_id: str, owner: str | None) -> Answer | None:
        """The run named ``answer_id``, live or ended not long ago, where it is ``owner``'s (None: anybody's); else None."""
        for live in self._by_slot.values():
            if live.log.answer_id == answer_id and not live.given_up:
                return self.hold(live, Origin.JOINED) if owner in (None, owner_of(live.depends)) else None
        self._drop_old()
        recent = self.recent.get(answer_id)
        if recent is None or owner not in (None, recent[2]):
            return None
        return Answer(Origin.JOINED, live=LiveAnswer(recent[1], Deadline.never(), {}, finish_alone=True))

    def leave(self, answer_id: str, caller: str) -> None:
        """``caller``, who wished to linger, has left the run for good; without an ``answer_id``, whatever run it read."""
        for live in list(self._by_slot.values()):
            if (not answer_id or live.log.answer_id == answer_id) and not live.log.done:
                if live.lingering.pop(caller, None) is None and caller in live.asking:
                    live.leavers.add(caller)
                self.unheld(live)

    def hold(self, live: LiveAnswer, origin: Origin) -> Answer:
        """One more request reads ``live``."""
        live.subscribers += 1
        return Answer(origin, live=live, release=self._release)

    def unheld(self, live: LiveAnswer) -> None:
        """Give up an answer that nobody reads: now, or when the last caller who may come back has had its time."""
        if live.subscribers > 0 or live.log.done or not self._sharing.may_stop(live):
            return
        left = live.linger()
        if left > 0:
            asyncio.get_running_loop().call_later(left, self.unheld, live)
        else:
            self._sharing.give_up(live)

    def _release(self, live: LiveAnswer, caller: str, seconds: float) -> None:
        live.subscribers -= 1
        live.asking.pop(caller, None)
        if caller in live.leavers:
            live.leavers.discard(caller)
        elif seconds > 0:
            live.lingering[caller] = asyncio.get_running_loop().time() + min(seconds, self.linger_seconds)
        self.unheld(live)

    def _joinable(self, slot: Slot, deadline: Deadline) -> LiveAnswer | None:
        live = self._by_slot.get(slot)
        if live is None or live.log.done or live.given_up:
            return None
        # One that was begun before an acknowledged bump may be made of what the bump made old.
        if not self.caches.versions.holds(live.depends):
            return None
        if live.adaptive and not alike(live.deadline.remaining(), deadline.remaining()):
            return None
        return live

    def _drop_old(self) -> None:
        horizon = asyncio.get_running_loop().time() - RESUME_SECONDS
        while self.recent:
            answer_id, (ended, *_) = next(iter(self.recent.items()))
            if ended >= horizon and len(self.recent) <= RESUME_LOGS and self.recent_bytes <= self.recent_limit:
                return
            self._forget(answer_id)

    def _forget(self, answer_id: str) -> None:
        kept = self.recent.pop(answer_id, None)
        if kept is not None:
            self.recent_bytes -= kept[3]

"""Replay, join or produce: how each request gets its answer.

A request names its answer by a cache key. Where a finished log is kept it is replayed; where one is being produced the
request joins it; else it is produced, once, for everyone who asks meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from hexar.core.cache import Caches, Entry, Tier
from hexar.core.deadline import Deadline
from hexar.core.errors import Aborted, HexarError, Unavailable
from hexar.core.eventlog.frames import FinishedLog, pack, unpack
from hexar.core.eventlog.log import EventLog

log = structlog.get_logger(__name__)

#: How long the log of an answer that is not cached can still be resumed after its end, seconds, and how many are kept.
RESUME_SECONDS = 60.0
RESUME_LOGS = 1024
#: A request joins a running answer that adapts to its deadline only where that leaves at least this share of the request's
#: own time: one started by a caller in a great hurry would be less complete than this caller has time for.
JOIN_SHARE = 0.5

ABANDONED = "the answer was given up, since nobody read it; ask again from the start"


class Origin(StrEnum):
    """How a request got its answer."""

    REPLAYED = "hit"
    JOINED = "joined"
    PRODUCED = "miss"


@dataclass(frozen=True, slots=True)
class Completion:
    """What a producer says at the end. An answer that is partial or failed is not ``cacheable``."""

    cacheable: bool = True


Producer = Callable[[EventLog], Awaitable[Completion]]


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


@dataclass(slots=True)
class _Live:
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

    def linger(self) -> float:
        """Seconds until the last of the callers who may come back has had its time; 0 or less: there is none."""
        return max(self.lingering.values(), default=0.0) - asyncio.get_running_loop().time()


class Answer:
    """One request's hold on an answer. Close it, however the request ends."""

    __slots__ = ("_events", "_linger", "_live", "_log", "_release", "answer_id", "origin", "tier")

    def __init__(
        self,
        origin: Origin,
        *,
        finished: FinishedLog | None = None,
        live: _Live | None = None,
        tier: Tier = Tier.SOURCE,
        release: Callable[[_Live, str, float], None] | None = None,
    ) -> None:
        self.origin = origin
        self.tier = tier
        self._live = live
        self._release = release
        self._linger = ("", 0.0)
        self._log = live.log if live is not None else None
        self._events: Sequence[bytes] = finished.events if finished is not None else ()
        self.answer_id = finished.answer_id if finished is not None else live.log.answer_id if live is not None else ""

    @property
    def events(self) -> Sequence[bytes] | None:
        """All events of an answer that is already complete; None of one that still forms."""
        if self._log is None:
            return self._events
        return self._log.events if self._log.done and self._log.error is None else None

    async def batches(self, after: int = 0) -> AsyncIterator[Sequence[bytes]]:
        """The events past number ``after``: at once what is there, then whatever comes, together what came together.

        Raises the producer's error after the last event.
        """
        if self._log is None:
            if after < len(self._events):
                yield self._events[after:]
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


def _alike(left: float, mine: float) -> bool:
    """Whether a caller with ``mine`` seconds may share an adaptive answer with ``left`` seconds to go."""
    # One that ends after this caller's own deadline is of no use to it; half a second is clock and network.
    return JOIN_SHARE * mine <= left <= mine + 0.5


class Answers:
    """All answers of one process.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self, caches: Caches, linger_seconds: float = 10.0) -> None:
        self._caches = caches
        #: The longest that an answer is made on for callers who lost their connection and may come back.
        self._linger_seconds = linger_seconds
        self._live: dict[tuple[bytes, bool], _Live] = {}
        self._recent: OrderedDict[str, tuple[float, EventLog]] = OrderedDict()
        self._closing = False
        #: The server is about to end: callers whose connections it cuts find their answers in another process, if anywhere.
        self.draining = False

    @property
    def live(self) -> int:
        """Answers that are being produced now."""
        return len(self._live)

    def replay(self, kind: str, key: bytes) -> Answer | None:
        """The answer in memory, or None; without waiting for anything."""
        entry = self._caches.peek(kind, key)
        return self._replayed(entry) if entry is not None else None

    async def open(self, spec: AnswerSpec, deadline: Deadline, *, missed: bool = False) -> Answer:
        """The answer of ``spec``: replayed, joined or produced. ``missed``: the caches were just asked for it in vain."""
        slot = (spec.key, spec.write_cache)
        if spec.read_cache:
            # Where nobody can confirm, running answers are still shared: the sources are spared, nothing kept is served.
            await self._caches.confirmed()
            joined = await self._join(slot, deadline)
            if joined is not None:
                return joined
            entry = await self._caches.get(spec.kind, spec.key) if not missed else None
            if entry is not None and (answer := self._replayed(entry)) is not None:
                return answer
            # While the backend was asked, another request may have begun the same answer, or even ended it.
            joined = await self._join(slot, deadline)
            if joined is not None:
                return joined
            if (answer := self.replay(spec.kind, spec.key)) is not None:
                return answer
        return await self._begin(slot, spec, deadline)

    async def find(self, answer_id: str, spec: AnswerSpec, deadline: Deadline) -> Answer | None:
        """The very run named ``answer_id``, wherever it is produced or kept; ``spec`` makes its rest where its producer dies.

        None where it is no longer there: whoever has a part of it can only begin anew.
        """
        return self.resume(answer_id) or await self._kept(answer_id, spec)

    async def _kept(self, answer_id: str, spec: AnswerSpec) -> Answer | None:
        """The run as a cache holds it, where that is the answer's latest."""
        entry = await self._caches.get(spec.kind, spec.key)
        answer = self._replayed(entry) if entry is not None else None
        return answer if answer is not None and answer.answer_id == answer_id else None

    def leave(self, answer_id: str, caller: str) -> None:
        """``caller``, who wished to linger, has left the run for good; without an ``answer_id``, whatever run it read."""
        for live in self._live.values():
            if (not answer_id or live.log.answer_id == answer_id) and not live.log.done:
                if live.lingering.pop(caller, None) is None and caller in live.asking:
                    live.leavers.add(caller)
                self._unheld(live)

    def resume(self, answer_id: str) -> Answer | None:
        """The very run named ``answer_id``, live or ended not long ago, or None."""
        for live in self._live.values():
            if live.log.answer_id == answer_id and not live.given_up:
                return self._hold(live, Origin.JOINED)
        self._drop_old()
        recent = self._recent.get(answer_id)
        if recent is None:
            return None
        live = _Live(recent[1], Deadline.never(), {}, finish_alone=True)
        return Answer(Origin.JOINED, live=live)

    async def close(self, grace: float) -> None:
        """Let running answers end for ``grace`` seconds, then cancel them."""
        self._closing = True
        tasks = [live.task for live in self._live.values() if live.task is not None]
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=grace)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _replayed(self, entry: Entry) -> Answer | None:
        finished = entry.view
        if finished is None:
            finished = unpack(entry.value)
            if finished is None:
                return None
            entry.view = finished
        return Answer(Origin.REPLAYED, finished=finished, tier=entry.tier)

    async def _join(self, slot: tuple[bytes, bool], deadline: Deadline) -> Answer | None:
        """A hold on the running answer, where there is one to share. Waits only where that has to be asked elsewhere."""
        while (live := self._joinable(slot, deadline)) is not None:
            if not await self._goes_on(live):
                if self._live.get(slot) is live:
                    del self._live[slot]
            elif self._joinable(slot, deadline) is live:
                return self._hold(live, Origin.JOINED)
        return None

    async def _goes_on(self, live: _Live) -> bool:
        """Whether a running answer may be joined, as far as others decide that."""
        return True

    def _joinable(self, slot: tuple[bytes, bool], deadline: Deadline) -> _Live | None:
        live = self._live.get(slot)
        if live is None or live.log.done or live.given_up:
            return None
        # One that was begun before an acknowledged bump may be made of what the bump made old.
        if not self._caches.versions.holds(live.depends):
            return None
        if live.adaptive and not _alike(live.deadline.remaining(), deadline.remaining()):
            return None
        return live

    def _hold(self, live: _Live, origin: Origin) -> Answer:
        live.subscribers += 1
        return Answer(origin, live=live, release=self._release)

    def _release(self, live: _Live, caller: str, seconds: float) -> None:
        live.subscribers -= 1
        live.asking.pop(caller, None)
        if caller in live.leavers:
            live.leavers.discard(caller)
        elif seconds > 0:
            live.lingering[caller] = asyncio.get_running_loop().time() + min(seconds, self._linger_seconds)
        self._unheld(live)

    def _unheld(self, live: _Live) -> None:
        """Give up an answer that nobody reads: now, or when the last caller who may come back has had its time."""
        if live.subscribers > 0 or live.log.done or not self._may_stop(live):
            return
        left = live.linger()
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._unheld, live)
        else:
            self._give_up(live)

    def _may_stop(self, live: _Live) -> bool:
        return not live.finish_alone

    def _give_up(self, live: _Live) -> None:
        live.given_up = True
        if live.task is not None:
            live.task.cancel()

    async def _begin(self, slot: tuple[bytes, bool], spec: AnswerSpec, deadline: Deadline) -> Answer:
        return self._start(slot, spec, deadline)

    def _start(self, slot: tuple[bytes, bool], spec: AnswerSpec, deadline: Deadline) -> Answer:
        if self._closing:
            raise Unavailable("the server is shutting down")
        live = _Live(EventLog(), deadline, spec.depends, spec.finish_alone, spec.adaptive)
        self._live[slot] = live
        live.task = asyncio.create_task(self._produce(slot, live, spec))
        return self._hold(live, Origin.PRODUCED)

    async def _produce(self, slot: tuple[bytes, bool], live: _Live, spec: AnswerSpec) -> None:
        events = live.log
        try:
            completion = await spec.produce(events)
        except asyncio.CancelledError:
            events.fail(Aborted(ABANDONED) if live.given_up else Unavailable("the server is shutting down"))
            raise
        except Exception as error:
            if not isinstance(error, HexarError):
                log.exception("answer_failed", kind=spec.kind, answer_id=events.answer_id)
            events.fail(error)
        else:
            if completion.cacheable and spec.write_cache:
                finished = events.finished()
                self._caches.put(spec.kind, spec.key, pack(finished), spec.depends, view=finished)
            events.finish()
        finally:
            if self._live.get(slot) is live:
                del self._live[slot]
            if not live.given_up:
                self._remember(events)

    def _remember(self, events: EventLog) -> None:
        self._recent[events.answer_id] = (asyncio.get_running_loop().time(), events)
        self._drop_old()

    def _drop_old(self) -> None:
        horizon = asyncio.get_running_loop().time() - RESUME_SECONDS
        while self._recent:
            answer_id, (ended, _) = next(iter(self._recent.items()))
            if ended >= horizon and len(self._recent) <= RESUME_LOGS:
                return
            del self._recent[answer_id]

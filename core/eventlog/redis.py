"""Answers that several processes share: one of them leads a run, the others follow it in Redis.

A process shows its subscribers only what is written to the run, so that any other process can give the exact rest to whoever
loses a connection. The leader writes in batches, the first few at once, then one every :data:`WRITE_INTERVAL`: at most 20 a
second.

A leader that dies loses its lease; one follower takes the lead and makes the answer again. What it makes is compared with what
was written: as long as it is the same, subscribers notice nothing, and the run goes on where it stood. Where it differs nobody
can go on with the old run: it ends with ABORTED, and the new answer becomes a run of its own, which those who ask again join.

Where Redis is gone a leader goes on alone, and a follower makes the answer itself in the same way.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from redis.exceptions import ResponseError

from hexar.core.cache import Caches
from hexar.core.deadline import Deadline
from hexar.core.errors import Aborted, HexarError, Unavailable
from hexar.core.eventlog.answers import ABANDONED, Answer, Answers, AnswerSpec, Completion, Origin, _alike, _Live
from hexar.core.eventlog.frames import pack
from hexar.core.eventlog.log import EventLog
from hexar.core.eventlog.runs import LEASE, Runs, RunSlice, RunState, describe, described, one_write
from hexar.core.redis.link import RedisDown, RedisLink

log = structlog.get_logger(__name__)

#: Writes of a run that are made at once; seconds between two after those. Together under 20 in any second.
WRITE_BURST = 6
WRITE_INTERVAL = 0.08
#: Seconds between two reads of a follower: short at first, then long.
FOLLOW_INTERVAL_FIRST = 0.01
FOLLOW_INTERVAL = 0.05
#: Seconds from the end of a run that is begun anew to the word to its readers; and how recently a process must have looked at a
#: run to let a caller join it unseen: less, so that nobody who had that word is given the same run again.
TELL_AFTER = 1.5 * FOLLOW_INTERVAL
JOIN_UNSEEN_WITHIN = 1.2 * FOLLOW_INTERVAL
#: A leader without subscribers of its own goes on while someone elsewhere has read so recently, seconds.
READ_ELSEWHERE_WITHIN = 1.0
#: Who reads a run waits so long for a Redis that went silent before it does without, seconds: most silences are shorter.
REDIS_PATIENCE = 0.3
#: Seconds between two looks of a leader without subscribers.
SUBSCRIBER_POLL = 0.1

_GONE = (RedisDown, ResponseError)
_ENDING = "the server is shutting down"
_NOT_KEPT = "the answer that was being received is no longer kept; ask again from the start"
_BEGUN_ANEW = "the answer was begun anew; ask again from the start"


@dataclass(slots=True)
class _Shared:
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
class _Work:
    """One task's hold on a run; both change where an answer is begun anew."""

    slot: tuple[bytes, bool]
    spec: AnswerSpec
    live: _Live
    shared: _Shared


class SharedAnswers(Answers):
    """All answers of one process, shared with the processes on the same Redis.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self, caches: Caches, link: RedisLink, linger_seconds: float = 10.0) -> None:
        super().__init__(caches, linger_seconds)
        self._runs = Runs(link)
        self._link = link
        self._shared: dict[int, _Shared] = {}
        self._claims: dict[tuple[bytes, bool], asyncio.Future[None]] = {}
        self._looks: set[asyncio.Task[None]] = set()
        #: Productions begun here, and leads taken from another process.
        self.productions = 0
        self.takeovers = 0

    async def find(self, answer_id: str, spec: AnswerSpec, deadline: Deadline) -> Answer | None:
        """The very run named ``answer_id``, from this process, from Redis or from a cache; None where it is not there."""
        answer = self.resume(answer_id)
        if answer is not None or self._closing or len(answer_id) != 32 or not answer_id.isalnum():
            return answer
        return await self._elsewhere(answer_id, spec, deadline) or await self._kept(answer_id, spec)

    async def _elsewhere(self, answer_id: str, spec: AnswerSpec, deadline: Deadline) -> Answer | None:
        # Nobody but Redis knows the run: it is worth waiting through a short silence.
        while await self._link.ready(REDIS_PATIENCE):
            shared, events = _Shared(answer_id), EventLog(answer_id)
            try:
                reading = await self._read(shared, events)
            except RedisDown:
                continue
            except ResponseError:
                return None
            if reading is None or reading.state is RunState.ABORTED or _lost_events(events):
                return None
            # Another caller of this process may have found it meanwhile.
            return self.resume(answer_id) or self._run((answer_id.encode(), True), spec, deadline, shared, events)
        return None

    async def _begin(self, slot: tuple[bytes, bool], spec: AnswerSpec, deadline: Deadline) -> Answer:
        while spec.read_cache and (claim := self._claims.get(slot)) is not None:
            await asyncio.shield(claim)
            joined = await self._join(slot, deadline)
            if joined is not None:
                return joined
        if self._closing or not self._link.up:
            return self._start(slot, spec, deadline)
        claim = self._claims[slot] = asyncio.get_running_loop().create_future()
        try:
            return await self._claim(slot, spec, deadline)
        except _GONE:
            return self._start(slot, spec, deadline)
        finally:
            if self._claims.get(slot) is claim:
                del self._claims[slot]
            claim.set_result(None)

    async def _claim(self, slot: tuple[bytes, bool], spec: AnswerSpec, deadline: Deadline) -> Answer:
        """Lead a new run, follow the one that the pointer names, or go on with it where its leader died."""
        fresh = os.urandom(16).hex()
        pointer = _pointer(spec) if spec.read_cache else ""
        instead_of = ""
        for _ in range(4):
            run = await self._runs.point(pointer, fresh, instead_of) if pointer else fresh
            asked = time.monotonic()
            fence = await self._runs.lead(run, deadline.remaining())
            shared, events = _Shared(run, max(fence, 0), pointer=pointer, known=asked), EventLog(run)
            if fence == 1:
                return self._run(slot, spec, deadline, shared, events)
            reading = await self._read(shared, events)
            if reading is not None and reading.state is RunState.LIVE and fence >= 0:
                if not spec.adaptive or _alike(reading.left, deadline.remaining()):
                    return self._run(slot, spec, deadline, shared, events)
                if fence:
                    await self._runs.let_go(run, fence)
                pointer = ""
            elif reading is not None and reading.state is RunState.DONE and not _lost_events(events):
                return self._run(slot, spec, deadline, shared, events)
            instead_of = run
        return self._start(slot, spec, deadline)

    def _run(
        self, slot: tuple[bytes, bool], spec: AnswerSpec, deadline: Deadline, shared: _Shared, events: EventLog
    ) -> Answer:  # fmt: skip
        live = _Live(events, deadline, spec.depends, spec.finish_alone, spec.adaptive)
        self._live[slot] = live
        self._shared[id(live)] = shared
        self.takeovers += shared.fence > 1
        live.task = asyncio.create_task(self._drive(_Work(slot, spec, live, shared)))
        return self._hold(live, Origin.PRODUCED if shared.fence == 1 else Origin.JOINED)

    async def _goes_on(self, live: _Live) -> bool:
        """Whether to join the run that ``live`` shows; asks Redis where this process has not looked at the run for a while.

        Another process may have begun the answer anew since. Callers who were told so, and ask again, come here as well.
        """
        shared = self._shared.get(id(live))
        if shared is None or shared.alone:
            return True
        if shared.anew is not None:
            await asyncio.shield(shared.anew)
            return False
        # Nobody else can lead, or begin anew, within a lease from its last renewal.
        if time.monotonic() - shared.known < (LEASE / 2 if shared.fence else JOIN_UNSEEN_WITHIN):
            return True
        try:
            return await self._runs.state(shared.run) in (RunState.LIVE, RunState.DONE, None)
        except _GONE:
            return True

    async def close(self, grace: float) -> None:
        """Let running answers end for ``grace`` seconds, then leave them to other processes."""
        self.draining = True
        for look in self._looks:
            look.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)
        await super().close(grace)

    def _may_stop(self, live: _Live) -> bool:
        shared = self._shared.get(id(live))
        if shared is not None and not shared.alone and not shared.fence:
            # A follower leaves the work to its leader.
            return True
        return not self.draining and super()._may_stop(live)

    def _give_up(self, live: _Live) -> None:
        shared = self._shared.get(id(live))
        if shared is None or shared.alone or not shared.fence:
            super()._give_up(live)
        elif shared.look is None:
            shared.look = look = asyncio.create_task(self._look(live, shared))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _look(self, live: _Live, shared: _Shared) -> None:
        """Give up an answer that this process leads once nobody in another process wants it either."""
        try:
            while live.subscribers <= 0 and not live.log.done and live.linger() <= 0 and not self.draining:
                try:
                    age = await self._renew(shared, 0, ())
                except _GONE:
                    age = math.inf
                if age is None:
                    return
                if age > READ_ELSEWHERE_WITHIN and live.subscribers <= 0:
                    super()._give_up(live)
                    return
                await asyncio.sleep(SUBSCRIBER_POLL)
        finally:
            shared.look = None

    async def _drive(self, work: _Work) -> None:
        held = [work.live]
        try:
            while not work.live.log.done:
                if work.shared.fence or work.shared.alone:
                    await self._make(work)
                else:
                    await self._tail(work)
                held.append(work.live)
        except asyncio.CancelledError:
            work.live.log.fail(Aborted(ABANDONED) if work.live.given_up else Unavailable(_ENDING))
            raise
        except Exception as error:
            if not isinstance(error, HexarError):
                log.exception("answer_failed", kind=work.spec.kind, answer_id=work.shared.run)
            work.live.log.fail(error)
        finally:
            for live in (*held, work.live):
                if self._live.get(work.slot) is live:
                    del self._live[work.slot]
                if self._shared.pop(id(live), None) is not None and not live.given_up:
                    self._remember(live.log)

    # -- following -------------------------------------------------------------------------------------------------------

    async def _tail(self, work: _Work) -> None:
        """Read until the run ends, or until this process leads it or makes it alone."""
        shared, events, reads = work.shared, work.live.log, 0
        while not events.done:
            await asyncio.sleep(FOLLOW_INTERVAL_FIRST if reads < 10 else FOLLOW_INTERVAL)
            reads += 1
            try:
                # Were this process to die, its callers would come back by way of another.
                asked = min(self._linger_seconds, max(work.live.asking.values(), default=0.0))
                reading = await self._read(shared, events, max(asked, work.live.linger(), 0.0))
                if reading is None:
                    shared.alone = True
                    return
                if reading.state is RunState.ABORTED:
                    await self._abandon(work.slot, work.live, described(reading.detail))
                if events.done or reading.led:
                    continue
                fence = await self._runs.lead(shared.run, work.live.deadline.remaining())
                if fence < 0:
                    raise Unavailable("the answer could not be made")
                if fence:
                    # What the leader before wrote with its last breath is read before anything is compared with it.
                    await self._read(shared, events)
                    shared.fence = fence
                    self.takeovers += 1
                    return
            except _GONE:
                if not await self._link.ready(REDIS_PATIENCE):
                    shared.alone = True
                    return

    async def _read(self, shared: _Shared, events: EventLog, wanted: float = 0.0) -> RunSlice | None:
        """Take all that was written and not read yet; the end too, where the run has one."""
        while True:
            asked = time.monotonic()
            reading = await self._runs.read(shared.run, shared.cursor, wanted)
            if reading is None:
                return None
            shared.known = asked
            # After a lost lead the run is read again from its start: what is shown already is skipped.
            events.extend(reading.events[max(0, events.last_seq - shared.read) :])
            shared.read += len(reading.events)
            shared.cursor = reading.cursor
            if reading.more:
                continue
            if reading.state is RunState.FAILED:
                events.fail(described(reading.detail))
            elif reading.state in (RunState.DONE, RunState.PARTIAL) and events.last_seq < reading.last:
                events.fail(Aborted(_NOT_KEPT))
            elif reading.state in (RunState.DONE, RunState.PARTIAL):
                events.finish()
            return reading

    # -- leading ---------------------------------------------------------------------------------------------------------

    async def _make(self, work: _Work) -> None:
        """Produce the answer and write it, until it ends or another process leads the run."""
        spec = work.spec
        made = EventLog(work.shared.run)
        self.productions += 1
        producing = asyncio.ensure_future(spec.produce(made))
        try:
            if not await self._write(work, made, producing):
                return
            try:
                completion = producing.result()
            except Exception as error:
                if not isinstance(error, HexarError):
                    log.exception("answer_failed", kind=spec.kind, answer_id=work.shared.run)
                await self._end(work.shared, RunState.FAILED, describe(error))
                work.live.log.fail(error)
                return
            if completion.cacheable and spec.write_cache:
                finished = work.live.log.finished()
                self._caches.put(spec.kind, spec.key, pack(finished), spec.depends, view=finished)
            if work.shared.alone:
                await self._rejoin(work.shared, work.live)
            await self._end(work.shared, RunState.DONE if completion.cacheable else RunState.PARTIAL)
            work.live.log.finish()
        except asyncio.CancelledError:
            if self._closing and work.shared.fence and not work.shared.alone:
                # Others may still read: one of them goes on.
                with suppress(*_GONE):
                    await asyncio.shield(self._runs.let_go(work.shared.run, work.shared.fence))
            else:
                await asyncio.shield(self._end(work.shared, RunState.ABORTED, describe(Aborted(ABANDONED))))
            raise
        finally:
            producing.cancel()
            await asyncio.gather(producing, return_exceptions=True)

    async def _write(self, work: _Work, made: EventLog, producing: asyncio.Future[Completion]) -> bool:
        """Write and show what is made; False where the lead was lost."""
        at = 0
        pace: deque[float] = deque(maxlen=WRITE_BURST)
        now = asyncio.get_running_loop().time
        renewed = now()
        while True:
            ended = producing.done()
            shown = work.live.log.events
            batch: list[bytes] = []
            if at < len(shown) and (len(made.events) > at or ended):
                same = made.events[at : len(shown)]
                if same != shown[at : at + len(same)] or (ended and len(made.events) < len(shown)):
                    await self._begin_anew(work)
                    at = 0
                else:
                    at += len(same)
            elif len(made.events) > at:
                if len(pace) == WRITE_BURST and not work.shared.alone and not ended:
                    await asyncio.sleep(max(0.0, pace[-1] + WRITE_INTERVAL - now()))
                pace.append(now())
                batch = one_write(made.events, at)
            elif ended:
                return True
            else:
                more = asyncio.ensure_future(made.wait(at))
                waiting: set[asyncio.Future[Any]] = {more, producing}
                await asyncio.wait(waiting, timeout=LEASE / 3, return_when=asyncio.FIRST_COMPLETED)
                more.cancel()
            if batch or now() - renewed >= LEASE / 3:
                renewed = now()
                if not await self._keep(work, at, batch):
                    return False
                work.live.log.extend(batch)
                at += len(batch)

    async def _keep(self, work: _Work, at: int, batch: list[bytes]) -> bool:
        """Write ``batch``, or renew the lease. False where another process leads; True also where Redis is gone."""
        shared, live = work.shared, work.live
        age: float | None = math.inf
        if shared.alone:
            await self._rejoin(shared, live)
        if not shared.alone:
            try:
                # With nothing to write ``at`` is not looked at.
                age = await self._renew(shared, at, batch)
            except _GONE:
                # It may be written or not; what this process shows from now on is not in the run.
                shared.alone = True
        if age is None and await self._follows(shared):
            return False
        if live.linger() <= 0:
            # A leader that took over may never have had a subscriber whose leaving it could see.
            self._unheld(live)
        return True

    async def _renew(self, shared: _Shared, at: int, events: Sequence[bytes]) -> float | None:
        """Write ``events`` after the first ``at``, or only keep the lead, as :meth:`Runs.write` does."""
        asked = time.monotonic()
        age = await self._runs.write(shared.run, shared.fence, at, events)
        if age is not None:
            shared.known = asked
        return age

    async def _rejoin(self, shared: _Shared, live: _Live) -> None:
        """Once Redis is back, and nobody else leads: write what was shown alone, so that other processes have it, too."""
        if not shared.fence or not self._link.up:
            return
        with suppress(*_GONE):
            reading = await self._runs.read(shared.run, "0")
            if reading is not None and reading.state is RunState.LIVE and reading.last <= live.log.last_seq:
                missing = live.log.events[reading.last :]
                shared.alone = await self._renew(shared, reading.last, missing) is None

    async def _follows(self, shared: _Shared) -> bool:
        """Follow whoever leads now; go on alone where Redis has forgotten the run."""
        with suppress(*_GONE):
            if await self._runs.read(shared.run, "0") is not None:
                shared.fence, shared.cursor, shared.read = 0, "0", 0
                return True
        shared.alone = True
        return False

    async def _begin_anew(self, work: _Work) -> None:
        """End a run that cannot be continued, and give its answer a run of its own, for those who ask again."""
        old, before = work.shared, work.live
        log.info("answer_begun_anew", kind=work.spec.kind, answer_id=old.run)
        error = Aborted(_BEGUN_ANEW)
        work.shared = shared = _Shared(os.urandom(16).hex(), alone=old.alone, pointer=old.pointer, known=time.monotonic())
        old.anew = asyncio.get_running_loop().create_future()
        try:
            if not shared.alone:
                try:
                    shared.fence = await self._runs.lead(shared.run, before.deadline.remaining())
                    if shared.pointer:
                        await self._runs.point(shared.pointer, shared.run, old.run)
                    # Last, so that whoever is told to ask again finds the new run.
                    await self._runs.end(old.run, old.fence, RunState.ABORTED, describe(error))
                except _GONE:
                    shared.alone = True
            # Nobody listens yet: those who are told to ask again will.
            work.live = _Live(EventLog(shared.run), before.deadline, before.depends, True, before.adaptive, task=before.task)
            self._shared[id(work.live)] = shared
            if self._live.get(work.slot) is before:
                self._live[work.slot] = work.live
        finally:
            old.anew.set_result(None)
        await self._abandon(work.slot, before, error)

    async def _abandon(self, slot: tuple[bytes, bool], live: _Live, error: HexarError) -> None:
        """End a log that is begun anew elsewhere; its readers are told once every process knows, and gives them the new one."""
        if self._live.get(slot) is live:
            del self._live[slot]
        await asyncio.sleep(TELL_AFTER)
        live.log.fail(error)

    async def _end(self, shared: _Shared, state: RunState, detail: str = "") -> None:
        if shared.fence and not shared.alone:
            with suppress(*_GONE):
                await self._runs.end(shared.run, shared.fence, state, detail)


def _pointer(spec: AnswerSpec) -> str:
    digest = hashlib.sha256(spec.key + bytes([spec.write_cache]))
    for name, version in sorted(spec.depends.items()):
        digest.update(f"{len(name)}:{name}{version};".encode())
    return digest.hexdigest()[:32]


def _lost_events(events: EventLog) -> bool:
    """True where the run has ended and its events are no longer kept."""
    return isinstance(events.error, Aborted) and events.error.message == _NOT_KEPT

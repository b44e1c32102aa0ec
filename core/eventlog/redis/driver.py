"""One run, from the moment this process takes part in it to its end: followed while another process leads it, else made here.

The leader writes in batches, the first few at once, then one every :data:`WRITE_INTERVAL`: at most 20 a second.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import deque
from contextlib import suppress
from typing import Any

import structlog

from hexar.core.errors import Aborted, HexarError, Unavailable
from hexar.core.eventlog.live import ABANDONED, SHUTTING_DOWN, Completion, LiveAnswer
from hexar.core.eventlog.log import EventLog
from hexar.core.eventlog.redis.shared import GONE, SharedRun, SharedRuns, Work
from hexar.core.eventlog.redis.store import LEASE, RunState, describe, described, one_write
from hexar.core.eventlog.runs import report

log = structlog.get_logger(__name__)

#: Writes of a run that are made at once; seconds between two after those. Together under 20 in any second.
WRITE_BURST = 6
WRITE_INTERVAL = 0.08
#: Seconds between two reads of a follower: short at first, then long.
FOLLOW_INTERVAL_FIRST = 0.01
FOLLOW_INTERVAL = 0.05
#: Seconds from the end of a run that is begun anew to the word to its readers.
TELL_AFTER = 1.5 * FOLLOW_INTERVAL
#: Who reads a run waits so long for a Redis that went silent before it does without, seconds: most silences are shorter.
REDIS_PATIENCE = 0.3

_BEGUN_ANEW = "the answer was begun anew; ask again from the start"


class Driver:
    """The task of one run in this process."""

    def __init__(self, runs: SharedRuns, work: Work) -> None:
        self._runs = runs
        self._store = runs.store
        self._answers = runs.answers
        self._work = work

    async def drive(self) -> None:
        """Follow and lead in turn until the answer has ended."""
        work = self._work
        held = [work.live]
        try:
            while not work.live.log.done:
                if work.shared.fence or work.shared.alone:
                    await self.make()
                else:
                    await self.tail()
                held.append(work.live)
        except asyncio.CancelledError:
            work.live.log.fail(Aborted(ABANDONED) if work.live.given_up else Unavailable(SHUTTING_DOWN))
            raise
        except Exception as error:
            report(error, work.spec, work.shared.run)
            work.live.log.fail(error)
        finally:
            for live in (*held, work.live):
                self._answers.drop(work.slot, live)
                if self._runs.of.pop(live, None) is not None:
                    self._answers.ended(live)

    # -- following -------------------------------------------------------------------------------------------------------

    async def tail(self) -> None:
        """Read until the run ends, or until this process leads it or makes it alone."""
        shared, live, reads = self._work.shared, self._work.live, 0
        while not live.log.done:
            await asyncio.sleep(FOLLOW_INTERVAL_FIRST if reads < 10 else FOLLOW_INTERVAL)
            reads += 1
            try:
                if await self._follow(shared, live):
                    return
            except GONE:
                if not await self._runs.link.ready(REDIS_PATIENCE):
                    shared.alone = True
                    return

    async def _follow(self, shared: SharedRun, live: LiveAnswer) -> bool:
        """Read once, and take the lead where there is none. True where this process makes the answer from now on."""
        # Were this process to die, its callers would come back by way of another.
        asked = min(self._answers.linger_seconds, max(live.asking.values(), default=0.0))
        piece = await self._runs.read(shared, live.log, max(asked, live.linger(), 0.0))
        if piece is None:
            shared.alone = True
            return True
        if piece.state is RunState.ABORTED:
            await self._abandon(live, described(piece.detail))
        if live.log.done or piece.led:
            return False
        fence = await self._store.lead(shared.run, live.deadline.remaining(), self._work.spec.owner)
        if fence < 0:
            raise Unavailable("the answer could not be made")
        if fence:
            # What the leader before wrote with its last breath is read before anything is compared with it.
            await self._runs.read(shared, live.log)
            shared.fence = fence
            self._runs.takeovers += 1
        return bool(fence)

    # -- leading ---------------------------------------------------------------------------------------------------------

    async def make(self) -> None:
        """Produce the answer and write it, until it ends or another process leads the run."""
        work, spec = self._work, self._work.spec
        made = EventLog(work.shared.run)
        self._runs.productions += 1
        producing = asyncio.ensure_future(spec.produce(made))
        try:
            if not await self._write(made, producing):
                return
            try:
                completion = producing.result()
            except Exception as error:
                report(error, spec, work.shared.run)
                await self._end(work.shared, RunState.FAILED, describe(error))
                work.live.log.fail(error)
                return
            if completion.cacheable and spec.write_cache:
                self._answers.keep(spec, work.live.log)
            if work.shared.alone:
                await self._rejoin(work.shared, work.live)
            await self._end(work.shared, RunState.DONE if completion.cacheable else RunState.PARTIAL)
            work.live.log.finish()
        except asyncio.CancelledError:
            if self._answers.closing and work.shared.fence and not work.shared.alone:
                # Others may still read: one of them goes on.
                with suppress(*GONE):
                    await asyncio.shield(self._store.let_go(work.shared.run, work.shared.fence))
            else:
                await asyncio.shield(self._end(work.shared, RunState.ABORTED, describe(Aborted(ABANDONED))))
            raise
        finally:
            producing.cancel()
            await asyncio.gather(producing, return_exceptions=True)

    async def _write(self, made: EventLog, producing: asyncio.Future[Completion]) -> bool:
        """Write and show what is made; False where the lead was lost."""
        work, at = self._work, 0
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
                    await self._begin_anew()
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
                if not await self._keep(at, batch):
                    return False
                work.live.log.extend(batch)
                at += len(batch)

    async def _keep(self, at: int, batch: list[bytes]) -> bool:
        """Write ``batch``, or renew the lease. False where another process leads; True also where Redis is gone."""
        shared, live = self._work.shared, self._work.live
        age: float | None = math.inf
        if shared.alone:
            await self._rejoin(shared, live)
        if not shared.alone:
            try:
                # With nothing to write ``at`` is not looked at.
                age = await self._runs.renew(shared, at, batch)
            except GONE:
                # It may be written or not; what this process shows from now on is not in the run.
                shared.alone = True
        if age is None and await self._follows(shared):
            return False
        if live.linger() <= 0:
            # A leader that took over may never have had a subscriber whose leaving it could see.
            self._answers.unheld(live)
        return True

    async def _rejoin(self, shared: SharedRun, live: LiveAnswer) -> None:
        """Once Redis is back, and nobody else leads: write what was shown alone, so that other processes have it, too."""
        if not shared.fence or not self._runs.link.up:
            return
        with suppress(*GONE):
            piece = await self._store.read(shared.run, "0")
            if piece is not None and piece.state is RunState.LIVE and piece.last <= live.log.last_seq:
                missing = live.log.events[piece.last :]
                shared.alone = await self._runs.renew(shared, piece.last, missing) is None

    async def _follows(self, shared: SharedRun) -> bool:
        """Follow whoever leads now; go on alone where Redis has forgotten the run."""
        with suppress(*GONE):
            if await self._store.read(shared.run, "0") is not None:
                shared.fence, shared.cursor, shared.read = 0, "0", 0
                return True
        shared.alone = True
        return False

    async def _begin_anew(self) -> None:
        """End a run that cannot be continued, and give its answer a run of its own, for those who ask again."""
        work = self._work
        old, before = work.shared, work.live
        log.info("answer_begun_anew", kind=work.spec.kind, answer_id=old.run)
        error = Aborted(_BEGUN_ANEW)
        shared = SharedRun(os.urandom(16).hex(), alone=old.alone, pointer=old.pointer, known=time.monotonic())
        work.shared = shared
        old.anew = asyncio.get_running_loop().create_future()
        try:
            if not shared.alone:
                try:
                    shared.fence = await self._store.lead(shared.run, before.deadline.remaining(), work.spec.owner)
                    if shared.pointer:
                        await self._store.point(shared.pointer, shared.run, old.run)
                    # Last, so that whoever is told to ask again finds the new run.
                    await self._store.end(old.run, old.fence, RunState.ABORTED, describe(error))
                except GONE:
                    shared.alone = True
            # Nobody listens yet: those who are told to ask again will.
            after = LiveAnswer.of(work.spec, before.deadline, EventLog(shared.run))
            after.finish_alone = True
            if before.task is not None:
                after.works(before.task)
            work.live = after
            self._runs.of[after] = shared
            self._answers.replace(work.slot, before, after)
        finally:
            old.anew.set_result(None)
        await self._abandon(before, error)

    async def _abandon(self, live: LiveAnswer, error: HexarError) -> None:
        """End a log that is begun anew elsewhere; its readers are told once every process knows, and gives them the new one."""
        self._answers.drop(self._work.slot, live)
        await asyncio.sleep(TELL_AFTER)
        live.log.fail(error)

    async def _end(self, shared: SharedRun, state: RunState, detail: str = "") -> None:
        if shared.fence and not shared.alone:
            with suppress(*GONE):
                await self._store.end(shared.run, shared.fence, state, detail)

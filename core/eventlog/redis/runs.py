"""The runs of one process, shared with the processes on the same Redis."""

from __future__ import annotations

import asyncio
import math
import os
import time

from redis.exceptions import ResponseError

from hexar.core.deadline import Deadline
from hexar.core.eventlog.live import Answer, AnswerSpec, LiveAnswer, LiveAnswers, Origin, Slot, alike
from hexar.core.eventlog.log import EventLog
from hexar.core.eventlog.redis.driver import FOLLOW_INTERVAL, REDIS_PATIENCE, Driver
from hexar.core.eventlog.redis.shared import GONE, SharedRun, SharedRuns, Work, lost_events, pointer_of
from hexar.core.eventlog.redis.store import LEASE, RunState
from hexar.core.eventlog.runs import start
from hexar.core.redis.link import RedisDown, RedisLink

#: How recently a process must have looked at a run to let a caller join it unseen, seconds: less than readers of a run that is
#: begun anew are told after, so that nobody who had that word is given the same run again.
JOIN_UNSEEN_WITHIN = 1.2 * FOLLOW_INTERVAL
#: A leader without subscribers of its own goes on while someone elsewhere has read so recently, seconds.
READ_ELSEWHERE_WITHIN = 1.0
#: Seconds between two looks of a leader without subscribers.
SUBSCRIBER_POLL = 0.1
#: Runs of an answer that are looked at before one is made here: each may turn out to have ended, or to be unfit.
MAX_CLAIMS = 4


class RedisRuns:
    """One of the processes on a Redis leads a run, the others follow it.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(self, link: RedisLink) -> None:
        self.shared = SharedRuns(link)
        self.store = self.shared.store
        self._link = link
        self._claims: dict[Slot, asyncio.Future[None]] = {}
        self._looks: set[asyncio.Task[None]] = set()

    @property
    def productions(self) -> int:
        """Productions begun in this process."""
        return self.shared.productions

    @property
    def takeovers(self) -> int:
        """Leads taken from another process."""
        return self.shared.takeovers

    def attach(self, answers: LiveAnswers) -> None:
        """Called once, with the answers of this process."""
        self._answers = answers
        self.shared.attach(answers)

    async def begin(self, spec: AnswerSpec, deadline: Deadline) -> Answer:
        """Lead a run of the answer, or follow the process that does."""
        answers, slot = self._answers, spec.slot
        while spec.read_cache and (claim := self._claims.get(slot)) is not None:
            await asyncio.shield(claim)
            joined = await answers.join(slot, deadline)
            if joined is not None:
                return joined
        if answers.closing or not self._link.up:
            return start(answers, spec, deadline)
        claim = self._claims[slot] = asyncio.get_running_loop().create_future()
        try:
            return await self._claim(spec, deadline)
        except GONE:
            return start(answers, spec, deadline)
        finally:
            if self._claims.get(slot) is claim:
                del self._claims[slot]
            claim.set_result(None)

    async def find(self, answer_id: str, spec: AnswerSpec, deadline: Deadline) -> Answer | None:
        """The run named ``answer_id`` from Redis, where it is of the tenant and kind of ``spec``; else None."""
        if self._answers.closing or len(answer_id) != 32 or not answer_id.isalnum():
            return None
        # Nobody but Redis knows the run: it is worth waiting through a short silence.
        while await self._link.ready(REDIS_PATIENCE):
            shared, events = SharedRun(answer_id), EventLog(answer_id)
            try:
                if await self.store.owner(answer_id) != spec.owner:
                    return None
                piece = await self.shared.read(shared, events)
            except RedisDown:
                continue
            except ResponseError:
                return None
            if piece is None or piece.state is RunState.ABORTED or lost_events(events):
                return None
            # Another caller of this process may have found it meanwhile.
            mine = self._answers.resume(answer_id, spec.owner)
            return mine or self._run(spec, deadline, shared, events, (answer_id.encode(), True))
        return None

    async def goes_on(self, live: LiveAnswer) -> bool:
        """Whether to join the run that ``live`` shows; asks Redis where this process has not looked at the run for a while.

        Another process may have begun the answer anew since. Callers who were told so, and ask again, come here as well.
        """
        shared = self.shared.of.get(live)
        if shared is None or shared.alone:
            return True
        if shared.anew is not None:
            await asyncio.shield(shared.anew)
            return False
        # Nobody else can lead, or begin anew, within a lease from its last renewal.
        if time.monotonic() - shared.known < (LEASE / 2 if shared.fence else JOIN_UNSEEN_WITHIN):
            return True
        try:
            return await self.store.state(shared.run) in (RunState.LIVE, RunState.DONE, None)
        except GONE:
            return True

    def may_stop(self, live: LiveAnswer) -> bool:
        """A follower leaves the work to its leader; a process that drains leaves it to those who come back."""
        shared = self.shared.of.get(live)
        if shared is not None and not shared.alone and not shared.fence:
            return True
        return not self._answers.draining and not live.finish_alone

    def give_up(self, live: LiveAnswer) -> None:
        """Stop the work, as soon as nobody in another process wants it either."""
        shared = self.shared.of.get(live)
        if shared is None or shared.alone or not shared.fence:
            live.give_up()
        elif shared.look is None:
            shared.look = look = asyncio.create_task(self._look(live, shared))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def close(self) -> None:
        """Stop looking for readers elsewhere."""
        for look in self._looks:
            look.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)

    async def _claim(self, spec: AnswerSpec, deadline: Deadline) -> Answer:
        """Lead a new run, follow the one that the pointer names, or go on with it where its leader died."""
        fresh = os.urandom(16).hex()
        pointer = pointer_of(spec) if spec.read_cache else ""
        instead_of = ""
        for _ in range(MAX_CLAIMS):
            run = await self.store.point(pointer, fresh, instead_of) if pointer else fresh
            asked = time.monotonic()
            fence = await self.store.lead(run, deadline.remaining(), spec.owner)
            shared, events = SharedRun(run, max(fence, 0), pointer=pointer, known=asked), EventLog(run)
            if fence == 1:
                return self._run(spec, deadline, shared, events)
            piece = await self.shared.read(shared, events)
            if piece is not None and piece.state is RunState.LIVE and fence >= 0:
                if not spec.adaptive or alike(piece.left, deadline.remaining()):
                    return self._run(spec, deadline, shared, events)
                if fence:
                    await self.store.let_go(run, fence)
                pointer = ""
            elif piece is not None and piece.state is RunState.DONE and not lost_events(events):
                return self._run(spec, deadline, shared, events)
            instead_of = run
        return start(self._answers, spec, deadline)

    def _run(
        self, spec: AnswerSpec, deadline: Deadline, shared: SharedRun, events: EventLog, slot: Slot | None = None
    ) -> Answer:  # fmt: skip
        live = LiveAnswer.of(spec, deadline, events)
        self.shared.of[live] = shared
        self.shared.takeovers += shared.fence > 1
        work = Work(spec, slot or spec.slot, live, shared)
        held = self._answers.add(work.slot, live, Origin.PRODUCED if shared.fence == 1 else Origin.JOINED)
        live.works(asyncio.create_task(Driver(self.shared, work).drive()))
        return held

    async def _look(self, live: LiveAnswer, shared: SharedRun) -> None:
        """Give up an answer that this process leads once nobody in another process wants it either."""
        try:
            while live.subscribers <= 0 and not live.log.done and live.linger() <= 0 and not self._answers.draining:
                try:
                    age = await self.shared.renew(shared, 0, ())
                except GONE:
                    age = math.inf
                if age is None:
                    return
                if age > READ_ELSEWHERE_WITHIN and live.subscribers <= 0:
                    live.give_up()
                    return
                await asyncio.sleep(SUBSCRIBER_POLL)
        finally:
            shared.look = None

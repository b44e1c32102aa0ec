"""Replay, join or produce: how each request gets its answer.

A request names its answer by a cache key. Where a finished log is kept it is replayed; where one is being produced the
request joins it; else it is produced, once, for everyone who asks meanwhile. Where it is produced is the business of
:class:`~hexar.core.eventlog.runs.Runs`.
"""

from __future__ import annotations

import asyncio

from hexar.core.cache import Caches, Entry
from hexar.core.deadline import Deadline
from hexar.core.eventlog.frames import unpack
from hexar.core.eventlog.live import RESUME_BYTES, Answer, AnswerSpec, LiveAnswers, Origin
from hexar.core.eventlog.runs import LocalRuns, Runs


class Answers:
    """All answers of one process. ``runs`` is where they are produced; without it, here.

    ``linger_seconds`` is the longest that an answer is made on for callers who lost their connection and may come back;
    ``resume_bytes`` bounds the logs that are kept for them after an answer has ended.

    Thread-safety: everything belongs to the event loop.
    """

    def __init__(
        self, caches: Caches, runs: Runs | None = None, linger_seconds: float = 10.0, resume_bytes: int = RESUME_BYTES
    ) -> None:
        self._caches = caches
        self._runs: Runs = runs if runs is not None else LocalRuns()
        self._live = LiveAnswers(caches, self._runs, linger_seconds, resume_bytes)
        self._runs.attach(self._live)

    @property
    def resumable(self) -> tuple[int, int, int]:
        """Of answers that ended and may still be resumed: how many, their bytes, and the most of those."""
        return len(self._live.recent), self._live.recent_bytes, self._live.recent_limit

    @property
    def live(self) -> int:
        """Answers that are being produced now."""
        return len(self._live)

    def replay(self, kind: str, key: bytes) -> Answer | None:
        """The answer in memory, or None; without waiting for anything."""
        entry = self._caches.peek(kind, key)
        return self._replayed(entry) if entry is not None else None

    async def kept(self, kind: str, key: bytes) -> Answer | None:
        """The finished answer in memory or in the tiers behind it, or None."""
        entry = await self._caches.get(kind, key)
        return self._replayed(entry) if entry is not None else None

    async def join(self, spec: AnswerSpec, deadline: Deadline) -> Answer | None:
        """The answer of ``spec`` where it is being produced now, here or elsewhere, or None."""
        # Where nobody can confirm, running answers are still shared: the sources are spared, nothing kept is served.
        await self._caches.confirmed()
        return await self._live.join(spec.slot, deadline)

    async def open(self, spec: AnswerSpec, deadline: Deadline, *, missed: bool = False) -> Answer:
        """The answer of ``spec``: replayed, joined or produced. ``missed``: the caches were just asked for it in vain."""
        if spec.read_cache:
            if (joined := await self.join(spec, deadline)) is not None:
                return joined
            if not missed and (answer := await self.kept(spec.kind, spec.key)) is not None:
                return answer
            # While the backend was asked, another request may have begun the same answer, or even ended it.
            joined = await self._live.join(spec.slot, deadline)
            if joined is not None:
                return joined
            if (answer := self.replay(spec.kind, spec.key)) is not None:
                return answer
        return await self._runs.begin(spec, deadline)

    async def find(self, answer_id: str, spec: AnswerSpec, deadline: Deadline) -> Answer | None:
        """The very run named ``answer_id``, wherever it is produced or kept; ``spec`` makes its rest where its producer dies.

        None where it is no longer there: whoever has a part of it can only begin anew.
        """
        found = self._live.resume(answer_id, spec.owner) or await self._runs.find(answer_id, spec, deadline)
        if found is not None:
            return found
        # The caches hold the latest run of an answer, which may be another.
        answer = await self.kept(spec.kind, spec.key)
        return answer if answer is not None and answer.answer_id == answer_id else None

    def resume(self, answer_id: str, owner: str | None = None) -> Answer | None:
        """The run of ``owner`` (None: of anybody) named ``answer_id`` in this process, live or ended not long ago, or None."""
        return self._live.resume(answer_id, owner)

    def leave(self, answer_id: str, caller: str) -> None:
        """``caller``, who wished to linger, has left the run for good; without an ``answer_id``, whatever run it read."""
        self._live.leave(answer_id, caller)

    def drain(self) -> None:
        """The server is about to end: callers whose connections it cuts find their answers in another process, if anywhere."""
        self._live.draining = True

    async def close(self, grace: float) -> None:
        """Let running answers end for ``grace`` seconds, then cancel them."""
        self.drain()
        await self._runs.close()
        self._live.closing = True
        tasks = self._live.tasks()
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

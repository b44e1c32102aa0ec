"""Where answers are produced: in this process alone, or shared with others (:mod:`hexar.core.eventlog.redis`)."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from hexar.core.deadline import Deadline
from hexar.core.errors import Aborted, HexarError, Unavailable
from hexar.core.eventlog.live import ABANDONED, SHUTTING_DOWN, Answer, AnswerSpec, LiveAnswer, LiveAnswers, Origin, Sharing
from hexar.core.eventlog.log import EventLog

log = structlog.get_logger(__name__)


class Runs(Sharing, Protocol):
    """How an answer is begun, and how a run of it is found again."""

    def attach(self, answers: LiveAnswers) -> None:
        """Called once, with the answers of this process."""
        ...

    async def begin(self, spec: AnswerSpec, deadline: Deadline) -> Answer:
        """Produce the answer of ``spec``, or follow whoever does."""
        ...

    async def find(self, answer_id: str, spec: AnswerSpec, deadline: Deadline) -> Answer | None:
        """The run named ``answer_id`` where another process has it; None where it is not there."""
        ...

    async def close(self) -> None:
        """Called before the work in this process is ended."""
        ...


def start(answers: LiveAnswers, spec: AnswerSpec, deadline: Deadline) -> Answer:
    """Produce the answer of ``spec`` in this process alone."""
    if answers.closing:
        raise Unavailable(SHUTTING_DOWN)
    live = LiveAnswer.of(spec, deadline, EventLog())
    held = answers.add(spec.slot, live, Origin.PRODUCED)
    live.works(asyncio.create_task(_produce(answers, live, spec)))
    return held


async def _produce(answers: LiveAnswers, live: LiveAnswer, spec: AnswerSpec) -> None:
    events = live.log
    try:
        completion = await spec.produce(events)
    except asyncio.CancelledError:
        events.fail(Aborted(ABANDONED) if live.given_up else Unavailable(SHUTTING_DOWN))
        raise
    except Exception as error:
        report(error, spec, events.answer_id)
        events.fail(error)
    else:
        if completion.cacheable and spec.write_cache:
            answers.keep(spec, events)
        events.finish()
    finally:
        answers.drop(spec.slot, live)
        answers.ended(live)


def report(error: Exception, spec: AnswerSpec, answer_id: str) -> None:
    """Log an error of a producer that is a fault of ours."""
    if not isinstance(error, HexarError):
        log.error("answer_failed", kind=spec.kind, answer_id=answer_id, exc_info=error)


class LocalRuns:
    """Answers are produced here and shared with nobody else."""

    def attach(self, answers: LiveAnswers) -> None:
        """Called once, with the answers of this process."""
        self._answers = answers

    async def begin(self, spec: AnswerSpec, deadline: Deadline) -> Answer:
        """Produce the answer of ``spec``."""
        return start(self._answers, spec, deadline)

    async def find(self, answer_id: str, spec: AnswerSpec, deadline: Deadline) -> Answer | None:
        """Nobody else has a run."""
        return None

    async def goes_on(self, live: LiveAnswer) -> bool:
        """Nobody else can have ended it."""
        return True

    def may_stop(self, live: LiveAnswer) -> bool:
        """The pipeline's choice."""
        return not live.finish_alone

    def give_up(self, live: LiveAnswer) -> None:
        """Stop the work."""
        live.give_up()

    async def close(self) -> None:
        """Nothing is held elsewhere."""

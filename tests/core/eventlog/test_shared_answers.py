"""Runs of an answer that another process has begun anew: whoever was told so is not given the old one again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hexar.core.cache import Caches
from hexar.core.cache.redis import RedisBackend
from hexar.core.cache.versions import Versions
from hexar.core.deadline import Deadline
from hexar.core.errors import Aborted
from hexar.core.eventlog import Answer, Answers, AnswerSpec, Completion, EventLog, Origin
from hexar.core.eventlog.frames import number
from hexar.core.eventlog.redis import RedisRuns, driver, runs, store
from hexar.core.eventlog.redis.driver import TELL_AFTER, Driver
from hexar.core.eventlog.redis.shared import pointer_of
from hexar.core.eventlog.redis.store import RunState, RunStore, describe
from hexar.core.redis.link import RedisLink
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.fix.kinds import KINDS

OLD, NEW = "0a" * 16, "0b" * 16


@pytest.fixture
async def process(link: RedisLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[RedisRuns, Answers]]:
    """The runs of one process, where no lease lapses by itself; the test plays the others."""
    for module in (store, driver, runs):
        monkeypatch.setattr(module, "LEASE", 600.0)
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    create_tables(database)
    made = RedisRuns(link)
    answers = Answers(Caches(Versions(database), RedisBackend(link), kinds=KINDS), made)
    yield made, answers
    await answers.close(0)
    database.close()


@pytest.fixture
def shared(process: tuple[RedisRuns, Answers]) -> RedisRuns:
    return process[0]


@pytest.fixture
def answers(process: tuple[RedisRuns, Answers]) -> Answers:
    return process[1]


async def told(answer: Answer) -> list[bytes]:
    """All events of an answer."""
    try:
        return [event async for batch in answer.batches() for event in batch]
    finally:
        answer.close()


async def never(events: EventLog) -> Completion:
    raise AssertionError("another process makes it")


async def test_who_was_told_to_begin_anew_is_not_given_the_old_run_by_one_who_follows_late(
    answers: Answers, shared: RedisRuns, link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A follower that has not read the old run's end looks before it lets a caller join, and sends it to the new run."""
    spec, others = AnswerSpec("query_answer", bytes(32), never, {}), RunStore(link)
    assert await others.point(pointer_of(spec), OLD) == OLD
    fence = await others.lead(OLD, 60)
    await others.write(OLD, fence, 0, [number(1, b"old")])
    follow, on_time = Driver.tail, asyncio.Event()

    async def late(driver: Driver) -> None:
        await on_time.wait()
        await follow(driver)

    monkeypatch.setattr(Driver, "tail", late)
    before = await answers.open(spec, Deadline.after(60))
    assert (before.answer_id, before.origin) == (OLD, Origin.JOINED)

    assert await others.lead(NEW, 60) == 1
    assert await others.point(pointer_of(spec), NEW, OLD) == NEW
    assert await others.end(OLD, fence, RunState.ABORTED, describe(Aborted("begun anew")))
    await asyncio.sleep(TELL_AFTER)
    again = await answers.open(spec, Deadline.after(60))
    assert again.answer_id == NEW

    on_time.set()
    await others.write(NEW, 1, 0, [number(1, b"new")])
    await others.end(NEW, 1, RunState.DONE)
    assert await told(again) == [number(1, b"new")]
    with pytest.raises(Aborted):
        await told(before)


async def test_who_asks_while_an_answer_is_begun_anew_waits_for_the_new_run(
    answers: Answers, shared: RedisRuns, link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the old run is written, others tell their callers so, and the process that wrote it has not heard of it yet."""
    finish, written, heard = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def produce(events: EventLog) -> Completion:
        events.append(b"new")
        await finish.wait()
        return Completion()

    spec, others = AnswerSpec("query_answer", bytes(32), produce, {}), RunStore(link)
    await others.point(pointer_of(spec), OLD)
    fence = await others.lead(OLD, 60)
    await others.write(OLD, fence, 0, [number(1, b"old")])
    # The one who made it dies.
    await others.let_go(OLD, fence)
    end = shared.store.end

    async def heard_late(run: str, fence: int, state: RunState, detail: str = "") -> bool:
        ended = await end(run, fence, state, detail)
        written.set()
        await heard.wait()
        return ended

    monkeypatch.setattr(shared.store, "end", heard_late)
    before = await answers.open(spec, Deadline.after(60))
    assert before.answer_id == OLD
    await written.wait()
    assert await others.state(OLD) is RunState.ABORTED
    asking = [asyncio.create_task(answers.open(spec, Deadline.after(60))) for _ in range(3)]
    await asyncio.sleep(TELL_AFTER)
    heard.set()
    again = await asyncio.gather(*asking)
    assert len({answer.answer_id for answer in again}) == 1
    assert again[0].answer_id != OLD
    assert shared.productions == 1
    finish.set()
    for answer in again:
        assert await told(answer) == [number(1, b"new")]
    with pytest.raises(Aborted):
        await told(before)


async def test_joining_a_run_that_was_read_a_moment_ago_asks_redis_nothing(
    answers: Answers, shared: RedisRuns, link: RedisLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only callers who come where the last read is longer ago cost a command."""
    spec, others = AnswerSpec("query_answer", bytes(32), never, {}), RunStore(link)
    await others.point(pointer_of(spec), OLD)
    fence = await others.lead(OLD, 60)
    joined = [await answers.open(spec, Deadline.after(60))]
    state, asked = shared.store.state, 0

    async def counted(run: str) -> RunState | None:
        nonlocal asked
        asked += 1
        return await state(run)

    monkeypatch.setattr(shared.store, "state", counted)
    for sure, expected in ((600.0, 0), (-1.0, 1)):
        monkeypatch.setattr(runs, "JOIN_UNSEEN_WITHIN", sure)
        asked = 0
        joined.append(await answers.open(spec, Deadline.after(60), missed=True))
        assert asked == expected
    await others.write(OLD, fence, 0, [number(1, b"one")])
    await others.end(OLD, fence, RunState.DONE)
    for answer in joined:
        assert await told(answer) == [number(1, b"one")]


async def test_a_run_of_another_tenant_is_not_found(answers: Answers, link: RedisLink) -> None:
    """Its id alone gives nobody a run: whose it is, and of which kind, is kept with it."""
    others = RunStore(link)
    fence = await others.lead(OLD, 60, "kind:acme:query_answer")
    await others.write(OLD, fence, 0, [number(1, b"secret")])
    for depends in ({"kind:rival:query_answer": 0}, {"kind:acme:chat_answer": 0}, {}):
        spec = AnswerSpec("query_answer", bytes(32), never, depends)
        assert await answers.find(OLD, spec, Deadline.after(60)) is None
    found = await answers.find(
        OLD, AnswerSpec("query_answer", bytes(32), never, {"kind:acme:query_answer": 0}), Deadline.after(60)
    )
    assert found is not None
    await others.end(OLD, fence, RunState.DONE)
    assert await told(found) == [number(1, b"secret")]

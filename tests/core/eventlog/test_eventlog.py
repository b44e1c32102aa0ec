"""Event logs: one production for many, replay, resume, and what is never kept."""

import asyncio
import gc
import itertools
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.cache import Caches
from hexar.core.cache.redis import RedisBackend
from hexar.core.deadline import Deadline
from hexar.core.errors import ResourceExhausted, Unavailable, without_frames
from hexar.core.eventlog import Answer, Answers, AnswerSpec, Completion, EventLog, Origin
from hexar.core.eventlog import log as log_module
from hexar.core.eventlog.frames import FinishedLog, number, pack, pack_events, unpack, unpack_events
from hexar.core.eventlog.redis import RedisRuns
from hexar.v1 import query_pb2

KEY = bytes(range(32))


def spec(produce, caches: Caches, **more) -> AnswerSpec:  # type: ignore[no-untyped-def]
    return AnswerSpec("query_answer", KEY, produce, caches.snapshot("default", "query_answer"), **more)


def answers_of(caches: Caches) -> Answers:
    """The answers of a process: shared where the caches are."""
    return Answers(caches, RedisRuns(caches.backend.link) if isinstance(caches.backend, RedisBackend) else None)


async def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until ``holds``; a leader of a shared run looks about twice a second whether someone listens."""
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.005)


async def read(answer: Answer, after: int = 0) -> list[bytes]:
    try:
        return [event async for batch in answer.batches(after) for event in batch]
    finally:
        answer.close()


class Source:
    """A producer of ``count`` events that can be held back and made to fail."""

    def __init__(self, count: int = 3, *, fail: Exception | None = None, cacheable: bool = True) -> None:
        self.runs = 0
        self.cancelled = 0
        self.count = count
        self.fail = fail
        self.cacheable = cacheable
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, events: EventLog) -> Completion:
        self.runs += 1
        try:
            for step in range(self.count):
                if step:
                    await self.gate.wait()
                events.append(b"\x12\x01" + bytes([step]))
                await asyncio.sleep(0)
            if self.fail is not None:
                raise self.fail
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Completion(cacheable=self.cacheable)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**63])
def test_the_prefix_is_the_seq_field_of_the_contract(value: int) -> None:
    """A numbered event parses as the same event with its seq set."""
    event = query_pb2.QueryEvent(retract=query_pb2.ProductRetract(product_id="p"))
    parsed = query_pb2.QueryEvent.FromString(number(value, event.SerializeToString()))
    assert parsed.seq == value
    assert parsed.retract.product_id == "p"


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.binary(max_size=300), max_size=5), st.binary(max_size=50))
def test_a_finished_log_reads_back(events: list[bytes], compacted: list[bytes], notes: bytes) -> None:
    """Packing and unpacking give the same id, the same bytes of every event of both forms, and the notes."""
    log = FinishedLog("0123456789abcdef" * 2, tuple(events), tuple(compacted) or None, notes)
    back = unpack(pack(log))
    assert back is not None
    assert (back.answer_id, back.count, back.notes) == (log.answer_id, len(events), notes)
    assert list(back.compacted) == (compacted or events)
    assert list(back.events) == events


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.lists(st.binary(max_size=300), max_size=3), st.data())
def test_a_cut_log_is_not_half_a_log(events: list[bytes], compacted: list[bytes], data: st.DataObject) -> None:
    """A stored log that was cut short anywhere is refused as a whole, and so is one with something behind it."""
    packed = pack(FinishedLog("00" * 16, tuple(events), tuple(compacted) or None, b"notes"))
    cut = data.draw(st.integers(0, len(packed) - 1))
    assert unpack(packed[:cut]) is None
    assert unpack(packed + b"x") is None


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_batch_of_events_reads_back(events: list[bytes]) -> None:
    """What is written to a run is read from it, or nothing is."""
    packed = pack_events(events)
    assert list(unpack_events(packed) or ()) == events
    assert unpack_events(packed[:-1]) is None or not packed[:-1]


async def test_many_callers_cause_one_production_and_get_equal_answers(caches: Caches) -> None:
    """200 callers at once: one run, the same bytes for everyone, later callers replay the same bytes."""
    answers, source = answers_of(caches), Source(5)

    async def ask() -> list[bytes]:
        return await read(await answers.open(spec(source, caches), Deadline.after(10)))

    results = await asyncio.gather(*(ask() for _ in range(200)))
    assert source.runs == 1
    assert all(result == results[0] for result in results)
    assert len(results[0]) == 5
    replayed = await answers.open(spec(source, caches), Deadline.after(10))
    assert replayed.origin is Origin.REPLAYED
    assert await read(replayed) == results[0]
    assert caches.backend is not None
    await caches.backend.flush()
    caches.memory.clear()
    kept = await answers.open(spec(source, caches), Deadline.after(10))
    assert await read(kept) == results[0]
    assert source.runs == 1


async def test_a_late_caller_gets_the_beginning_and_the_rest(caches: Caches) -> None:
    """Who joins a running answer reads it from its first event to its last."""
    answers, source = answers_of(caches), Source(3)
    source.gate.clear()
    first = await answers.open(spec(source, caches), Deadline.after(10))
    await asyncio.sleep(0.01)
    late = await answers.open(spec(source, caches), Deadline.after(10))
    assert late.origin is Origin.JOINED
    source.gate.set()
    assert await read(late) == await read(first)


@pytest.mark.parametrize("after", range(6))
async def test_every_suffix_can_be_resumed(caches: Caches, after: int) -> None:
    """Reading past any number gives the exact rest, live and replayed."""
    answers, source = answers_of(caches), Source(5)
    whole = await read(await answers.open(spec(source, caches), Deadline.after(10)))
    replayed = await answers.open(spec(source, caches), Deadline.after(10))
    assert await read(replayed, after) == whole[after:]
    resumed = answers.resume(replayed.answer_id)
    assert resumed is not None
    assert await read(resumed, after) == whole[after:]


async def test_a_failed_answer_is_told_to_everyone_and_not_kept(caches: Caches) -> None:
    """All callers get the events, then the error; the next caller causes a new run."""
    answers, source = answers_of(caches), Source(2, fail=Unavailable("all vendors are down"))
    seen = []
    for _ in range(2):
        answer = await answers.open(spec(source, caches), Deadline.after(10))
        with pytest.raises(Unavailable):
            async for batch in answer.batches():
                seen.extend(batch)
        answer.close()
    assert source.runs == 2
    assert len(seen) == 4


async def test_a_partial_answer_is_not_kept_but_can_be_resumed(caches: Caches) -> None:
    """An answer that says it is partial is not replayed to others, while its own caller can still resume it."""
    answers, source = answers_of(caches), Source(3, cacheable=False)
    answer = await answers.open(spec(source, caches), Deadline.after(10))
    whole = await read(answer)
    resumed = answers.resume(answer.answer_id)
    assert resumed is not None
    assert await read(resumed, 1) == whole[1:]
    again = await answers.open(spec(source, caches), Deadline.after(10))
    assert again.origin is Origin.PRODUCED
    await read(again)
    assert source.runs == 2


async def test_logs_that_may_be_resumed_are_bounded_in_bytes(caches: Caches) -> None:
    """The answers that ended first make room, however short the time is."""
    answers = Answers(caches, resume_bytes=500)
    ended = []
    for _ in range(4):
        answer = await answers.open(spec(Source(3, cacheable=False), caches), Deadline.after(10))
        await read(answer)
        ended.append(answer.answer_id)
    assert [answers.resume(answer_id) is not None for answer_id in ended] == [False, False, True, True]
    logs, used, limit = answers.resumable
    assert (logs, limit) == (2, 500)
    assert 300 < used <= 500


async def test_the_last_caller_to_leave_stops_the_work(caches: Caches) -> None:
    """Work goes on while anyone listens, and is cancelled when nobody does."""
    answers, source = answers_of(caches), Source(3)
    source.gate.clear()
    first = await answers.open(spec(source, caches), Deadline.after(10))
    second = await answers.open(spec(source, caches), Deadline.after(10))
    await asyncio.sleep(0.01)
    first.close()
    await asyncio.sleep(0.01)
    assert (source.cancelled, answers.live) == (0, 1)
    second.close()
    await eventually(lambda: (source.cancelled, answers.live) == (1, 0))


async def test_a_lost_caller_finds_its_run_while_it_lingers(caches: Caches) -> None:
    """The work goes on for a caller that may come back, and stops when its time is over without it."""
    answers, source = answers_of(caches), Source(3)
    source.gate.clear()
    answer = await answers.open(spec(source, caches), Deadline.after(10))
    answer.linger("a", 1.0)
    await asyncio.sleep(0.05)
    answer.close()
    await asyncio.sleep(0.1)
    back = await answers.find(answer.answer_id, spec(source, caches), Deadline.after(10))
    assert back is not None
    assert (back.answer_id, source.cancelled) == (answer.answer_id, 0)
    back.linger("a", 0.3)
    await asyncio.sleep(1.2)
    assert source.cancelled == 0
    back.close()
    await eventually(lambda: (source.cancelled, answers.live) == (1, 0))
    assert await answers.find(answer.answer_id, spec(source, caches), Deadline.after(10)) is None


async def test_a_lingering_caller_may_leave_before_or_after_it_is_seen_to_go(caches: Caches) -> None:
    """Its word ends the wait in either order; the word of one who is not waited for ends nothing."""
    answers, source = answers_of(caches), Source(3)
    source.gate.clear()
    for late in (False, True):
        answer = await answers.open(spec(source, caches), Deadline.after(10))
        answer.linger("a", 60)
        await asyncio.sleep(0.05)
        answers.leave(answer.answer_id, "b")
        if late:
            answer.close()
            await asyncio.sleep(0.1)
            assert answers.live == 1
            answers.leave(answer.answer_id, "b")
            await asyncio.sleep(0.1)
            assert answers.live == 1
            answers.leave(answer.answer_id, "a")
        else:
            answers.leave(answer.answer_id, "a")
            await asyncio.sleep(0.1)
            assert answers.live == 1
            answer.close()
        await eventually(lambda: answers.live == 0)
    assert source.cancelled == 2


async def test_nobody_joins_an_answer_that_was_given_up(caches: Caches) -> None:
    """A caller who comes while the cancelled work still ends gets an answer of its own."""
    answers = answers_of(caches)
    runs = 0
    begun, ending, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def produce(events: EventLog) -> Completion:
        nonlocal runs
        runs += 1
        events.append(b"x")
        if runs == 1:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                # Work that takes its time to end.
                ending.set()
                await go.wait()
        return Completion()

    left = await answers.open(spec(produce, caches), Deadline.after(60))
    await begun.wait()
    left.close()
    await ending.wait()
    next_one = await answers.open(spec(produce, caches), Deadline.after(60))
    go.set()
    assert next_one.answer_id != left.answer_id
    assert len(await read(next_one)) == 1
    await eventually(lambda: answers.live == 0)


async def test_an_answer_that_was_given_up_or_failed_leaves_no_cycle(caches: Caches) -> None:
    """What it held goes when its last reader has gone, without the collector."""
    answers = Answers(caches)
    source, failing = Source(3), Source(2, fail=Unavailable("the source is gone"))
    source.gate.clear()

    def logs() -> int:
        return sum(isinstance(each, EventLog) for each in gc.get_objects())

    async def leave() -> None:
        answer = await answers.open(spec(source, caches), Deadline.after(10))
        await anext(aiter(answer.batches()))
        answer.close()
        await eventually(lambda: answers.live == 0)

    async def fail() -> None:
        answer = await answers.open(spec(failing, caches), Deadline.after(10))
        with pytest.raises(Unavailable) as raised:
            await read(answer)
        without_frames(raised.value)

    gc.collect()
    gc.disable()
    try:
        before = logs()
        for _ in range(10):
            await leave()
            await fail()
        # Of those that failed the logs are kept for a while, for those who resume.
        await eventually(lambda: logs() <= before + answers.resumable[0] + 1)
    finally:
        gc.enable()


async def test_an_answer_worth_finishing_is_finished_alone(caches: Caches) -> None:
    """With ``finish_alone`` the answer is kept although its only caller left."""
    answers, source = answers_of(caches), Source(3)
    source.gate.clear()
    answer = await answers.open(spec(source, caches, finish_alone=True), Deadline.after(10))
    await asyncio.sleep(0.01)
    answer.close()
    source.gate.set()
    await asyncio.sleep(0.01)
    assert len(await read(await answers.open(spec(source, caches), Deadline.after(10)))) == 3
    assert source.runs == 1


async def test_an_adaptive_answer_is_not_shared_with_a_patient_caller(caches: Caches) -> None:
    """A caller with much more time does not get the answer that was begun for one in a hurry, and the other way round."""
    answers = answers_of(caches)
    hurried, patient = Source(2, cacheable=False), Source(2, cacheable=False)
    for source in (hurried, patient):
        source.gate.clear()
    one = await answers.open(spec(hurried, caches, adaptive=True), Deadline.after(0.5))
    two = await answers.open(spec(patient, caches, adaptive=True), Deadline.after(20))
    three = await answers.open(spec(hurried, caches, adaptive=True), Deadline.after(0.4))
    assert two.origin is Origin.PRODUCED
    assert two.answer_id not in (one.answer_id, three.answer_id)
    for source in (hurried, patient):
        source.gate.set()
    for answer in (one, two, three):
        assert len(await read(answer)) == 2


async def test_cancelling_a_waiting_reader_leaves_the_log_whole(caches: Caches) -> None:
    """A reader that is cancelled while it waits disturbs nobody."""
    answers, source = answers_of(caches), Source(3)
    source.gate.clear()
    kept = await answers.open(spec(source, caches), Deadline.after(10))
    leaving = asyncio.create_task(read(await answers.open(spec(source, caches), Deadline.after(10))))
    await asyncio.sleep(0.01)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    source.gate.set()
    assert len(await read(kept)) == 3


async def test_a_refreshing_caller_reads_no_cache_and_renews_it(caches: Caches) -> None:
    """With ``read_cache`` off the answer is produced anew and replaces the old one."""
    answers = answers_of(caches)
    runs = itertools.count()

    async def produce(events: EventLog) -> Completion:
        events.append(bytes([0x12, 0x01, next(runs)]))
        return Completion()

    first = await read(await answers.open(spec(produce, caches), Deadline.after(10)))
    second = await read(await answers.open(spec(produce, caches, read_cache=False), Deadline.after(10)))
    third = await read(await answers.open(spec(produce, caches), Deadline.after(10)))
    assert first != second
    assert second == third


async def test_an_endless_answer_is_refused(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log beyond its bound ends with RESOURCE_EXHAUSTED instead of filling the memory."""
    monkeypatch.setattr(log_module, "MAX_BYTES", 1000)
    answers = answers_of(caches)

    async def produce(events: EventLog) -> Completion:
        while True:
            events.append(bytes(100))

    with pytest.raises(ResourceExhausted):
        await read(await answers.open(spec(produce, caches), Deadline.after(10)))

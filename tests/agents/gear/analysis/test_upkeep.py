"""Static knowledge is read again before its time is over: for what was shown, within a budget, once."""

import time

from hexar.agents.gear.config import GearConfig
from hexar.agents.gear.kinds import STATIC_ANALYSIS
from hexar.core.deadline import Deadline
from hexar.core.jobs import JobState
from hexar.v1 import query_pb2
from tests.agents.gear.conftest import Engine, Shelf


async def _ask(engine: Engine, pipeline: object, text: str = "snowboard") -> list[str]:
    """Ask, wait for the analyses, and ask again, so that an answer shows what is known."""
    engine.jobs.start()
    events: list[query_pb2.QueryEvent] = []
    request = query_pb2.QueryRequest(text=text)
    request.wait_for_analysis.FromSeconds(20)
    for _ in range(2):
        await pipeline.answer(request, "red", events.append, Deadline.after(30.0))  # type: ignore[attr-defined]
    return [event.WhichOneof("event") for event in events]


async def test_what_was_shown_is_read_again_before_it_expires(engine: Engine, boards: list[Shelf]) -> None:
    """At four fifths of its time, no sooner, and as many listings a round as the budget allows."""
    pipeline = engine.pipeline(*boards, config=GearConfig(analysis_delay=0.0))
    await _ask(engine, pipeline)
    upkeep, ttl = pipeline.upkeep, STATIC_ANALYSIS.ttl
    assert await upkeep.refresh(100) == 0
    calls = sum(shelf.heavy_calls for shelf in boards)
    upkeep._clock = lambda: time.time() + 0.81 * ttl
    assert await upkeep.refresh(2) == 2
    rest = await upkeep.refresh(100)
    assert rest > 0
    assert await upkeep.refresh(100) == 0
    for job in await engine.jobs.page("red"):
        ended = await engine.jobs.wait(job.id, 20.0)
        assert ended is not None
        assert ended.state is JobState.SUCCEEDED
    assert sum(shelf.heavy_calls for shelf in boards) > calls


async def test_what_nobody_was_shown_for_long_is_let_go(engine: Engine, boards: list[Shelf]) -> None:
    """Knowledge that is not asked for any more expires."""
    pipeline = engine.pipeline(*boards, config=GearConfig(analysis_delay=0.0))
    await _ask(engine, pipeline)
    pipeline.upkeep._clock = lambda: time.time() + 1.1 * STATIC_ANALYSIS.ttl
    assert await pipeline.upkeep.refresh(100) == 0
    pipeline.upkeep._clock = lambda: time.time() + 0.9 * STATIC_ANALYSIS.ttl
    assert await pipeline.upkeep.refresh(100) == 0

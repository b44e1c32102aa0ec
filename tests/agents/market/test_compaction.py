"""A compacted analysis says the same as the original, wherever a reader stops and goes on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.market import compaction
from hexar.agents.market.compaction import compact
from hexar.core.eventlog import FinishedLog
from hexar.core.eventlog.frames import number
from hexar.v1 import market_pb2 as pb
from hexar_client._rpc.stream import Event
from hexar_client.market import Analysis

TOOLS = [value for value in pb.MarketTool.values() if value]


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """A finished analysis: tools in any order with progress between them, then analysts with their recommendations."""
    events = [pb.AnalyzeEvent(started=pb.AnalyzeStarted(money_unit="EUR"))]
    for tool in draw(st.lists(st.sampled_from(TOOLS), unique=True, max_size=6)):
        figures = [pb.Figure(id=f"f-{at}", value=at) for at in range(draw(st.integers(0, 3)))]
        events.append(pb.AnalyzeEvent(tool=pb.ToolResult(tool=tool, figures=figures)))
        events.append(pb.AnalyzeEvent(progress=pb.AnalyzeProgress(ended=len(events))))
    for text in draw(st.lists(st.text(max_size=10), max_size=4)):
        events.append(pb.AnalyzeEvent(recommendation=pb.Recommendation(text=text)))
    if draw(st.booleans()):
        events.append(pb.AnalyzeEvent(analyst=pb.AnalystResult(method="rules")))
    events.append(pb.AnalyzeEvent(completed=pb.AnalyzeCompleted(ai="rules")))
    return [number(seq, event.SerializeToString()) for seq, event in enumerate(events, 1)]


def held(events: Iterable[bytes]) -> object:
    """What the SDK holds of the answer; progress is of the forming, not of what was formed."""
    seen = Analysis()
    for data in events:
        event = pb.AnalyzeEvent.FromString(data)
        kind = event.WhichOneof("event")
        assert kind is not None
        seen.apply(Event(kind, getattr(event, kind), event.seq))
    return seen.started, seen.tools, seen.recommendations, seen.analysts, seen.completed


@given(logs(), st.booleans())
def test_a_reader_of_either_form_may_stop_anywhere(log: list[bytes], small: bool) -> None:
    """What it has, and what it is given past the last number that it saw, say the whole, each result once."""
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(compaction, "RESULT_BYTES", 30)
        made = compact(log)
    kept = FinishedLog("0" * 32, tuple(log), tuple(number(seq, payload) for seq, payload in made.events))
    assert small or len(kept.compacted) <= 3
    for form in (kept.events, kept.compacted):
        for read in range(len(form) + 1):
            last = pb.AnalyzeEvent.FromString(form[read - 1]).seq if read else 0
            assert held([*form[:read], *kept.replay(last, original=False)]) == held(log)

"""A compacted discovery says the same as the original, wherever a reader stops and goes on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.parts.messages import compaction
from hexar.agents.parts.messages.compaction import compact
from hexar.core.eventlog import FinishedLog
from hexar.core.eventlog.frames import number
from hexar.v1 import parts_pb2 as pb


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """A finished discovery with any number of components."""
    events = [pb.DiscoverEvent(vehicle=pb.VehicleResolution(notes=["n"]))]
    for index, text in enumerate(draw(st.lists(st.text(max_size=20), max_size=6))):
        events.append(pb.DiscoverEvent(component=pb.ComponentResult(index=index, reason=text)))
    if draw(st.booleans()):
        events.append(pb.DiscoverEvent(propagation=pb.Propagation(implied=[pb.ImpliedPart()])))
    events.append(pb.DiscoverEvent(summary=pb.DiscoverSummary(complete=True)))
    return [number(seq, event.SerializeToString()) for seq, event in enumerate(events, 1)]


def held(events: Iterable[bytes]) -> object:
    """All that a reader holds: the results in order, the propagation, and the events that stand for themselves."""
    components: list[pb.ComponentResult] = []
    rest: dict[str, object] = {}
    for event in map(pb.DiscoverEvent.FromString, events):
        kind = event.WhichOneof("event") or ""
        if kind == "found":
            components += event.found.components
            if event.found.HasField("propagation"):
                rest["propagation"] = event.found.propagation
        elif kind == "component":
            components.append(event.component)
        else:
            rest[kind] = getattr(event, kind)
    return components, rest


@given(logs(), st.booleans())
def test_a_reader_of_either_form_may_stop_anywhere(log: list[bytes], small: bool) -> None:
    """What it has, and what it is given past the last number that it saw, say the whole, each result once."""
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(compaction, "FOUND_BYTES", 30)
        made = compact(log)
    kept = FinishedLog("0" * 32, tuple(log), tuple(number(seq, payload) for seq, payload in made.events))
    assert small or len(kept.compacted) <= 3
    for form in (kept.events, kept.compacted):
        for read in range(len(form) + 1):
            last = pb.DiscoverEvent.FromString(form[read - 1]).seq if read else 0
            assert held([*form[:read], *kept.replay(last, original=False)]) == held(log)

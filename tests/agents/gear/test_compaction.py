"""A compacted gear answer folds to the same state as the original, wherever a reader stops and goes on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.gear import compaction
from hexar.agents.gear.compaction import compact
from hexar.agents.gear.fold import Shown, State, diff, fold
from hexar.core.eventlog import FinishedLog
from hexar.core.eventlog.frames import number
from hexar.v1 import query_pb2

IDS = st.sampled_from("abcdef")


@st.composite
def states(draw: st.DrawFn) -> State:
    """What a reader may hold: some products with text of any length and a score."""
    chosen = draw(st.dictionaries(IDS, st.tuples(st.text(max_size=30), st.integers(0, 5)), max_size=6))
    return {
        product_id: Shown(
            query_pb2.Product(product_id=product_id, name=name),
            query_pb2.Rank(score=score, contributions=[{"feature": "price"}]),
        )
        for product_id, (name, score) in chosen.items()
    }


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """A finished answer: started, changes between states with vendors among them, sometimes ranked, completed."""
    events = [query_pb2.QueryEvent(started=query_pb2.QueryStarted(vendors=["v"]))]
    state: State = {}
    for after in draw(st.lists(states(), max_size=5)):
        events += diff(state, after, lambda _: "filtered")
        state = after
        if draw(st.booleans()):
            events.append(query_pb2.QueryEvent(vendor=query_pb2.VendorStatus(vendor="v", listings=len(after))))
        if draw(st.booleans()) and not any(event.HasField("ranked") for event in events):
            events.append(query_pb2.QueryEvent(ranked=query_pb2.QueryRanked(pending_analyses=len(after))))
    events.append(query_pb2.QueryEvent(completed=query_pb2.QueryCompleted(listings=len(events))))
    return [number(seq, event.SerializeToString()) for seq, event in enumerate(events, 1)]


def finished(log: list[bytes]) -> FinishedLog:
    """The log in both forms."""
    made = compact(log)
    return FinishedLog("0" * 32, tuple(log), tuple(number(seq, payload) for seq, payload in made.events), made.notes)


def held(events: Iterable[bytes]) -> object:
    """All that a reader holds: products with their ranks, best first, and the events that stand for themselves."""
    parsed = [query_pb2.QueryEvent.FromString(event) for event in events]
    alone = {event.WhichOneof("event"): getattr(event, event.WhichOneof("event") or "") for event in parsed}
    return fold(parsed), [alone.get(kind) for kind in ("started", "ranked", "completed")]


@given(logs())
def test_the_compacted_form_folds_to_the_same(log: list[bytes]) -> None:
    """In at most four messages where the products fit in one."""
    kept = finished(log)
    assert held(kept.compacted) == held(log)
    assert len(kept.compacted) <= 4


@given(logs(), st.booleans())
def test_a_reader_of_either_form_may_stop_anywhere(log: list[bytes], small: bool) -> None:
    """What it has, and what it is given past the last number that it saw, fold to the whole."""
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(compaction, "SNAPSHOT_BYTES", 60)
        kept = finished(log)
    whole = held(log)
    for form in (kept.events, kept.compacted):
        for read in range(1, len(form) + 1):
            last = query_pb2.QueryEvent.FromString(form[read - 1]).seq
            for original in (True, False):
                assert held([*form[:read], *kept.replay(last, original=original)]) == whole


def test_products_are_split_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """No message is larger than the bound by more than what stands around the products; none is lost."""
    monkeypatch.setattr(compaction, "SNAPSHOT_BYTES", 4096)
    events = [query_pb2.QueryEvent(started=query_pb2.QueryStarted())]
    for index in range(40):
        upsert = query_pb2.ProductUpsert(product=query_pb2.Product(product_id=f"p{index}", description="x" * 500))
        events.append(query_pb2.QueryEvent(upsert=upsert))
    events.append(query_pb2.QueryEvent(completed=query_pb2.QueryCompleted()))
    kept = finished([number(seq, event.SerializeToString()) for seq, event in enumerate(events, 1)])
    assert all(len(event) < 4096 + 100 for event in kept.compacted)
    assert len(fold(map(query_pb2.QueryEvent.FromString, kept.compacted))) == 40

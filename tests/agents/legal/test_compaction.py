"""A compacted document says the same as the original, wherever a reader stops and goes on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.legal.messages import compaction
from hexar.agents.legal.messages.compaction import compact
from hexar.core.eventlog import FinishedLog
from hexar.core.eventlog.frames import number
from hexar.v1 import legal_pb2 as pb
from hexar_client.legal import Document, parts_of

PIECES = st.lists(st.text(min_size=1, max_size=12) | st.none(), max_size=5)


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """A finished document: sections with their tokens, some taken back, and what layers tell between them."""
    events = [pb.DraftEvent(started=pb.DraftStarted(title="t"))]

    def progress(layer: int) -> None:
        for percent in range(draw(st.integers(0, 2))):
            told = pb.LegalProgress(layer=pb.LegalLayer.Name(layer), percent=percent)
            events.append(pb.DraftEvent(progress=told))

    events += [pb.DraftEvent(read_field=pb.ReadField(name=name)) for name in draw(st.lists(st.text(max_size=5), max_size=2))]
    progress(1)
    names = draw(st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=3))
    events += [pb.DraftEvent(authority=pb.Authority(id=name, quote="q")) for name in names]
    for index in range(draw(st.integers(0, 4))):
        events.append(pb.DraftEvent(section=pb.SectionBegun(index=index, heading=f"h{index}")))
        for piece in draw(PIECES):
            reset = pb.SectionReset(index=index, reason="r")
            token = pb.SectionToken(index=index, text=piece or "")
            events.append(pb.DraftEvent(segment_reset=reset) if piece is None else pb.DraftEvent(token=token))
            if draw(st.booleans()):
                events.append(pb.DraftEvent(removed_citation=pb.RemovedCitation(section=index, text="x")))
    progress(2)
    events += [pb.DraftEvent(check=pb.Check(name=f"c{at}")) for at in range(draw(st.integers(0, 3)))]
    events += [pb.DraftEvent(citation=pb.LegalCitation(number=at)) for at in range(1, draw(st.integers(1, 3)))]
    progress(2)
    events += [pb.DraftEvent(file=pb.DocumentFile(format=at, content=b"f")) for at in draw(st.sampled_from([[], [1], [1, 2]]))]
    events.append(pb.DraftEvent(completed=pb.DraftCompleted(ai="template")))
    return [number(seq, event.SerializeToString()) for seq, event in enumerate(events, 1)]


def held(events: Iterable[bytes]) -> object:
    """What the SDK holds, the values that were read, and the last that each layer told."""
    document, read, layers = Document(), [], {}
    for data in events:
        event = pb.DraftEvent.FromString(data)
        kind = event.WhichOneof("event")
        assert kind is not None
        body = getattr(event, kind)
        document.feed(kind, body)
        for part, entry in parts_of(body) if kind == "parts" else ((kind, body),):
            if part == "read_field":
                read.append(entry)
            elif part == "progress":
                layers[entry.layer] = entry
    return vars(document), read, layers


@given(logs(), st.booleans())
def test_a_reader_of_either_form_may_stop_anywhere(log: list[bytes], small: bool) -> None:
    """What it has, and what it is given past the last number that it saw, say the whole, each part once."""
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(compaction, "PART_BYTES", 40)
        made = compact(log)
    kept = FinishedLog("0" * 32, tuple(log), tuple(number(seq, payload) for seq, payload in made.events))
    assert small or len(kept.compacted) <= 5
    for form in (kept.events, kept.compacted):
        for read in range(len(form) + 1):
            last = pb.DraftEvent.FromString(form[read - 1]).seq if read else 0
            assert held([*form[:read], *kept.replay(last, original=False)]) == held(log)


def test_a_text_apart_from_its_section_is_kept_as_it_was_sent() -> None:
    """No document is like that; the engine keeps such a log in its original form."""
    events = [
        pb.DraftEvent(section=pb.SectionBegun()),
        pb.DraftEvent(file=pb.DocumentFile(content=b"f")),
        pb.DraftEvent(token=pb.SectionToken(text="x")),
        pb.DraftEvent(completed=pb.DraftCompleted()),
    ]
    with pytest.raises(ValueError, match="apart"):
        compact([number(seq, event.SerializeToString()) for seq, event in enumerate(events, 1)])

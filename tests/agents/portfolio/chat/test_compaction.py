"""A compacted chat answer says the same as the original, wherever a reader stops and goes on."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.portfolio.chat.compaction import compact, said_in, said_of_notes
from hexar.core.eventlog import FinishedLog
from hexar.core.eventlog.frames import number
from hexar.v1 import chat_pb2

PIECES = st.lists(st.one_of(st.text(min_size=1, max_size=10), st.integers(1, 9)), max_size=12)


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """A finished answer of one to three attempts, each of tokens with citations among them."""
    started = chat_pb2.ChatStarted(complexity=chat_pb2.COMPLEXITY_MEDIUM, language="en")
    events = [chat_pb2.ChatEvent(started=started)]
    for segment, pieces in enumerate(draw(st.lists(PIECES, min_size=1, max_size=3))):
        if segment:
            events.append(chat_pb2.ChatEvent(segment_reset=chat_pb2.ChatSegmentReset(segment=segment, model="other")))
        for piece in pieces:
            if isinstance(piece, str):
                events.append(chat_pb2.ChatEvent(token=chat_pb2.ChatToken(text=piece, segment=segment)))
            else:
                events.append(chat_pb2.ChatEvent(citation=chat_pb2.ChatCitation(marker=piece, segment=segment)))
    done = chat_pb2.ChatDone(mode=chat_pb2.ANSWER_MODE_EXTRACTIVE, characters=3)
    events.append(chat_pb2.ChatEvent(done=done))
    return [number(seq, event.SerializeToString()) for seq, event in enumerate(events, 1)]


def held(events: Iterable[bytes]) -> object:
    """All that a reader holds at the end."""
    text, citations, rest = "", list[chat_pb2.ChatCitation](), dict[str, object]()
    for event in map(chat_pb2.ChatEvent.FromString, events):
        kind = event.WhichOneof("event") or ""
        if kind == "segment_reset":
            text, citations = "", []
        if kind == "token":
            text += event.token.text
            citations += event.token.citations
            rest["segment"] = event.token.segment
        elif kind == "citation":
            citations.append(event.citation)
        else:
            rest[kind] = getattr(event, kind)
    return text, citations, rest if text else {name: value for name, value in rest.items() if name != "segment"}


@given(logs())
def test_a_reader_of_either_form_may_stop_anywhere(log: list[bytes]) -> None:
    """What it has, and what it is given past the last number that it saw, say the whole; no text is doubled or lost."""
    made = compact(log)
    kept = FinishedLog("0" * 32, tuple(log), tuple(number(seq, payload) for seq, payload in made.events), made.notes)
    whole = held(log)
    # Citations without any text have nothing to explain.
    if not whole[0]:  # type: ignore[index]
        return
    assert len(kept.compacted) <= 4
    for form in (kept.events, kept.compacted):
        for read in range(len(form) + 1):
            last = chat_pb2.ChatEvent.FromString(form[read - 1]).seq if read else 0
            assert held([*form[:read], *kept.replay(last, original=False)]) == whole


@given(logs())
def test_the_turn_of_a_kept_answer_is_that_of_the_sent_one(log: list[bytes]) -> None:
    """What is kept beside the log gives the turn without a look at its events."""
    parsed = [chat_pb2.ChatEvent.FromString(event) for event in log]
    assert said_of_notes(compact(log).notes) == said_in(parsed)
    compacted = [chat_pb2.ChatEvent.FromString(payload) for _, payload in compact(log).events]
    if said_in(parsed).text:
        assert said_in(compacted) == said_in(parsed)
    turn = said_in(parsed).turn("t", "q", chat_pb2.CACHE_STATUS_EXACT)
    assert chat_pb2.ConversationTurn.FromString(turn.details).cache_status == chat_pb2.CACHE_STATUS_EXACT

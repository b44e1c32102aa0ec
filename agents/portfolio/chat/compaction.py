"""A finished chat answer in the fewest messages, and what its turn will be kept as.

Compacted it is how it was understood, the whole text of the last attempt with its citations, and the end. Where another
model had to start over, the last ``segment_reset`` stays, since it names who wrote the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hexar.agents.portfolio.chat.conversations import Turn
from hexar.core.eventlog import Compaction
from hexar.v1 import chat_pb2

_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says, as a conversation keeps it: its text, and a serialized ConversationTurn of the rest."""

    text: str
    details: bytes

    def turn(self, turn_id: str, message: str, status: chat_pb2.CacheStatus) -> Turn:
        """The turn of one caller, who had the answer in this way."""
        # ``details`` has no cache_status: the two together are one well-formed message.
        how = chat_pb2.ConversationTurn(cache_status=status).SerializeToString()
        return Turn(0, turn_id, message, self.text, self.details + how, 0.0)

    def notes(self) -> bytes:
        """As kept beside the log."""
        text = self.text.encode()
        return len(text).to_bytes(_LENGTH_BYTES, "little") + text + self.details


def said_of_notes(notes: bytes) -> Said:
    """The reverse of :meth:`Said.notes`."""
    end = _LENGTH_BYTES + int.from_bytes(notes[:_LENGTH_BYTES], "little")
    return Said(notes[_LENGTH_BYTES:end].decode(), notes[end:])


def said_in(events: Iterable[chat_pb2.ChatEvent]) -> Said:
    """What a complete answer says: the text of the last segment with its citations."""
    text: list[str] = []
    details = chat_pb2.ConversationTurn()
    for event in events:
        kind = event.WhichOneof("event")
        if kind == "token":
            text.append(event.token.text)
            details.citations.extend(event.token.citations)
        elif kind == "citation":
            details.citations.append(event.citation)
        elif kind == "segment_reset":
            text.clear()
            del details.citations[:]
        elif kind == "started":
            details.complexity = event.started.complexity
        elif kind == "done":
            details.mode = event.done.mode
            details.model = event.done.usage.model
    return Said("".join(text), details.SerializeToString())


def compact(events: Sequence[bytes]) -> Compaction:
    """The compacted form of a finished log, made of its numbered events."""
    parsed = [chat_pb2.ChatEvent.FromString(event) for event in events]
    first, last, end = parsed[0], parsed[-1], len(parsed)
    if not first.HasField("started") or not last.HasField("done"):
        raise ValueError("a finished answer begins with started and ends with done")
    said = said_in(parsed)
    reset = next((event for event in reversed(parsed) if event.HasField("segment_reset")), None)
    kept = [(1, first)]
    if reset is not None:
        # Whoever stops here is given the events past the reset: all that is left of the answer.
        kept.append((reset.seq, reset))
    if said.text:
        token = chat_pb2.ChatToken(text=said.text, segment=reset.segment_reset.segment if reset is not None else 0)
        token.citations.extend(chat_pb2.ConversationTurn.FromString(said.details).citations)
        kept.append((end - 1, chat_pb2.ChatEvent(token=token)))
    kept.append((end, last))
    for _, event in kept:
        event.ClearField("seq")
    return Compaction([(seq, event.SerializeToString()) for seq, event in kept], said.notes())

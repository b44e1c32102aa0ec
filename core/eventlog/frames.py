"""Bytes of events: the sequence prefix on the wire, and the frames of a finished log in a cache.

An event is a protobuf message whose field 1 is ``uint64 seq``. Protobuf fields may stand in any order, so the number is put
in front of the serialized event without decoding it; nothing on the replay path parses an event.

A finished log is kept in two forms. The *original* one is what was sent. The *compacted* one folds to the same state in the
fewest messages (log compaction, as Kafka calls it): messages, not bytes, are what limits a replay. Each of its events has the
number of the last original event that it and those before it stand for, so that a reader who stops there can be given the
original events past that number: folded on top of what it has, they give the whole.

Layout of a kept log::

    magic      4   b"HXL2"
    id        16   the run
    notes          length, bytes: what the system keeps beside its events
    compacted      count, then for each event: length, bytes; count 0 where it is the original form
    original       count, then for each event: length, bytes

Lengths and counts are varints, as protobuf writes them. The original events stand last and are read only when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SEQ_TAG = b"\x08"
_MAGIC = b"HXL2"
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a system makes of its finished log.

    ``events`` are (number, payload): the payload serialized without seq, the number that of the last original event that this
    and all events before it stand for. Numbers never fall, and the last is that of the last original event. ``notes`` are
    kept beside the log, for the system's own use at each replay.
    """

    events: Sequence[tuple[int, bytes]]
    notes: bytes = b""


class FinishedLog:
    """A complete answer: its id, its events in both forms as they go on the wire, and the system's notes.

    Of the original form, the i-th event has seq i + 1.
    """

    __slots__ = ("_originals", "_packed", "_packed_at", "answer_id", "compacted", "count", "notes")

    def __init__(
        self, answer_id: str, events: Sequence[bytes], compacted: Sequence[bytes] | None = None, notes: bytes = b""
    ) -> None:
        self.answer_id = answer_id
        self.compacted: Sequence[bytes] = events if compacted is None else compacted
        self.notes = notes
        #: Number of original events, which is the number of the last one.
        self.count = len(events)
        self._originals: Sequence[bytes] | None = events
        self._packed = b""
        self._packed_at = 0

    @classmethod
    def _of(cls, answer_id: str, compacted: Sequence[bytes], notes: bytes, packed: bytes, at: int) -> FinishedLog:
        """A log whose original events still lie in ``packed`` from ``at`` on. IndexError where they do not."""
        log = cls(answer_id, (), compacted, notes)
        log.count, log._packed_at = _varint(packed, at)
        log._originals, log._packed = None, packed
        if not compacted:
            log.compacted = log.events
        # A value that was cut short is seen now, not when a reader asks for the rest. Only lengths are looked at.
        end = log._packed_at
        for _ in range(log.count):
            length, end = _varint(packed, end)
            end += length
        if end != len(packed):
            raise IndexError(end)
        return log

    @property
    def events(self) -> Sequence[bytes]:
        """The original events."""
        if self._originals is None:
            self._originals = _events(self._packed, self._packed_at, self.count)[0]
        return self._originals

    def replay(self, after: int, *, original: bool) -> Sequence[bytes]:
        """What a reader gets who has everything up to number ``after``: all of it in the compacted form, else the exact rest.

        The rest is in the original form, so that it fits whichever form had been read.
        """
        if after:
            return self.events[after:]
        return self.events if original else self.compacted


def varint(value: int) -> bytes:
    """Base-128 encoding of a non-negative integer, as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(seq: int, payload: bytes) -> bytes:
    """The event ``payload`` (serialized without seq) with its number in front."""
    return _SEQ_TAG + varint(seq) + payload


def head(event: bytes) -> tuple[int, int]:
    """The number of a numbered event, and the field of its body: the one that stands behind the number (0: none does)."""
    seq, at = _varint(event, 1)
    return seq, _varint(event, at)[0] >> 3 if at < len(event) else 0


def extended(event: bytes, fields: bytes) -> bytes:
    """The numbered ``event`` with ``fields`` (serialized) added to its body, which must have none of them.

    The body is the one submessage behind the number. Nothing is decoded but its length.
    """
    _, at = _varint(event, 1)
    _, tag_end = _varint(event, at)
    length, body = _varint(event, tag_end)
    return event[:tag_end] + varint(length + len(fields)) + event[body:] + fields


def pack(log: FinishedLog) -> bytes:
    """One value that holds the whole log."""
    compacted = b"\0" if log.compacted is log.events else pack_events(log.compacted)
    opening = (_MAGIC, bytes.fromhex(log.answer_id), varint(len(log.notes)), log.notes)
    return b"".join((*opening, compacted, pack_events(log.events)))


def pack_events(events: Sequence[bytes]) -> bytes:
    """One value that holds ``events``, in order."""
    parts = [varint(len(events))]
    for event in events:
        parts += (varint(len(event)), event)
    return b"".join(parts)


def unpack_events(data: bytes) -> Sequence[bytes] | None:
    """The events in ``data``, or None where it holds none, or was cut short."""
    try:
        count, at = _varint(data, 0)
        events, at = _events(data, at, count)
    except IndexError:
        return None
    return events if at == len(data) else None


def unpack(data: bytes) -> FinishedLog | None:
    """The log in ``data``, or None where it is not one (another release's form, or cut short)."""
    if data[:4] != _MAGIC or len(data) < 4 + _ID_BYTES:
        return None
    at = 4 + _ID_BYTES
    answer_id = data[4:at].hex()
    try:
        length, at = _varint(data, at)
        notes, at = data[at : at + length], at + length
        count, at = _varint(data, at)
        compacted, at = _events(data, at, count)
        return FinishedLog._of(answer_id, compacted, notes, data, at)
    except IndexError:
        return None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at``, and where it ends. IndexError past the end."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _events(data: bytes, at: int, count: int) -> tuple[tuple[bytes, ...], int]:
    """``count`` events from ``at`` on, and where they end. IndexError past the end."""
    events: list[bytes] = []
    for _ in range(count):
        length, at = _varint(data, at)
        if at + length > len(data):
            raise IndexError(at)
        events.append(data[at : at + length])
        at += length
    return tuple(events), at

"""Bytes of events: the sequence prefix on the wire, and the frames of a finished log in a cache.

An event is a protobuf message whose field 1 is ``uint64 seq``. Protobuf merges concatenated messages, so the number is put
in front of the serialized event without decoding it; nothing on the replay path parses an event.
"""

from __future__ import annotations

from dataclasses import dataclass

_SEQ_TAG = b"\x08"
_MAGIC = b"HXL1"
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class FinishedLog:
    """A complete answer: its id, and its events as they go on the wire, in order (the i-th has seq i + 1)."""

    answer_id: str
    events: tuple[bytes, ...]


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
    seq, at = _read_varint(event, 1)
    return seq, _read_varint(event, at)[0] >> 3 if at < len(event) else 0


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[at]) > 0x7F:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1


def pack(log: FinishedLog) -> bytes:
    """One value that holds the whole log."""
    parts = [_MAGIC, bytes.fromhex(log.answer_id)]
    for event in log.events:
        parts += (varint(len(event)), event)
    return b"".join(parts)


def unpack(data: bytes) -> FinishedLog | None:
    """The log in ``data``, or None where it is not one (another release's form, or cut short)."""
    if data[:4] != _MAGIC or len(data) < 4 + _ID_BYTES:
        return None
    at = 4 + _ID_BYTES
    answer_id = data[4:at].hex()
    end = len(data)
    events: list[bytes] = []
    while at < end:
        length = shift = 0
        while True:
            if at >= end:
                return None
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if at + length > end:
            return None
        events.append(data[at : at + length])
        at += length
    return FinishedLog(answer_id, tuple(events))

"""What stands on the wire of a protobuf message, read without a library that merges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each field as it stands: its number, and its bytes (of a number, the bytes that encode it)."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        begin, kind = at, tag & 7
        if kind == VARINT:
            _, at = _varint(data, at)
        elif kind == BYTES:
            length, begin = _varint(data, at)
            at = begin + length
        else:
            at += {FIXED64: 8, FIXED32: 4}[kind]
        if at > len(data):
            raise ValueError("the message is cut short")
        yield tag >> 3, data[begin:at]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise ValueError("the message is cut short")
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def repeated_singulars(data: bytes, message: Descriptor, path: str = "") -> list[str]:
    """Paths of fields that may stand once and stand more often, and of ``oneof`` groups with two members, at any depth."""
    wrong: list[str] = []
    count: Counter[str] = Counter()
    for number, value in fields(data):
        field = message.fields_by_number[number]
        here = f"{path}.{field.name}".lstrip(".")
        if not field.is_repeated:
            count[here] += 1
            if field.containing_oneof is not None:
                count[f"{path}.oneof {field.containing_oneof.name}"] += 1
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            wrong += repeated_singulars(value, field.message_type, here)
    return [name for name, times in count.items() if times > 1] + wrong

"""Requests that no client means: for any message of the contract, boundary and mutated values of each kind of field.

Methods are found in the descriptors, so a new one is covered by itself.
"""

from __future__ import annotations

import random
import string
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from hexar.server.contract import CONTRACT

_F = FieldDescriptor
#: Boundaries of the numbers by their size in bits and sign.
_SIGNED = {32: (0, 1, -1, 2**31 - 1, -(2**31)), 64: (0, 1, -1, 2**53, 2**63 - 1, -(2**63))}
_UNSIGNED = {32: (0, 1, 1000, 2**32 - 1), 64: (0, 1, 2**53 + 1, 2**64 - 1)}
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e19, 1e308, float("inf"), float("-inf"), float("nan"))
_TEXTS = (
    "", " ", "a", "\x00", "a\x00b", "\n\r\t", "\x1b[2J", "\u202e\u2066x", "é" * 50, "e" + "\u0301" * 400, "\U0001f9ed" * 20, "\ufffe\uffff",
    "'; DROP TABLE jobs; --", "%s%n{0}${x}", "../../etc/passwd", "http://127.0.0.1:1/", "x" * 5000, "0", "-1", "1e19", "nan", "inf",
    "2026-02-30", "9999-12-31T23:59:60Z", "AA==", "{}", "[[[[", "<html><select>", "\\", '"', "under $200 tent -kids 4 person",
)  # fmt: skip
_BYTES = (b"", b"\x00", b"\xff\xfe", b"%PDF-1.7\n", b"PK\x03\x04", b"a,b\n1,2\n", b"# Title\n\ntext\n", b"{", b"\x80" * 300)
#: Nested messages and entries of a repeated field at most.
DEPTH = 4
MANY = 3


def methods() -> list[MethodDescriptor]:
    """Every method of the contract."""
    return [method for file in CONTRACT for service in file.services_by_name.values() for method in service.methods]


class Mutations:
    """An endless source of requests; ``names`` are values that exist, so that some requests get past the first look."""

    def __init__(self, seed: int, names: Sequence[str] = ()) -> None:
        self._chance = random.Random(seed)
        self._names = tuple(names)

    def requests(self, method: MethodDescriptor) -> list[bytes]:
        """The serialized requests of one call: one, or a few where the client streams."""
        count = self._chance.randint(0, 4) if method.client_streaming else 1
        return [self._bytes(method.input_type) for _ in range(count)]

    def message(self, descriptor: Descriptor, depth: int = 0) -> Message:
        """A message with some of its fields set."""
        made: Message = GetMessageClass(descriptor)()
        chosen: set[str] = set()
        for field in descriptor.fields:
            union = field.containing_oneof
            if self._chance.random() < 0.35 or (union is not None and union.name in chosen):
                continue
            if union is not None:
                chosen.add(union.name)
            self._set(made, field, depth)
        return made

    def _bytes(self, descriptor: Descriptor) -> bytes:
        data = self.message(descriptor).SerializeToString()
        if self._chance.random() < 0.15:
            return bytes(self._broken(bytearray(data)))
        return data

    def _broken(self, data: bytearray) -> Iterator[int] | bytearray:
        chance = self._chance
        how = chance.randrange(4)
        if how == 0:
            return data[: chance.randint(0, len(data))]
        if how == 1:
            return data + bytes(chance.randrange(256) for _ in range(chance.randint(1, 20)))
        if how == 2:
            return data + data
        for _ in range(min(len(data), chance.randint(1, 4))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return data

    def _set(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None and depth >= DEPTH:
            return
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._set_map(message, field, depth)
        elif field.is_repeated:
            values = getattr(message, field.name)
            for _ in range(self._chance.randint(0, MANY)):
                if field.message_type is not None:
                    values.add().CopyFrom(self.message(field.message_type, depth + 1))
                else:
                    values.append(self.value(field))
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(self.message(field.message_type, depth + 1))
        else:
            setattr(message, field.name, self.value(field))

    def _set_map(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        values = getattr(message, field.name)
        assert field.message_type is not None
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(self._chance.randint(0, MANY)):
            if value.message_type is not None:
                values[self.value(key)].CopyFrom(self.message(value.message_type, depth + 1))
            else:
                values[self.value(key)] = self.value(value)

    def value(self, field: FieldDescriptor) -> Any:
        """A value of a field that is no message."""
        chance, kind = self._chance, field.type
        if kind == _F.TYPE_STRING:
            if self._names and chance.random() < 0.4:
                return chance.choice(self._names)
            return (
                chance.choice(_TEXTS)
                if chance.random() < 0.8
                else "".join(chance.choices(string.printable, k=chance.randint(0, 40)))
            )
        if kind == _F.TYPE_BYTES:
            return chance.choice(_BYTES)
        if kind == _F.TYPE_BOOL:
            return chance.random() < 0.5
        if kind == _F.TYPE_ENUM:
            assert field.enum_type is not None
            return chance.choice((*(value.number for value in field.enum_type.values), 9999, -1))
        if kind == _F.TYPE_DOUBLE:
            return chance.choice(_FLOATS)
        if kind == _F.TYPE_FLOAT:
            return struct.unpack("f", struct.pack("f", chance.choice((0.0, 1.0, -1.0, 0.5, float("inf"), float("nan"), 3e38))))[
                0
            ]
        bits = 64 if kind in (_F.TYPE_INT64, _F.TYPE_UINT64, _F.TYPE_SINT64, _F.TYPE_FIXED64, _F.TYPE_SFIXED64) else 32
        unsigned = kind in (_F.TYPE_UINT32, _F.TYPE_UINT64, _F.TYPE_FIXED32, _F.TYPE_FIXED64)
        return chance.choice((_UNSIGNED if unsigned else _SIGNED)[bits])

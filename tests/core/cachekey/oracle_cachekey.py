"""The plain oracle of hexar.core.cachekey: the same encoding, written to be obvious."""

import hashlib
import math
import struct
import unicodedata
from collections.abc import Mapping

SCHEMA_VERSION = 1


def cache_key(tenant: str, kind: str, fields: Mapping[str, object]) -> bytes:
    """SHA-256 of the canonical encoding."""
    return hashlib.sha256(encode(tenant, kind, fields)).digest()


def encode(tenant: str, kind: str, fields: Mapping[str, object]) -> bytes:
    """Magic, schema version, tenant, kind, fields."""
    identifiers = b"s" + sized(tenant.encode()) + b"s" + sized(kind.encode())
    return b"hxk" + bytes([SCHEMA_VERSION]) + identifiers + value(fields)


def value(item: object) -> bytes:
    """Tag and payload of one value."""
    if item is None:
        return b"N"
    if isinstance(item, bool):
        return b"T" if item else b"F"
    if isinstance(item, int):
        length = 1
        while not -(1 << (8 * length - 1)) <= item < 1 << (8 * length - 1):
            length += 1
        return b"i" + sized(item.to_bytes(length, "little", signed=True))
    if isinstance(item, float):
        if math.isnan(item):
            raise ValueError("NaN")
        return b"f" + struct.pack("<d", item + 0.0)
    if isinstance(item, str):
        return b"s" + sized(text(item))
    if isinstance(item, bytes):
        return b"b" + sized(item)
    if isinstance(item, list | tuple):
        return b"l" + size(len(item)) + b"".join(value(part) for part in item)
    if isinstance(item, Mapping):
        entries = sorted((text(name), value(part)) for name, part in item.items())
        if len({name for name, _ in entries}) < len(entries):
            raise ValueError("two keys with one NFC form")
        return b"d" + size(len(entries)) + b"".join(sized(name) + part for name, part in entries)
    raise TypeError(type(item).__name__)


def text(item: str) -> bytes:
    """UTF-8 of the NFC form."""
    return unicodedata.normalize("NFC", item).encode()


def sized(payload: bytes) -> bytes:
    """Length and payload."""
    return size(len(payload)) + payload


def size(number: int) -> bytes:
    """Unsigned LEB128."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + size(rest) if rest else bytes([low])


def canonical(item: object) -> object:
    """A hashable stand-in: two values are the same canonical value if and only if their stand-ins are equal."""
    if isinstance(item, list | tuple):
        return ("list", *(canonical(part) for part in item))
    if isinstance(item, Mapping):
        return ("dict", frozenset((unicodedata.normalize("NFC", name), canonical(part)) for name, part in item.items()))
    if isinstance(item, str):
        return ("str", unicodedata.normalize("NFC", item))
    return (type(item).__name__, item)


def decode(encoded: bytes) -> tuple[str, str, object]:
    """Read an encoding back: that one exists is what makes the encoding injective."""
    assert encoded[:4] == b"hxk" + bytes([SCHEMA_VERSION])
    tenant, position = read(encoded, 4)
    kind, position = read(encoded, position)
    fields, position = read(encoded, position)
    assert position == len(encoded)
    assert isinstance(tenant, str)
    assert isinstance(kind, str)
    return tenant, kind, fields


def read(encoded: bytes, position: int) -> tuple[object, int]:
    """One value and the position behind it."""
    tag, position = encoded[position : position + 1], position + 1
    if tag in b"NTF":
        return {b"N": None, b"T": True, b"F": False}[tag], position
    if tag == b"f":
        return struct.unpack_from("<d", encoded, position)[0], position + 8
    count, position = read_size(encoded, position)
    if tag == b"l":
        items = []
        for _ in range(count):
            item, position = read(encoded, position)
            items.append(item)
        return items, position
    if tag == b"d":
        entries = {}
        for _ in range(count):
            length, position = read_size(encoded, position)
            name, position = encoded[position : position + length].decode(), position + length
            entries[name], position = read(encoded, position)
        return entries, position
    payload, position = encoded[position : position + count], position + count
    if tag == b"i":
        return int.from_bytes(payload, "little", signed=True), position
    assert tag in (b"s", b"b")
    return payload.decode() if tag == b"s" else payload, position


def read_size(encoded: bytes, position: int) -> tuple[int, int]:
    """One unsigned LEB128 number and the position behind it."""
    number = shift = 0
    while True:
        byte, position = encoded[position], position + 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7

"""The form of a cached value outside memory: framed, self-describing, checked when read.

Layout, little-endian::

    magic      4   b"HXC" + schema version
    digest    16   BLAKE2b of everything after it, so that a damaged value is a miss
    key       32   the value's own key, so that a value under a foreign key is a miss
    times     24   stored_at, fresh_until, expires_at: float64 Unix seconds
    count      2   number of dependencies, then for each: uint16 length, UTF-8 name, uint64 version
    value          the rest
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hexar.core.cache.kinds import Tier

#: Raise it when the layout, or what any value means, changes: older values then read as misses.
SCHEMA_VERSION = 1

_MAGIC = b"HXC" + bytes([SCHEMA_VERSION])
_HEAD = struct.Struct("<4s16s32s3dH")
_NAME = struct.Struct("<H")
_VERSION = struct.Struct("<Q")
_DIGEST_FROM = 20


@dataclass(slots=True)
class Entry:
    """A cached value. ``stale`` is true past ``fresh_until``; ``depends`` are the versions that it was made from.

    ``view`` may hold a parsed form of ``value``; it lives as long as the entry stays in memory. One that never leaves memory
    may have no ``value``: ``size`` is then about what its view takes, in bytes.
    """

    value: bytes
    stored_at: float
    fresh_until: float
    expires_at: float
    depends: Mapping[str, int]
    tier: Tier = Tier.SOURCE
    stale: bool = False
    view: Any = field(default=None, compare=False)
    size: int = 0


def encode(key: bytes, entry: Entry) -> bytes:
    """Frame ``entry`` for a backend. ``key`` has 32 bytes."""
    parts = [key, struct.pack("<3dH", entry.stored_at, entry.fresh_until, entry.expires_at, len(entry.depends))]
    for name, version in sorted(entry.depends.items()):
        encoded = name.encode()
        parts += [_NAME.pack(len(encoded)), encoded, _VERSION.pack(version)]
    parts.append(entry.value)
    body = b"".join(parts)
    return _MAGIC + hashlib.blake2b(body, digest_size=16).digest() + body


def decode(key: bytes, data: bytes, tier: Tier) -> Entry | None:
    """The entry in ``data``, or None where it is damaged, of another schema, or stored under another key."""
    if len(data) < _HEAD.size:
        return None
    magic, digest, own_key, stored_at, fresh_until, expires_at, count = _HEAD.unpack_from(data)
    if magic != _MAGIC or own_key != key:
        return None
    if hashlib.blake2b(memoryview(data)[_DIGEST_FROM:], digest_size=16).digest() != digest:
        return None
    depends: dict[str, int] = {}
    at = _HEAD.size
    for _ in range(count):
        (length,) = _NAME.unpack_from(data, at)
        at += _NAME.size
        name = data[at : at + length].decode()
        at += length
        (depends[name],) = _VERSION.unpack_from(data, at)
        at += _VERSION.size
    return Entry(data[at:], stored_at, fresh_until, expires_at, depends, tier)

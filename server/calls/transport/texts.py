"""One rule for every text of every request: what no store, model or terminal could take is refused, by the field's path.

A text holds no control characters but tab and line breaks, and no more combining marks in a row than any script writes:
Unicode's stream-safe format (UAX #15) has at most 30, and what is longer costs quadratic time to normalise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from hexar.core.errors import InvalidArgument

#: Combining marks in a row.
MAX_MARKS = 30

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]")
_BEYOND_LATIN = re.compile(r"[^\x00-\u02ff]")


def check_strings(message: Message) -> None:
    """Raises InvalidArgument with the path of the first text in ``message`` that breaks the rule."""
    for path, text in _texts(message, ""):
        fault = fault_of(text)
        if fault:
            raise InvalidArgument(path, fault)


def fault_of(text: str) -> str:
    """What is wrong with ``text``; empty where it is usable."""
    if _CONTROL.search(text):
        return "must not hold control characters"
    if _BEYOND_LATIN.search(text) and len(text) > MAX_MARKS and _marks(text) > MAX_MARKS:
        return f"must not hold more than {MAX_MARKS} combining marks in a row"
    return ""


def _marks(text: str) -> int:
    """The longest run of combining marks."""
    longest = run = 0
    combining = unicodedata.combining
    for character in text:
        if character > "\u02ff" and combining(character):
            run += 1
            if run > longest:
                longest = run
        else:
            run = 0
    return longest


@cache
def _fields(descriptor: Descriptor) -> tuple[tuple[str, bool, bool, bool], ...]:
    """Of each field that may hold texts: name, whether it is a message, repeated, a map."""
    found = []
    for field in descriptor.fields:
        is_message = field.type == FieldDescriptor.TYPE_MESSAGE
        if not is_message and field.type != FieldDescriptor.TYPE_STRING:
            continue
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        found.append((field.name, is_message, field.is_repeated, is_map))
    return tuple(found)


def _texts(message: Message, prefix: str) -> Iterator[tuple[str, str]]:
    for name, is_message, repeated, is_map in _fields(message.DESCRIPTOR):
        if is_map:
            for key, value in getattr(message, name).items():
                yield from _of_map(f"{prefix}{name}", key, value)
        elif repeated:
            for at, each in enumerate(getattr(message, name)):
                path = f"{prefix}{name}[{at}]"
                if is_message:
                    yield from _texts(each, path + ".")
                else:
                    yield path, each
        elif is_message:
            if message.HasField(name):
                yield from _texts(getattr(message, name), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", getattr(message, name)


def _of_map(path: str, key: object, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(key, str):
        yield f"{path} (a key)", key
    if isinstance(value, str):
        yield f"{path}[{key!r}]"[:200], value
    elif isinstance(value, Message):
        yield from _texts(value, f"{path}[{key!r}]."[:200])

"""Reads the data that pages embed in scripts: JSON, and the object literals of JavaScript that are almost JSON.

Nothing is evaluated. What is not data (a variable, a call, a function) reads as None; everything around it survives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

#: Deeper nesting is refused.
MAX_DEPTH = 100
#: Tokens of almost-JSON that are read, of one page.
MAX_WORK = 300_000
#: Values of one script that are read.
MAX_VALUES = 1000

_SPACE = re.compile(r"(?:\s++|//[^\n]*+|/\*.*?\*/|<!--|-->)*+", re.S)
# Whatever people leave between two values, and a closing bracket too many.
_BETWEEN = re.compile(r"(?:[\s,;}\]]+|//[^\n]*|/\*.*?\*/|<!--|-->)*+", re.S)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?=\s*(?:[,\]};)]|//|/\*|$))")
_KEY = re.compile(r"[A-Za-z_$][\w$]*|\d+")
_WORD = re.compile(r"(?:true|false|null|undefined|NaN|!0|!1|void 0)(?=\s*[,\]};)])")
_WORDS = {"true": True, "false": False, "!0": True, "!1": False}
_DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_SINGLE = re.compile(r"'(?:[^'\\]|\\.)*'", re.S)
_TICK = re.compile(r"`(?:[^`\\]|\\.)*`", re.S)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(\r\n|.))", re.S)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "", "\n": "", "\r\n": ""}
_SKIP = re.compile(r'[^"\'`,{}\[\]();]+')
_STRICT = json.JSONDecoder(strict=False)


class NotData(ValueError):
    """The text at this place is not a literal."""


class Work:
    """How many tokens may still be read; shared by all readings of a page, so that a hostile one ends soon."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_WORK) -> None:
        self.left = left

    def spend(self) -> None:
        """Note one token. Raises NotData when there is no work left."""
        self.left -= 1
        if self.left < 0:
            raise NotData("too much to read")


def read(text: str, start: int = 0, work: Work | None = None) -> tuple[Any, int]:
    """The JSON value or object literal that begins at ``start``, and where it ends. Raises NotData."""
    try:
        return _STRICT.raw_decode(text, start)
    except (ValueError, RecursionError):
        pass
    return _value(text, start, 0, work or Work())


def loads(text: str, work: Work | None = None) -> Any:
    """The first value of ``text``, which may be wrapped in comments or CDATA and followed by anything. Raises NotData."""
    start = _SPACE.match(text)
    position = start.end() if start else 0
    if text.startswith("<![CDATA[", position):
        position = _after_space(text, position + 9)
    return read(text, position, work)[0]


def values(text: str, work: Work | None = None) -> Iterator[Any]:
    """The objects and lists of ``text``, one after the other; some shops write several into one script.

    Raises NotData where the text begins with none. ReadContext ends at the first place behind a value where none begins, and
    never looks for values inside a broken one: what stands there may be another product's.
    """
    work = work or Work()
    start = _SPACE.match(text)
    position = start.end() if start else 0
    if text.startswith("<![CDATA[", position):
        position = _after_space(text, position + 9)
    value, position = read(text, position, work)
    yield value
    for _ in range(MAX_VALUES):
        between = _BETWEEN.match(text, position)
        position = between.end() if between else position
        if text[position : position + 1] not in ("{", "["):
            return
        try:
            value, position = read(text, position, work)
        except NotData:
            return
        yield value


def string(text: str, start: int) -> tuple[str, int]:
    """The quoted string at ``start``, decoded, and where it ends. Raises NotData."""
    pattern = {'"': _DOUBLE, "'": _SINGLE, "`": _TICK}.get(text[start : start + 1])
    match = pattern.match(text, start) if pattern else None
    if match is None:
        raise NotData(f"no string at {start}")
    body = match.group()[1:-1]
    return (_ESCAPE.sub(_unescape, body) if "\\" in body else body).encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    ), match.end()


def _unescape(match: re.Match[str]) -> str:
    code = match.group(1) or match.group(2) or match.group(3)
    if code:
        return chr(int(code, 16)) if int(code, 16) < 0x110000 else ""
    return _SIMPLE.get(match.group(4), match.group(4))


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _value(text: str, position: int, depth: int, work: Work) -> tuple[Any, int]:
    work.spend()
    if depth > MAX_DEPTH:
        raise NotData("nested too deep")
    position = _after_space(text, position)
    mark = text[position : position + 1]
    if mark == "{":
        return _object(text, position + 1, depth + 1, work)
    if mark == "[":
        return _array(text, position + 1, depth + 1, work)
    if mark and mark in "\"'`":
        value, end = string(text, position)
        after = _after_space(text, end)
        if text[after : after + 1] in ("+", ".", "?", "["):
            return None, _skip(text, position, work)
        return value, end
    number = _NUMBER.match(text, position)
    if number:
        literal = number.group()
        return (float(literal) if any(mark in literal for mark in ".eE") else int(literal[:40])), number.end()
    word = _WORD.match(text, position)
    if word:
        return _WORDS.get(word.group()), word.end()
    if not mark or mark in "}],;)":
        raise NotData(f"no value at {position}")
    return None, _skip(text, position, work)


def _object(text: str, position: int, depth: int, work: Work) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while True:
        position = _after_space(text, position)
        mark = text[position : position + 1]
        if mark == "}":
            return found, position + 1
        if mark == ",":
            position += 1
            continue
        if mark and mark in "\"'":
            key, position = string(text, position)
        else:
            name = _KEY.match(text, position)
            if name is None:
                if mark in ("[", ".") or text.startswith("...", position):
                    position = _skip(text, position, work)
                    continue
                raise NotData(f"no key at {position}")
            key, position = name.group(), name.end()
        position = _after_space(text, position)
        following = text[position : position + 1]
        if following == ":":
            found[key], position = _value(text, position + 1, depth, work)
            position = _skip(text, position, work)
        elif following in (",", "}"):
            continue
        elif following == "(":
            position = _skip(text, position, work)
        else:
            raise NotData(f"no colon at {position}")


def _array(text: str, position: int, depth: int, work: Work) -> tuple[list[Any], int]:
    found: list[Any] = []
    while True:
        position = _after_space(text, position)
        mark = text[position : position + 1]
        if mark == "]":
            return found, position + 1
        if mark == ",":
            position += 1
            continue
        value, position = _value(text, position, depth, work)
        found.append(value)
        position = _skip(text, position, work)


def _skip(text: str, position: int, work: Work) -> int:
    # To the next comma or closing bracket of this level, over strings and nested brackets of an expression.
    nested = 0
    while position < len(text):
        work.spend()
        run = _SKIP.match(text, position)
        if run:
            position = run.end()
            if position >= len(text):
                break
        mark = text[position]
        if mark in "\"'`":
            _, position = string(text, position)
            continue
        if mark in "{[(":
            nested += 1
        elif mark in "}])":
            if nested == 0:
                return position
            nested -= 1
        elif nested == 0 and mark in ",;":
            if mark == ";":
                raise NotData(f"a statement ends at {position}")
            return position
        position += 1
    raise NotData("the text ends inside a value")

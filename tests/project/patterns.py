"""What a regular expression may cost: its parse tree is searched for repeats inside repeats that can share their characters.

``re`` tries every way to share a text between such repeats before it gives up, which takes time exponential in the text's length.
Possessive repeats and atomic groups give nothing back, and bounded ones are bounded.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

#: A repeat of at least so many is as good as unbounded.
MANY = 32
_SAMPLE = [chr(code) for code in (*range(0x180), 0x2010, 0x2013, 0x2019, 0x20AC, 0x3042, 0x4E00, 0x0301)]


def compiled(*packages: ModuleType) -> dict[tuple[str | bytes, int], str]:
    """Every pattern that the modules of ``packages`` compile when they are first imported, and the module that does."""
    found: dict[tuple[str | bytes, int], str] = {}
    original = re.compile

    def noted(pattern: Any, flags: Any = 0) -> Any:
        module = sys._getframe(1).f_globals.get("__name__", "")
        if isinstance(pattern, (str, bytes)):
            found[(pattern, int(flags))] = module
        return original(pattern, flags)

    re.compile = noted  # type: ignore[assignment]
    try:
        for package in packages:
            for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
                if module.name.endswith("__main__") or ".migrations" in module.name:
                    continue
                importlib.import_module(module.name)
    finally:
        re.compile = original
    return {key: module for key, module in found.items() if module.startswith("hexar")}


def explosive(pattern: str | bytes, flags: int) -> str:
    """The part of ``pattern`` that may take exponential time; empty where there is none."""
    for inner, outer in _nested(parser.parse(pattern, flags), None):
        characters = _characters(inner, flags)
        # What must stand between two rounds of the outer repeat tells where one ends, unless the inner repeat takes it as well.
        if all(_within(item, characters, flags) for item in outer):
            return str(inner)[:200]
    return ""


def _nested(tree: Any, outer: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs of a repeat's body and the body of the repeat around it."""
    for operation, value in tree:
        if operation in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            _, most, body = value
            large = most >= MANY
            if large and outer is not None:
                yield body, outer
            yield from _nested(body, _flat(body) if large else outer)
        elif operation is ops.SUBPATTERN:
            yield from _nested(value[-1], outer)
        elif operation is ops.BRANCH:
            for branch in value[1]:
                # Of alternatives that are repeated, each has its own rounds.
                alone = outer is not None and len(outer) == 1 and outer[0][0] is ops.BRANCH
                yield from _nested(branch, _flat(branch) if alone else outer)
        elif operation in (ops.ASSERT, ops.ASSERT_NOT):
            yield from _nested(value[1], None)


def _flat(tree: Any) -> Any:
    """``tree`` with the groups around its parts taken away."""
    items: list[Any] = []
    for item in tree:
        items.extend(_flat(item[1][-1]) if item[0] is ops.SUBPATTERN else [item])
    return items


def _within(item: Any, characters: set[str], flags: int) -> bool:
    """Whether ``item`` can match some text of ``characters`` alone."""
    operation, value = item
    if operation in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
        return value[0] == 0 or all(_within(each, characters, flags) for each in value[2])
    if operation is ops.SUBPATTERN:
        return all(_within(each, characters, flags) for each in value[-1])
    if operation is ops.ATOMIC_GROUP:
        return all(_within(each, characters, flags) for each in value)
    if operation is ops.BRANCH:
        return any(all(_within(each, characters, flags) for each in branch) for branch in value[1])
    if operation in (ops.AT, ops.ASSERT, ops.ASSERT_NOT):
        return True
    return bool(characters & _characters([item], flags))


def _characters(tree: Any, flags: int) -> set[str]:
    """The characters of a sample that some part of ``tree`` can take."""
    found: set[str] = set()
    for operation, value in tree:
        if operation in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            found |= _characters(value[2], flags)
        elif operation is ops.SUBPATTERN:
            found |= _characters(value[-1], flags)
        elif operation is ops.ATOMIC_GROUP:
            found |= _characters(value, flags)
        elif operation is ops.BRANCH:
            for branch in value[1]:
                found |= _characters(branch, flags)
        elif operation is ops.ANY:
            found |= set(_SAMPLE)
        elif operation in (ops.LITERAL, ops.NOT_LITERAL):
            one = {chr(value), chr(value).lower(), chr(value).upper()}
            found |= one if operation is ops.LITERAL else set(_SAMPLE) - one
        elif operation is ops.IN:
            found |= {character for character in _SAMPLE if _in_class(value, character)}
    return found


def _in_class(items: Any, character: str) -> bool:
    negated = bool(items) and items[0][0] is ops.NEGATE
    code = ord(character)
    inside = False
    for operation, value in items:
        if operation is ops.LITERAL:
            inside |= code == value
        elif operation is ops.RANGE:
            inside |= value[0] <= code <= value[1]
        elif operation is ops.CATEGORY:
            name = str(value)
            kind = "d" if "DIGIT" in name else "s" if "SPACE" in name else "w"
            inside |= bool(re.match("\\" + kind, character)) != ("NOT" in name)
    return inside != negated


def main() -> None:
    """In a process that has imported nothing yet: the number of patterns, and those that may explode, as JSON."""
    import hexar.agents
    import hexar.core
    import hexar.server

    patterns = compiled(hexar.core, hexar.agents, hexar.server)
    found = {
        f"{module}: {pattern!r}": part for (pattern, flags), module in patterns.items() if (part := explosive(pattern, flags))
    }
    print(json.dumps([len(patterns), found]))


if __name__ == "__main__":
    main()

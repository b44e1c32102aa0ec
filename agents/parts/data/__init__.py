"""The tables of words and rules, as files; :func:`load` reads one."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def load(name: str) -> dict[str, Any]:
    """The YAML map ``name`` of this folder, read once; the caller must not change it."""
    text = files(__name__).joinpath(name).read_text("utf-8")
    value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not a map")
    return value


@cache
def components() -> dict[str, dict[str, list[str]]]:
    """All component files as one map of id to component."""
    found: dict[str, dict[str, list[str]]] = {}
    for entry in sorted(files(__name__).joinpath("components").iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".yaml"):
            found.update(load(f"components/{entry.name}"))
    return found

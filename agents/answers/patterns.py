"""Regular expressions that are written as data, one alternative a line."""

import re
import tomllib
from pathlib import Path
from typing import Any


def tables(name: str) -> dict[str, Any]:
    """The tables of ``name.toml`` beside this module."""
    return tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text("utf-8"))


def alternatives(lines: str) -> re.Pattern[str]:
    """One expression of all non-empty ``lines``; a dot matches a line break too."""
    return re.compile("|".join(line for line in lines.splitlines() if line), re.DOTALL)

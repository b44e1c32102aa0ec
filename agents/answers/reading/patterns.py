"""Regular expressions that are written as data, one alternative a line."""

import re
import tomllib
from typing import Any

from hexar.agents.answers.data import DATA


def tables(name: str) -> dict[str, Any]:
    """The tables of ``data/name.toml``."""
    return tomllib.loads((DATA / f"{name}.toml").read_text("utf-8"))


def alternatives(lines: str) -> re.Pattern[str]:
    """One expression of all non-empty ``lines``; a dot matches a line break too."""
    return re.compile("|".join(line for line in lines.splitlines() if line), re.DOTALL)

"""Choices that a test makes at random and can make again: ``HEXAR_SEED`` is the seed that an earlier run printed."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest


def seeded() -> random.Random:
    """The choices of this run; its seed is in the report of a failure, and on the screen with ``pytest -s``.

    Processes and clocks are real: a seed repeats what was chosen (whom to kill, when, what to ask), not how they raced.
    """
    seed = int(os.environ.get("HEXAR_SEED") or random.randrange(1 << 32))
    print(f"HEXAR_SEED={seed}")
    return random.Random(seed)


def short_and_long(short: Any, long: Any) -> list[Any]:
    """Values of a parameter: ``short`` for each run of the tests, and ``long`` for ``make chaos``."""
    return [short, pytest.param(long, marks=pytest.mark.chaos)]

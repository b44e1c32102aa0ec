"""What every benchmark shares: arguments, paired timing, and the one JSON line that ends its output.

A time is never reported alone: measure the peer in the same run and report the ratio. ``paired`` interleaves the two so
that noise of the machine falls on both.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """What a benchmark was asked: ``quick`` keeps it under 50 s on two cores."""

    quick: bool


def options(description: str) -> Options:
    """Parse ``[--quick]``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="smaller input, under 50 s on two cores")
    return Options(quick=parser.parse_args().quick)


def data_folder() -> Path | None:
    """The folder of real data sets (``HEXAR_DATA``), or None where it is unset or missing."""
    value = os.environ.get("HEXAR_DATA")
    return Path(value) if value and Path(value).is_dir() else None


def seconds(function: Callable[[], object], repeat: int = 5, number: int = 1) -> float:
    """Median seconds of one call over ``repeat`` rounds of ``number`` calls each."""
    rounds = []
    for _ in range(repeat):
        start = time.perf_counter()
        for _ in range(number):
            function()
        rounds.append((time.perf_counter() - start) / number)
    return statistics.median(rounds)


def paired(ours: Callable[[], object], peer: Callable[[], object], repeat: int = 7, number: int = 1) -> tuple[float, float]:
    """Median seconds a call of ours and of the peer, measured in alternating rounds of the same run."""
    mine, theirs = [], []
    for _ in range(repeat):
        mine.append(seconds(ours, 1, number))
        theirs.append(seconds(peer, 1, number))
    return statistics.median(mine), statistics.median(theirs)


def percentile(values: list[float], share: float) -> float:
    """The ``share`` quantile (0..1) of ``values`` by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * (len(ordered) - 1))))]


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "arch": platform.machine(),
    }


def table(title: str, rows: Mapping[str, object]) -> None:
    """Print one table of names and values for a reader."""
    print(f"\n{title}")
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        print(f"  {name:<{width}}  {value:.4g}" if isinstance(value, float) else f"  {name:<{width}}  {value}")


def report(name: str, figures: Mapping[str, float | int | str | None]) -> None:
    """Print the table and, as the last line, the JSON object that other programs read."""
    table(name, figures)
    print(json.dumps({"name": name, "figures": dict(figures), "machine": machine()}), flush=True)

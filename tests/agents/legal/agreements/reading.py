"""Agreements as people write them, sound and with one fault planted, kept as texts beside this file.

Each text is headed by lines that begin with ``%%``: its name, the place whose law it names, and its faults, each a passage of
the sound text and what takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Fault:
    """One kind of fault, and the passage that makes it."""

    kind: str
    sound: str
    faulty: str


@dataclass(frozen=True)
class Agreement:
    """A sound text, and the faults that can be planted in it."""

    name: str
    place: str
    text: str
    faults: tuple[Fault, ...]

    def planted(self, fault: Fault) -> str:
        """The text with one fault."""
        return self.text.replace(fault.sound, fault.faulty, 1)


def agreements() -> tuple[Agreement, ...]:
    """All of them, in the order of their names."""
    return tuple(
        _agreement(part)
        for path in sorted(FOLDER.glob("*.txt"))
        for part in path.read_text("utf-8").split("%% name: ")
        if part.strip()
    )


def _agreement(part: str) -> Agreement:
    name, *lines = part.splitlines()
    heads = [line[3:].split(": ", 1) for line in lines if line.startswith("%% ")]
    text = "\n".join(line for line in lines if not line.startswith("%% ")).strip() + "\n"
    values = [value for key, value in heads[1:]]
    faults = tuple(Fault(*values[at : at + 3]) for at in range(0, len(values), 3))
    for fault in faults:
        if text.count(fault.sound) != 1:
            raise ValueError(f"{name}: {fault.sound!r} stands {text.count(fault.sound)} times")
    return Agreement(name.strip(), heads[0][1], text, faults)

"""What an import did: rows read, kept, repeated, refused; and the errors that stop one.

::

    HexarError
    ├── CatalogueExists      ALREADY_EXISTS        the name is taken and replacing was not asked for
    └── CatalogueUnreadable  FAILED_PRECONDITION   nothing usable, a file that is cut short, XML with entities
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

from hexar.core.errors import AlreadyExists, Code, HexarError

#: Problems kept with file and line; all are counted.
MAX_PROBLEMS = 1000


class CatalogueExists(AlreadyExists):
    """The catalogue is there already and replacing it was not asked for."""


class CatalogueUnreadable(HexarError):
    """The source cannot become a catalogue; what was imported before stays as it is."""

    code: ClassVar[Code] = Code.FAILED_PRECONDITION


@dataclass(frozen=True, slots=True)
class Problem:
    """One row that was not kept: 1-based line of the file as read (decompressed)."""

    file: str
    line: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """Counts by kind of row ("models", "fitments"…), and the first problems."""

    read: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    generation: int = 0
    version: int = 0
    seconds: float = 0.0

    def refuse(self, kind: str, file: str, line: int, reason: str, *, about: str = "") -> None:
        """Count a row that is not kept; ``about`` is told with it but not counted apart."""
        self.refused[kind] += 1
        self.reasons[f"{kind}: {reason}"] += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(file, line, f"{reason} ({about})" if about else reason))

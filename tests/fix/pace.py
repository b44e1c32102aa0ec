"""What the machine itself costs a test: measured beside what the test measures, by a process that has nothing to do with it.

A promise such as "within 250 ms" is one of the code, not of the machine: on one that does other work everything comes late. How
late is measured in the same run, so that a limit need be neither loose nor broken by chance.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

#: Asked for by a line, it tells the worst so far, and begins anew. Each turn is a short sleep and a little work.
_SOURCE = """
import select, sys, time
worst = 0.0
while True:
    began, used = time.monotonic(), time.process_time()
    asked = select.select([sys.stdin], [], [], 0.01)[0]
    woke = time.monotonic()
    while time.process_time() - used < 0.001:
        pass
    done = time.monotonic()
    worst = max(worst, done - woke - 0.001, 0.0 if asked else done - began - 0.011)
    if asked:
        if not sys.stdin.readline():
            break
        print(worst, flush=True)
        worst = 0.0
"""
#: Processes and threads that a measured thing passes through, each of which may be late: a caller, the server's loop, one of its
#: threads, the other server, and back; each of them twice, to be on the safe side.
TURNS = 10


class Pace:
    """How late a process of its own is, which only wakes a hundred times a second and works for a millisecond."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-S", "-c", _SOURCE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.slack()

    def slack(self) -> float:
        """Seconds that the machine may have added, since this was asked last, to something that takes a few turns."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return TURNS * float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        with suppress(BrokenPipeError):
            self._process.communicate(timeout=20)


@pytest.fixture
def pace() -> Iterator[Pace]:
    """Measures as long as the test runs."""
    made = Pace()
    yield made
    made.close()

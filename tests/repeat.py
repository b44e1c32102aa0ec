"""Run ``make test`` again and again, every other time beside a process that keeps one core busy: is it green each time?

Run: ``make test-repeat`` or ``python tests/repeat.py [TIMES]`` (ten). A line for each run: its wall time, what pytest says of it, and
the tests that failed, whose reports are printed below. Exits with 1 where any run failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def busy_core(wanted: bool) -> Iterator[None]:
    """A process that never rests, while the block runs."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run(number: int, command: list[str]) -> bool:
    """One run, told on the screen; whether all tests passed."""
    busy = number % 2 == 0
    began = time.monotonic()
    with busy_core(busy):
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    lines = done.stdout.splitlines()
    # Of make's and pytest's lines the last that counts tests; empty where it did not come to that.
    said = next((line.strip("= ") for line in reversed(lines) if " passed" in line or " failed" in line), "no test ran")
    print(f"{number:3}  {minutes} min {seconds:02} s  {'beside a busy core' if busy else 'alone':18}  {said}", flush=True)
    if done.returncode:
        for line in lines:
            if line.startswith(("FAILED", "ERROR")):
                print(f"     {line}", flush=True)
        print(done.stdout, file=sys.stderr, flush=True)
    return done.returncode == 0


def main() -> int:
    """Exit code 0 where no run failed."""
    parser = argparse.ArgumentParser(description="Run make test again and again")
    parser.add_argument("times", nargs="?", type=int, default=10)
    parser.add_argument("--pytest-args", default="", help="arguments for pytest, to repeat a part of the tests")
    options = parser.parse_args()
    command = ["make", "--silent", "test", f"PYTEST_ARGS={options.pytest_args}"]
    failed = sum(not run(number, command) for number in range(1, options.times + 1))
    print(f"{failed} of {options.times} runs failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

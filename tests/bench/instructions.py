"""Instructions of each kernel's ``workload()``, counted by valgrind's callgrind: a measure that a noisy machine repeats.

A workload runs once in one process and twice in another; the difference is one warm workload, without the interpreter's
start, the imports and whatever is done only once. The counts are compared with tests/bench/instructions.json: a kernel
that needs more than ``TOLERANCE`` above its committed count fails the run. Counts of another Python, numpy, compiler or
architecture are shown beside the committed ones, but not judged.

Run: ``python tests/bench/instructions.py [--update] [--quick]``. ``--update`` writes the counts, ``--quick`` changes nothing.
Without valgrind nothing is counted, and the output says so.
"""

import argparse
import importlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from tests.bench.harness import report

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ("cachekey", "ranking", "fuzzy", "merge", "retrieval")
COMMITTED = Path(__file__).with_name("instructions.json")
#: How much more than the committed count is accepted. Two runs of one build differ by less than a thousandth.
TOLERANCE = 0.03
PROGRAM = """
import importlib, sys
bench = importlib.import_module("tests.bench.kernels." + sys.argv[1])
for _ in range(int(sys.argv[2])):
    bench.workload()
"""


def environment() -> dict[str, str]:
    """What the counts depend on beside the code."""
    compiler = subprocess.run([os.environ.get("CC", "cc"), "-dumpversion"], capture_output=True, text=True, check=False)
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "compiler": compiler.stdout.strip(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def run(command: list[str]) -> str:
    """Run a command in a process whose hashes, threads and byte code are the same every time; return its standard error."""
    path = os.pathsep.join([str(ROOT / "build" / "ns"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    fixed = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | fixed, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[-3:])} failed:\n{done.stderr}")
    return done.stderr


def count(valgrind: str, kernel: str, times: int) -> int:
    """Instructions of a process that runs the workload so many times."""
    python = [sys.executable, "-c", PROGRAM, kernel, str(times)]
    output = run([valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", *python])
    found = re.search(r"Collected : (\d+)", output)
    if not found:
        raise SystemExit(f"callgrind counted nothing:\n{output}")
    return int(found[1])


def measure(valgrind: str) -> dict[str, int]:
    """The instructions of one warm workload of each kernel that has one."""
    counts = {}
    for kernel in KERNELS:
        if importlib.util.find_spec(f"tests.bench.kernels.{kernel}") is None:
            continue
        if not hasattr(importlib.import_module(f"tests.bench.kernels.{kernel}"), "workload"):
            continue
        run([sys.executable, "-c", PROGRAM, kernel, "1"])  # compiles the byte code
        counts[kernel] = count(valgrind, kernel, 2) - count(valgrind, kernel, 1)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write the counts to instructions.json")
    parser.add_argument("--quick", action="store_true", help="accepted as by every benchmark; the counts stay the same")
    update = parser.parse_args().update

    valgrind = shutil.which("valgrind")
    if valgrind is None:
        report("instructions", {"counted": "nothing: valgrind is not installed"})
        return 0
    here, counts = environment(), measure(valgrind)
    if update:
        COMMITTED.write_text(json.dumps({"environment": here, "instructions": counts}, indent=2) + "\n", "utf-8")
    committed = json.loads(COMMITTED.read_text("utf-8"))
    comparable = committed["environment"] == here
    ratios = {name: number / committed["instructions"].get(name, number) for name, number in counts.items()}
    worse = [name for name, ratio in ratios.items() if ratio > 1 + TOLERANCE]
    report(
        "instructions",
        {
            **counts,
            **{f"{name}_vs_committed": ratio for name, ratio in ratios.items()},
            "comparable": "yes" if comparable else f"no: committed for {committed['environment']}, this is {here}",
            "worse": ", ".join(worse) or "none",
        },
    )
    return 1 if comparable and worse else 0


if __name__ == "__main__":
    raise SystemExit(main())

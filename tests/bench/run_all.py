"""``make bench``: run every benchmark and write docs/benchmarks.md from the JSON line that each one ends with.

``python tests/bench/run_all.py [--quick] [NAME …]`` runs those named, or all but ``peers``, which `make bench-peers` runs. Each
has a section of its own in the page, which says when and how it was measured, and which only its next run replaces.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
INTRODUCTION = """# Benchmarks

A time alone says little on another machine: read the ratios, each of which was measured against something in the same run. What a
figure means stands in the docstring of the benchmark, `tests/bench/*/<name>.py`. `make bench` writes this page.
"""


def benchmarks() -> dict[str, Path]:
    """The modules in the folders here that can be run and end with a report, by name."""
    found = {path.stem: path for path in HERE.glob("*/*.py") if "report(" in path.read_text()}
    return dict(sorted(found.items()))


def run(path: Path, quick: bool) -> dict[str, Any] | None:
    """The report of one benchmark, or None where it failed; its output is passed on."""
    print(f"\n== {path.stem}", flush=True)
    command = [sys.executable, str(path), *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        return None
    report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return report


def written(page: str, report: dict[str, Any], how: str) -> str:
    """The ``page`` with the section of ``report``, in the order of names; what other benchmarks wrote stays."""
    sections = {each.partition("\n")[0]: each.partition("\n")[2].strip() for each in page.split("\n## ")[1:]}
    machine = report["machine"]
    rows = "\n".join(f"| `{name}` | {_shown(value)} |" for name, value in report["figures"].items())
    sections[
        report["name"]
    ] = f"""Measured {how}: {machine["cores"]} cores, {machine["system"]} {machine["arch"]}, Python {machine["python"]}.

| figure | value |
|---|---:|
{rows}"""
    return INTRODUCTION + "".join(f"\n## {name}\n\n{section}\n" for name, section in sorted(sections.items()))


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "not measured" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def main() -> None:
    """Run, then write; exit 1 where a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("names", nargs="*", help="benchmarks to run; all where none is named")
    options = parser.parse_args()
    known = benchmarks()
    how = f"on {time.strftime('%Y-%m-%d')}{' with --quick' if options.quick else ''}"
    failed: list[str] = []
    for name in options.names or known:
        report = run(known[name] if name in known else HERE / f"{name}.py", options.quick)
        if report is None:
            failed.append(name)
            continue
        # After each one: a run that is interrupted leaves the page with what was measured.
        PAGE.write_text(written(PAGE.read_text("utf-8"), report, how), encoding="utf-8")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

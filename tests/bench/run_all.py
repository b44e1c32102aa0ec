"""``make bench``: run every benchmark and write docs/benchmarks.md from the JSON line that each one ends with.

``python tests/bench/run_all.py [--quick] [NAME …]`` runs those named, or all.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
#: Around the section that `make bench-peers` writes, which every other run leaves as it is.
PEERS_BEGIN, PEERS_END = "<!-- make bench-peers -->", "<!-- end of make bench-peers -->"


def benchmarks() -> dict[str, Path]:
    """The modules in the folders here that can be run and end with a report, by name."""
    found = {path.stem: path for path in HERE.glob("*/*.py") if "report(" in path.read_text()}
    return dict(sorted(found.items()))


def run(path: Path, quick: bool) -> dict[str, object] | None:
    """The report of one benchmark, or None where it failed; its output is passed on."""
    print(f"\n== {path.stem}", flush=True)
    command = [sys.executable, str(path), *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        return None
    report: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return report


def page(reports: list[dict[str, object]], quick: bool) -> str:
    """docs/benchmarks.md."""
    machine = reports[0]["machine"]
    assert isinstance(machine, dict)
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {time.strftime('%Y-%m-%d')}{' with --quick' if quick else ''}: "
        f"{machine['cores']} cores, {machine['system']} {machine['arch']}, Python {machine['python']}.",
        "",
        "A time alone says little on another machine: read the ratios, each of which was measured against something in the",
        "same run. What a figure means stands in the docstring of `tests/bench/*/<name>.py`.",
    ]
    for report in reports:
        figures = report["figures"]
        assert isinstance(figures, dict)
        lines += ["", f"## {report['name']}", "", "| figure | value |", "|---|---:|"]
        lines += [f"| `{name}` | {_shown(value)} |" for name, value in figures.items()]
    return "\n".join(lines) + "\n"


def peers(text: str) -> str:
    """The section of the peers in a page, with its marks; empty where it has none."""
    before, begin, rest = text.partition(PEERS_BEGIN)
    inside, end, _ = rest.partition(PEERS_END)
    return f"{begin}{inside}{end}" if end else ""


def with_peers(text: str, figures: Mapping[str, object], quick: bool) -> str:
    """The page ``text`` with the section of the peers made of ``figures``."""
    rows = "\n".join(f"| `{name}` | {_shown(value)} |" for name, value in figures.items())
    section = f"""{PEERS_BEGIN}

## peers

Written by `make bench-peers` on {time.strftime("%Y-%m-%d")}{" with --quick" if quick else ""}: Hexar's chat and the LiteLLM proxy, one
process each, in front of the same model server, by turns. What a figure means stands in the docstring of `tests/bench/peers.py`.

| figure | value |
|---|---:|
{rows}

{PEERS_END}"""
    old = peers(text)
    return text.replace(old, section) if old else f"{text.rstrip()}\n\n{section}\n"


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
    good: list[dict[str, object]] = []
    failed: list[str] = []
    known = benchmarks()
    for name in options.names or known:
        report = run(known[name], options.quick)
        if report is None:
            failed.append(name)
            continue
        good.append(report)
        if not options.names:
            # After each one: a run that is interrupted leaves the page with what was measured.
            kept = peers(PAGE.read_text("utf-8")) if PAGE.exists() else ""
            PAGE.write_text(page(good, options.quick) + (f"\n{kept}\n" if kept else ""), encoding="utf-8")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()

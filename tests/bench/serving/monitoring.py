"""What monitoring costs a cached query: two servers with the same answer, one with figures and the access log, one with neither.

Three kinds of processes: demo shops, the two servers under their own command, and a raw HTTP/2 load generator. Both servers are loaded in
alternating rounds. ``monitoring_cost`` is the CPU time that an answer costs more, as a share of what it costs without:
the median over the rounds' ratios. ``monitoring_cost_throughput`` is the share of answers a second that are lost.

Run: ``python tests/bench/serving/monitoring.py [--quick]``.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import psutil

from hexar.v1 import query_pb2
from tests.bench.harness import options, report
from tests.bench.serving.chat import serving
from tests.bench.serving.query import SHOPS, line, start
from tests.bench.serving.replay import CONNECTIONS, QUERY, RAWLOAD, STREAMS, settled


def loaded(address: str, pid: int, body: bytes, seconds: float) -> tuple[float, float]:
    """Answers a second, and seconds of CPU an answer, of one round."""
    process = psutil.Process(pid)
    before = sum(process.cpu_times()[:2])
    port = address.rsplit(":", 1)[1]
    command = [sys.executable, str(RAWLOAD), port, QUERY, str(seconds), str(CONNECTIONS), str(STREAMS)]
    figures = json.loads(subprocess.run(command, input=body, capture_output=True, check=True).stdout)
    spent = sum(process.cpu_times()[:2]) - before
    return figures["answers"] / figures["seconds"], spent / figures["answers"]


def main() -> None:
    quick = options("What monitoring costs a cached query").quick
    with tempfile.TemporaryDirectory(prefix="hexar-bench-") as name:
        folder = Path(name)
        shops = start("-c", SHOPS, str(folder / "vendors.yaml"))
        line(shops)
        config = folder / "hexar.yaml"
        config.write_text(json.dumps({"port": 0, "log_level": "info", "log_format": "json"}))
        body = query_pb2.QueryRequest(text="snowboard", limit=12).SerializeToString()
        vendors = str(folder / "vendors.yaml")
        # The log goes to a file, as a collector would have it.
        log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY)
        os.dup2(log, 2)
        try:
            with (
                serving(config, DATA_DIR=f"{folder}/on", VENDORS=vendors) as (on, on_pid),
                serving(config, DATA_DIR=f"{folder}/off", VENDORS=vendors, MONITOR__FIGURES="false") as (off, off_pid),
            ):
                for address in (on, off):
                    asyncio.run(settled(address, QUERY, body))
                rows = []
                for number in range(6 if quick else 20):
                    pair = [(on, on_pid), (off, off_pid)]
                    results = [loaded(*server, body, 1.5) for server in (pair if number % 2 else pair[::-1])]
                    with_figures, without = results if number % 2 else results[::-1]
                    rows.append((with_figures[1] / without[1] - 1, 1 - with_figures[0] / without[0], without[1] * 1e6))
        finally:
            shops.terminate()
            shops.wait(10)
    cost, lost, micros = (statistics.median(row[place] for row in rows) for place in range(3))
    report("monitoring", {"monitoring_cost": cost, "monitoring_cost_throughput": lost, "cpu_us_an_answer": micros})


if __name__ == "__main__":
    main()

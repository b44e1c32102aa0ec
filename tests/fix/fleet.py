"""A server of several real processes, started by its own command, with what it logs."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson


class Fleet:
    """``python -m hexar.server`` with ``arguments`` and settings; ended by its ``with`` block."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEXAR_")}
        environment |= {
            "HEXAR_PORT": "0",
            "HEXAR_DATA_DIR": str(folder / "data"),
            "HEXAR_VENDORS": str(folder / "vendors.yaml"),
            "HEXAR_DRAIN_SECONDS": "5",
            "HEXAR_LOG_FORMAT": "json",
            # A busy machine is no Redis that is gone.
            "HEXAR_REDIS_TIMEOUT": "5",
        }
        environment |= {f"HEXAR_{name}": value for name, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hexar.server", *arguments], env=environment, cwd=folder, stderr=subprocess.PIPE
        )
        self.log: list[dict[str, Any]] = []
        self.text: list[str] = []
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = 0

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.text.append(line.decode())
            # Libraries write to the same pipe, in lines of their own and at times into ours.
            with suppress(orjson.JSONDecodeError):
                self._lines.put(orjson.loads(line))
        self._lines.put(None)

    def until(self, event: str, seconds: float = 120.0, **values: Any) -> dict[str, Any]:
        """The next logged ``event`` that has ``values``."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event!r} in {seconds} s:\n{''.join(self.text)}") from None
            assert line is not None, f"ended before {event!r}:\n{''.join(self.text)}"
            self.log.append(line)
            if line["event"] == event and all(line.get(name) == value for name, value in values.items()):
                return line

    def started(self, event: str = "all_listening") -> Fleet:
        """Wait until all serve; "listening" where one process does."""
        self.port = self.until(event)["port"]
        return self

    @property
    def pids(self) -> dict[int, int]:
        """The pid of each process that has said that it listens, by number; of a number, the last."""
        return {
            line["worker"]: int(line["instance"].split(":")[1])
            for line in self.log
            if line["event"] == "listening" and "worker" in line
        }

    @property
    def metrics_port(self) -> int:
        """The port of the figures."""
        return next(int(line["port"]) for line in self.log if line["event"] == "metrics")

    def figures(self) -> dict[str, float]:
        """Every sample of the endpoint by its name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=20) as reply:
            lines = reply.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def signal(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        self.process.send_signal(number)

    def end(self, seconds: float = 40.0) -> int:
        """Stop it as an operator does; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._reader.join(5)
            assert self.process.stderr is not None
            self.process.stderr.close()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()


def alive(pid: int) -> bool:
    """Whether a process runs (and is no zombie)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def until(condition: Any, seconds: float = 60.0) -> None:
    """Wait for ``condition()``; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)

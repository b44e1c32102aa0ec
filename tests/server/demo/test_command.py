"""The demo-shops command as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import yaml

from hexar.agents.vendors.registry import load_vendors

PROGRAM = "import typer; from hexar.server.commands.demo_shops import demo_shops; typer.run(demo_shops)"


def test_the_command_serves_and_writes_vendors_yaml(tmp_path: Path) -> None:
    """It prints the shops' addresses, writes a usable vendors.yaml, and ends on SIGTERM."""
    file = tmp_path / "vendors.yaml"
    command = [sys.executable, "-c", PROGRAM, "--port", "0", "--vendors", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().split() for _ in range(3)]
            assert [name for name, _ in lines] == ["alpine", "boardroom", "summit"]
            with urllib.request.urlopen(f"{lines[1][1]}/products.json?limit=1", timeout=10) as answer:
                assert answer.status == 200
            assert [config.name for config in load_vendors(file)] == ["alpine", "boardroom", "summit"]
            assert yaml.safe_load(file.read_text())["vendors"][0]["url"] == lines[0][1]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_mistake_is_told_in_one_line() -> None:
    """An unknown shop ends the command with a message, not a traceback."""
    command = [sys.executable, "-c", PROGRAM, "--port", "0", "--hang", "nowhere"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "there is no shop 'nowhere'" in ended.stderr
    assert "Traceback" not in ended.stderr

"""`make run`: a server with the demo shops over the configured store."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hexar_client import Client, Ranking

ROOT = Path(__file__).resolve().parents[2]
HEXAR = str(Path(sys.executable).with_name("hexar"))


@contextmanager
def staying(folder: Path) -> Iterator[str]:
    """A demo server that stays, over the store that ``folder`` configures; its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEXAR_")}
    command = [sys.executable, str(ROOT / "clients" / "demo"), "--stay", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[2].rstrip(",")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.chaos
def test_a_server_that_stays_keeps_its_store_where_commands_find_it(tmp_path: Path) -> None:
    """It answers from the shops; started again it has what was kept, in the folder that `hexar import` writes to."""
    with staying(tmp_path) as address, Client(address) as client:
        assert Ranking().apply_all(client.query("beginner snowboard under $400")).products
        client.portfolios.create("manuals")
        assert (tmp_path / ".hexar").is_dir()
    with staying(tmp_path) as address, Client(address) as client:
        assert [portfolio.portfolio_id for portfolio in client.portfolios.list()] == ["manuals"]
        assert len(list(client.legal.corpora())) == 1


@pytest.mark.chaos
def test_the_first_steps_work_as_they_are_written(tmp_path: Path) -> None:
    """Each command that docs/getting-started.md gives for a server that `make run` has started ends well and says something."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "docs" / "getting-started.md").read_text("utf-8"), re.S | re.M)
    lines = [line.split("  #")[0].rstrip().replace(".venv/bin/hexar", HEXAR) for line in blocks[1].splitlines()]
    assert len(lines) == 6
    with staying(tmp_path) as address:
        environment = dict(os.environ, HEXAR_SERVER=address, XDG_CONFIG_HOME=str(tmp_path))
        for line in lines:
            # By a shell, as a person types it.
            ended = subprocess.run(
                ["sh", "-c", f"{line} --once" if line.endswith(" top") else line],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
            )
            assert ended.returncode == 0, (line, ended.stdout, ended.stderr)
            assert ended.stdout.strip()

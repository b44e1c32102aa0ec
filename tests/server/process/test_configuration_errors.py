"""A wrong configuration is told in a line each, in every way of starting; `hexar config` and `hexar vendors` look before."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hexar.server.demo import DemoShops
from hexar.server.process.startup import unknown_variables

HEXAR = str(Path(sys.executable).with_name("hexar"))
SERVE, MODULE, CHECK = [HEXAR, "serve"], [sys.executable, "-m", "hexar.server"], [HEXAR, "config", "check"]


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in ``folder``."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEXAR_")} | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=folder, env=clean)


@pytest.mark.parametrize(
    ("starts", "environment", "told"),
    [
        ([SERVE, MODULE], {"HEXAR_VENDRS": "x"}, "hexar: HEXAR_VENDRS: there is no such setting; is HEXAR_VENDORS meant?\n"),
        ([MODULE, CHECK], {"HEXAR_CONFIG": "broken.yaml"}, "hexar: broken.yaml: not YAML at line 2\n"),
        (
            [SERVE, CHECK],
            {"HEXAR_VENDORS": "wrong.yaml"},
            "hexar: wrong.yaml: must be a mapping whose one key is 'vendors', a list\n",
        ),
    ],
)
def test_a_line_each_in_every_way_of_starting(
    tmp_path: Path, starts: list[list[str]], environment: dict[str, str], told: str
) -> None:
    """Exit code 2, and nothing else is said."""
    (tmp_path / "broken.yaml").write_text("port: [1\n")
    (tmp_path / "wrong.yaml").write_text("shops: 1\n")
    for command in starts:
        ended = run(command, tmp_path, HEXAR_PORT="0", **environment)
        assert (ended.returncode, ended.stderr) == (2, told), command


def test_what_a_name_may_be() -> None:
    """A setting, a part of one, what the clients read; nothing else that begins so."""
    assert (
        unknown_variables(["HEXAR_PORT", "HEXAR_CACHE__MEMORY_MB", "HEXAR_TOKEN", "HEXAR_VENDORS", "PATH", "hexar_port"]) == []
    )
    assert unknown_variables(["HEXAR_NONSENSE"]) == ["HEXAR_NONSENSE: there is no such setting"]


def test_the_settings_are_shown_without_secrets(tmp_path: Path) -> None:
    """As YAML, with what the environment says."""
    ended = run([HEXAR, "config", "show"], tmp_path, HEXAR_PORT="7", HEXAR_REDIS_URL="redis://:secret@localhost/0")
    shown = yaml.safe_load(ended.stdout)
    assert shown["port"] == 7
    assert "secret" not in ended.stdout


def test_what_the_reader_sees_of_a_page(tmp_path: Path) -> None:
    """A page by its address, a shop by its name; what fails says why, with exit code 1."""
    with DemoShops() as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml())
        page = shops.urls["alpine"] + "/search?q=snowboard"
        shown = run([HEXAR, "vendors", "check", page, "--private", "--limit", "1"], tmp_path)
        assert shown.returncode == 0, shown.stderr
        assert "Snowboard" in shown.stdout.splitlines()[0]
        assert "USD  in stock" in shown.stdout.splitlines()[1]
        rows = run([HEXAR, "vendors", "check", "summit", "--json"], tmp_path).stdout.splitlines()
        assert json.loads(rows[0])["vendor"] == "summit"
        assert run([HEXAR, "vendors", "list"], tmp_path).stdout.split()[:2] == ["alpine", "jsonld"]
        gone = run([HEXAR, "vendors", "check", shops.urls["alpine"] + "/nothing", "--private"], tmp_path)
        assert (gone.returncode, gone.stderr) == (1, f"hexar: {shops.urls['alpine']}/nothing: answered with status 404\n")
        closed = run([HEXAR, "vendors", "check", page], tmp_path)
        assert (closed.returncode, closed.stderr) == (
            1,
            f"hexar: {page}: the host has no public address; --private lets it be read\n",
        )

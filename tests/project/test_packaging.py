"""The three distributions: sdist → wheel → clean environment, and nothing outside the namespace."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.project.wheels import ROOT, run


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_the_wheels_hold_their_packages_and_nothing_else(source: Path, wheels: Path) -> None:
    """hexar and hexar-proto own parts of the namespace, hexar-client its package; no file stands beside them, and none is missing."""
    tops = {"hexar-": "hexar/", "hexar_proto-": "hexar/v1/", "hexar_client-": "hexar_client/"}
    found = sorted(wheels.glob("*.whl"))
    assert len(found) == 3
    for wheel in found:
        prefix = next(top for name, top in tops.items() if wheel.name.startswith(name))
        names = zipfile.ZipFile(wheel).namelist()
        outside = [name for name in names if not name.startswith(prefix) and ".dist-info/" not in name]
        assert outside == []
        assert "hexar/__init__.py" not in names
        assert any(name.endswith("py.typed") for name in names)
    (server,) = (wheel for wheel in found if wheel.name.startswith("hexar-"))
    names = zipfile.ZipFile(server).namelist()
    for part in (
        "core/cachekey/cachekey.pyx",
        "core/cachekey/cachekey.pyi",
        "core/cachekey/cachekey.pxd",
        "agents/py.typed",
        "server/__main__.py",
    ):
        assert f"hexar/{part}" in names
    assert any(name.startswith("hexar/core/cachekey/cachekey.") and name.endswith((".so", ".pyd")) for name in names)
    data = {
        f"hexar/{path.relative_to(source).as_posix()}"
        for part in ("core", "agents", "server")
        for path in (source / part).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".cpp", ".hpp", ".so")
    }
    # Tables, templates, corpora, pages: an answer that is made of one needs it wherever it is installed.
    assert data - set(names) == set()
    assert not [name for name in names if name.endswith(".cpp") or "/tests/" in name]


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_the_wheels_install_and_run_from_any_folder(wheels: Path, tmp_path: Path) -> None:
    """In a clean environment they bring what they need: the server starts from any folder, and the command finds its parts."""
    run(sys.executable, "-m", "venv", str(tmp_path / "clean"))
    python = tmp_path / "clean" / "bin" / "python"
    constraints = ("--constraint", str(ROOT / "constraints.txt"))
    run(str(python), "-m", "pip", "install", "--quiet", *constraints, "--find-links", str(wheels), "hexar", "hexar-client")
    probe = (
        "import hexar.core.cachekey as c, hexar.core.fuzzy as f, hexar.server.process.app, hexar.v1.query_pb2, hexar_client;"
        "assert f.default_tables(); print(c.__file__)"
    )
    assert str(tmp_path / "clean") in run(str(python), "-c", probe, cwd=tmp_path)
    shown = run(str(python.with_name("hexar")), "--help", cwd=tmp_path)
    for command in ("query", "chat", "portfolio", "parts", "ops", "serve", "demo-shops", "import"):
        assert command in shown
    environment = {"HEXAR_PORT": "x", "PATH": os.environ["PATH"]}
    refused = subprocess.run(
        [str(python), "-m", "hexar.server"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert refused.stderr.startswith("hexar: port:")


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_a_wheel_built_from_the_sdist_names_the_released_contract(wheels: Path) -> None:
    """Its metadata requires hexar-proto by version, and no file of the machine that built it."""
    for wheel in wheels.glob("*.whl"):
        archive = zipfile.ZipFile(wheel)
        (name,) = (entry for entry in archive.namelist() if entry.endswith("METADATA"))
        metadata = archive.read(name).decode()
        assert "file:" not in metadata
        if not wheel.name.startswith("hexar_proto-"):
            assert "Requires-Dist: hexar-proto==0.1.0" in metadata

"""The three distributions as wheels, each built from its sdist; once for all tests of a process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree as a checkout has it: no build results, no environments."""
    target = tmp_path_factory.mktemp("checkout") / "hexar"
    ignored = shutil.ignore_patterns(
        ".git",
        ".venv",
        "build",
        "dist",
        "*.egg-info",
        "*.so",
        "*.cpp",
        "*_pb2*",
        "__pycache__",
        ".hypothesis",
        ".hexar",
        ".*_cache",
    )
    shutil.copytree(ROOT, target, ignore=ignored, symlinks=True)
    return target


@pytest.fixture(scope="session")
def wheels(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of all three, each built from its sdist."""
    dist = tmp_path_factory.mktemp("dist")
    for part in ("proto", "clients/python", "."):
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(source / part))
    return dist


def run(*command: str, cwd: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout

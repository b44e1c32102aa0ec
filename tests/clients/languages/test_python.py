"""The examples in Python run as they stand, with the SDK alone."""

import subprocess
import sys

import pytest

from tests.clients.languages.examples import EXAMPLES

#: What each prints somewhere.
SHOWN = {
    "query": "USD at",
    "query_async": "nowboard",
    "chat": "three years",
    "discover": "front bumper: ",
    "analyze": "Tindra",
    "draft": "valid: True",
    "ops": "not found: ",
}


def test_every_example_is_named_here() -> None:
    """None is left out of the tests."""
    assert {path.stem for path in (EXAMPLES / "python").glob("*.py")} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_runs(demo: str, name: str) -> None:
    """It ends well and shows what it was written for."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / "python" / f"{name}.py"), demo]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert SHOWN[name] in ended.stdout

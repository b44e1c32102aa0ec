"""The Python of README and guides runs as it stands, against a server on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fix.demo_server import demo_server

ROOT = Path(__file__).resolve().parents[3]
#: Pages whose blocks are parts of a system that is yet to be written, or run by a test of their own.
OTHERS = {"systems.md", "formats.md"}


def blocks() -> Iterator[tuple[str, str]]:
    """The page and the text of each block of Python."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if page.name not in OTHERS and "adr" not in page.parts:
            for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.S | re.M):
                yield page.name, block


@pytest.mark.chaos
def test_every_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a folder with the files that it names; what it prints is an answer."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "atlas.md").write_text("# Atlas 40\n\nThe warranty of the Atlas 40 is three years.\n")
    for year in (2023, 2024):
        rows = "".join(f"{year}-{month:02}-15,Tindra,{100 + month}\n{year}-{month:02}-15,Korva,90\n" for month in range(1, 13))
        (tmp_path / f"{year}.csv").write_text(f"date,brand,Umsatz\n{rows}")
    monkeypatch.chdir(tmp_path)
    promised = {"README.md": "'alpine', ", "chat.md": "three years", "market.md": "Tindra"}
    with demo_server(tmp_path) as address:
        for page, block in blocks():
            text = block.replace("localhost:50051", address).replace("Client()", f'Client("{address}")')
            exec(compile(text, page, "exec"), {})
            assert promised.pop(page) in capsys.readouterr().out, page
    assert promised == {}

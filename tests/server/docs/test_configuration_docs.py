"""Every block of configuration in the pages is one that a server takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hexar.agents.vendors.registry import AGENTS, parse_vendors
from hexar.server.systems import make_settings

DOCS = Path(__file__).resolve().parents[3] / "docs"


def blocks() -> Iterator[tuple[str, str]]:
    """The page and the text of each block of YAML."""
    for page in sorted(DOCS.rglob("*.md")):
        for block in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text("utf-8"), re.S | re.M):
            yield page.name, block


@pytest.mark.parametrize(("page", "block"), list(blocks()))
def test_a_block_is_a_file_of_shops_or_settings(page: str, block: str, tmp_path: Path) -> None:
    """Files that it names are taken to be there."""
    found = yaml.safe_load(block)
    if "vendors" in found:
        known = [row for row in found["vendors"] if row["adapter"] in AGENTS]
        assert known or page == "formats.md"
        parse_vendors(yaml.safe_dump({"vendors": known}))
        return
    if "tls" in found:
        for name in found["tls"]:
            found["tls"][name] = str(tmp_path / name)
            (tmp_path / name).write_text("")
    if "market" in found:
        found["market"]["roots"] = [str(tmp_path)]
    assert make_settings(**found)

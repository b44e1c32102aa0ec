"""The reference pages are made from code: they hold all of it."""

import runpy
from pathlib import Path

from hexar.server.systems import settings_type
from hexar.v1 import ops_pb2, query_pb2

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "generate.py"


def test_the_pages_hold_every_method_setting_and_name(tmp_path: Path) -> None:
    """With what the contract's comments say of them."""
    runpy.run_path(str(SCRIPT))["main"](tmp_path)
    api = (tmp_path / "api.md").read_text()
    for method in ops_pb2.DESCRIPTOR.services_by_name["OpsService"].methods:
        assert f"### OpsService.{method.name}\n" in api
    assert "### QueryService.Query\n\n`QueryRequest` → `stream QueryEvent`. Query streams one answer." in api
    for field in query_pb2.QueryRequest.DESCRIPTOR.fields:
        assert f"| `{field.name}` = {field.number} |" in api
    settings = (tmp_path / "configuration.md").read_text()
    for name in settings_type().model_fields:
        assert f"| `{name}` |" in settings
    assert "| `cache.memory_mb` | int | 256 |" in settings
    sdk = (tmp_path / "sdk.md").read_text()
    for name in ("## Client\n", "### Client.query\n", "### client.portfolios.add\n", "## NotFound\n", "## filters\n"):
        assert name in sdk

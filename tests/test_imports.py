"""Imports point one way: server → agents → core, clients → proto; and only the server knows gRPC."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: What each part may import of hexar, and whether it may import grpc.
ALLOWED = {
    "core": ({"hexar.core"}, False),
    "agents": ({"hexar.core", "hexar.agents", "hexar.v1"}, False),
    "server": ({"hexar.core", "hexar.agents", "hexar.server", "hexar.v1", "hexar_client"}, True),
    "clients/python/hexar_client": ({"hexar.v1", "hexar_client"}, True),
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" if node.module == "hexar" else node.module for alias in node.names}
    return names


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_is_below_it(part: str) -> None:
    """No module imports a part that stands above its own, or gRPC outside the server and the clients."""
    allowed, grpc_allowed = ALLOWED[part]
    wrong = []
    files = sorted((ROOT / part).rglob("*.py"))
    assert files, f"{part} holds no modules"
    for path in files:
        for name in imported(path):
            top = ".".join(name.split(".")[:2]) if name.startswith("hexar.") else name.split(".")[0]
            if top in ("core", "agents", "server") or (top.startswith("hexar") and top not in allowed):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
            if top == "grpc" and not grpc_allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_the_rule_sees_a_wrong_import(tmp_path: Path) -> None:
    """The reader of imports finds every form of import statement."""
    module = tmp_path / "module.py"
    module.write_text("import hexar.server.app\nfrom hexar import agents\nfrom hexar.core.cache import Caches\n")
    assert imported(module) == {"hexar.server.app", "hexar.agents", "hexar.core.cache"}

"""No module imports itself by a detour. Which way imports point is in the contracts of pyproject.toml (`make check`)."""

import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("hexar.core", "hexar.agents", "hexar.server", "hexar_client")


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts as folders, whatever is installed."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "build" / "ns"), str(ROOT / "clients" / "python"), *sys.path])


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """Modules that import one another in a circle; none where there is no circle."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


@pytest.mark.usefixtures("importable")
def test_no_modules_import_one_another_in_a_circle() -> None:
    """Also not inside functions, and not for types alone."""
    graph = grimp.build_graph(*PARTS, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert all(any(name.startswith(part) for name in imports) for part in PARTS)
    assert circle(imports) == []


def test_the_rule_sees_a_circle() -> None:
    """Of any length."""
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}

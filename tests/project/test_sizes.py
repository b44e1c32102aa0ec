"""Functions fit on a screen: 60 lines at most, outside of migrations. Branches and parameters are ruff's to count."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 60


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and lines of each function of ``source`` that is too long."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_LINES:
                yield node.name, lines


def test_no_function_is_longer_than_a_screen() -> None:
    """Also not in the client and its commands."""
    found = [
        f"{path.relative_to(ROOT)}: {name} has {lines} lines"
        for part in ("core", "agents", "server", "clients/python/hexar_client")
        for path in sorted((ROOT / part).rglob("*.py"))
        if "migrations" not in path.parts
        for name, lines in long_functions(path.read_text("utf-8"))
    ]
    assert found == []


def test_the_rule_sees_a_long_function() -> None:
    """From its first line to its last."""
    body = "\n".join("    pass" for _ in range(MAX_LINES))
    assert list(long_functions(f"def short():\n    pass\n\n\nasync def long():\n{body}\n")) == [("long", MAX_LINES + 1)]

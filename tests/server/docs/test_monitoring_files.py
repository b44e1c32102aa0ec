"""The dashboard for Grafana and the rules for Prometheus name metrics that there are, and Prometheus takes the rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hexar.server.process.app import App
from hexar.server.settings.config import Settings

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "deploy" / "monitoring"
_NAME = re.compile(r"\b(?:hexar|process)_[a-z_]+")
_SUFFIX = re.compile(r"_(?:bucket|sum|count|total)$")


def expressions() -> list[str]:
    """Every query of both files."""
    board = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return found + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


async def test_every_metric_that_they_name_exists(settings: Callable[..., Settings], redis_server: object) -> None:
    """As the endpoint of a server with Redis has it."""
    app = App(settings(redis_url=redis_server.url))  # type: ignore[attr-defined]
    await app.start()
    try:
        exposed = {family.name for family in app.engine.metrics.registry.collect()}
    finally:
        await app.stop(0)
    named = {_SUFFIX.sub("", name) for text in expressions() for name in _NAME.findall(text)}
    assert len(named) > 25
    assert named - {_SUFFIX.sub("", name) for name in exposed} == set()


def test_prometheus_takes_the_rules() -> None:
    """By its own checker, where it is installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: apt-get install prometheus")
    checked = subprocess.run(
        [promtool, "check", "rules", str(FOLDER / "alerts.yaml")], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr

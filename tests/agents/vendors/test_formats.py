"""Formats of other packages: what an entry point names is a format; one that is broken or taken leaves the others alone."""

from importlib.metadata import EntryPoint
from typing import Literal

import pytest
from structlog.testing import capture_logs

from hexar.agents.vendors import registry
from hexar.agents.vendors.config import VendorConfig
from hexar.agents.vendors.formats.feed import FeedAgent


class PlainConfig(VendorConfig):
    """A format that only this test has."""

    adapter: Literal["plain"] = "plain"


class SecondFeedConfig(VendorConfig):
    """One that has the name of a built-in format."""

    adapter: Literal["feed"] = "feed"


PLAIN = (PlainConfig, FeedAgent)
TAKEN = (SecondFeedConfig, FeedAgent)
NOT_A_PAIR = 7


def test_installed_formats_are_found_and_broken_ones_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that is left out is told by its name, with the reason."""
    names = ("PLAIN", "TAKEN", "NOT_A_PAIR", "MISSING", "PLAIN")
    points = [EntryPoint(f"{at}-{name}", f"{__name__}:{name}", "hexar.formats") for at, name in enumerate(names)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "hexar.formats" else [])
    with capture_logs() as logs:
        assert list(registry.installed()) == [PLAIN]
    told = {line["format"]: line["reason"] for line in logs}
    assert list(told) == ["1-TAKEN", "2-NOT_A_PAIR", "3-MISSING", "4-PLAIN"]
    assert "'feed' already" in told["1-TAKEN"]
    assert "AttributeError" in told["3-MISSING"]

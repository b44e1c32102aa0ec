"""vendors.yaml: what is accepted, and how a mistake is told."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from hexar.agents.vendors.registry import AGENTS, VendorsFileError, build_agents, load_vendors, parse_vendors


def test_a_few_lines_make_a_vendor() -> None:
    """Name, adapter and URL suffice; a disabled vendor gets no agent."""
    configs = parse_vendors(
        """
        vendors:
          - {name: alpine, adapter: jsonld, url: "https://alpine.example", currency: USD}
          - {name: summit, adapter: feed, url: "https://summit.example/feed.xml", enabled: false}
        """
    )
    assert [config.name for config in configs] == ["alpine", "summit"]
    assert [agent.name for agent in build_agents(configs)] == ["alpine"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{name: A!, adapter: feed, url: 'http://x.example'}", "name"),
        ("{name: a, adapter: soap, url: 'http://x.example'}", "unknown adapter 'soap'; known: feed, jsonld, shopify"),
        ("{name: a, adapter: feed, url: 'ftp://x.example'}", "url: must be an http or https URL"),
        ("{name: a, adapter: feed, url: 'http://me:pw@x.example'}", "url: must not hold credentials"),
        ("{name: a, adapter: feed, url: 'http://x.example', currency: dollars}", "currency"),
        ("{name: a, adapter: feed, url: 'http://x.example', colour: red}", "colour"),
        ("{name: a, adapter: feed, url: 'http://x.example', headers: {'X-A': \"b\\r\\nX-C: d\"}}", "headers: the value of X-A"),
        ("{name: a, adapter: feed, url: 'http://x.example', headers: {'Host': evil}}", "headers: Host is set by the client"),
        ("{name: a, adapter: feed, url: 'http://x.example', user_agent: \"a\\r\\nb\"}", "user_agent"),
        ("{name: a, adapter: feed, url: 'http://x.example', allow_private_hosts: ['*']}", "allow_private_hosts"),
        ("{name: a, adapter: feed, url: 'http://x.example', ports: [0]}", "ports"),
        ("{name: a, adapter: feed, url: 'http://x.example', timeout: -1}", "timeout"),
        ("{name: a, adapter: jsonld, url: 'http://x.example', product: /p/}", "product must contain {sku}"),
        ("{name: a, adapter: feed}", "url: Field required"),
        ("{name: a, url: 'http://x.example'}", "adapter: Field required; known: feed, jsonld, shopify"),
        ("{name: a, adapter: feed, url: 'http://x.example', search: /find}", "search: feed has no such field"),
        ("{name: a, adapter: shopify, url: 'http://x.example', product: '/p/{sku}'}", "product: shopify has no such field"),
        ("{name: a, adapter: jsonld, url: 'http://x.example', feed_format: xml}", "feed_format: jsonld has no such field"),
        ("{name: a, adapter: jsonld, url: 'http://x.example', search: find}", "search: must start with /"),
        ("just text", "vendors[0]: must be a mapping"),
    ],
)
def test_a_mistake_names_its_place(line: str, told: str) -> None:
    """The error names the vendor, the field and what is wrong."""
    with pytest.raises(VendorsFileError) as caught:
        parse_vendors(f"vendors:\n  - {line}\n")
    assert told in str(caught.value)
    assert "vendors[0]" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["vendors: 5", "[1, 2]", "shops: []", "vendors: [", "!!python/object/apply:os.system ['true']"]
)
def test_a_file_of_another_shape_is_refused(text: str) -> None:
    """Not YAML, another shape, or YAML that would run code."""
    with pytest.raises(VendorsFileError):
        parse_vendors(text)


def test_names_are_unique() -> None:
    """Two vendors of one name are a mistake."""
    row = "{name: a, adapter: feed, url: 'http://x.example'}"
    with pytest.raises(VendorsFileError, match="appears twice"):
        parse_vendors(f"vendors: [{row}, {row}]")


def test_a_file_is_loaded(tmp_path: Path) -> None:
    """An empty file is no vendors; a missing one is an error that names it."""
    file = tmp_path / "vendors.yaml"
    file.write_text("# nothing yet\n", encoding="utf-8")
    assert load_vendors(file) == []
    with pytest.raises(VendorsFileError, match=r"missing\.yaml"):
        load_vendors(tmp_path / "missing.yaml")


def test_every_registered_adapter_loads() -> None:
    """Each line of the registry names a class that offers the agent's methods."""
    for agent in AGENTS.values():
        assert {"name", "light", "heavy", "light_key"} <= set(dir(agent))


def test_vendors_are_configured_in_code_as_well() -> None:
    """Of any format by its name, from the module of configurations alone."""
    config = import_module("hexar.agents.vendors.config")
    made = config.VendorConfig(name="shop", adapter="jsonld", url="https://shop.example", search="/find?q={terms}")
    (agent,) = config.build_agents([made])
    assert (agent.name, type(made).__name__) == ("shop", "JsonLdConfig")
    agent.close()

"""The examples of docs/how-to/models.md and docs/guides/chat.md are configurations that a server takes."""

import re
from pathlib import Path

import pytest
import yaml

from hexar.agents.llm import Models
from hexar.agents.llm.dialect import DIALECTS
from hexar.agents.llm.models import KINDS
from hexar.core.resilience.dispatch import Dispatcher
from hexar.server.settings.models import LlmConfig, build_models

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("page", ["how-to/models.md", "guides/chat.md"])
def test_the_examples_are_valid(page: str) -> None:
    """Every model of an example can be built."""
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)]
    examples = [LlmConfig(**block["llm"]) for block in blocks if "llm" in block]
    assert examples
    for config in examples:
        pool = Dispatcher()
        models = build_models(config, pool, None).models  # type: ignore[arg-type]
        assert isinstance(models, Models)
        assert models.names == tuple(row.name for row in config.models)
        models.close()
        pool.close()


def test_every_kind_is_described() -> None:
    text = (DOCS / "how-to" / "models.md").read_text("utf-8")
    assert all(f"`{kind}`" in text for kind in KINDS)
    assert set(DIALECTS) < set(KINDS)

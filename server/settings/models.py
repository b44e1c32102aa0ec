"""Language models and embeddings from the configuration.

::

    llm:
      models:
        - {name: fast, base_url: "https://api.openai.com/v1", api_key: KEY, model: gpt-4o-mini}
      primary: fast
      fallback: ""
      budgets: {acme: {limit: 50000000, currency: USD, period: month}}
    embeddings: {base_url: "http://localhost:11434/v1", model: nomic-embed-text, dimension: 768}

Without models answers are composed of the documents' own sentences; without an endpoint the embedded vectors are used.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from hexar.agents.llm import MeteredModels, ModelConfig, Models, Timeouts
from hexar.agents.llm.dialect import DIALECTS
from hexar.agents.llm.embeddings import Embeddings, EndpointEmbeddings, embedded
from hexar.agents.llm.metered import ModelObserver
from hexar.core.ledger import Ledger
from hexar.core.resilience.dispatch import Dispatcher

Seconds = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TimeoutsConfig(_Strict):
    """Seconds until the connection, the first token, the next token, and the end."""

    connect: Seconds = 5.0
    first_token: Seconds = 30.0
    idle: Seconds = 20.0
    total: Seconds = 240.0


class ModelSettings(_Strict):
    """One model; prices in micros of ``currency`` per million tokens."""

    name: str
    kind: str = "openai"
    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    input_price: int | None = Field(default=None, ge=0)
    output_price: int | None = Field(default=None, ge=0)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    include_usage: bool | None = None
    max_tokens_field: str = ""
    ca_file: str = ""
    threads: int = Field(default=16, ge=1, le=1024)
    queue: int = Field(default=1024, ge=0)
    timeouts: TimeoutsConfig = TimeoutsConfig()


class BudgetConfig(_Strict):
    """What a tenant may spend on models: ``limit`` micros of ``currency`` in each period."""

    limit: int = Field(ge=0)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    period: Literal["day", "month", "total"] = "month"


class LlmConfig(_Strict):
    """Which models there are. Empty: answers are extractive."""

    models: list[ModelSettings] = []
    primary: str = ""
    fallback: str = ""
    budgets: dict[str, BudgetConfig] = {}


class EmbeddingsConfig(_Strict):
    """Where vectors come from. ``kind`` "none": retrieval is by words only. ``dialect`` as the ``kind`` of a model."""

    kind: Literal["embedded", "endpoint", "none"] = "embedded"
    dialect: str = "openai"
    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    dimension: int = Field(default=0, ge=0, le=8192)


def build_models(
    config: LlmConfig, dispatcher: Dispatcher, ledger: Ledger, observer: ModelObserver | None = None
) -> MeteredModels:
    """The configured models on their own bulkheads; ValueError where the configuration does not fit together."""
    configs = [
        ModelConfig(
            **row.model_dump(exclude={"api_key", "timeouts"}),
            api_key=row.api_key.get_secret_value(),
            timeouts=Timeouts(**row.timeouts.model_dump()),
        )
        for row in config.models
    ]
    models = Models(configs, dispatcher, primary=config.primary, fallback=config.fallback)
    return MeteredModels(models, ledger, observer)


def build_embeddings(config: EmbeddingsConfig) -> Embeddings | None:
    """The configured provider of vectors; None where retrieval is by words only."""
    if config.kind == "embedded":
        return embedded()
    if config.kind == "none":
        return None
    if not (config.base_url and config.model and config.dimension):
        raise ValueError("embeddings: an endpoint needs base_url, model and dimension")
    key = config.api_key.get_secret_value()
    if config.dialect not in DIALECTS:
        raise ValueError(f"embeddings: dialect must be one of {', '.join(DIALECTS)}")
    return EndpointEmbeddings(config.base_url, config.model, dimension=config.dimension, key=key, dialect=config.dialect)

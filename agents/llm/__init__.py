"""Language models: what is asked and answered, who answers, and how tokens reach the event loop."""

from hexar.agents.llm.attempts import CallableModel, collect, complete
from hexar.agents.llm.config import ModelConfig, Timeouts
from hexar.agents.llm.metered import MeteredModels
from hexar.agents.llm.models import Models
from hexar.agents.llm.transport.bridge import Bridge
from hexar.agents.llm.types import (
    Completion,
    Delta,
    Done,
    Event,
    Message,
    Meter,
    Passage,
    Provider,
    Request,
    Schema,
    SegmentReset,
    TokenUsage,
)
from hexar.agents.transport.cancel import Cancel

__all__ = [
    "Bridge",
    "Cancel",
    "CallableModel",
    "Completion",
    "Delta",
    "Done",
    "Event",
    "Message",
    "Meter",
    "MeteredModels",
    "ModelConfig",
    "Models",
    "Passage",
    "Provider",
    "Request",
    "Schema",
    "SegmentReset",
    "Timeouts",
    "TokenUsage",
    "collect",
    "complete",
]

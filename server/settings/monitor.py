"""What is watched: figures, the access log, alert rules and targets. The defaults of rules and targets are in monitor.yaml.

::

    monitor:
      webhook: https://hooks.slack.com/services/…
      rules:
        slow_mean: {above: 3}          # changes one field of a rule
        queue: null                    # no such alert
        shop_errors: {metric: agent_error_rate, subject: "alpine", above: 0.5}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from hexar.core.telemetry.alerts import Rule

_DEFAULTS: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(Path(__file__).with_name("monitor.yaml").read_text("utf-8"))

#: What rules and targets may measure.
METRICS = frozenset(
    {
        "rpc_mean_seconds",
        "rpc_p95_seconds",
        "agent_p95_seconds",
        "agent_error_rate",
        "model_p95_seconds",
        "model_error_rate",
        "tool_p95_seconds",
        "tool_error_rate",
        "job_p95_seconds",
        "job_error_rate",
        "error_rate",
        "hit_seconds",
        "miss_seconds",
        "cache_hit_rate",
        "tokens_per_second",
        "memory_share",
        "queued_jobs",
        "oldest_job_seconds",
        "loop_lag_seconds",
        "budget_share",
        "redis_down",
        "open_breakers",
    }
)


class _Measured(BaseModel):
    model_config = ConfigDict(extra="forbid")

    metric: str
    subject: str = "*"
    text: str = ""

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str) -> str:
        if metric not in METRICS:
            raise ValueError(f"no such metric; known are {', '.join(sorted(METRICS))}")
        return metric


class RuleConfig(_Measured):
    """One rule; exactly one of ``above`` and ``below``."""

    above: float | None = None
    below: float | None = None
    clear: float | None = None
    for_seconds: float = Field(default=60.0, ge=0)
    clear_seconds: float = Field(default=60.0, ge=0)

    def rule(self, name: str) -> Rule:
        """As the alerts take it. Raises ValueError."""
        if (self.above is None) == (self.below is None):
            raise ValueError(f"monitor.rules.{name}: set one of above and below")
        limit = self.above if self.above is not None else self.below
        assert limit is not None
        above = self.above is not None
        clear = self.clear if self.clear is None or (self.clear <= limit) == above or self.clear == limit else limit
        return Rule(
            name, self.metric, limit, above, clear, self.for_seconds, self.clear_seconds, self.subject, self.text
        )  # fmt: skip


class TargetConfig(_Measured):
    """One target; exactly one of ``at_most`` and ``at_least``."""

    at_most: float | None = None
    at_least: float | None = None


class MonitorConfig(BaseModel):
    """``figures`` False: calls are not counted or timed at all. ``webhook`` takes ``{"text": …}``, as Slack does."""

    model_config = ConfigDict(extra="forbid")

    figures: bool = True
    access_log: bool = True
    look_seconds: float = Field(default=5.0, gt=0, le=300)
    traces: str | None = Field(default=None, pattern=r"^https?://", description="OTLP endpoint of spans; unset: none")
    webhook: SecretStr | None = None
    rules: dict[str, dict[str, Any] | None] = {}
    targets: dict[str, dict[str, Any] | None] = {}

    @field_validator("webhook")
    @classmethod
    def _http(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url

    @field_validator("rules")
    @classmethod
    def _rules_fit(cls, rules: dict[str, dict[str, Any] | None]) -> dict[str, dict[str, Any] | None]:
        _made_rules(rules)
        return rules

    @field_validator("targets")
    @classmethod
    def _targets_fit(cls, targets: dict[str, dict[str, Any] | None]) -> dict[str, dict[str, Any] | None]:
        _made_targets(targets)
        return targets

    def made_rules(self) -> list[Rule]:
        """The defaults with what the configuration changes."""
        return _made_rules(self.rules)

    def made_targets(self) -> dict[str, TargetConfig]:
        """The defaults with what the configuration changes, by name."""
        return _made_targets(self.targets)


def _made_rules(changes: dict[str, dict[str, Any] | None]) -> list[Rule]:
    return [RuleConfig(**row).rule(name) for name, row in _changed("rules", changes, ("above", "below")).items()]


def _made_targets(changes: dict[str, dict[str, Any] | None]) -> dict[str, TargetConfig]:
    rows = _changed("targets", changes, ("at_most", "at_least"))
    return {name: TargetConfig(**row) for name, row in rows.items()}


def _changed(part: str, changes: dict[str, dict[str, Any] | None], either: tuple[str, str]) -> dict[str, dict[str, Any]]:
    made = dict(_DEFAULTS[part])
    for name, change in changes.items():
        if change is None:
            made.pop(name, None)
            continue
        row = dict(made.get(name, {}))
        # Who sets the limit anew means that one, also from the other side, and its own place to be good again.
        if any(limit in change for limit in either):
            row = {key: value for key, value in row.items() if key not in (*either, "clear")}
        made[name] = row | change
    return made

"""Alerts: rules over measured values, which fire once and resolve once.

A rule fires when its value has been past the limit for ``for_seconds``, and resolves when it has been back on the good side of
``clear`` for ``clear_seconds``: a value that plays around the limit makes no noise. A value that is not there (no calls in the
window) is no fault, and so counts as good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

#: By metric: the value of each subject (a method, a model, a tenant; "" is the server itself).
Values = Mapping[str, Mapping[str, float]]
#: How long a resolved alert is shown, seconds, and how many.
SHOWN_SECONDS, SHOWN = 3600.0, 200


@dataclass(frozen=True, slots=True)
class Rule:
    """``metric`` past ``limit`` (``above`` it, or below) for the subjects that match the pattern ``subject``."""

    name: str
    metric: str
    limit: float
    above: bool = True
    clear: float | None = None
    for_seconds: float = 60.0
    clear_seconds: float = 60.0
    subject: str = "*"
    text: str = ""

    def bad(self, value: float) -> bool:
        """Past the limit."""
        return value > self.limit if self.above else value < self.limit

    def good(self, value: float) -> bool:
        """Back on the good side."""
        clear = self.limit if self.clear is None else self.clear
        return value <= clear if self.above else value >= clear

    def says(self, subject: str, value: float) -> str:
        """The alert in a sentence."""
        what = self.text or f"{self.metric} is {'above' if self.above else 'below'} {self.limit:g}"
        return f"{what}{f' ({subject})' if subject else ''}: {value:.4g}"


@dataclass(slots=True)
class Alert:
    """One rule for one subject. Times are Unix seconds; ``resolved_at`` None: it fires."""

    rule: str
    subject: str
    text: str
    value: float
    limit: float
    since: float
    resolved_at: float | None = None


class Sink(Protocol):
    """Told when an alert fires and when it resolves; must not block."""

    def fired(self, alert: Alert) -> None: ...
    def resolved(self, alert: Alert) -> None: ...


@dataclass(slots=True)
class _State:
    alert: Alert | None = None
    #: Since when the value has been bad while nothing fires, or good while it does; Unix seconds.
    turned: float | None = None


class Alerts:
    """All rules. ``clock`` gives Unix seconds. Everything belongs to one thread."""

    def __init__(self, rules: Sequence[Rule], sinks: Iterable[Sink], clock: Callable[[], float]) -> None:
        self._rules = list(rules)
        self._sinks = list(sinks)
        self._clock = clock
        self._states: dict[tuple[str, str], _State] = {}
        self._resolved: list[Alert] = []

    @property
    def firing(self) -> list[Alert]:
        """What fires now, the oldest first."""
        return sorted((state.alert for state in self._states.values() if state.alert), key=lambda alert: alert.since)

    @property
    def shown(self) -> list[Alert]:
        """What fires, and what was resolved of late."""
        oldest = self._clock() - SHOWN_SECONDS
        recent = [alert for alert in self._resolved if (alert.resolved_at or 0.0) >= oldest]
        return [*self.firing, *reversed(recent)]

    def look(self, values: Values) -> None:
        """Judge what is measured now."""
        now = self._clock()
        for rule in self._rules:
            measured = values.get(rule.metric, {})
            known = {subject for name, subject in self._states if name == rule.name}
            for subject in {*(s for s in measured if fnmatchcase(s, rule.subject)), *known}:
                self._judge(rule, subject, measured.get(subject), now)

    def _judge(self, rule: Rule, subject: str, value: float | None, now: float) -> None:
        state = self._states.setdefault((rule.name, subject), _State())
        if state.alert is None:
            self._may_fire(rule, subject, value, state, now)
            if state.alert is None and state.turned is None:
                # Nothing is known of it that matters: subjects come and go.
                del self._states[rule.name, subject]
            return
        if value is not None:
            state.alert.value = value
        if value is not None and not rule.good(value):
            state.turned = None
            return
        state.turned = now if state.turned is None else state.turned
        if now - state.turned < rule.clear_seconds:
            return
        state.alert.resolved_at = now
        self._resolved = [*self._resolved, state.alert][-SHOWN:]
        for sink in self._sinks:
            sink.resolved(state.alert)
        del self._states[rule.name, subject]

    def _may_fire(self, rule: Rule, subject: str, value: float | None, state: _State, now: float) -> None:
        if value is None or not rule.bad(value):
            state.turned = None
            return
        state.turned = now if state.turned is None else state.turned
        if now - state.turned < rule.for_seconds:
            return
        state.alert = Alert(rule.name, subject, rule.says(subject, value), value, rule.limit, now)
        state.turned = None
        for sink in self._sinks:
            sink.fired(state.alert)

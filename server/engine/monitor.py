"""Watches over a process, or over all of them where this is the first of several: reports, alerts, targets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase

import structlog

from hexar.core.errors import StoreUnavailable
from hexar.core.telemetry.alerts import Alert, Alerts, Sink
from hexar.core.telemetry.reports import Report, summed
from hexar.core.telemetry.webhook import Webhook
from hexar.server.engine import Engine
from hexar.server.engine.measures import Lookups, Values, measures
from hexar.server.engine.report import report

log = structlog.get_logger(__name__)

#: Asks the processes under the same supervisor, this one included, for their reports; None where that fails.
Gather = Callable[[], Awaitable[Sequence[Report] | None]]
#: Tells the other processes under the same supervisor to do what was done here.
Tell = Callable[[dict[str, object]], Awaitable[None]]


class LogSink:
    """Alerts in the log."""

    def fired(self, alert: Alert) -> None:
        """One line."""
        log.warning(
            "alert_fired", rule=alert.rule, subject=alert.subject, text=alert.text, value=alert.value, limit=alert.limit
        )

    def resolved(self, alert: Alert) -> None:
        """One line."""
        seconds = round((alert.resolved_at or alert.since) - alert.since, 1)
        log.info("alert_resolved", rule=alert.rule, subject=alert.subject, value=alert.value, after=seconds)


class Monitor:
    """Everything belongs to the event loop, but for the webhook's thread."""

    def __init__(self, engine: Engine, worker: int, name: str) -> None:
        self._engine = engine
        self._worker = worker
        config = engine.settings.monitor
        self.webhook = Webhook(config.webhook.get_secret_value(), name) if config.webhook is not None else None
        sinks: list[Sink] = [LogSink(), *([self.webhook] if self.webhook is not None else [])]
        self.alerts = Alerts(config.made_rules(), sinks, time.time)
        self.targets = config.made_targets()
        #: Set where a supervisor knows the other processes.
        self.gather: Gather | None = None
        self.tell: Tell | None = None
        self.values: Values = {}
        self._lookups = Lookups()
        self._every = config.look_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look. Of several processes the first one looks, at all of them."""
        if self._worker == 1:
            self._task = asyncio.create_task(self._watch(), name="monitor")

    async def close(self) -> None:
        """Stop looking; what the webhook has waiting is tried once more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.webhook is not None:
            await asyncio.to_thread(self.webhook.close)

    async def report(self, *, all_processes: bool = False) -> Report:
        """The figures of this process, or the sums of all under the same supervisor."""
        if all_processes and self.gather is not None:
            several = await self.gather()
            if several:
                return summed(several)
        return await self.own_report()

    async def own_report(self) -> Report:
        """The figures of this process, with what it watches over."""
        made = await report(self._engine, self._worker)
        made["alerts"] = [asdict(alert) for alert in self.alerts.shown]
        made["targets"] = {name: value for name in self.targets if (value := self.target(name)) is not None}
        return made

    async def look(self) -> Values:
        """Measure, and judge what was measured."""
        now = await self.report(all_processes=True)
        redis = self._engine.redis
        rates = self._lookups.rates(time.monotonic(), now["caches"])
        self.values = measures(now, rates, await self._budgets(), None if redis is None else redis.up)
        self.alerts.look(self.values)
        return self.values

    def target(self, name: str) -> float | None:
        """The worst value of a target's subjects; None where nothing was measured."""
        target = self.targets[name]
        found = [value for subject, value in self.values.get(target.metric, {}).items() if fnmatchcase(subject, target.subject)]
        if not found:
            return None
        return max(found) if target.at_most is not None else min(found)

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("monitor_failed")
            await asyncio.sleep(self._every)

    async def _budgets(self) -> dict[str, float]:
        """The share that each tenant with a budget has spent."""
        ledger, shares = self._engine.ledger, {}
        for tenant in self._engine.settings.llm.budgets:
            try:
                budget = await self._engine.database.run(ledger.budget, tenant)
            except StoreUnavailable:
                return {}
            if budget is not None and budget.limit_micros:
                shares[tenant] = budget.spent_micros / budget.limit_micros
        return shares

"""What every process of the server has in common: an engine, the systems over it, figures, and an end in order."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import ProcessCollector, start_http_server
from prometheus_client.core import Metric

from hexar.core.resilience import CircuitBreaker
from hexar.core.telemetry.metrics import gauge
from hexar.core.telemetry.tracing import exporting
from hexar.server.engine import Engine, build_engine
from hexar.server.engine.exposed import exposed
from hexar.server.engine.monitor import Monitor
from hexar.server.engine.options import attribute
from hexar.server.engine.system import Servicer, System, kinds, tables
from hexar.server.settings.config import Settings
from hexar.server.tuning.collecting import Collector

log = structlog.get_logger(__name__)

VERSION = "0.1.0"
#: Seconds behind `drain_seconds` after which a process that was told to stop is ended, whatever it does.
EXIT_SECONDS = 15.0


class ListenerLost(Exception):
    """The process listens no more; it ends at once."""


@dataclass(frozen=True, slots=True)
class WorkerIndex:
    """Which of how many processes this is, counted from 1."""

    number: int = 1
    of: int = 1


class Process(ABC):
    """One process over one engine. A subclass says what it listens for."""

    def __init__(self, settings: Settings, *, index: WorkerIndex | None = None, systems: Sequence[System]) -> None:
        self.settings = settings
        self.systems = systems
        self.index = index or WorkerIndex()
        self.engine: Engine = build_engine(settings, kinds=kinds(systems), tables=tables(systems))
        self.version = VERSION
        #: The ports that are listened on, once started; 0: none.
        self.port = 0
        self.metrics_port = 0
        self.instance = f"{socket.gethostname()}:{os.getpid()}"
        self.started_at = time.time()
        self.ready = False
        #: Called in :meth:`stop` when the last call has ended, while the engine is still open.
        self.drained: Callable[[], Awaitable[None]] | None = None
        self.servicers: list[Servicer] = [system.servicer(self.engine) for system in systems if system.servicer is not None]
        for servicer in self.servicers:
            self._register(servicer)
        self._traces: Any = None
        if settings.monitor.traces is not None:
            try:
                self._traces = exporting(settings.monitor.traces, self.version, self.instance)
            except ImportError:
                raise ValueError("monitor.traces: spans need more packages; install hexar[otel]") from None
        metrics = self.engine.metrics
        metrics.gauges.add(lambda: exposed(self.engine, self.version))
        metrics.gauges.add(self._alerts)
        # Memory, CPU seconds, descriptors: as every program tells them.
        ProcessCollector(registry=metrics.registry)
        self.monitor = Monitor(self.engine, self.index.number, self.instance)
        caching = "nothing is found in a cache and nothing is kept; equal calls at the same time still share an answer"
        self.options = {
            option.name: option
            for option in (
                attribute("caching", caching, self.engine.caches, "enabled"),
                *(option for servicer in self.servicers for option in servicer.options()),
            )
        }
        #: Set where an operator asks the process to drain.
        self.drain_asked = asyncio.Event()
        self._stopped = False
        self._exporter: Any = None

    def _register(self, servicer: Servicer) -> None:
        self.engine.metrics.gauges.add(servicer.gauges)
        for kind, handler in servicer.jobs().items():
            self.engine.jobs.handler(kind, handler)

    async def start(self) -> None:
        """Open the engine and the systems, then listen. Raises OSError where the address cannot be had."""
        self.engine.open()
        for servicer in self.servicers:
            await servicer.open()
        self.engine.start_workers()
        await self.listen()
        self.ready = True
        self.monitor.start()
        if self.settings.metrics_port is not None:
            self._exporter = start_http_server(
                self.settings.metrics_port, self.settings.host, registry=self.engine.metrics.registry
            )
            self.metrics_port = self._exporter[0].server_port
        log.info("listening", host=self.settings.host, port=self.port, instance=self.instance)

    async def stop(self, grace: float | None = None) -> None:
        """Refuse new calls, let running ones end for ``grace`` seconds, then release everything; once."""
        if self._stopped:
            return
        self._stopped = True
        self.ready = False
        self.engine.gate.draining = True
        self.engine.answers.drain()
        await self.drain(self.settings.drain_seconds if grace is None else grace)
        if self.drained is not None:
            await self.drained()
        await self.monitor.close()
        await self.engine.end_work()
        for servicer in reversed(self.servicers):
            await servicer.close()
        await self.engine.close()
        if self._traces is not None:
            await asyncio.to_thread(self._traces.shutdown)
        if self._exporter is not None:
            exporter, thread = self._exporter
            exporter.shutdown()
            exporter.server_close()
            thread.join()
        log.info("stopped", instance=self.instance)

    def _alerts(self) -> Iterable[Metric]:
        firing = [({"rule": alert.rule, "subject": alert.subject}, 1.0) for alert in self.monitor.alerts.firing]
        yield gauge("hexar_alert_firing", "1: the alert fires", firing, shared=True)

    def steer(self, told: dict[str, Any]) -> None:
        """Do here what an operator asked of another process under the same supervisor."""
        if (name := told.get("option")) in self.options:
            self.options[name].write(bool(told["on"]))
        if (agent := told.get("breaker")) is not None:
            for breaker in self.breakers():
                if breaker.name == agent:
                    breaker.reset()
        if (key := told.get("entry")) is not None:
            self.engine.caches.forget(bytes.fromhex(key))

    def breakers(self) -> list[CircuitBreaker]:
        """Those of agents and of models."""
        agents = [bulkhead.breaker for bulkhead in self.engine.dispatcher.status()]
        return [*agents, *self.engine.models.models.breakers]

    @abstractmethod
    async def listen(self) -> None:
        """Begin to serve; set :attr:`port`."""

    @abstractmethod
    async def drain(self, grace: float) -> None:
        """Take no more calls, and let running ones end for ``grace`` seconds."""

    @property
    def leave_seconds(self) -> float:
        """Seconds that :meth:`leave` takes at most: every connection was told to go (at its age, give or take a tenth)."""
        return self.settings.limits.connection_seconds * 1.1 + 2.0

    @abstractmethod
    async def lost(self) -> None:
        """Return when nothing listens any more, without having been told to stop."""

    async def leave(self) -> None:  # noqa: B027  # who shares no port has nobody to hand over
        """Let others that share the port have the callers: return when none is connected and no answer is made here."""

    async def run(
        self,
        stopping: asyncio.Event | None = None,
        started: Callable[[], Awaitable[None]] | None = None,
        *,
        owns_process: bool = False,
    ) -> None:
        """Serve until SIGTERM, SIGINT or ``stopping``, then drain. ``started`` is called once it serves.

        ``owns_process``: the operating system's process is there for this alone. It then ends in bounded time once it was told
        to, whatever its threads do; without it, whoever embeds the server goes on.
        """
        stopping = stopping or asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await self.start()
        # What is there now stays: the collector need not look at it again each time.
        gc.collect()
        gc.freeze()
        self.engine.loop_lag.quiet = Collector()
        if started is not None:
            await started()
        lost = asyncio.create_task(self.lost())
        told = asyncio.create_task(stopping.wait())
        asked = asyncio.create_task(self.drain_asked.wait())
        await asyncio.wait((lost, told, asked), return_when=asyncio.FIRST_COMPLETED)
        if not told.done() and not asked.done():
            # Nothing of what runs here can be reached; whoever started the process starts another.
            raise ListenerLost
        for task in (lost, told, asked):
            task.cancel()
        log.info("draining", seconds=self.settings.drain_seconds)
        if owns_process:
            # Counted outside of the interpreter: no thread that hangs, or never lets go of its lock, holds it up.
            faulthandler.dump_traceback_later(self.settings.drain_seconds + EXIT_SECONDS, exit=True)
        await self.stop()

"""What all systems share, built from the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from prometheus_client.core import Metric

from hexar.agents.llm import MeteredModels
from hexar.core.cache import Caches, Kind
from hexar.core.cache.backend import CacheBackend
from hexar.core.cache.invalidation import Invalidation
from hexar.core.cache.redis import RedisBackend
from hexar.core.cache.sqlite import SqliteBackend
from hexar.core.cache.versions import Versions
from hexar.core.eventlog import Answers
from hexar.core.eventlog.redis import RedisRuns
from hexar.core.jobs import Jobs
from hexar.core.jobs.worker import STORE_AWAY, WorkerConfig
from hexar.core.ledger import Ledger, Period
from hexar.core.memo import MEMORY
from hexar.core.redis.link import RedisLink
from hexar.core.resilience import BreakerState
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher
from hexar.core.resilience.rate_limits import RateLimiter
from hexar.core.resilience.shared_breakers import SharedBreakers
from hexar.core.resilience.slots import Slots
from hexar.core.store import Database, Tables
from hexar.core.telemetry.event_loop_lag import EventLoopLag
from hexar.core.telemetry.metrics import Metrics, counter, gauge
from hexar.core.telemetry.operations import Kind as Timed
from hexar.server.calls.interceptors import Admission
from hexar.server.engine.store import open_database, prepare_database
from hexar.server.settings.config import Settings
from hexar.server.settings.models import build_models

T = TypeVar("T")

MEGABYTE = 1024 * 1024

#: A job that fills caches ahead: its kind, payload and dedupe key.
WarmJob = tuple[str, bytes, str]
_BREAKER_VALUE = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}


@dataclass(slots=True)
class Engine:
    """One process's engine. Built by :func:`build_engine`, opened on the event loop, closed before it ends."""

    settings: Settings
    database: Database
    versions: Versions
    caches: Caches
    answers: Answers
    dispatcher: Dispatcher
    jobs: Jobs
    metrics: Metrics
    gate: Admission
    rates: RateLimiter
    slots: Slots
    ledger: Ledger
    models: MeteredModels
    loop_lag: EventLoopLag = field(default_factory=EventLoopLag)
    #: What the systems keep in the store.
    tables: tuple[Tables, ...] = ()
    #: Where several processes share a Redis: the link to it, and the agreements on versions and on breakers.
    redis: RedisLink | None = None
    invalidation: Invalidation | None = None
    breakers: SharedBreakers | None = None

    loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Prepare the store and load versions; on the event loop. StoreNotReady."""
        self.loop = asyncio.get_running_loop()
        prepare_database(self.settings, self.database, self.tables)
        self.versions.load()
        if self.redis is not None and self.invalidation is not None:
            self.redis.start()
            self.invalidation.start()
        if self.breakers is not None:
            self.breakers.start()
        for tenant, budget in self.settings.llm.budgets.items():
            self.ledger.set_budget(tenant, budget.limit, currency=budget.currency, period=Period(budget.period))
        self.loop_lag.seen = self.gate.observe
        self.loop_lag.start()

    def start_workers(self) -> None:
        """Run background jobs, once every system has opened."""
        self.jobs.start()

    def run_soon(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run ``work`` on the event loop, from a thread of the job workers."""
        if self.loop is None:
            raise RuntimeError("the engine is not open")
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def end_work(self) -> None:
        """End answers and jobs, so that nothing calls the systems' agents any more."""
        await self.answers.close(grace=1.0)
        await self.jobs.close()

    async def close(self) -> None:
        """Close what leans on others before what it leans on."""
        await self.end_work()
        await self.loop_lag.stop()
        self.models.models.close()
        self.dispatcher.close()
        await self.rates.close()
        await self.slots.close()
        if self.breakers is not None:
            await self.breakers.close()
        if self.invalidation is not None:
            await self.invalidation.close()
        await self.caches.close()
        await asyncio.to_thread(self.ledger.close)
        self.database.close()


def build_engine(settings: Settings, *, kinds: Iterable[Kind] = (), tables: Iterable[Tables] = ()) -> Engine:
    """The engine of ``settings`` for systems that cache values of ``kinds`` and keep ``tables``."""
    database = open_database(settings)
    versions = Versions(database)
    metrics = Metrics()
    link: RedisLink | None = None
    if settings.redis_url is not None:
        link = RedisLink(settings.redis_url.get_secret_value(), timeout=settings.redis_timeout)
    backend: CacheBackend | None = None
    if link is not None:
        backend = RedisBackend(link)
    elif settings.cache.disk_mb:
        backend = SqliteBackend(settings.data_dir / "cache.db", settings.cache.disk_mb * MEGABYTE)
    MEMORY.limit_bytes = settings.cache.memo_mb * MEGABYTE
    bulkhead = BulkheadConfig(**settings.dispatch.model_dump())
    ttl = settings.cache.ttl
    kinds = [replace(kind, ttl=ttl.get(kind.name, kind.ttl)) for kind in kinds]
    caches = Caches(versions, backend, kinds=kinds, memory_bytes=settings.cache.memory_mb * MEGABYTE)
    breakers = SharedBreakers(link) if link is not None else None
    dispatcher = Dispatcher(bulkhead, observer=metrics.agent_called, share=breakers.share if breakers is not None else None)

    def processes() -> int:
        return breakers.processes if breakers is not None else 1

    ledger = Ledger(database)
    lingers = settings.limits.linger_seconds
    worker = WorkerConfig(settings.jobs.workers, settings.jobs.lease_seconds, settings.jobs.poll_seconds)
    models = build_models(settings.llm, dispatcher, ledger, metrics)
    if breakers is not None:
        for breaker in models.models.breakers:
            breakers.share(breaker)
    engine = Engine(
        settings=settings,
        database=database,
        versions=versions,
        caches=caches,
        answers=Answers(caches, RedisRuns(link) if link is not None else None, lingers, settings.cache.resume_mb * MEGABYTE),
        dispatcher=dispatcher,
        jobs=Jobs(database, worker, tenant_limit=settings.limits.tenant_jobs),
        metrics=metrics,
        gate=Admission(settings.limits.concurrent_calls, shared=settings.auth.several_tenants),
        rates=RateLimiter(link, processes),
        slots=Slots(link, processes),
        ledger=ledger,
        models=models,
        tables=tuple(tables),
        redis=link,
        invalidation=Invalidation(versions, link) if link is not None else None,
        breakers=breakers,
    )
    engine.jobs.observe(partial(metrics.worked, Timed.JOB))
    metrics.gauges.add(lambda: _gauges(engine))
    metrics.gauges.add(ledger.counters.collect)
    return engine


def _gauges(engine: Engine) -> Iterable[Metric]:
    caches, bulkheads = engine.caches, engine.dispatcher.status()
    hits = [({"kind": kind, "tier": tier.value}, float(count)) for (kind, tier), count in list(caches.stats.hits.items())]
    misses = [({"kind": kind}, float(count)) for kind, count in list(caches.stats.misses.items())]
    breakers = [({"agent": bulkhead.agent}, _BREAKER_VALUE[bulkhead.breaker.state]) for bulkhead in bulkheads]
    elsewhere = [({"agent": bulkhead.agent}, float(bulkhead.breaker.opened_elsewhere)) for bulkhead in bulkheads]
    busy = [({"agent": bulkhead.agent}, float(bulkhead.busy)) for bulkhead in bulkheads]
    queued = [({"agent": bulkhead.agent}, float(bulkhead.queued)) for bulkhead in bulkheads]
    yield counter("hexar_cache_hits", "Cache hits by kind and tier", hits)
    yield counter("hexar_cache_misses", "Cache misses by kind", misses)
    yield gauge("hexar_cache_memory_bytes", "Bytes in the memory tier", [({}, float(caches.memory.used_bytes))])
    if engine.redis is not None:
        yield gauge("hexar_redis_up", "1: the link to Redis is up", [({}, float(engine.redis.up))])
        yield counter("hexar_redis_commands", "Commands sent to Redis", [({}, float(engine.redis.commands))])
        yield counter("hexar_redis_outages", "Times that the link to Redis went down", [({}, float(engine.redis.outages))])
        yield counter("hexar_redis_rate_leases", "Leases of rates asked for", [({}, float(engine.rates.asked))])
    yield gauge("hexar_breaker_open", "1 open, 0.5 probing, 0 closed", breakers)
    yield gauge("hexar_breaker_opened_elsewhere", "1: open for what another process saw", elsewhere)
    yield gauge("hexar_agent_busy_threads", "Threads that an agent holds", busy)
    yield gauge("hexar_agent_queued_calls", "Calls that wait for a thread", queued)
    yield from _job_gauges(engine.jobs)
    yield gauge("hexar_store_up", "0: the store is known to be away", [({}, float(engine.database.available))])
    yield gauge("hexar_loop_lag_seconds", "Worst event loop delay of the last 10 s", [({}, engine.loop_lag.worst)])
    yield gauge("hexar_work_limit", "Calls that may work at once now", [({}, float(engine.gate.gradient.value))])
    yield gauge("hexar_requests_in_flight", "RPCs in progress", [({}, float(engine.metrics.in_flight))])
    yield gauge("hexar_answers_live", "Answers that are being produced", [({}, float(engine.answers.live))])


def _job_gauges(jobs: Jobs) -> Iterable[Metric]:
    """The queue by kind, as the store has it: every process that shares the store reports the same figures."""
    try:
        depth = jobs.queue.depth()
    except STORE_AWAY:
        return
    kinds = sorted({*jobs.kinds, *depth})
    waiting = [({"kind": kind}, depth.get(kind, (0, 0.0))) for kind in kinds]
    counts = [(labels, float(count)) for labels, (count, _) in waiting]
    ages = [(labels, age) for labels, (_, age) in waiting]
    yield gauge("hexar_jobs_queued", "Jobs that wait, by kind", counts, shared=True)
    yield gauge("hexar_jobs_oldest_seconds", "Age of the oldest waiting job", ages, shared=True)

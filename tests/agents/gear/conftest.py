"""An engine on real files, and vendors that answer from memory: the parts of a gear query without a network."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hexar.agents.gear.config import GearConfig
from hexar.agents.gear.kinds import KINDS
from hexar.agents.gear.pipeline import GearPipeline
from hexar.agents.llm import MeteredModels
from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.errors import VendorError
from hexar.agents.vendors.model import Availability, Listing, Money, Review
from hexar.core.cache import Caches
from hexar.core.cache.sqlite import SqliteBackend
from hexar.core.cache.versions import Versions
from hexar.core.deadline import Deadline
from hexar.core.jobs import Jobs
from hexar.core.jobs.worker import WorkerConfig
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.v1 import query_pb2


def usd(amount: float) -> Money:
    """So many US dollars."""
    return Money("USD", round(amount * 1_000_000))


def listing(vendor: str, sku: str, name: str, **fields: object) -> Listing:
    """A listing read now, in stock for 400 USD unless said otherwise."""
    values: dict[str, object] = {"price": usd(400), "availability": Availability.IN_STOCK, "fetched_at": time.time(), **fields}
    return Listing(vendor=vendor, sku=sku, name=name, **values)  # type: ignore[arg-type]


@dataclass
class Shelf:
    """A vendor agent that answers from memory, after ``delay`` seconds, and counts how often it was asked."""

    name: str
    listings: Sequence[Listing]
    delay: float = 0.0
    error: Callable[[], VendorError] | None = None
    #: What a heavy reading adds, by sku.
    knowledge: dict[str, dict[str, object]] = field(default_factory=dict)
    heavy_error: Callable[[], VendorError] | None = None
    by_terms: bool = False
    light_calls: int = 0
    heavy_calls: int = 0

    def light(self, request: LightRequest, deadline: Deadline, *, cancel: object = None) -> list[Listing]:
        self.light_calls += 1
        time.sleep(max(0.0, min(self.delay, deadline.remaining() + 0.5)))
        if self.error is not None:
            raise self.error()
        now = time.time()
        return [replace(one, fetched_at=now) for one in self.listings]

    def heavy(self, listings: Sequence[Listing], deadline: Deadline) -> list[Listing]:
        self.heavy_calls += 1
        if self.heavy_error is not None:
            raise self.heavy_error()
        known = {one.sku: one for one in self.listings}
        return [replace(known[one.sku], **self.knowledge.get(one.sku, {})) for one in listings if one.sku in known]

    def light_key(self, request: LightRequest) -> dict[str, object]:
        return {"terms": request.terms} if self.by_terms else {"catalogue": self.name}


@dataclass
class Engine:
    """The parts of the engine that the pipeline uses."""

    database: Database
    caches: Caches
    dispatcher: Dispatcher
    jobs: Jobs

    def pipeline(
        self, *shelves: Shelf, config: GearConfig | None = None, analyses: bool = True, models: MeteredModels | None = None
    ) -> GearPipeline:
        jobs = self.jobs if analyses else None
        built = GearPipeline(shelves, self.dispatcher, self.caches, jobs, config, models=models)
        built.open()
        return built


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """A database, caches over SQLite, pools and job workers, all real."""
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    create_tables(database)
    caches = Caches(Versions(database), SqliteBackend(tmp_path / "cache.db", 64 * 1024 * 1024), kinds=KINDS)
    parts = Engine(
        database, caches, Dispatcher(BulkheadConfig(threads=4)), Jobs(database, WorkerConfig(poll=0.05, retry_base=0.05))
    )
    yield parts
    await parts.jobs.close()
    parts.dispatcher.close()
    await caches.close()
    database.close()


@pytest.fixture
def boards() -> Iterator[list[Shelf]]:
    """Three shops that list some of the same snowboards, and a boot."""

    def review(number: int, text: str, rating: float) -> Review:
        return Review(id=f"r{number}", text=text, rating=rating)

    alpha = Shelf(
        "alpha",
        [
            listing(
                "alpha",
                "A1",
                "Burton Ripcord Snowboard 2024",
                brand="Burton",
                category="Snowboards",
                gtin="4006381333931",
                price=usd(349),
                list_price=usd(429),
                tags=("beginner", "all-mountain"),
            ),
            listing(
                "alpha",
                "A2",
                "Jones Flagship Snowboard 2024",
                brand="Jones",
                category="Snowboards",
                price=usd(699),
                tags=("expert", "freeride"),
            ),
            listing(
                "alpha", "A3", "Burton Moto BOA Snowboard Boots", brand="Burton", category="Snowboard Boots", price=usd(219)
            ),
        ],
        knowledge={
            "A1": {
                "description": "A catch-free board for first seasons.",
                "attributes": {"flex": "soft", "skill level": "Beginner"},
                "rating": 4.5,
                "rating_count": 12,
                "reviews": (
                    review(1, "Very easy to turn. The graphics are ugly.", 4),
                    review(2, "It is lightweight but the edges washed out on ice.", 3),
                ),
            }
        },
    )
    beta = Shelf(
        "beta",
        [
            listing(
                "beta",
                "B1",
                "Ripcord Board by Burton 2024",
                brand="Burton",
                category="Snowboard",
                gtin="4006381333931",
                price=usd(329),
                availability=Availability.OUT_OF_STOCK,
            ),
            listing("beta", "B2", "Nitro Prime Raw Snowboard 2024", brand="Nitro", category="Snowboard", price=usd(379)),
        ],
    )
    gamma = Shelf("gamma", [listing("gamma", "G1", "Tabla de snowboard Capita Outerspace", price=Money("EUR", 389_000_000))])
    return [alpha, beta, gamma]


@dataclass
class Answered:
    """The events of one answer, and when each came, seconds after the call."""

    events: list[query_pb2.QueryEvent]
    times: list[float]
    cacheable: bool

    @property
    def started(self) -> query_pb2.QueryStarted:
        return self.events[0].started

    @property
    def completed(self) -> query_pb2.QueryCompleted:
        return self.events[-1].completed

    def kinds(self) -> list[str]:
        return [event.WhichOneof("event") or "" for event in self.events]

    def vendor(self, name: str) -> query_pb2.VendorStatus:
        return next(status for status in self.completed.vendors if status.vendor == name)


Ask = Callable[..., "object"]


@pytest.fixture
def ask() -> Ask:
    """Answer a request with a pipeline: ``await ask(pipeline, text=…, seconds=…)``."""

    async def run(pipeline: GearPipeline, *, seconds: float = 30.0, tenant: str = "default", **fields: object) -> Answered:
        events: list[query_pb2.QueryEvent] = []
        times: list[float] = []
        began = time.monotonic()

        def emit(event: query_pb2.QueryEvent) -> None:
            events.append(event)
            times.append(time.monotonic() - began)

        request = query_pb2.QueryRequest(**fields)  # type: ignore[arg-type]
        completion = await pipeline.answer(request, tenant, emit, Deadline.after(seconds))
        return Answered(events, times, completion.cacheable)

    return run

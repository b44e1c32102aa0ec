"""PostgreSQL killed, stopped or black-holed under load: a real server goes on answering and loses nothing it has acknowledged."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from hexar.core.store import Database
from hexar.core.store.migrations import upgrade
from hexar.server.demo import DemoShops
from hexar.server.process.app import App
from hexar.server.systems import TABLES, make_settings
from hexar.v1 import chat_pb2, ops_pb2, ops_pb2_grpc, portfolio_pb2, query_pb2, query_pb2_grpc
from tests.fix.pace import Pace
from tests.fix.stores.postgres_server import PostgresServer
from tests.fix.stores.redis_server import RedisServer
from tests.fix.wire import Wire
from tests.server.chat.test_chat import LIGHTS, WARRANTY, Chat, text_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

#: Seconds of each fault.
OUTAGE = float(os.environ.get("HEXAR_OUTAGE", "3"))
#: Seconds from the end of a fault until everything is stored again.
RECOVERY = 5.0
QUESTIONS = [
    "What is the warranty of the Atlas 40 backpack?",
    "How is the backpack washed?",
    "How is the left headlight replaced?",
]
QUERIES = ["beginner snowboard under $400", "snowboard boots", "freeride board", "bindings"]


@pytest.fixture
def wire(fragile_postgres: PostgresServer) -> Iterator[Wire]:
    """A relay to the server, on a loop of its own: a server that starts blocks the test's."""
    made = Wire(fragile_postgres.port)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(made.start(), loop).result(10)
    yield made
    asyncio.run_coroutine_threadsafe(made.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@dataclass
class History:
    """What callers were told, to be compared with what the store holds afterwards."""

    #: Conversations by the events of their answer: those told to be kept, and those of which nobody can know.
    kept: dict[str, str] = field(default_factory=dict)
    unconfirmed: set[str] = field(default_factory=set)
    #: By document: the last number acknowledged, and the last one sent. A document has one writer.
    acknowledged: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=list)
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    slowest: dict[tuple[str, str], float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def has_met_the_fault(self) -> bool:
        """Whether callers of each kind have been answered, and refused, during the fault."""
        met = ("upsert", "UNAVAILABLE"), ("chat", "turn_unconfirmed"), ("chat", "OK"), ("query", "OK")
        return all(self.outcomes["fault", kind, outcome] for kind, outcome in met)


class Load:
    """Callers that go on while ``running``; ``phase`` names the time that a call began in."""

    def __init__(self, app: App, channel: grpc.aio.Channel, rng: random.Random) -> None:
        self.history = History()
        self.answers: dict[str, str] = {}
        self.phase = "before"
        self.running = True
        self._rng = rng
        self._chat = Chat(channel)
        self._queries = query_pb2_grpc.QueryServiceStub(channel)
        self._ops = ops_pb2_grpc.OpsServiceStub(channel)
        self.app = app

    async def prepare(self) -> None:
        """Make the portfolio, and have every answer kept once."""
        await self._chat.add("gear", backpack__md=WARRANTY, lights__txt=LIGHTS)
        for question in QUESTIONS:
            self.answers[question] = text_of(await self._chat.ask("gear", question))
        for text in QUERIES:
            await self._query(text)

    def tasks(self) -> list[asyncio.Task[None]]:
        """Everyone at once."""
        callers: list[Callable[[], Any]] = [self._asker, self._asker, self._querier, self._querier, self._warmer]
        writers = [self._writer(f"note-{number}.txt") for number in range(2)]
        return [asyncio.create_task(work) for work in (*(caller() for caller in callers), *writers)]

    async def _call(self, kind: str, call: Any) -> Any:
        phase, began = self.phase, time.perf_counter()
        try:
            result = await call
        except grpc.aio.AioRpcError as error:
            self.history.outcomes[phase, kind, error.code().name] += 1
            if error.code() is not grpc.StatusCode.UNAVAILABLE or not _has_retry_info(error):
                self.history.wrong.append(f"{kind}: {error.code().name} {error.details()}")
            return None
        finally:
            took = time.perf_counter() - began
            key = phase, kind
            self.history.slowest[key] = max(took, self.history.slowest.get(key, 0.0))
        self.history.outcomes[phase, kind, "OK"] += 1
        return result

    async def _asker(self) -> None:
        while self.running:
            question, phase = self._rng.choice(QUESTIONS), self.phase
            events = await self._call("chat", self._chat.ask("gear", question))
            if events is not None:
                done = events[-1].done
                # Without word from both Redis and the store nothing kept is served: the answer is then made again.
                self.history.outcomes[phase, "chat", chat_pb2.CacheStatus.Name(done.cache_status)] += 1
                if text_of(events) != self.answers[question]:
                    self.history.wrong.append(f"chat: {question!r} was answered in another way")
                if done.turn_unconfirmed:
                    self.history.unconfirmed.add(done.conversation_id)
                    self.history.outcomes[phase, "chat", "turn_unconfirmed"] += 1
                else:
                    self.history.kept[done.conversation_id] = text_of(events)
            await asyncio.sleep(self._rng.uniform(0.01, 0.05))

    async def _query(self, text: str) -> list[query_pb2.QueryEvent]:
        return [event async for event in self._queries.Query(query_pb2.QueryRequest(text=text), timeout=20)]

    async def _querier(self) -> None:
        while self.running:
            # Some are kept answers, some are new questions: analyses are queued for those, where that is possible.
            text = self._rng.choice(QUERIES) if self._rng.random() < 0.7 else f"board {self._rng.randrange(140, 170)} cm"
            events = await self._call("query", self._query(text))
            if events is not None and not events[-1].HasField("completed"):
                self.history.wrong.append(f"query: {text!r} did not end")
            await asyncio.sleep(self._rng.uniform(0.02, 0.1))

    async def _writer(self, document: str) -> None:
        while self.running:
            number = self.history.sent[document] = self.history.sent.get(document, 0) + 1
            name = document.removesuffix(".txt")
            response = await self._call(
                "upsert", self._chat.add("notes", **{f"{name}__txt": f"Note number {number}.".encode()})
            )
            if response is not None:
                self.history.acknowledged[document] = number
            await asyncio.sleep(self._rng.uniform(0.02, 0.1))

    async def _warmer(self) -> None:
        while self.running:
            request = ops_pb2.WarmCacheRequest(queries=[f"warm {self._rng.randrange(1 << 30)}"])
            response = await self._call("submit", self._ops.WarmCache(request))
            if response is not None:
                self.history.jobs.extend(response.job_ids)
            await asyncio.sleep(self._rng.uniform(0.1, 0.3))

    async def stored_again(self) -> float:
        """Seconds until a document is stored."""
        began = time.monotonic()
        while True:
            try:
                await self._chat.add("notes", probe__txt=f"Probe {time.monotonic()}.".encode())
                return time.monotonic() - began
            except grpc.aio.AioRpcError:
                assert time.monotonic() - began < 30
                await asyncio.sleep(0.05)

    async def check(self) -> None:
        """Compare what was acknowledged with what is there."""
        history = self.history
        for conversation, answer in history.kept.items():
            request = chat_pb2.GetConversationRequest(conversation_id=conversation)
            found = await self._chat.chat.GetConversation(request)
            assert [turn.answer for turn in found.turns] == [answer]
        for document, number in history.acknowledged.items():
            name = portfolio_pb2.GetDocumentRequest(portfolio_id="notes", document_id=document, with_text=True)
            text = (await self._chat.portfolios.GetDocument(name)).text
            assert number <= int(text.strip().removesuffix(".").rsplit(" ", 1)[1]) <= history.sent[document]
        for job in history.jobs:
            assert (await self._ops.GetJob(ops_pb2.GetJobRequest(id=job))).job.id == job


async def until(true: Callable[[], bool]) -> None:
    """Wait until ``true``; a busy machine may take longer than the fault was to last."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < 20
        await asyncio.sleep(0.05)


def _has_retry_info(error: grpc.aio.AioRpcError) -> bool:
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(details)
    return any(detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in status.details)


@asynccontextmanager
async def served(url: str, redis: str, folder: Path) -> AsyncIterator[tuple[App, Any]]:
    """Shops, and a server over them, PostgreSQL and Redis."""
    with DemoShops() as shops:
        vendors = folder / "vendors.yaml"
        vendors.write_text(shops.vendors_yaml())
        settings = make_settings(
            port=0, data_dir=folder / "data", vendors=vendors, drain_seconds=0, database_url=url, redis_url=redis
        )
        app = App(settings)
        await app.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
                yield app, channel
        finally:
            await app.stop(0)


@pytest.mark.chaos
@pytest.mark.parametrize("fault", ["kill", "freeze", "silence"])
async def test_a_server_goes_on_without_postgresql(
    fragile_postgres: PostgresServer, wire: Wire, redis_server: RedisServer, tmp_path: Path, pace: Pace, fault: str
) -> None:
    """Queries and kept chat answers come, what cannot be stored is UNAVAILABLE with RetryInfo, and all that was acknowledged
    is there afterwards, 5 s after the fault at the latest."""
    seed = int(os.environ.get("HEXAR_SEED") or random.randrange(1 << 32))
    print("seed", seed)
    database = Database(fragile_postgres.url())
    upgrade(database, TABLES)
    database.close()
    async with served(fragile_postgres.url(port=wire.port), redis_server.url, tmp_path) as (app, channel):
        load = Load(app, channel, random.Random(seed))
        await load.prepare()
        tasks = load.tasks()
        await asyncio.sleep(1.5)
        load.phase = "fault"
        if fault == "kill":
            await asyncio.to_thread(fragile_postgres.kill)
        elif fault == "freeze":
            fragile_postgres.freeze()
        else:
            wire.silent = True
        await asyncio.sleep(OUTAGE)
        await until(lambda: not app.engine.database.available)
        # Calls that began before may have waited for most of the fault: it lasts until later ones have met it as well.
        await until(load.history.has_met_the_fault)
        status = await ops_pb2_grpc.OpsServiceStub(channel).GetStatus(ops_pb2.GetStatusRequest())
        assert any("store does not answer" in problem for problem in status.problems)
        load.phase = "after"
        if fault == "kill":
            await asyncio.to_thread(fragile_postgres.start)
        elif fault == "freeze":
            fragile_postgres.thaw()
        else:
            wire.silent = False
        pace.slack()
        recovered = await load.stored_again()
        slack = pace.slack()
        await asyncio.sleep(1.0)
        load.running = False
        await asyncio.gather(*tasks)
        history = load.history
        print(fault, "outage", OUTAGE, "recovered in", round(recovered, 2))
        print({" ".join(key): count for key, count in sorted(history.outcomes.items())})
        print("slowest", {" ".join(key): round(took, 2) for key, took in sorted(history.slowest.items())})
        print("kept", len(history.kept), "unconfirmed", len(history.unconfirmed), "jobs", len(history.jobs))
        assert not history.wrong
        failed = {kind for (_, kind, code), count in history.outcomes.items() if code == "UNAVAILABLE"}
        assert not failed & {"query", "chat"}
        assert recovered <= RECOVERY + slack
        await load.check()

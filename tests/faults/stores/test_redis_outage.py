"""Redis killed, stopped or black-holed under load of two whole servers: nobody's call fails, and nobody gets an old answer.

Callers ask queries (kept ones and fresh ones) and chat at both servers, while a document is replaced again and again. Each
answer is checked against a model: a query's products and prices are those of the shops, and a chat answer quotes a version of
the document that is no older than the last one that was acknowledged when it was asked. HEXAR_OUTAGE: seconds of each of three
faults.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from hexar.server.demo import DemoShops
from hexar.v1 import common_pb2, query_pb2, query_pb2_grpc
from hexar_client import Event, Ranking
from tests.fix.chaos import seeded
from tests.fix.pace import Pace
from tests.fix.server_process import ServerProcess
from tests.fix.stores.redis_server import RedisServer
from tests.fix.wire import Wire
from tests.server.chat.test_chat import Chat, text_of

pytestmark = [pytest.mark.faults, pytest.mark.chaos, pytest.mark.timeout(240)]

OUTAGE = float(os.environ.get("HEXAR_OUTAGE", "3"))
#: The worst of them by default; test_redis_faults.py has all three for the caches alone.
FAULTS = ("kill", "freeze", "silence") if "HEXAR_OUTAGE" in os.environ else ("silence",)
#: Seconds of load before the fault.
BEFORE = 3.0
TEXTS = ("beginner snowboard under $400", "tent", "helmet", "all-mountain board")
#: Callers of each kind, and seconds between two calls of one.
CALLERS = {"kept": 6, "fresh": 2, "chat": 2, "control kept": 3, "control fresh": 1}
PAUSE = 0.04

Products = frozenset[tuple[str, tuple[tuple[str, int], ...]]]


@dataclass(slots=True)
class Load:
    """What callers do and note."""

    channels: list[grpc.aio.Channel]
    control: grpc.aio.Channel
    rng: random.Random
    expected: dict[str, Products] = field(default_factory=dict)
    #: Of the document: the version sent last, and the one acknowledged last.
    sent: int = 0
    acknowledged: int = 0
    phase: str = "before"
    running: bool = True
    times: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    #: Calls that were told to ask again from the start, since who made their answer was out of reach.
    restarts: int = 0

    async def query(self, text: str, *, fresh: bool, control: bool = False) -> Products:
        """The products and prices that one server answers; where it says so, asked again from the start, once."""
        try:
            return await self._query(text, fresh, control)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.ABORTED:
                raise
            self.restarts += 1
            return await self._query(text, fresh, control)

    async def _query(self, text: str, fresh: bool, control: bool) -> Products:
        stub = query_pb2_grpc.QueryServiceStub(self.control if control else self.rng.choice(self.channels))
        policy = common_pb2.CACHE_POLICY_REFRESH if fresh else common_pb2.CACHE_POLICY_DEFAULT
        ranking = Ranking()
        async for event in stub.Query(query_pb2.QueryRequest(text=text, limit=5, cache_policy=policy), timeout=20):
            kind = event.WhichOneof("event")
            ranking.apply(Event(event.seq, kind, getattr(event, kind)))
        assert ranking.completed is not None
        return frozenset(
            (each.name, tuple(sorted((offer.vendor, offer.price.micros) for offer in each.offers))) for each in ranking.products
        )

    async def ask(self) -> int:
        """The version of the document that an answer quotes."""
        events = await Chat(self.rng.choice(self.channels)).ask("ship", "What is the number of the cargo?", ephemeral=True)
        found = re.search(r"number of the cargo is (\d+)", text_of(events))
        assert found is not None, text_of(events)
        return int(found[1])

    async def write(self) -> None:
        """Replace the document."""
        self.sent += 1
        version = self.sent
        await Chat(self.rng.choice(self.channels)).add("ship", cargo__txt=b"The number of the cargo is %d. \n" % version)
        self.acknowledged = version

    async def caller(self, kind: str) -> None:
        """Call until told to stop."""
        while self.running:
            phase, least, began = self.phase, self.acknowledged, time.perf_counter()
            try:
                if kind == "chat":
                    version = await self.ask()
                    if not least <= version <= self.sent:
                        self.failures.append(f"{phase}: version {version} after {least} was acknowledged, {self.sent} sent")
                else:
                    text = self.rng.choice(TEXTS)
                    found = await self.query(text, fresh="fresh" in kind, control="control" in kind)
                    if found != self.expected[text]:
                        self.failures.append(f"{phase}: {text!r} answered {sorted(found ^ self.expected[text])}")
            except grpc.aio.AioRpcError as error:
                self.failures.append(f"{phase}: {kind} ended with {error.code()}: {error.details()}")
            self.times.setdefault((kind, phase), []).append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE * self.rng.uniform(0.5, 1.5))

    async def writer(self) -> None:
        """Replace the document until told to stop."""
        while self.running:
            await self.write()
            await asyncio.sleep(0.5)

    def p99(self, phase: str, kinds: tuple[str, ...]) -> float:
        """Seconds."""
        times = sorted(value for kind in kinds for value in self.times.get((kind, phase), []))
        return times[int(len(times) * 0.99)]


def up(server: ServerProcess) -> bool:
    """Whether the server's link to Redis is up, by its log."""
    events = [json.loads(line)["event"] for line in server.log.splitlines() if '"redis_' in line and line.endswith("}")]
    return [event for event in events if event in ("redis_up", "redis_down")][-1:] == ["redis_up"]


def times_up(server: ServerProcess) -> int:
    """How often its link has come up."""
    return server.log.count('"redis_up"')


async def until(holds: Any, seconds: float = 30) -> float:
    """Seconds until ``holds``; fails after ``seconds``."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("fault", FAULTS)
async def test_servers_answer_while_redis_is_gone(
    fragile_redis: RedisServer, redis_server: RedisServer, tmp_path: Path, pace: Pace, fault: str
) -> None:
    """No call fails or gets an old answer; the fault adds little to the 99th percentile; Redis is used again within 5 s.

    What it adds is measured against a third server, whose Redis stays well, under the same load at the same time.
    """
    rng = seeded()
    wire = Wire(fragile_redis.port)
    await wire.start()
    with DemoShops(delay=0.02) as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml())
        settings = {
            "data_dir": tmp_path / "data", "vendors": tmp_path / "vendors.yaml", "jobs": {"workers": 0},
            "redis_url": f"redis://127.0.0.1:{wire.port}/0", "chat": {"semantic_cache": False},
        }  # fmt: skip
        control = {"data_dir": tmp_path / "control", "redis_url": redis_server.url}
        async with (
            ServerProcess(tmp_path, "one", **settings) as one,
            ServerProcess(tmp_path, "other", **settings) as other,
            ServerProcess(tmp_path, "control", **settings | control) as third,
            one.channel() as first,
            other.channel() as second,
            third.channel() as healthy,
        ):
            load = Load([first, second], healthy, rng)
            await until(lambda: up(one) and up(other))
            await load.write()
            for text in TEXTS:
                load.expected[text] = await load.query(text, fresh=True)
            tasks = [asyncio.create_task(load.caller(kind)) for kind, count in CALLERS.items() for _ in range(count)]
            tasks.append(asyncio.create_task(load.writer()))
            await asyncio.sleep(BEFORE)
            load.phase = "fault"
            pace.slack()
            if fault == "kill":
                fragile_redis.kill()
            elif fault == "freeze":
                fragile_redis.freeze()
            else:
                wire.silent = True
            await asyncio.sleep(OUTAGE)
            assert not up(one)
            assert not up(other)
            load.phase = "after"
            slack = pace.slack()
            before = [times_up(server) for server in (one, other)]
            if fault == "kill":
                await asyncio.to_thread(fragile_redis.start)
            elif fault == "freeze":
                fragile_redis.thaw()
            else:
                wire.silent = False
            # Where the machine is short of time for them all, a link may soon be down again, as that of the control is.
            recovered = await until(lambda: all(times_up(server) > count for server, count in zip((one, other), before)))
            slack = max(slack, pace.slack())
            await asyncio.sleep(1)
            load.running = False
            await asyncio.gather(*tasks)
    await wire.close()
    counts = {f"{kind} {phase}": len(times) for (kind, phase), times in sorted(load.times.items())}
    kinds = {"kept": ("kept",), "fresh": ("fresh",), "chat": ("chat",)}
    kinds |= {"queries": ("kept", "fresh"), "control": ("control kept", "control fresh")}
    p99 = {name: [load.p99(phase, those) for phase in ("before", "fault")] for name, those in kinds.items()}
    print(fault, "seconds", OUTAGE, counts)
    print("p99 ms before and in the fault", {name: [round(value * 1000) for value in pair] for name, pair in p99.items()})
    print("versions", load.acknowledged, "recovered in", round(recovered, 2), "restarts", load.restarts)
    assert not load.failures, load.failures[:5]
    assert recovered < 5 + slack
    # 60 ms on a quiet machine; on one that does other work a 99th percentile is that work, and so is what two of them differ by.
    added = (p99["queries"][1] - p99["control"][1]) - max(0.0, p99["queries"][0] - p99["control"][0])
    print("added p99 ms", round(added * 1000))
    assert added < max(0.06, 2 * p99["control"][1]) + slack

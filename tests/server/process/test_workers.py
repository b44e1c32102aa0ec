"""Several processes under a supervisor: real processes on one port, over a real Valkey."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hexar.server.demo import DemoShops
from hexar.server.process.supervision.address import Address
from hexar.v1 import chat_pb2, chat_pb2_grpc, ops_pb2, ops_pb2_grpc
from hexar_client import AsyncClient
from hexar_client.chat import Upload
from tests.fix.fleet import Fleet, alive, until
from tests.fix.stores.redis_server import RedisServer
from tests.upstream import Upstream

STATUS = ops_pb2.GetStatusRequest()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[ops_pb2_grpc.OpsServiceStub]:
    """A stub on a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield ops_pb2_grpc.OpsServiceStub(channel)


async def instances(port: int, connections: int = 40) -> set[str]:
    """Who answers on so many connections."""
    found = set()
    for _ in range(connections):
        async with connected(port) as stub:
            found.add((await stub.GetStatus(STATUS, timeout=20, wait_for_ready=True)).instance)
    return found


TOKENS = 60


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """A model's server in a process of its own."""
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Fleet]:
    """Two processes with a model that sends 20 tokens a second, for tests that leave them serving."""
    folder = tmp_path_factory.mktemp("fleet")
    redis = RedisServer()
    model = {"name": "first", "base_url": upstream.base_url, "model": f"m?tokens={TOKENS}&rate=20&first=0.2"}
    configure(folder, llm={"models": [model]}, cache={"memory_mb": 7})
    settings = {"WORKERS": "2", "REDIS_URL": redis.url, "METRICS_PORT": "0", "LIMITS__CONNECTION_SECONDS": "1"}
    with Fleet(folder, **settings) as made:
        yield made.started()
        assert made.end() == 0
        assert not any(alive(pid) for pid in made.pids.values())
    redis.close()


def configure(folder: Path, **values: Any) -> None:
    """Put ``values`` into hexar.yaml, in the place of what it had under their names."""
    path = folder / "hexar.yaml"
    kept = orjson.loads(path.read_bytes()) if path.exists() else {}
    path.write_bytes(orjson.dumps(kept | values))


async def test_processes_share_one_port_and_a_dead_one_is_replaced(fleet: Fleet) -> None:
    """Both processes get connections; one that is killed is replaced, and then the new one gets some."""
    assert len(await instances(fleet.port)) == 2
    before = fleet.pids
    os.kill(before[1], signal.SIGKILL)
    died = await asyncio.to_thread(fleet.until, "worker_died")
    assert (died["number"], died["ending"]) == (1, "signal 9")
    await asyncio.to_thread(fleet.until, "worker_replaced", number=1)
    after = fleet.pids
    assert after[1] != before[1]
    assert after[2] == before[2]
    found = await instances(fleet.port)
    assert {int(instance.split(":")[1]) for instance in found} == set(after.values())


@pytest.mark.chaos
async def test_no_process_outlives_a_killed_supervisor(redis_server: RedisServer, tmp_path: Path) -> None:
    """Killed with -9 the supervisor can tell nobody; its processes notice and drain."""
    with Fleet(tmp_path, WORKERS="2", REDIS_URL=redis_server.url) as fleet:
        fleet.started()
        fleet.signal(signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in fleet.pids.values()))


def run(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command, which is expected to end by itself."""
    environment = os.environ | {"HEXAR_DATA_DIR": str(tmp_path / "data")} | {f"HEXAR_{k}": v for k, v in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "hexar.server", *arguments],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_a_port_of_another_service_is_refused(tmp_path: Path) -> None:
    """Whether or not the other service shares its port: one line that names the address, and exit code 1."""
    for shared in (0, 1):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
                Address("127.0.0.1", port)
    with Address("127.0.0.1", 0) as mine:
        told = f"hexar: cannot listen on 127.0.0.1:{mine.port}: Address already in use; --port or HEXAR_PORT names another\n"
        for workers in ("1", "2"):
            done = run(tmp_path, WORKERS=workers, REDIS_URL="redis://127.0.0.1:1", PORT=str(mine.port))
            assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


def test_processes_that_share_nothing_are_refused(tmp_path: Path) -> None:
    """Without Redis a second process would serve what the first has made old: the message names the setting."""
    for arguments in (("serve", "--workers", "2"), ("worker",)):
        done = run(tmp_path, *arguments)
        assert done.returncode == 2
        assert "HEXAR_REDIS_URL" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.chaos
def test_a_process_that_cannot_start_ends_the_supervisor(redis_server: RedisServer, tmp_path: Path) -> None:
    """A wrong vendors file ends it at once with code 2, a store that cannot be opened after three starts with code 1."""
    (tmp_path / "vendors.yaml").write_text("vendors: [{name: Not A Name}]\n")
    done = run(tmp_path, WORKERS="2", REDIS_URL=redis_server.url, PORT="0")
    assert done.returncode == 2
    assert "vendors.yaml" in done.stderr.splitlines()[-1]
    (tmp_path / "vendors.yaml").unlink()
    (tmp_path / "data" / "store.db").mkdir(parents=True)
    done = run(tmp_path, WORKERS="2", REDIS_URL=redis_server.url, PORT="0")
    assert done.returncode == 1
    assert done.stderr.count("worker_not_started") == 2
    assert "unable to open database file" in done.stderr.splitlines()[-1]


class Load:
    """Callers who ask without a pause: some on connections that they keep, some on a new one each time."""

    def __init__(self, port: int, keep: int = 6, renew: int = 2) -> None:
        self._port = port
        self._stopping = False
        self.answered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._tasks = [asyncio.create_task(self._keep()) for _ in range(keep)]
        self._tasks += [asyncio.create_task(self._renew()) for _ in range(renew)]

    async def _ask(self, stub: ops_pb2_grpc.OpsServiceStub) -> None:
        try:
            self.answered[(await stub.GetStatus(STATUS, timeout=20)).instance] += 1
        except grpc.aio.AioRpcError as error:
            self.failed[f"{error.code().name}: {error.details()}"] += 1

    async def _keep(self) -> None:
        async with connected(self._port) as stub:
            while not self._stopping:
                await self._ask(stub)

    async def _renew(self) -> None:
        while not self._stopping:
            async with connected(self._port) as stub:
                await self._ask(stub)

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)


@pytest.mark.chaos
async def test_no_call_fails_during_a_rolling_restart(fleet: Fleet) -> None:
    """Plain gRPC callers under load, without retries, see no error: neither when a wrong configuration is refused and the
    old processes go on, nor when a right one is taken over and all of them are replaced."""
    load = Load(fleet.port)
    before = set(fleet.pids.values())
    configure(fleet.folder, cache={"memroy_mb": 7})
    fleet.signal(signal.SIGHUP)
    refused = await asyncio.to_thread(fleet.until, "not_reloaded")
    assert "cache.memroy_mb" in refused["error"]
    assert set(fleet.pids.values()) == before
    configure(fleet.folder, cache={"memory_mb": 9})
    fleet.signal(signal.SIGHUP)
    await asyncio.to_thread(fleet.until, "reloaded")
    await asyncio.sleep(0.5)
    await load.stop()
    after = set(fleet.pids.values())
    assert not load.failed
    assert {int(instance.split(":")[1]) for instance in load.answered} == before | after
    assert not before & after
    assert not any(alive(pid) for pid in before)
    async with connected(fleet.port) as stub:
        stats = await stub.GetCacheStats(ops_pb2.GetCacheStatsRequest())
    assert stats.memory_limit_bytes == 9 * 1024 * 1024


async def test_a_stream_survives_the_death_of_its_process(fleet: Fleet) -> None:
    """The process that streams an answer is killed; the SDK resumes on another, and no token is lost, doubled or reordered."""
    text, numbers, killed = "", [], 0
    async with AsyncClient(f"127.0.0.1:{fleet.port}") as client:
        await client.portfolios.add("pumps", [Upload("pump.txt", b"The pump moves forty litres a minute.\n")])
        async for event in client.chat("pumps", "How many litres does the pump move?"):
            numbers.append(event.seq)
            if event.kind == "token":
                text += event.body.text
            if not killed and "tok9 " in text:
                # A process that is short of time may be late with its figures.
                figures = await asyncio.to_thread(fleet.figures)
                killed = next((n for n in (1, 2) if figures.get(f'hexar_answers_live{{worker="{n}"}}')), 0)
                if killed:
                    os.kill(fleet.pids[killed], signal.SIGKILL)
    assert killed
    assert text == "".join(f"tok{i} " for i in range(TOKENS))
    assert numbers == list(range(1, len(numbers) + 1))
    await asyncio.to_thread(fleet.until, "worker_replaced", number=killed)


async def test_callers_of_all_processes_share_one_answer(fleet: Fleet, upstream: Upstream) -> None:
    """200 callers on 20 connections ask both processes the same: the model is called once, and all get the same tokens."""
    before = sum(upstream.stats()["calls"].values())
    async with AsyncClient(f"127.0.0.1:{fleet.port}") as client:
        await client.portfolios.add("belts", [Upload("belt.txt", b"The belt drives the pump and the fan.\n")])

    async def caller(stub: chat_pb2_grpc.ChatServiceStub) -> str:
        request = chat_pb2.ChatRequest(portfolio_id="belts", message="What does the belt drive?")
        return "".join([event.token.text async for event in stub.Chat(request, timeout=60)])

    async with AsyncExitStack() as stack:
        alone = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{fleet.port}", options=alone))
            for _ in range(20)
        ]
        stubs = [chat_pb2_grpc.ChatServiceStub(channel) for channel in channels]
        texts = await asyncio.gather(*(caller(stub) for stub in stubs for _ in range(10)))
    assert set(texts) == {"".join(f"tok{i} " for i in range(TOKENS))}
    assert sum(upstream.stats()["calls"].values()) == before + 1


@pytest.mark.chaos
async def test_figures_are_summed_and_never_go_down(fleet: Fleet) -> None:
    """One endpoint adds up what all processes counted, also those that died or drained; each process says which it is."""
    method = "hexar.v1.OpsService/GetStatus"
    count = f'hexar_requests_total{{code="OK",method="{method}"}}'
    spread = f'hexar_request_seconds_bucket{{le="+Inf",method="{method}"}}'

    async def figures(more: int = 0, than: dict[str, float] | None = None) -> dict[str, float]:
        """The figures, when they show ``more`` calls; of a process that is short of time the last ones are shown at first."""
        for _ in range(30):
            found = await asyncio.to_thread(fleet.figures)
            if than is None or found[count] - than.get(count, 0) >= more:
                break
            await asyncio.sleep(0.2)
        return found

    before = await figures()
    assert len(await instances(fleet.port, 40)) == 2
    now = await figures(40, before)
    assert now[count] - before.get(count, 0) == now[spread] - before.get(spread, 0) == 40
    assert now["hexar_workers"] == 2
    for number in (1, 2):
        assert f'hexar_loop_lag_seconds{{worker="{number}"}}' in now
    async with connected(fleet.port) as stub:
        report = await stub.GetReport(ops_pb2.GetReportRequest())
    assert report.workers == 2
    assert report.instance.endswith(f":{fleet.pids[report.worker]}")
    # What a killed process has counted since it was last read is lost; one that drains tells its last figures.
    for number, ending in ((1, signal.SIGKILL), (2, signal.SIGTERM)):
        before = await figures()
        asked = 10 if ending == signal.SIGTERM else 0
        await instances(fleet.port, asked)
        os.kill(fleet.pids[number], ending)
        await asyncio.to_thread(fleet.until, "worker_replaced", number=number)
        now = await figures(asked, before)
        assert now[count] - before[count] == now[spread] - before[spread] == asked
        assert now["hexar_worker_deaths_total"] == before["hexar_worker_deaths_total"] + 1


@pytest.mark.chaos
async def test_a_worker_runs_the_jobs_that_a_server_accepts(redis_server: RedisServer, tmp_path: Path) -> None:
    """A server without job threads queues; a worker runs it, answers health, and drains."""
    with DemoShops() as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml())
        with (
            Fleet(tmp_path, REDIS_URL=redis_server.url, JOBS__WORKERS="0") as server,
            Fleet(tmp_path, "worker", "--workers", "2", "--port", "0", REDIS_URL=redis_server.url) as worker,
        ):
            server.started("listening")
            worker.started()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
                health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
                assert health.status == health_pb2.HealthCheckResponse.SERVING
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await ops_pb2_grpc.OpsServiceStub(channel).GetStatus(STATUS)
                assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
            async with connected(server.port) as stub:
                queued = await stub.WarmCache(ops_pb2.WarmCacheRequest(queries=["tent"]))
                watch = stub.WatchJob(ops_pb2.WatchJobRequest(id=queued.job_ids[0]), timeout=60)
                states = [change.job.state async for change in watch]
            assert states[-1] == ops_pb2.JOB_STATE_SUCCEEDED
            assert worker.end() == 0

"""A process keeps its event loop, gRPC's thread and those that work for the loop to one CPU, as long as it is not crowded."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hexar.server.process.app import App
from hexar.server.systems import make_settings
from hexar.server.tuning import loop_factory
from hexar.server.tuning.affinity import CpuAffinity, cores_first, is_completions

if sys.platform != "linux":
    pytest.skip("CPU affinity is Linux's", allow_module_level=True)

from hexar.server.tuning.eventloop import AtOnce, Loop


def test_bytes_of_a_socket_pair_are_read_together() -> None:
    """Who asks for one byte gets all that are there."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.__class__ = AtOnce
        theirs.sendall(b"1" * 300)
        assert ours.recv(1) == b"1" * 300


@pytest.mark.parametrize(
    ("siblings", "order"),
    [
        (["0-1", "0-1", "2-3", "2-3"], [0, 2, 1, 3]),
        (["0,2", "1,3", "0,2", "1,3"], [0, 1, 2, 3]),
        (["0", "1", "2", "3"], [0, 1, 2, 3]),
        ([], [0, 1, 2, 3]),
    ],
)
def test_cores_are_used_before_their_second_threads(tmp_path: Path, siblings: list[str], order: list[int]) -> None:
    """However the system numbers the threads of a core; where it does not tell, in the order of the numbers."""
    for cpu, others in enumerate(siblings):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{others}\n")
    assert cores_first({3, 1, 0, 2}, tmp_path) == order


async def test_nothing_is_tied_without_help() -> None:
    """An event loop that takes completions one by one, or more processes than CPUs: the threads run anywhere."""
    before = os.sched_getaffinity(0)
    assert CpuAffinity.of(asyncio.get_running_loop()) is None
    assert os.sched_getaffinity(0) == before


@asynccontextmanager
async def _app(folder: Path, **changes: bool) -> AsyncIterator[App]:
    settings = make_settings(
        port=0, data_dir=folder, vendors=folder / "none.yaml", drain_seconds=0, log_level="warning", **changes
    )
    app = App(settings)
    await app.start()
    try:
        yield app
    finally:
        await app.stop(0)


async def _serve(folder: Path) -> dict[str, Any]:
    everywhere = os.sched_getaffinity(0)
    async with _app(folder, cpu_affinity=True) as app:
        poller = next(each for each in threading.enumerate() if is_completions(getattr(each, "_target", None)))
        assert poller.native_id is not None
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            replies = await asyncio.gather(*(check(health_pb2.HealthCheckRequest()) for _ in range(500)))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        found = {
            "together": type(loop._completions) is AtOnce,
            "loop": os.sched_getaffinity(0),
            "poller": os.sched_getaffinity(poller.native_id),
            "class": os.sched_getscheduler(poller.native_id),
            "store": await app.engine.database.run(os.sched_getaffinity, 0),
            "agent": await app.engine.dispatcher.call("probe", os.sched_getaffinity, 0),
            "apart": [_begun("job-late") == everywhere, await asyncio.to_thread(os.sched_getaffinity, 0) == everywhere],
            "companion": _begun("helper"),
            "jobs": {os.sched_getaffinity(each.native_id or 0) == everywhere for each in _named("job")},
            "replies": {reply.status for reply in replies},
            "crowd": CpuAffinity.of(asyncio.get_running_loop(), 1, len(everywhere) + 1),
        }
    found["left"] = [os.sched_getaffinity(0) == everywhere, _begun("helper") == everywhere, threading.getprofile() is None]
    found["left"].append(type(loop._completions) is not AtOnce)
    return found


def _named(start: str) -> list[threading.Thread]:
    found = [each for each in threading.enumerate() if each.name.startswith(start)]
    assert found
    return found


def _begun(name: str) -> set[int]:
    """The CPUs of a thread that is begun now."""
    found = set[int]()
    thread = threading.Thread(target=lambda: found.update(os.sched_getaffinity(0)), name=name)
    thread.start()
    thread.join()
    return found


async def _crowd(folder: Path) -> dict[str, Any]:
    """Where a busy loop and its companions ran before, while and after two other processes were tied to their CPU."""
    CpuAffinity.SAMPLE_SECONDS, CpuAffinity.APART_SECONDS = 0.2, 0.1
    everywhere = os.sched_getaffinity(0)
    async with _app(folder) as app:
        store = app.engine.database
        await store.run(int)
        kept = CpuAffinity.of(asyncio.get_running_loop())
        assert kept is not None
        first = kept.cpu
        before = await store.run(os.sched_getaffinity, 0)
        hogs = [await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass") for _ in range(2)]
        watching = asyncio.create_task(kept.watch())
        try:
            for hog in hogs:
                os.sched_setaffinity(hog.pid, {first})
            until = time.monotonic() + 60
            while kept.apart_since is None and time.monotonic() < until:  # noqa: ASYNC110  # it is to be busy
                await asyncio.sleep(0)
            stayed = kept.cpu
            apart = {os.sched_getaffinity(each.native_id or 0) == everywhere for each in _named("store_")}
            while kept.cpu == first and time.monotonic() < until:  # noqa: ASYNC110
                await asyncio.sleep(0)
            while kept.apart_since is not None and time.monotonic() < until:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        finally:
            watching.cancel()
            for hog in hogs:
                hog.kill()
                await hog.wait()
        return {
            "first": first,
            "before": before,
            "stayed": stayed,
            "apart": apart,
            "then": kept.cpu,
            "loop": os.sched_getaffinity(0),
            "after": await store.run(os.sched_getaffinity, 0),
        }


def run(work: Callable[[Path], Coroutine[Any, Any, Any]], folder: Path, cpu_affinity: bool) -> Any:
    """``work`` on the server's event loop, in a process of its own."""
    with asyncio.Runner(loop_factory=loop_factory(cpu_affinity=cpu_affinity)) as runner:
        return runner.run(work(folder))


def elsewhere(work: Callable[[Path], Coroutine[Any, Any, Any]], folder: Path, *, cpu_affinity: bool = True) -> Any:
    """What ``work`` returns from another process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(run, work, folder, cpu_affinity).result(90)


def test_the_loop_and_its_companions_share_a_cpu_and_others_do_not(tmp_path: Path) -> None:
    """gRPC's thread, the store's and an agent's keep to the loop's; jobs and other threads run anywhere; all calls are answered."""
    found = elsewhere(_serve, tmp_path)
    assert len(found["loop"]) == 1
    assert found["poller"] == found["store"] == found["agent"] == found["companion"] == found["loop"]
    assert found["class"] == os.SCHED_BATCH
    assert found["together"]
    assert found["apart"] == [True, True]
    assert found["jobs"] == {True}
    assert found["replies"] == {health_pb2.HealthCheckResponse.SERVING}
    assert found["crowd"] is None
    assert found["left"] == [True] * 4


async def _plain(folder: Path) -> list[bool]:
    everywhere = os.sched_getaffinity(0)
    async with _app(folder) as app:
        store = await app.engine.database.run(os.sched_getaffinity, 0)
        alone = [each.native_id or 0 for each in threading.enumerate()]
        return [
            {os.sched_getaffinity(each) == everywhere for each in alone} == {True},
            store == everywhere,
            threading.getprofile() is None,
            {os.sched_getscheduler(each) for each in alone} == {os.SCHED_OTHER},
        ]


def test_a_server_is_plain_unless_asked(tmp_path: Path) -> None:
    """By default no thread is tied, none is of another class, no profile hook is set, and the loop is uvloop's own."""
    assert elsewhere(_plain, tmp_path, cpu_affinity=False) == [True] * 4
    assert type(loop_factory(cpu_affinity=False)()) is uvloop.Loop


@pytest.mark.chaos
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is no other CPU")
def test_a_crowded_cpu_is_left(tmp_path: Path) -> None:
    """First the companions may run anywhere, then the loop goes to another CPU; there they come together again."""
    found = elsewhere(_crowd, tmp_path)
    assert found["before"] == {found["first"]}
    assert found["stayed"] == found["first"]
    assert found["apart"] == {True}
    assert found["then"] != found["first"]
    assert found["after"] == found["loop"] == {found["then"]}

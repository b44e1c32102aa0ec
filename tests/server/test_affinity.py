"""A process keeps its event loop and gRPC's thread to one CPU, and nothing else of it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hexar.server import affinity
from hexar.server.affinity import chosen, keep_to
from hexar.server.app import App
from hexar.server.config import Settings

if sys.platform != "linux":
    pytest.skip("CPU affinity is Linux's", allow_module_level=True)

from hexar.server.eventloop import AtOnce, Loop


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of four CPUs; the file that holds its quota, which says nothing yet."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3, 5, 7})
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(affinity, "QUOTA", quota)
    return quota


def test_processes_that_use_up_the_cpus_have_one_each(four: Path) -> None:
    """As many processes as CPUs, and no quota: one CPU each, of those that the processes may use."""
    assert [chosen("auto", number, 4) for number in (1, 2, 3, 4)] == [1, 3, 5, 7]
    four.write_text("max 100000\n")
    assert chosen("auto", 4, 4) == 7


@pytest.mark.parametrize("of", [1, 3, 5])
@pytest.mark.usefixtures("four")
def test_other_numbers_of_processes_run_anywhere(of: int) -> None:
    """One process does not know who else uses the machine; fewer or more than CPUs are dealt by the kernel."""
    assert chosen("auto", 1, of) is None


def test_a_share_of_cpus_runs_anywhere(four: Path) -> None:
    """With a quota others use the same CPUs."""
    four.write_text("150000 100000\n")
    assert chosen("auto", 1, 4) is None
    assert chosen("on", 2, 4) == 3


@pytest.mark.usefixtures("four")
def test_the_setting_decides_where_it_is_given() -> None:
    """ "on" goes round where there are more processes than CPUs; "off" binds nothing."""
    assert [chosen("on", number, 6) for number in (1, 4, 5, 6)] == [1, 7, 1, 3]
    assert chosen("off", 1, 4) is None


def test_bytes_of_a_socket_pair_are_read_together() -> None:
    """Who asks for one byte gets all that are there."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.__class__ = AtOnce
        theirs.sendall(b"1" * 300)
        assert ours.recv(1) == b"1" * 300


async def test_an_event_loop_that_cannot_help_binds_nothing() -> None:
    """Without completions that are taken together the binding would cost: the threads stay as they are."""
    before = os.sched_getaffinity(0)
    assert not keep_to(min(before), asyncio.get_running_loop())
    assert os.sched_getaffinity(0) == before


async def _serve(folder: Path) -> dict[str, Any]:
    app = App(Settings(port=0, data_dir=folder, vendors=folder / "none.yaml", drain_seconds=0, cpu_affinity="on"))
    await app.start()
    try:
        poller = next(each for each in threading.enumerate() if affinity.is_completions(getattr(each, "_target", None)))
        assert poller.native_id is not None
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            replies = await asyncio.gather(*(check(health_pb2.HealthCheckRequest()) for _ in range(500)))
        return {
            "loop": os.sched_getaffinity(0),
            "poller": (os.sched_getaffinity(poller.native_id), os.sched_getscheduler(poller.native_id)),
            "pool": await asyncio.to_thread(os.sched_getaffinity, 0),
            "replies": {reply.status for reply in replies},
        }
    finally:
        await app.stop(0)


def served(folder: Path) -> dict[str, Any]:
    """What a server that is bound says of its threads; run in a process of its own."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(_serve(folder))


def test_the_loop_and_grpcs_thread_share_a_cpu_and_others_do_not(tmp_path: Path) -> None:
    """Both are bound to the CPU; a thread that is begun later runs anywhere; all calls of a crowd are answered."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        found = process.submit(served, tmp_path).result(60)
    everywhere = os.sched_getaffinity(0)
    one = {min(everywhere)}
    assert found["loop"] == one
    assert found["poller"] == (one, os.SCHED_BATCH)
    assert found["pool"] == everywhere
    assert found["replies"] == {health_pb2.HealthCheckResponse.SERVING}

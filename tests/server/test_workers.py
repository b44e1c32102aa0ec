"""Several processes under a supervisor: real processes on one port, over a real Valkey."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from hexar.server.supervision.address import Address
from hexar.v1 import ops_pb2, ops_pb2_grpc
from tests.fix.fleet import Fleet, alive, until
from tests.fix.redis_server import RedisServer

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


async def test_processes_share_one_port_and_a_dead_one_is_replaced(redis_server: RedisServer, tmp_path: Path) -> None:
    """Both processes get connections; one that is killed is replaced and the new one gets some; all end with the supervisor."""
    with Fleet(tmp_path, WORKERS="2", REDIS_URL=redis_server.url) as fleet:
        fleet.started()
        assert len(await instances(fleet.port)) == 2
        before = fleet.pids
        os.kill(before[1], signal.SIGKILL)
        assert fleet.until("worker_died")["ending"] == "signal 9"
        fleet.until("worker_replaced", number=1)
        after = fleet.pids
        assert after[1] != before[1]
        assert after[2] == before[2]
        found = await instances(fleet.port)
        assert {int(instance.split(":")[1]) for instance in found} == set(after.values())
        assert fleet.end() == 0
        assert not any(alive(pid) for pid in after.values())


async def test_no_process_outlives_a_killed_supervisor(redis_server: RedisServer, tmp_path: Path) -> None:
    """Killed with -9 the supervisor can tell nobody; its processes notice and drain."""
    with Fleet(tmp_path, WORKERS="2", REDIS_URL=redis_server.url) as fleet:
        fleet.started()
        fleet.signal(signal.SIGKILL)
        until(lambda: not any(alive(pid) for pid in fleet.pids.values()))


async def test_a_wrong_configuration_is_not_reloaded(redis_server: RedisServer, tmp_path: Path) -> None:
    """After SIGHUP with a wrong file the old processes go on and the log names the setting; with a right one all are replaced."""
    config = tmp_path / "hexar.yaml"
    config.write_text("cache: {memory_mb: 7}\n")
    with Fleet(tmp_path, WORKERS="2", REDIS_URL=redis_server.url) as fleet:
        fleet.started()
        before = fleet.pids
        config.write_text("cache: {memroy_mb: 7}\n")
        fleet.signal(signal.SIGHUP)
        refused = fleet.until("not_reloaded")
        assert "cache.memroy_mb" in refused["error"]
        assert {int(each.split(":")[1]) for each in await instances(fleet.port)} == set(before.values())
        config.write_text("cache: {memory_mb: 9}\n")
        fleet.signal(signal.SIGHUP)
        fleet.until("reloaded")
        assert not set(before.values()) & set(fleet.pids.values())
        assert not any(alive(pid) for pid in before.values())
        async with connected(fleet.port) as stub:
            stats = await stub.GetCacheStats(ops_pb2.GetCacheStatsRequest())
        assert stats.memory_limit_bytes == 9 * 1024 * 1024


def run(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command, which is expected to end by itself."""
    environment = os.environ | {"HEXAR_DATA_DIR": str(tmp_path / "data")} | {f"HEXAR_{k}": v for k, v in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "hexar.server", *arguments],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
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
        done = run(tmp_path, WORKERS="2", REDIS_URL="redis://127.0.0.1:1", PORT=str(mine.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"hexar: cannot listen on 127.0.0.1:{mine.port}: Address already in use\n"


def test_processes_that_share_nothing_are_refused(tmp_path: Path) -> None:
    """Without Redis a second process would serve what the first has made old: the message names the setting."""
    for arguments in (("serve", "--workers", "2"), ("worker",)):
        done = run(tmp_path, *arguments)
        assert done.returncode == 2
        assert "HEXAR_REDIS_URL" in done.stderr
        assert len(done.stderr.splitlines()) == 1


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

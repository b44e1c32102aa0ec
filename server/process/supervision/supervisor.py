"""The supervisor: starts processes, replaces those that die, restarts all one by one, ends them in order.

SIGTERM and SIGINT drain every process and end. SIGHUP is a rolling restart: for one process after the other a replacement is
started, and only when it serves the old one is told to leave: it gives up the port, serves its callers until they have gone
(each connection is renewed at its age), and drains. The replacements read the configuration anew. Where one does not start,
the old ones go on and the error is logged.

::

    NotStarted(Exception)      no process serves: the configuration is wrong, or each start failed
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable
from contextlib import ExitStack, suppress
from typing import Any, Literal

import structlog
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric

from hexar.core.telemetry.metrics import counter, gauge
from hexar.core.telemetry.reports import Report, ended, summed
from hexar.server.process.supervision.address import Address
from hexar.server.process.supervision.figures import Totals
from hexar.server.process.supervision.link import NOT_STARTED, WRONG_CONFIGURATION, Link
from hexar.server.settings.config import Settings

log = structlog.get_logger(__name__)

#: Seconds that a process may take until it serves.
START_SECONDS = 120.0
#: Starts that may fail in a row before the first process has served.
FIRST_STARTS = 3
#: Pauses before a process is started again: none after a long life, else doubled from the first to the longest.
PAUSE_FIRST, PAUSE_LONGEST = 0.2, 8.0
LONG_LIFE = 10.0
#: Seconds beyond the drain time after which a process is killed: jobs, answers and pools have their own times to end.
STOP_GRACE = 15.0
#: Seconds that a process may take to tell its figures; after them its last ones are shown.
FIGURES_SECONDS = 2.0


class NotStarted(Exception):
    """No process serves. ``code`` is the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class Worker:
    """One process and its link."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, link: Link, totals: Totals) -> None:
        self.number = number
        self.pid = process.pid
        self.failure: NotStarted | None = None
        loop = asyncio.get_running_loop()
        self.started = loop.time()
        self._process = process
        self._link = link
        self._totals = totals
        self._asked = 0
        self._patience: dict[str, float] = {}
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._ready: asyncio.Future[bool] = loop.create_future()
        #: Told of ``{"gather": …}`` and ``{"steer": …}``.
        self.asks: Callable[[Worker, dict[str, Any]], None] = lambda worker, message: None
        #: What it reported last; its own figures, for the operators' service of another process.
        self.last_report: Report | None = None
        self.ended = asyncio.create_task(self._follow())

    @property
    def ready(self) -> bool:
        """True while it serves, or drains."""
        return self._ready.done() and self._ready.result() and not self.ended.done()

    async def until_ready(self) -> bool:
        """True once it serves; False where it ended before, or took too long and was killed."""
        try:
            async with asyncio.timeout(START_SECONDS):
                return await asyncio.shield(self._ready)
        except TimeoutError:
            self.failure = NotStarted(f"process {self.pid} does not serve after {START_SECONDS:.0f} s", NOT_STARTED)
            self.signal(signal.SIGKILL)
            await self.ended
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def retire(self) -> None:
        """Tell it to leave its callers to others and then to drain; return when it has ended."""
        await self._link.send({"leave": True})
        await self._end(self._patience.get("leave_seconds", 0.0) + self._patience.get("drain_seconds", 0.0) + STOP_GRACE)

    async def stop(self) -> None:
        """Tell it to drain; return when it has ended."""
        self.signal(signal.SIGTERM)
        await self._end(self._patience.get("drain_seconds", 0.0) + STOP_GRACE)

    async def _end(self, seconds: float) -> None:
        """Wait for its end; kill it where it still runs after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self.ended)
        except TimeoutError:
            log.warning("worker_killed", number=self.number, pid=self.pid, seconds=seconds)
            self.signal(signal.SIGKILL)
            await self.ended

    async def send(self, message: dict[str, Any]) -> None:
        """Tell it something."""
        await self._link.send(message)

    async def refresh(self, what: str = "figures") -> None:
        """Ask for its figures, or its report; return when they came, or will not."""
        self._asked += 1
        answer = self._answers[self._asked] = asyncio.get_running_loop().create_future()
        await self._link.send({what: self._asked})
        with suppress(TimeoutError):
            async with asyncio.timeout(FIGURES_SECONDS):
                await asyncio.wait([answer, self.ended], return_when=asyncio.FIRST_COMPLETED)
        self._answers = {number: waits for number, waits in self._answers.items() if waits is not answer}

    async def _follow(self) -> int:
        """Read what it says until it ends; its exit code."""
        async for message in self._link.messages():
            if "ready" in message and not self._ready.done():
                self._patience = {name: message["ready"][name] for name in ("leave_seconds", "drain_seconds")}
                self._ready.set_result(True)
            elif "failed" in message:
                self.failure = NotStarted(message["failed"], message["code"])
            elif "figures" in message:
                self._totals.update(self.pid, message["figures"])
                self._answered(message)
            elif "report" in message:
                self.last_report = message["report"]
                self._answered(message)
            elif "gather" in message or "steer" in message:
                self.asks(self, message)
        # Its end of the link is closed: it ends, or has closed what it must not close.
        code = await self._process.wait()
        await self._link.close()
        self._totals.retire(self.pid)
        if not self._ready.done():
            self.failure = self.failure or NotStarted(
                f"process {self.pid} ended with {_ending(code)} at its start", NOT_STARTED
            )
            self._ready.set_result(False)
        return code

    def _answered(self, message: dict[str, Any]) -> None:
        answer = self._answers.get(message["to"])
        if answer is not None and not answer.done():
            answer.set_result(None)


class Supervisor:
    """``count`` processes of one role. Everything belongs to the event loop of :meth:`run`."""

    def __init__(
        self,
        role: Literal["serve", "work"],
        settings: Settings,
        count: int,
        *,
        listen: bool = True,
        threads: int | None = None,
    ) -> None:
        self._settings = settings
        self._count = count
        self._role = role
        self._address = Address(settings.host, settings.port) if listen else None
        self._arguments = ["--host", settings.host]
        if self._address is not None:
            self._arguments += ["--port", str(self._address.port)]
        if threads is not None:
            self._arguments += ["--threads", str(threads)]
        self._totals = Totals()
        self._current: dict[int, Worker] = {}
        self._all: set[Worker] = set()
        self._locks = {number: asyncio.Lock() for number in range(1, count + 1)}
        self._stopping = asyncio.Event()
        self._reload = asyncio.Event()
        #: What processes that have ended had counted, as they said it last; and what is being done for those that run.
        self._past: Report | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._deaths = 0
        self._restarts = 0

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises NotStarted, or OSError where the metrics port cannot be had."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        exporter = self._export(loop)
        work = [asyncio.create_task(self._work()), asyncio.create_task(self._stopping.wait())]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._stopping.set()
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            await self._end()
            if exporter is not None:
                server, thread = exporter
                # Its requests wait for this loop: it must not be held while they end.
                await asyncio.to_thread(server.shutdown)
                server.server_close()
                await asyncio.to_thread(thread.join)
            if self._address is not None:
                self._address.close()

    async def _work(self) -> None:
        await self._begin()
        port = self._address.port if self._address is not None else 0
        log.info("all_listening", host=self._settings.host, port=port, workers=self._count, pid=os.getpid())
        async with asyncio.TaskGroup() as tasks:
            for number in self._locks:
                tasks.create_task(self._keep(number))
            tasks.create_task(self._reloading())

    # -- starting ------------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Start the first alone, so that the store is made once and a wrong configuration is said once; then the rest."""
        for attempt in range(FIRST_STARTS):
            worker = await self._start(1)
            if await worker.until_ready():
                break
            assert worker.failure is not None
            if worker.failure.code == WRONG_CONFIGURATION or attempt == FIRST_STARTS - 1:
                raise worker.failure
            log.error("worker_not_started", number=1, error=str(worker.failure))
            await asyncio.sleep(PAUSE_FIRST * 2**attempt)
        self._current[1] = worker
        rest = [await self._start(number) for number in range(2, self._count + 1)]
        for worker in rest:
            self._current[worker.number] = worker
        await asyncio.gather(*(worker.until_ready() for worker in rest))

    async def _start(self, number: int) -> Worker:
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as undone:
            undone.callback(ours.close)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hexar.server.process.supervision.child",
                self._role,
                *("--link", str(theirs.fileno()), "--number", str(number), "--of", str(self._count)),
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # Of its own group: Ctrl-C is for the supervisor, which tells them.
                process_group=0,
            )
            undone.pop_all()
        worker = Worker(number, process, await Link.over(ours), self._totals)
        self._all.add(worker)
        worker.asks = self._asked
        worker.ended.add_done_callback(lambda _: self._gone(worker))
        return worker

    async def _keep(self, number: int) -> None:
        """Replace the process ``number`` whenever it dies."""
        pause = 0.0
        while True:
            worker = self._current[number]
            await asyncio.wait([worker.ended])
            async with self._locks[number]:
                if self._current[number] is not worker:
                    continue
                lived = asyncio.get_running_loop().time() - worker.started
                pause = 0.0 if lived >= LONG_LIFE and worker.failure is None else min(PAUSE_LONGEST, pause * 2 or PAUSE_FIRST)
                self._deaths += 1
                log.error(
                    "worker_died",
                    number=number,
                    pid=worker.pid,
                    ending=_ending(worker.ended.result()),
                    error=str(worker.failure or ""),
                    again_in=pause,
                )
                await asyncio.sleep(pause)
                self._current[number] = fresh = await self._start(number)
            if await fresh.until_ready():
                log.info("worker_replaced", number=number, pid=fresh.pid)

    async def _reloading(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            log.info("reloading", workers=self._count)
            if await self._roll():
                self._restarts += 1
                log.info("reloaded", workers=self._count)

    async def _roll(self) -> bool:
        """Replace one process after the other; False where a replacement did not start."""
        for number in self._locks:
            async with self._locks[number]:
                fresh = await self._start(number)
                if not await fresh.until_ready():
                    log.error("not_reloaded", number=number, error=str(fresh.failure), serving=len(self._ready()))
                    return False
                old, self._current[number] = self._current[number], fresh
            await old.retire()
        return True

    # -- ending --------------------------------------------------------------------------------------------------------

    def _ready(self) -> list[Worker]:
        return [worker for worker in self._current.values() if worker.ready]

    async def _end(self) -> None:
        if self._all:
            log.info("draining", seconds=self._settings.drain_seconds, workers=len(self._all))
        await asyncio.gather(*(worker.stop() for worker in list(self._all)))
        log.info("all_stopped")

    def _gone(self, worker: Worker) -> None:
        self._all.discard(worker)
        if worker.last_report is not None:
            past = ended(worker.last_report)
            self._past = past if self._past is None else summed([self._past, past])

    # -- what processes ask ---------------------------------------------------------------------------------------------

    def _asked(self, worker: Worker, message: dict[str, Any]) -> None:
        task = asyncio.create_task(self._gather(worker, message) if "gather" in message else self._tell(worker, message))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _gather(self, worker: Worker, message: dict[str, Any]) -> None:
        """The reports of all, and of those that have ended, to the process that asks."""
        asked = [other for other in self._all if other.ready]
        await asyncio.gather(*(other.refresh("report") for other in asked))
        reports = [other.last_report for other in asked if other.last_report is not None]
        await worker.send({"reports": [*reports, *([self._past] if self._past is not None else [])], "to": message["gather"]})

    async def _tell(self, worker: Worker, message: dict[str, Any]) -> None:
        """What an operator had one process do, to the others."""
        others = [other for other in self._all if other.ready and other is not worker]
        await asyncio.gather(*(other.send(message) for other in others))

    # -- figures -------------------------------------------------------------------------------------------------------

    def _export(self, loop: asyncio.AbstractEventLoop) -> Any:
        if self._settings.metrics_port is None:
            return None
        registry = CollectorRegistry()
        registry.register(_OnLoop(loop, self._figures))
        exporter = start_http_server(self._settings.metrics_port, self._settings.host, registry=registry)
        log.info("metrics", port=exporter[0].server_port)
        return exporter

    async def _figures(self) -> list[Metric]:
        asked = [worker for worker in self._all if worker.ready]
        await asyncio.gather(*(worker.refresh() for worker in asked))
        numbers = {worker.pid: worker.number for worker in self._ready()}
        return [
            *self._totals.collect(numbers),
            gauge("hexar_workers", "Processes that serve", [({}, float(len(numbers)))]),
            counter("hexar_worker_deaths", "Processes that died and were replaced", [({}, float(self._deaths))]),
            counter("hexar_reloads", "Rolling restarts that ended well", [({}, float(self._restarts))]),
        ]


class _OnLoop:
    """A source of figures that are gathered on the supervisor's loop, for the threads of the endpoint."""

    def __init__(self, loop: asyncio.AbstractEventLoop, figures: Callable[[], Coroutine[Any, Any, list[Metric]]]) -> None:
        self._loop = loop
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        return asyncio.run_coroutine_threadsafe(self._figures(), self._loop).result(2 * FIGURES_SECONDS)

    def describe(self) -> Iterable[Metric]:
        return ()


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"

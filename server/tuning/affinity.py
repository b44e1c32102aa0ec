"""One CPU for a process's event loop, the thread that brings it gRPC's completions, and the threads that work for it.

grpc.aio has a thread that waits for completions in the core and tells the loop of each over a socket pair. On two CPUs the two
wake one another for every message: a write to an eventfd, a wake-up on the other CPU, a byte through the socket pair, a turn
of the loop for that byte. Where both keep to one CPU, and the thread does not preempt the loop (SCHED_BATCH), it runs when the
loop has nothing left to do, finds all completions at once, and the loop takes them in one turn.
``python tests/bench/serving/scale.py`` shows what that is worth.

The threads of agents, models, the store and the caches do short work that the loop hands out, and need the interpreter's lock
for nearly all of it: beside the loop they cannot run, on another CPU they wake that one only to wait. They keep to the loop's
CPU too. Threads that work for themselves, those of jobs and of vectors, run anywhere.

A CPU may get crowded. :class:`CpuAffinity` looks once a second how long the loop has waited for its CPU. Where that is long it
lets its companions go anywhere, and where that was not enough moves to a CPU that idles (docs/adr/0016). Linux.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

#: The class of grpc.aio that waits for completions in a thread, and takes them in the loop.
_COMPLETIONS = "PollerCompletionQueue"
#: How the names of the threads begin that run anywhere: jobs, graphs of vectors, and what is handed to no pool of its own.
_APART = ("job", "vectors", "uvloop")
#: Where Linux tells which CPUs share a core.
_TOPOLOGY = Path("/sys/devices/system/cpu")


def is_completions(callback: object) -> bool:
    """Whether ``callback`` is a method of gRPC's queue of completions."""
    method = getattr(callback, "func", callback)  # grpc.aio hands a partial to the loop
    return type(getattr(method, "__self__", None)).__name__ == _COMPLETIONS


def cores_first(cpus: Collection[int], topology: Path = _TOPOLOGY) -> list[int]:
    """``cpus`` in an order in which two that share a core do not stand together while there are other cores."""
    cores = set[str]()
    first, again = list[int](), list[int]()
    for cpu in sorted(cpus):
        try:
            core = (topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
        except OSError:
            core = str(cpu)
        (again if core in cores else first).append(cpu)
        cores.add(core)
    return first + again


class CpuAffinity:
    """Ties the thread that made it, which runs an event loop, gRPC's thread and their companions to one CPU.

    Everything belongs to the event loop. OSError where the system does not let a process choose its CPUs.
    """

    #: Seconds between two looks at how long the loop has waited, the share of them that is too long, the seconds for which
    #: it is seen then which CPUs idle, and those after which the CPU is left again at the earliest.
    SAMPLE_SECONDS = 1.0
    CROWDED = 0.25
    CHOICE = 0.2
    APART_SECONDS = 10.0

    def __init__(self, poller: int) -> None:
        assert sys.platform == "linux"
        self._threads = (threading.get_native_id(), poller)
        self._everywhere = os.sched_getaffinity(0)
        self._folder = Path(f"/proc/self/task/{self._threads[0]}")
        #: The CPU, and since when the companions run anywhere (monotonic seconds; None while they keep to it).
        self.cpu = self._running_on()
        self.apart_since: float | None = None
        self._profile: Any = None
        self._take_singly: Callable[[], None] | None = None
        os.sched_setscheduler(poller, os.SCHED_BATCH, os.sched_param(0))
        self._waited()

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop, number: int = 1, of: int = 1) -> CpuAffinity | None:
        """Tie the calling thread, which runs ``loop``, as that of process ``number`` of ``of``; None where that is no help.

        It is none for more processes than CPUs, without gRPC's thread (which is there as soon as a server is made), and where
        ``loop`` cannot take completions together (:class:`~hexar.server.tuning.eventloop.Loop` can). Several processes have a
        CPU each, of different cores while there are some; one takes the CPU that it runs on.
        """
        take_together = getattr(loop, "take_together", None)
        poller = next(
            (each.native_id for each in threading.enumerate() if is_completions(getattr(each, "_target", None))), None
        )
        if sys.platform != "linux" or take_together is None or poller is None:
            return None
        usable = os.sched_getaffinity(0)
        if of > len(usable):
            return None
        try:
            made = cls(poller)
            made.tie(cores_first(usable)[number - 1] if of > 1 else made.cpu)
        except OSError as error:
            log.info("cpu_affinity_refused", reason=type(error).__name__)
            return None
        made._place_new_threads()
        take_together()
        made._take_singly = getattr(loop, "take_singly", None)
        log.debug("cpu_affinity", cpu=made.cpu)
        return made

    def tie(self, cpu: int) -> None:
        """Keep to ``cpu`` from now on."""
        for thread in self._threads:
            os.sched_setaffinity(thread, {cpu})
        self.cpu = cpu
        if self.apart_since is None:
            self._place_companions({cpu})

    def part(self) -> None:
        """Let the companions run anywhere."""
        self.apart_since = time.monotonic()
        self._place_companions(self._everywhere)

    def join(self) -> None:
        """Have the companions keep to the CPU again."""
        self.apart_since = None
        self._place_companions({self.cpu})

    def release(self) -> None:
        """Let all threads run anywhere, each as the system schedules it by itself, and new ones begin as they did before."""
        threading.setprofile(self._profile)
        self.part()
        for thread in self._threads:
            _place(thread, self._everywhere)
        # It may have ended with its server.
        with suppress(OSError):
            os.sched_setscheduler(self._threads[1], os.SCHED_OTHER, os.sched_param(0))
        if self._take_singly is not None:
            self._take_singly()

    async def watch(self) -> None:
        """Leave a CPU that is crowded, first to the companions' gain, then for one that idles, until cancelled."""
        while True:
            before = self._waited()
            await asyncio.sleep(self.SAMPLE_SECONDS)
            share = (self._waited() - before) / self.SAMPLE_SECONDS
            if share < self.CROWDED:
                if self.apart_since is not None and time.monotonic() - self.apart_since >= self.APART_SECONDS:
                    self.join()
                continue
            if self.apart_since is None:
                self.part()
                log.info("cpu_crowded", cpu=self.cpu, waited=round(share, 2), companions="apart")
                continue
            idle = _idle()
            await asyncio.sleep(self.CHOICE)
            idled = {cpu: ticks - idle.get(cpu, ticks) for cpu, ticks in _idle().items() if cpu in self._everywhere}
            crowded, best = self.cpu, max(idled, key=idled.__getitem__, default=self.cpu)
            if idled.get(best, 0) > idled.get(crowded, 0):
                # One that was taken away meanwhile: the CPU stays as it is.
                with suppress(OSError):
                    self.tie(best)
            log.info("cpu_crowded", cpu=crowded, waited=round(share, 2), now=self.cpu)
            await asyncio.sleep(self.APART_SECONDS)

    def _place_companions(self, cpus: set[int]) -> None:
        for thread in threading.enumerate():
            known = thread.native_id is None or thread.native_id in self._threads
            if not known and not thread.name.startswith(_APART):
                _place(thread.native_id, cpus)

    def _place_new_threads(self) -> None:
        """A thread inherits the CPUs of the one that begins it: have those that run anywhere begin by widening them."""
        before = self._profile = threading.getprofile()

        def place(*event: object) -> None:
            if self.apart_since is not None or threading.current_thread().name.startswith(_APART):
                _place(0, self._everywhere)
            sys.setprofile(before)

        threading.setprofile(place)

    def _running_on(self) -> int:
        """The CPU that the loop's thread ran on last."""
        # The 39th field; the second one, in brackets, may hold anything.
        return int((self._folder / "stat").read_text().rpartition(")")[2].split()[36])

    def _waited(self) -> float:
        """Seconds that the loop's thread has been ready to run without a CPU."""
        return int((self._folder / "schedstat").read_text().split()[1]) / 1e9


def _idle() -> dict[int, int]:
    """Ticks that each CPU has had nothing to do, or nothing but what yields to others (niced, waiting for a disk)."""
    rows = (line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu"))
    return {int(name[3:]): int(nice) + int(idle) + int(disk) for name, _, nice, _, idle, disk, *_ in rows if name != "cpu"}


def _place(thread: int | None, cpus: Collection[int]) -> None:
    # A thread may have ended, a CPU been taken away: nothing depends on it.
    with suppress(OSError):
        os.sched_setaffinity(thread or 0, cpus)

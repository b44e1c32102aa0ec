"""One CPU for a process's event loop and for the thread that brings it gRPC's completions.

grpc.aio has a thread that waits for completions in the core and tells the loop of each over a socket pair. On two CPUs the two
wake one another for every message: a write to an eventfd, a wake-up on the other CPU, a byte through the socket pair, a turn
of the loop for that byte. Where both keep to one CPU, and the thread does not preempt the loop (SCHED_BATCH), it runs when the
loop has nothing left to do, finds all completions at once, and the loop takes them in one turn. ``python tests/bench/scale.py``
shows what that is worth. All other threads of the process, those of agents and models among them, stay free to run anywhere.

Linux, for processes that have their CPUs for themselves: docs/adr/0016.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Literal

import structlog

log = structlog.get_logger(__name__)

Affinity = Literal["auto", "on", "off"]

#: Where a container's share of the CPUs is told: "max 100000", or microseconds of each 100,000.
QUOTA = Path("/sys/fs/cgroup/cpu.max")
#: The class of grpc.aio that waits for completions in a thread, and takes them in the loop.
_COMPLETIONS = "PollerCompletionQueue"


def is_completions(callback: object) -> bool:
    """Whether ``callback`` is a method of gRPC's queue of completions."""
    return type(getattr(callback, "__self__", None)).__name__ == _COMPLETIONS


def chosen(affinity: Affinity, number: int, of: int) -> int | None:
    """The CPU of process ``number`` (from 1) of ``of``; None: it runs anywhere.

    "auto" is for processes that have a CPU each and use up all of them, without a quota that says that others share them.
    """
    if affinity == "off" or sys.platform != "linux":
        return None
    usable = sorted(os.sched_getaffinity(0))
    if affinity == "auto" and (of < 2 or of != len(usable) or _has_quota()):
        return None
    return usable[(number - 1) % len(usable)]


def _has_quota() -> bool:
    try:
        return not QUOTA.read_text().startswith("max")
    except OSError:
        return False


def keep_to(cpu: int, loop: asyncio.AbstractEventLoop) -> bool:
    """Bind the calling thread, which runs ``loop``, and gRPC's to ``cpu``; False, and nothing is bound, where that is no help.

    It is none without gRPC's thread, which is there as soon as a server is made, or where ``loop`` cannot take completions
    together (:class:`hexar.server.eventloop.Loop` can).
    """
    assert sys.platform == "linux"
    take_together = getattr(loop, "take_together", None)
    poller = next((each.native_id for each in threading.enumerate() if is_completions(getattr(each, "_target", None))), None)
    log.info("cpu_affinity", cpu=cpu, bound=take_together is not None and poller is not None)
    if take_together is None or poller is None:
        return False
    _free_new_threads(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    os.sched_setaffinity(poller, {cpu})
    os.sched_setscheduler(poller, os.SCHED_BATCH, os.sched_param(0))
    take_together()
    return True


def _free_new_threads(cpus: set[int]) -> None:
    """A thread inherits the CPUs of the one that begins it: have each begin by widening them to ``cpus``."""
    before = threading.getprofile()

    def free(*event: object) -> None:
        os.sched_setaffinity(0, cpus)
        sys.setprofile(before)

    threading.setprofile(free)

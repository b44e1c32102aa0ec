"""What reaches behind the interfaces of asyncio, gRPC and the kernel, in one room: everything else in the server is plain.

:class:`Tuning` is the one entry (:meth:`~Tuning.begin`) and the one exit (:meth:`~Tuning.end`, which undoes what was begun).

``affinity`` and ``eventloop``: one CPU for the event loop and the threads that work for it, off unless
``HEXAR_CPU_AFFINITY=true``. ``handover``: how a process gives its port up to others that share it, for rolling restarts.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from hexar.server.tuning import handover
from hexar.server.tuning.affinity import CpuAffinity


def loop_factory(*, cpu_affinity: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the process's event loop; None: asyncio's own way."""
    if sys.platform == "win32":
        return None
    if not cpu_affinity:
        import uvloop

        return uvloop.new_event_loop
    from hexar.server.tuning.eventloop import Loop

    return Loop


class Tuning:
    """What one serving process does beyond the plain. Everything belongs to its event loop."""

    def __init__(self, *, cpu_affinity: bool) -> None:
        self._wanted = cpu_affinity
        self._affinity: CpuAffinity | None = None
        self._watching: asyncio.Task[None] | None = None

    def begin(self, number: int, of: int) -> None:
        """Keep to one CPU, where that is wanted and possible, as process ``number`` of ``of``; once a server listens."""
        if not self._wanted:
            return
        self._affinity = CpuAffinity.of(asyncio.get_running_loop(), number, of)
        if self._affinity is not None:
            self._watching = asyncio.create_task(self._affinity.watch())

    async def end(self) -> None:
        """Let every thread run anywhere again, and leave nothing behind in the process."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait((self._watching,))
        if self._affinity is not None:
            self._affinity.release()
        self._watching = self._affinity = None

    async def give_up(self, port: int) -> None:
        """Listen on ``port`` no more, while connections that exist go on; others that share the port get the new ones."""
        await handover.give_up(port)

    def connections(self, port: int) -> int:
        """Connections of this process that callers have made to ``port``."""
        return handover.connections(port)

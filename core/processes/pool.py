"""A few processes that run one function over bytes, each task within limits of time and memory.

A parser of foreign formats may take any time for the right few bytes, hold the interpreter's lock meanwhile, and cannot be
interrupted from a thread. Here it runs in a process of its own (:mod:`hexar.core.processes.child`), which is killed when the
task's time is over, when its caller leaves, or when the server ends. Bytes go in and bytes come out; nothing is pickled, and
the process inherits no configuration: what breaks out of a parser finds no secret in its environment.

::

    Exception
    ├── TaskTimedOut    the task's time was over, or its caller left; its process was killed
    └── TaskFailed      the process died, for want of memory or by a fault of the parser

Thread-safety: all methods may be called from any thread.
"""

from __future__ import annotations

import atexit
import os
import queue
import selectors
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from hexar.core.deadline import Deadline
from hexar.core.errors import Unavailable

#: Tasks after which a process is replaced: parsers leak.
TASKS = 2000
#: Seconds that a process may take to start.
START_SECONDS = 60.0
#: Variables that a process inherits.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "HOME", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_LENGTH = struct.Struct("<Q")
_PIECE = 1 << 20


class TaskTimedOut(Exception):
    """The task was ended before it was done."""


class TaskFailed(Exception):
    """The task's process died."""


class Cancel:
    """Ends a task from outside. A task that has not begun does not begin."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kill: Callable[[], None] | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """End the task now; from any thread."""
        with self._lock:
            self.cancelled = True
            if self._kill is not None:
                self._kill()

    def _arm(self, kill: Callable[[], None] | None) -> None:
        with self._lock:
            self._kill = kill
            if self.cancelled and kill is not None:
                kill()


class ProcessPool:
    """Up to ``processes`` processes that run ``target`` ("module:function", bytes to bytes). None runs before the first task.

    Args:
        seconds: that one task may take.
        memory_mb: address space of a process, beyond what it takes when it has started.
    """

    def __init__(self, target: str, *, processes: int = 2, seconds: float = 20.0, memory_mb: int = 768) -> None:
        self._target = target
        self._seconds = seconds
        self._memory_mb = memory_mb
        self._free: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(processes):
            self._free.put(None)
        self._lock = threading.Lock()
        self._all: set[_Process] = set()
        self._closed = False
        #: Processes that were ended because of a task.
        self.killed = 0
        atexit.register(self.close)

    def run(self, payload: bytes, deadline: Deadline | None = None, cancel: Cancel | None = None) -> bytes:
        """What ``target`` makes of ``payload``. Raises TaskTimedOut, TaskFailed, or Unavailable where no process came free."""
        wait = (deadline or Deadline.never()).bounded(4 * self._seconds)
        try:
            process = self._free.get(timeout=wait)
        except queue.Empty:
            raise Unavailable("the readers of documents are busy") from None
        try:
            if cancel is not None and cancel.cancelled:
                raise TaskTimedOut
            if process is None or not process.usable:
                self._end(process)
                process = self._start()
            seconds = (deadline or Deadline.never()).bounded(self._seconds)
            return process.run(payload, seconds, cancel)
        except (TaskTimedOut, TaskFailed):
            if process is not None and not process.usable:
                self._end(process)
                self.killed += 1
                process = None
            raise
        except BaseException:
            self._end(process)
            process = None
            raise
        finally:
            if self._closed:
                self._end(process)
                process = None
            self._free.put(process)

    def close(self) -> None:
        """Kill every process; tasks that run fail."""
        with self._lock:
            self._closed = True
            ending, self._all = self._all, set()
        for process in ending:
            process.kill()
        # Who runs a task disposes of its process; the others have none that does.
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._free.get_nowait())
        for each in idle:
            self._end(each)
            self._free.put(None)
        atexit.unregister(self.close)

    def _start(self) -> _Process:
        process = _Process(self._target, self._memory_mb, self._seconds)
        with self._lock:
            if self._closed:
                process.dispose()
                raise Unavailable("the server is shutting down")
            self._all.add(process)
        process.wait_until_ready()
        return process

    def _end(self, process: _Process | None) -> None:
        if process is not None:
            process.dispose()
            with self._lock:
                self._all.discard(process)


class _Process:
    """One process; used by one thread at a time, killed by any."""

    def __init__(self, target: str, memory_mb: int, seconds: float) -> None:
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        kept.update({name: value for name, value in os.environ.items() if name.startswith("PYTHON")})
        self._child = subprocess.Popen(
            [sys.executable, "-m", "hexar.core.processes.child", target, str(memory_mb), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=kept,
            # Of its own group: Ctrl-C is for the server.
            process_group=0,
        )
        self._lock = threading.Lock()
        self._dead = False
        self._tasks = 0
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._in, self._out = self._child.stdin, self._child.stdout
        os.set_blocking(self._in.fileno(), False)
        os.set_blocking(self._out.fileno(), False)

    @property
    def usable(self) -> bool:
        """False once it was killed, has died, or has done its share."""
        return not self._dead and self._tasks < TASKS and self._child.poll() is None

    def wait_until_ready(self) -> None:
        """Wait for the first word of the process. Raises TaskFailed."""
        self._exchange(b"", time.monotonic() + START_SECONDS)

    def run(self, payload: bytes, seconds: float, cancel: Cancel | None) -> bytes:
        """One task."""
        self._tasks += 1
        if cancel is not None:
            cancel._arm(self.kill)
        try:
            return self._exchange(_LENGTH.pack(len(payload)) + payload, time.monotonic() + seconds)
        except TaskFailed:
            if cancel is not None and cancel.cancelled:
                raise TaskTimedOut from None
            raise
        finally:
            if cancel is not None:
                cancel._arm(None)

    def kill(self) -> None:
        """End it at once."""
        with self._lock:
            if self._dead:
                return
            self._dead = True
            self._child.kill()
            self._child.wait()

    def dispose(self) -> None:
        """End it and close its pipes; by the one thread that uses it, or when none does."""
        self.kill()
        for pipe in (self._in, self._out):
            with suppress(OSError):
                pipe.close()

    def _exchange(self, request: bytes, until: float) -> bytes:
        """Write ``request``, read one answer. The pipes do not block: the time is kept whatever the process does."""
        view, received, wanted = memoryview(request), bytearray(), -1
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._out, selectors.EVENT_READ)
                if view:
                    selector.register(self._in, selectors.EVENT_WRITE)
                while True:
                    left = until - time.monotonic()
                    if left <= 0:
                        self.kill()
                        raise TaskTimedOut
                    for key, _ in selector.select(left):
                        if key.fileobj is self._in:
                            view = view[os.write(self._in.fileno(), view[:_PIECE]) :]
                            if not view:
                                selector.unregister(self._in)
                            continue
                        piece = os.read(self._out.fileno(), _PIECE)
                        if not piece:
                            raise TaskFailed
                        received += piece
                    if wanted < 0 and len(received) >= _LENGTH.size:
                        (wanted,) = _LENGTH.unpack_from(received)
                    if wanted >= 0 and len(received) >= _LENGTH.size + wanted:
                        return bytes(received[_LENGTH.size : _LENGTH.size + wanted])
        except (OSError, ValueError):  # a pipe that was closed by whoever killed it
            self.kill()
            raise TaskFailed from None
        except TaskFailed:
            self.kill()
            raise

"""One process of a pool: ``python -m hexar.core.processes.child TARGET MEMORY_MB SECONDS``; only a pool starts it.

It reads tasks from its input and writes what the target makes of them to its output, each with its length before it. It limits
its memory and the processor time of each task, so that it ends even where nobody is left to kill it; where the server is gone,
its input has ended, and so does it.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from importlib import import_module

_LENGTH = struct.Struct("<Q")
_MEGABYTE = 1024 * 1024


def main() -> None:
    """Run tasks until the input ends."""
    target, memory_mb, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module, _, name = target.partition(":")
    function = getattr(import_module(module), name)
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not get between the answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    limit_memory(memory_mb)
    sink.write(_LENGTH.pack(0))
    sink.flush()
    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        (size,) = _LENGTH.unpack(head)
        payload = source.read(size)
        limit_time(seconds)
        try:
            answer = function(payload)
        except MemoryError:
            # Nothing more can be trusted to work here; the pool starts another.
            os._exit(1)
        del payload
        sink.write(_LENGTH.pack(len(answer)) + answer)
        sink.flush()
        del answer


def limit_memory(megabytes: int) -> None:
    """Let this process take ``megabytes`` of address space more than it has; where the system can do that."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as statm:
            taken = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + megabytes * _MEGABYTE, resource.RLIM_INFINITY))
    except (ImportError, OSError, ValueError):
        return


def limit_time(seconds: float) -> None:
    """Let this process use ``seconds`` of processor time from now, and a little more; then the system ends it."""
    try:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 2, resource.RLIM_INFINITY))
    except (ImportError, OSError, ValueError):
        return


if __name__ == "__main__":
    main()

"""Stopping a statement of another engine.

An engine forgets a request to stop that comes between the last look at the flag and the statement's beginning. So the request
is repeated until the statement has ended; and nothing is sent after that, which would hit the next statement.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hexar.agents.transport.cancel import Cancel

#: Pause between two requests, seconds, growing to the second.
PAUSE, LONGEST = 0.05, 1.0


@contextmanager
def stoppable(cancel: Cancel, stop: Callable[[], None]) -> Iterator[None]:
    """While the block runs, ``cancel`` calls ``stop`` until the block ends."""
    ended = threading.Event()
    stoppers: list[threading.Thread] = []

    def repeat() -> None:
        pause = PAUSE
        while not ended.is_set():
            with suppress(Exception):
                stop()
            ended.wait(pause)
            pause = min(LONGEST, 1.5 * pause)

    def begin() -> None:
        thread = threading.Thread(target=repeat, name="market-stop", daemon=True)
        stoppers.append(thread)
        thread.start()

    detach = cancel.attach(begin)
    try:
        yield
    finally:
        detach()
        ended.set()
        for thread in stoppers:
            thread.join()

"""Cancellation that reaches a thread: a flag, and what to do the moment it is set."""

import threading
from collections.abc import Callable


class Cancel:
    """Set once, from any thread. Callbacks run at once on the thread that cancels, so they must be short and not raise.

    Thread-safety: all methods may be called from any thread.
    """

    __slots__ = ("_callbacks", "_lock", "cancelled")

    def __init__(self) -> None:
        #: Whether it is set; only :meth:`cancel` writes it.
        self.cancelled = False
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}

    def cancel(self) -> None:
        """Set the flag and run the callbacks. A second call does nothing."""
        with self._lock:
            if self.cancelled:
                return
            self.cancelled = True
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def attach(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Run ``callback`` when cancelled (now, where that has happened). Returns what detaches it again."""
        key = id(callback)
        with self._lock:
            if not self.cancelled:
                self._callbacks[key] = callback
                return lambda: self._detach(key)
        callback()
        return lambda: None

    def _detach(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)

    def wait(self, seconds: float) -> bool:
        """Sleep for ``seconds``, or until cancelled. True where cancelled."""
        event = threading.Event()
        detach = self.attach(event.set)
        try:
            return event.wait(seconds)
        finally:
            detach()

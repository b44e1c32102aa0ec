"""Giving memory back to the system: glibc keeps what was freed in the middle of its heaps."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable


def _trim() -> Callable[[], object]:
    if sys.platform == "linux":
        try:
            trim = ctypes.CDLL(None).malloc_trim
        except (OSError, AttributeError):  # another C library
            return lambda: None
        return lambda: trim(0)
    return lambda: None


#: Hand what is free back to the system; takes a millisecond or two, and does nothing where the C library cannot.
give_back = _trim()

#: Seconds between two times that memory is given back on the way.
EVERY = 0.5
_given = [0.0]


def give_back_soon() -> None:
    """As :func:`give_back`, where that was not done just now."""
    now = time.monotonic()
    if now - _given[0] >= EVERY:
        _given[0] = now
        give_back()

"""Random identifiers that cannot be guessed, without a system call for each."""

import os
import threading

#: Bytes that are asked of the operating system at once.
BATCH = 4096

_lock = threading.Lock()
_ready = b""


def random_hex(size: int) -> str:
    """``2 * size`` hexadecimal digits of the operating system's random numbers. Any thread.

    Raises ValueError where ``size`` is not from 1 to :data:`BATCH`.
    """
    global _ready
    if not 1 <= size <= BATCH:
        raise ValueError(f"from 1 to {BATCH} bytes")
    with _lock:
        if len(_ready) < size:
            _ready = os.urandom(BATCH)
        taken, _ready = _ready[:size], _ready[size:]
    return taken.hex()

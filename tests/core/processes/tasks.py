"""Tasks that the tests of process pools run in another process."""

import os


def task(payload: bytes) -> bytes:
    """What ``payload`` names."""
    if payload == b"hang":
        while True:
            pass
    if payload == b"memory":
        return b"x" * 3_000_000_000
    if payload == b"crash":
        os.abort()
    if payload == b"print":
        print("a library's warning", flush=True)
    if payload == b"environment":
        return "\n".join(sorted(os.environ)).encode()
    return payload

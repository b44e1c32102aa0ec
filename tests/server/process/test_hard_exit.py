"""A process that was told to stop ends in time, also where a thread never lets go of the interpreter."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import asyncio, re, sys
from hexar.server.engine import process
from hexar.server.process.app import App
from hexar.server.systems import make_settings

process.EXIT_SECONDS = 0.5

async def drained():
    re.match(r"(a*)*b", "a" * 60)

async def started():
    print("started", flush=True)

async def main():
    app = App(make_settings(port=0, data_dir=sys.argv[1], vendors=sys.argv[1] + "/none.yaml", drain_seconds=0, log_level="error"))
    app.drained = drained
    await app.run(started=started, owns_process=True)

asyncio.run(main())
"""


async def test_a_process_that_hangs_at_its_end_is_ended(tmp_path: Path) -> None:
    """A pattern that would take years holds the interpreter's lock while the process drains: it ends all the same and says where."""
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        while (line := await asyncio.to_thread(process.stdout.readline)) != "started\n":
            assert line, "it ended before it had started"
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.to_thread(process.communicate, timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "drained" in said

"""Floods of HTTP/2 frames: streams that are opened and left, and streams that are reset at once. Others are served meanwhile.

``HEXAR_FLOOD`` is the number of streams of each kind; a run at full size takes 200,000 half-open ones and 370,000 resets.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from hexar_client import AsyncClient
from hexar_client.chat import Upload
from hexar_client.errors import HexarError
from tests.fix.server_process import ServerProcess

ROOT = Path(__file__).resolve().parents[3]
STREAMS = int(os.environ.get("HEXAR_FLOOD", "20000"))
TOKEN = "token-of-a-0123456789"
AUTH = {"tokens": [{"token": TOKEN, "tenant": "a", "scopes": ["use", "ops"]}]}
#: MB that a flood may add, and the share of valid calls that succeed meanwhile.
MEMORY, VALID = 50.0, 0.95


async def _flood(port: int, kind: str, streams: int) -> int:
    """The connections that a flood took, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.faults.load.flood_process",
        str(port),
        kind,
        str(streams),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return int(out)


class _Valid:
    """Callers of the SDK beside the flood."""

    def __init__(self, address: str) -> None:
        self.ends: list[bool] = []
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(self._ask(address)) for _ in range(4)]

    async def _ask(self, address: str) -> None:
        async with AsyncClient(address, token=TOKEN, retries=0) as client:
            while not self._stop.is_set():
                try:
                    await client.portfolios.search("notes", "stove")
                    self.ends.append(True)
                except HexarError:
                    self.ends.append(False)
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("known", [True, False], ids=["tokens", "anybody"])
@pytest.mark.parametrize("kind", ["left", "reset"])
async def test_a_flood_of_streams_costs_little_and_keeps_nobody_out(tmp_path: Path, kind: str, known: bool) -> None:
    """Memory, and valid calls, while streams come as fast as they can be sent; then the server is as it was."""
    settings = {"data_dir": str(tmp_path / "data"), "jobs": {"workers": 0}, "monitor": {"access_log": False}}
    async with ServerProcess(tmp_path, "server", **settings, **({"auth": AUTH} if known else {})) as server:
        async with AsyncClient(server.address, token=TOKEN) as client:
            await client.portfolios.add("notes", [Upload("n0.md", b"# Note\n\nThe stove burns gas.\n")])
            await client.portfolios.search("notes", "stove")
            process = psutil.Process(server.pid)
            valid = _Valid(server.address)
            # What the first such streams load and reserve is there once.
            await _flood(server.port, kind, 1000)
            before = highest = process.memory_info().rss / 1e6
            flood = asyncio.create_task(_flood(server.port, kind, STREAMS))
            while not flood.done():
                await asyncio.wait({flood}, timeout=0.1)
                highest = max(highest, process.memory_info().rss / 1e6)
            connections = await flood
            await valid.stop()
            async with asyncio.timeout(60):
                while (await client.ops.status()).in_flight > 1:  # noqa: ASYNC110  # another process tells
                    await asyncio.sleep(0.1)
    good = sum(valid.ends) / len(valid.ends)
    print(
        f"n={STREAMS} streams over {connections} connections: memory {before:.0f} MB, at most {highest:.0f} MB;"
        f" {good:.2%} of n={len(valid.ends)} valid calls succeeded"
    )
    assert good >= VALID
    assert highest <= before + MEMORY

"""Mixed calls for a while: what the server's process holds does not grow with what it has answered.

``HEXAR_SOAK_MINUTES`` says for how long. The first third fills caches and pools; a run of half an hour is judged by its memory over
the rest. A shorter one still fills them: it prints its memory, and is judged by descriptors, threads and statuses.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from hexar.server.demo import DemoShops
from hexar_client import AsyncClient
from hexar_client.chat import Upload
from hexar_client.errors import HexarError
from tests.fix.server_process import ServerProcess

MINUTES = float(os.environ.get("HEXAR_SOAK_MINUTES", "2"))
#: MB a minute over the last two thirds of a run of half an hour.
SLOPE, LONG = 0.1, 30.0
CALLERS = 6
WORDS = ("tent", "stove", "jacket", "boots", "lamp", "rope", "skis", "helmet", "kayak", "bottle", "mat", "poles")


class _Load:
    """What the callers ask for, by turns; every text is another one, so that caches turn over."""

    def __init__(self, client: AsyncClient, seed: int) -> None:
        self._client = client
        self._chance = random.Random(seed)
        self._number = itertools.count(seed * 1_000_000)

    def kinds(self) -> list[Callable[[], Awaitable[None]]]:
        return [self.query, self.kept_query, self.chat, self.upload, self.search, self.left, self.wrong, self.listed]

    async def query(self) -> None:
        async for _ in self._client.query(
            f"{self._chance.choice(WORDS)} {self._chance.choice(WORDS)} under ${next(self._number) % 900 + 20}"
        ):
            pass

    async def kept_query(self) -> None:
        async for _ in self._client.query(self._chance.choice(WORDS)):
            pass

    async def chat(self) -> None:
        async for _ in self._client.chat(
            "notes", f"What does note {next(self._number)} say of the {self._chance.choice(WORDS)}?"
        ):
            pass

    async def upload(self) -> None:
        number = next(self._number)
        text = f"# Note {number}\n\n" + " ".join(self._chance.choices(WORDS, k=200))
        await self._client.portfolios.add("notes", [Upload(f"n{number % 50}.md", text.encode())])

    async def search(self) -> None:
        await self._client.portfolios.search("notes", f"{self._chance.choice(WORDS)} {next(self._number)}")

    async def left(self) -> None:
        stream = self._client.chat("notes", f"Tell me of {self._chance.choice(WORDS)} {next(self._number)}")
        async for _ in stream:
            break
        stream.cancel()

    async def wrong(self) -> None:
        await self._client.portfolios.get(f"not-there-{next(self._number)}")

    async def listed(self) -> None:
        async for _ in self._client.portfolios.documents("notes"):
            pass


async def _call(load: _Load, until: float, told: Counter[str]) -> None:
    for kind in itertools.cycle(load.kinds()):
        if time.monotonic() > until:
            return
        try:
            await kind()
            told[kind.__name__] += 1
        except HexarError as error:
            told[f"{kind.__name__} {type(error).__name__}"] += 1


@pytest.mark.chaos
@pytest.mark.timeout(MINUTES * 60 + 240)
async def test_nothing_grows_while_calls_come_and_go(tmp_path: Path) -> None:
    """Memory, descriptors and threads of the process, sampled every second, under mixed calls."""
    with DemoShops() as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml(), encoding="utf-8")
        cache = {"memory_mb": 8, "disk_mb": 32, "memo_mb": 8, "resume_mb": 8}
        settings = {"data_dir": str(tmp_path / "data"), "vendors": str(tmp_path / "vendors.yaml"), "cache": cache}
        async with ServerProcess(tmp_path, "server", **settings) as server:
            process = psutil.Process(server.pid)
            told: Counter[str] = Counter()
            samples: list[tuple[float, float, int, int]] = []
            begun = time.monotonic()
            until = begun + MINUTES * 60
            async with AsyncClient(server.address) as client:
                await client.portfolios.add("notes", [Upload("n0.md", b"# Note\n\nThe stove burns gas.\n")])
                callers = [asyncio.create_task(_call(_Load(client, seed), until, told)) for seed in range(1, CALLERS + 1)]
                while time.monotonic() < until and not any(caller.done() for caller in callers):
                    await asyncio.sleep(1.0)
                    memory = process.memory_info().rss / 1e6
                    samples.append((time.monotonic() - begun, memory, process.num_fds(), process.num_threads()))
                await asyncio.gather(*callers)
    rows = np.array(samples)
    later = rows[rows[:, 0] > MINUTES * 60 / 3]
    slope = float(np.polyfit(later[:, 0] / 60, later[:, 1], 1)[0])
    print(f"n={sum(told.values())} calls in {MINUTES:g} min: {dict(told)}")
    for row in rows[:: max(1, len(rows) // 16)]:
        print(f"  {row[0] / 60:5.1f} min  {row[1]:7.1f} MB  {row[2]:.0f} descriptors  {row[3]:.0f} threads")
    print(f"RSS slope over the last two thirds: {slope:+.2f} MB/min")
    assert not [name for name in told if name.endswith(("Internal", "Unavailable"))]
    assert MINUTES < LONG or slope <= SLOPE
    middle, last = later[: len(later) // 2], later[len(later) // 2 :]
    assert last[:, 2].max() <= middle[:, 2].max() + 8
    assert last[:, 3].max() <= middle[:, 3].max() + 4

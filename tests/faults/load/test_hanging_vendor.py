"""One vendor of several hangs for ever: once its breaker is open nobody waits for it, and it holds its own threads only."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from hexar.server.demo import DemoShops
from hexar.server.demo.shops import NAMES
from hexar.server.process.app import App
from hexar.server.systems import make_settings
from hexar_client import AsyncClient

QUERIES = 60
THREADS = 3


async def _times(folder: Path, hang: tuple[str, ...]) -> tuple[list[float], int]:
    """Seconds of each query behind the first ones, and the most threads that the first shop held."""
    held = 0
    with DemoShops(hang=hang) as shops:
        (folder / "vendors.yaml").write_text(shops.vendors_yaml(), encoding="utf-8")
        dispatch = {"threads": THREADS, "breaker_threshold": 2, "breaker_open_seconds": 600.0}
        settings = make_settings(
            port=0,
            data_dir=folder / "data",
            vendors=folder / "vendors.yaml",
            drain_seconds=0,
            dispatch=dispatch,
            log_level="error",
        )
        app = App(settings)
        await app.start()
        taken: list[float] = []
        try:
            async with AsyncClient(f"127.0.0.1:{app.port}") as client:
                for number in range(QUERIES + 4):
                    begun = time.perf_counter()
                    async for _ in client.query(f"tent under ${number + 50}", timeout=4.0 if number < 4 else 30.0):
                        pass
                    if number >= 4:
                        taken.append(time.perf_counter() - begun)
                    for name in hang:
                        held = max(held, sum(f"agent-{name}" in thread.name for thread in threading.enumerate()))
        finally:
            await app.stop(0)
    return sorted(taken), held


@pytest.mark.chaos
async def test_a_vendor_that_hangs_costs_others_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The slowest queries against those where every vendor answers; its threads are at most its bulkhead."""
    name = NAMES[0]
    well, _ = await _times(tmp_path_factory.mktemp("well"), ())
    ill, held = await _times(tmp_path_factory.mktemp("ill"), (name,))
    at = int(QUERIES * 0.99) - 1
    print(
        f"n={QUERIES}: p99 {well[at] * 1e3:.1f} ms with all vendors, {ill[at] * 1e3:.1f} ms while {name} hangs; {held} threads"
    )
    assert held <= THREADS
    # Both are milliseconds on loopback; the slack is that of a busy machine.
    assert ill[at] <= well[at] * 1.05 + 0.1

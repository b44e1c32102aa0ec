"""What every process does when it starts, and in quiet moments."""

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.server.tuning.collecting import OLDER_ROUNDS, YOUNG_OBJECTS, YOUNG_ROUNDS, Collector
from hexar_client import AsyncClient


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_cycles_of_young_objects_go_in_a_quiet_moment_where_there_are_many() -> None:
    """A few objects are not worth a look; among some thousands the cycles are found, without the interpreter's own rounds."""
    gc.collect()
    gc.disable()
    collect = Collector()
    try:
        seen = weakref.ref(Knot())
        collect()
        assert seen() is not None
        held = [[each] for each in range(YOUNG_OBJECTS)]
        collect()
        assert seen() is None
        assert len(held) == YOUNG_OBJECTS
    finally:
        gc.enable()


def test_a_cycle_of_what_lived_through_many_looks_goes_as_well() -> None:
    """What was alive when the young and the older were looked at is found later, and that is not each time."""
    gc.collect()
    gc.disable()
    collect = Collector(lambda: 0.0)
    try:
        knot = Knot()
        gc.collect(1)
        seen = weakref.ref(knot)
        del knot
        rounds, held = 0, []
        while seen() is not None:
            held.clear()
            held = [[each] for each in range(2 * YOUNG_OBJECTS)]
            collect()
            rounds += 1
            assert rounds <= 2 * YOUNG_ROUNDS * OLDER_ROUNDS
        assert rounds > YOUNG_ROUNDS
    finally:
        gc.enable()


async def test_it_is_ready_only_when_every_system_is_warm(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a system still loads what its first caller needs, nothing listens and nothing is said to be ready."""
    app = App(settings())
    loading, loaded, opened = asyncio.Event(), asyncio.Event(), app.servicers[-1].open

    async def slow() -> None:
        loading.set()
        await loaded.wait()
        await opened()

    monkeypatch.setattr(app.servicers[-1], "open", slow)
    starting = asyncio.create_task(app.start())
    try:
        await asyncio.wait_for(loading.wait(), 60)
        assert (app.port, app.ready) == (0, False)
        loaded.set()
        await starting
        async with AsyncClient(f"127.0.0.1:{app.port}") as client:
            assert (await client.ops.status()).ready
    finally:
        loaded.set()
        await asyncio.gather(starting, return_exceptions=True)
        await app.stop(0)

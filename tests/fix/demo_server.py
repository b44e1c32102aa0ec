"""A server on a thread of its own, with the demo shops, the demo's catalogue and its corpus: every system has an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hexar.server.demo import DemoShops
from hexar.server.demo.store import fill
from hexar.server.engine.store import open_database, prepare_database
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.server.systems import TABLES, make_settings


@contextmanager
def demo_server(folder: Path, **changes: Any) -> Iterator[str]:
    """Serve over a store in ``folder``, with ``changes`` of the settings; the address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        with DemoShops() as shops:
            (folder / "vendors.yaml").write_text(shops.vendors_yaml(), encoding="utf-8")
            values = {"port": 0, "data_dir": folder / "data", "vendors": folder / "vendors.yaml", "log_level": "error"}
            settings = make_settings(**(values | changes))
            _fill(settings)

            async def begin() -> App:
                app = App(settings)
                await app.start()
                return app

            app = asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
            try:
                yield f"127.0.0.1:{app.port}"
            finally:
                asyncio.run_coroutine_threadsafe(app.stop(0), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _fill(settings: Settings) -> None:
    database = open_database(settings)
    try:
        prepare_database(settings, database, TABLES)
        fill(database)
    finally:
        database.close()

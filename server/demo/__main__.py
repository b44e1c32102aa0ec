"""``make demo`` and ``make run``: demo shops and a server in one process, and a question for each system.

``python -m hexar.server.demo`` asks and stops; ``--stay`` serves on port 50051 until Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console

from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.files import files_of
from hexar.agents.legal.demo import CORPUS
from hexar.agents.parts.demo import PATH as CATALOGUE
from hexar.agents.parts.importers.run import import_catalogue
from hexar.core.cache.versions import Versions
from hexar.server.app import App
from hexar.server.config import Settings
from hexar.server.demo.gear import ask_gear
from hexar.server.demo.legal import ask_legal
from hexar.server.demo.market import ask_market
from hexar.server.demo.parts import ask_parts
from hexar.server.demo.portfolio import ask_portfolio
from hexar.server.demo.shops import DemoShops
from hexar.server.startup import configure_logging
from hexar.server.store import open_database, prepare_database
from hexar.server.systems import TABLES, make_settings
from hexar_client import AsyncClient

#: One question a system, in the order in which they are asked.
QUESTIONS: tuple[Callable[[AsyncClient, Console], Awaitable[None]], ...] = (
    ask_gear,
    ask_portfolio,
    ask_parts,
    ask_market,
    ask_legal,
)


async def ask_all(shops: DemoShops, folder: Path, console: Console) -> None:
    """Start a server over ``shops``, ask each system, stop."""
    app = App(_settings(shops, folder, port=0))
    await app.start()
    try:
        async with AsyncClient(f"127.0.0.1:{app.port}") as client:
            for question in QUESTIONS:
                await question(client, console)
    finally:
        await app.stop(grace=2.0)


async def stay(shops: DemoShops, folder: Path, port: int, console: Console) -> None:
    """Serve until Ctrl-C."""
    app = App(_settings(shops, folder, port=port))
    console.print(f"[bold]hexar[/] on localhost:{port}, shops on {', '.join(shops.urls.values())}")
    console.print('try [bold].venv/bin/hexar query "beginner snowboard under $400"[/]; Ctrl-C stops')
    await app.run()


def fill_store(settings: Settings) -> None:
    """Import what the demo's systems answer from."""
    database = open_database(settings)
    try:
        prepare_database(settings, database, TABLES)
        import_catalogue(database, CATALOGUE)
        Corpora(database, Versions(database), None).replace("", "", files_of(CORPUS))
    finally:
        database.close()


def _settings(shops: DemoShops, folder: Path, port: int) -> Settings:
    vendors = folder / "vendors.yaml"
    vendors.write_text(shops.vendors_yaml(), encoding="utf-8")
    return make_settings(port=port, data_dir=folder / "data", vendors=vendors, log_level="warning", drain_seconds=2.0)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description="Run Hexar with three demo shops.")
    parser.add_argument("--stay", action="store_true", help="serve until Ctrl-C instead of asking")
    parser.add_argument("--port", type=int, default=50051, help="port of a server that stays")
    options = parser.parse_args()
    console = Console()
    # A person watches: shops that answer at once would hide how an answer forms.
    delays = {"alpine": 0.15, "boardroom": 0.4, "summit": 0.8}
    with tempfile.TemporaryDirectory(prefix="hexar-demo-") as folder, DemoShops(delay=delays) as shops:
        settings = _settings(shops, Path(folder), 0)
        configure_logging(settings)
        fill_store(settings)
        if options.stay:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            asyncio.run(stay(shops, Path(folder), options.port, console))
        else:
            asyncio.run(ask_all(shops, Path(folder), console))


if __name__ == "__main__":
    main()

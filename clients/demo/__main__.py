"""``make demo`` and ``make run``: demo shops and a server in one process, and a question for each system.

``python clients/demo`` asks over a store of its own and stops. ``--stay`` serves on port 50051 until Ctrl-C, over the store of
the configuration: what ``hexar import`` reads in the same folder, this server answers from.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from rich.console import Console

from asking.gear import ask_gear
from asking.legal import ask_legal
from asking.market import ask_market
from asking.parts import ask_parts
from asking.portfolio import ask_portfolio
from hexar.server.demo import NAMES, DemoShops
from hexar.server.demo.store import fill
from hexar.server.engine.store import open_database, prepare_database
from hexar.server.process.app import App
from hexar.server.process.startup import failed, load_settings, prepare, run_loop
from hexar.server.settings.config import Settings
from hexar.server.systems import TABLES
from hexar_client import AsyncClient

#: One question a system, in the order in which they are asked.
QUESTIONS: tuple[Callable[[AsyncClient, Console], Awaitable[None]], ...] = (
    ask_gear,
    ask_portfolio,
    ask_parts,
    ask_market,
    ask_legal,
)
#: A person watches: shops that answer at once would hide how an answer forms.
DELAYS = {"alpine": 0.15, "boardroom": 0.4, "summit": 0.8}
#: Of the first shop of a server that stays, as of `hexar demo-shops`.
PORT = 8801


async def ask_all(settings: Settings, console: Console) -> None:
    """Start a server, ask each system, stop."""
    app = App(settings)
    await app.start()
    try:
        async with AsyncClient(f"127.0.0.1:{app.port}") as client:
            for question in QUESTIONS:
                await question(client, console)
    finally:
        await app.stop(grace=2.0)


async def stay(settings: Settings, shops: DemoShops, console: Console) -> None:
    """Serve until Ctrl-C."""
    app = App(settings)

    async def started() -> None:
        console.print(f"[bold]hexar[/] on localhost:{app.port}, shops on {', '.join(shops.urls.values())}", soft_wrap=True)
        console.print("try [bold].venv/bin/hexar query 'beginner snowboard under $400'[/]; Ctrl-C stops")

    await app.run(started=started)


def fill_store(settings: Settings) -> None:
    """Import what the demo's systems answer from, where the store has no such catalogue or corpus yet."""
    database = open_database(settings)
    try:
        prepare_database(settings, database, TABLES)
        fill(database)
    finally:
        database.close()


def start_shops(*, same_ports: bool) -> DemoShops:
    """The shops, answering; ``same_ports``: where they were before, so that links in kept answers lead somewhere."""
    if same_ports:
        with suppress(OSError):
            return DemoShops(delay=DELAYS, ports={name: PORT + at for at, name in enumerate(NAMES)}).__enter__()
    return DemoShops(delay=DELAYS).__enter__()


def run(options: argparse.Namespace, folder: Path) -> None:
    """Ask, or serve; ``folder`` is for what need not stay."""
    console = Console()
    with ExitStack() as stack:
        shops = start_shops(same_ports=options.stay)
        stack.callback(shops.close)
        vendors = folder / "vendors.yaml"
        vendors.write_text(shops.vendors_yaml(), encoding="utf-8")
        own = {} if options.stay else {"data_dir": folder / "data"}
        settings = load_settings(
            port=options.port if options.stay else 0, vendors=vendors, log_level="warning", drain_seconds=2.0, **own
        )
        prepare(settings)
        fill_store(settings)
        run_loop(stay(settings, shops, console) if options.stay else ask_all(settings, console))


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="demo", description="Run Hexar with three demo shops.")
    parser.add_argument("--stay", action="store_true", help="serve until Ctrl-C instead of asking")
    parser.add_argument("--port", type=int, help="port of a server that stays; as configured where not given")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="hexar-demo-") as folder:
            run(options, Path(folder))
    except OSError as error:
        raise failed(error, 1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()

"""``hexar demo-shops``: serve the three demo shops until interrupted."""

from __future__ import annotations

import errno
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from hexar.server.demo import NAMES, DemoShops


def demo_shops(
    port: Annotated[
        int, typer.Option(min=0, max=65533, help="Port of the first shop; the others follow. 0: any free ports.")
    ] = 8801,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    delay: Annotated[float, typer.Option(min=0.0, help="Seconds before every answer.")] = 0.0,
    hang: Annotated[list[str] | None, typer.Option(help="A shop that never answers; may be repeated.")] = None,
    vendors: Annotated[Path | None, typer.Option(help="Write a vendors.yaml that names the shops to this file.")] = None,
) -> None:
    """Serve three small shops over HTTP: alpine (JSON-LD pages), boardroom (products.json), summit (merchant feed)."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    ports = {name: port + at for at, name in enumerate(NAMES)} if port else {}
    try:
        shops = DemoShops(host=host, ports=ports, delay=delay, hang=hang or ())
        shops.start()
    except (OSError, ValueError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = f"a port from {port} is taken; --port names others, and 0 any" if taken else str(error)
        typer.echo(f"hexar: the demo shops cannot start: {why}", err=True)
        raise typer.Exit(1) from error
    try:
        if vendors is not None:
            vendors.write_text(shops.vendors_yaml(), encoding="utf-8")
        for name, url in shops.urls.items():
            typer.echo(f"{name} {url}")
        stop.wait()
    finally:
        shops.close()

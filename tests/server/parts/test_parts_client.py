"""The SDK and the ``hexar parts`` command against a real server."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from hexar.agents.parts import demo
from hexar.agents.parts.importers.run import import_catalogue
from hexar.server.process.app import App
from hexar.v1 import parts_pb2 as pb
from hexar_client.cli import app as command
from hexar_client.client import Client
from hexar_client.parts import damage, report


@pytest.fixture
async def server(app: App) -> str:
    """host:port of a server with the demo catalogue."""
    await app.engine.database.run(import_catalogue, app.engine.database, demo.PATH)
    return f"127.0.0.1:{app.port}"


async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(function, *args)


GOLF = pb.VehicleQuery(make="VW", model="Golf", year=2015, engine="1.4 TSI")


async def test_the_client_streams_typed_events(server: str) -> None:
    """Vehicle, components, propagation, summary; and a second time from the cache, where all that was found is one event."""

    def ask() -> tuple[list[str], str]:
        with Client(server) as client:
            stream = client.parts.discover(report(["front bumper:severe", "left headlight:0.9"], GOLF))
            kinds = [event.kind for event in stream]
            return kinds, stream.cache

    kinds = ["vehicle", "component", "component", "propagation", "summary"]
    assert await in_thread(ask) == (kinds, "miss")
    assert await in_thread(ask) == (["vehicle", "found", "summary"], "hit")


async def test_the_client_matches_resolves_warms_and_pages(server: str) -> None:
    """Every unary call of the service has its method."""

    def ask() -> tuple[str, str, int, int, int]:
        with Client(server) as client:
            match = client.parts.match(["parachoques delantero"]).matches[0]
            vehicle = client.parts.resolve(pb.VehicleQuery(text="golf 2015 1.4 tsi"))
            warmed = client.parts.warm_up(GOLF)
            articles = list(client.parts.articles(variant_id=vehicle.variants[0].variant.id))
            batch = list(client.parts.discover_batch([report(["air filter"], GOLF), report(["bonnet"], GOLF)]))
            return (
                match.articles[0].article.name,
                vehicle.variants[0].variant.name,
                warmed.articles,
                len(articles),
                batch[-1].summary.answered,
            )

    name, variant, warmed, articles, answered = await in_thread(ask)
    assert (name, variant, warmed, answered) == ("Bumper", "1.4 TSI", articles, 2)


async def test_the_command_prints_what_fits(server: str) -> None:
    """As a table, as JSON lines, and with a message where the damage cannot be read."""

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(command, ["--server", server, "parts", *arguments])

    vehicle = ["--make", "VW", "--model", "Golf", "--year", "2015", "--engine", "1.4 TSI"]
    shown = await in_thread(run, "discover", *vehicle, "--damage", "front bumper:severe", "--damage", "flux capacitor")
    assert shown.exit_code == 0, shown.output
    assert "Golf VII 1.4 TSI" in shown.output
    assert "likely needed too" in shown.output
    assert "not understood" in shown.output
    lines = await in_thread(run, "discover", *vehicle, "--damage", "bonnet", "--json")
    assert lines.output.count('{"seq"') == 4
    matched = await in_thread(run, "match", "faro izquierdo", *vehicle)
    assert "Headlight" in matched.output
    assert (await in_thread(run, "discover", *vehicle, "--damage", "bonnet:terrible")).exit_code == 2


def test_a_damage_is_a_name_and_a_degree() -> None:
    """Words and numbers are degrees; without one the degree is left open."""
    assert damage("front bumper:severe").severity == pb.SEVERITY_SEVERE
    assert damage("front bumper: 0.4").severity_score == pytest.approx(0.4)
    assert damage("front bumper").WhichOneof("degree") is None
    with pytest.raises(ValueError, match="terrible"):
        damage("front bumper:terrible")

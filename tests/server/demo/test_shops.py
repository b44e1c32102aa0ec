"""The demo shops over real HTTP, read by the real agents."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.errors import VendorError
from hexar.agents.vendors.model import Availability, Listing
from hexar.agents.vendors.registry import build_agents, parse_vendors
from hexar.core.deadline import Deadline
from hexar.server.demo import NAMES, DemoShops


@pytest.fixture
def shops() -> Iterator[DemoShops]:
    with DemoShops() as running:
        yield running


@pytest.fixture
def agents(shops: DemoShops) -> Iterator[dict[str, Any]]:
    built: Any = build_agents(parse_vendors(shops.vendors_yaml()))
    yield {agent.name: agent for agent in built}
    for agent in built:
        agent.close()


def _all(agents: dict[str, Any]) -> dict[str, list[Listing]]:
    everything = "snowboards boots bindings jackets tents backpacks skis helmets goggles gloves sleeping"
    return {name: agent.light(LightRequest(everything), Deadline.after(10)) for name, agent in agents.items()}


def test_the_shops_sell_about_sixty_products_with_overlaps(agents: dict[str, Any]) -> None:
    """Prices, stock-outs, sizes, discounts, two currencies, and the same products at several shops."""
    stock = _all(agents)
    rows = [row for found in stock.values() for row in found]
    assert {name: len(found) for name, found in stock.items()} == {"alpine": 46, "boardroom": 37, "summit": 42}
    assert all(row.name and row.brand and row.category and row.year for row in rows)
    assert {row.price.currency for row in rows if row.price} == {"USD", "EUR"}
    assert all(row.price for row in rows)
    assert {row.availability for row in rows} == {Availability.IN_STOCK, Availability.OUT_OF_STOCK, Availability.PREORDER}
    assert sum(row.list_price is not None for row in rows) >= 15
    assert sum(row.shipping is not None for row in rows) >= 60
    gtins = [{row.gtin for row in stock[name] if row.gtin} for name in ("alpine", "summit")]
    assert len(gtins[0] & gtins[1]) >= 25
    assert all(row.sizes for row in stock["boardroom"] if row.category == "Snowboards")


def test_heavy_readings_bring_knowledge_and_reviews(agents: dict[str, Any]) -> None:
    """Product pages add descriptions, attributes and reviews in two languages; unreviewed products stay unreviewed."""
    agent = agents["alpine"]
    light = agent.light(LightRequest("snowboards"), Deadline.after(10))
    heavy = {row.sku: row for row in agent.heavy(light, Deadline.after(10))}
    assert set(heavy) == {row.sku for row in light}
    drift = heavy["AL-DRIFT"]
    assert drift.attributes["skill level"] == "beginner"
    assert drift.description
    assert len(drift.reviews) == 3
    assert any("Muy fácil" in review.text for review in drift.reviews)
    assert drift.variants[-1].availability is Availability.OUT_OF_STOCK
    jackets = agent.light(LightRequest("jackets tents boots gloves"), Deadline.after(10))
    silent = [row for row in agent.heavy(jackets, Deadline.after(10)) if not row.reviews]
    assert silent
    assert all(row.rating is None and row.rating_count is None for row in silent)


def test_the_search_box_understands_both_languages(agents: dict[str, Any]) -> None:
    """English and Spanish words find the same shelf; nonsense finds nothing."""
    agent = agents["alpine"]
    english = agent.light(LightRequest("tent"), Deadline.after(5))
    spanish = agent.light(LightRequest("tienda"), Deadline.after(5))
    assert {row.category for row in english} == {"Tents"}
    assert english[0].sku == spanish[0].sku
    assert agent.light(LightRequest("qwertyuiop"), Deadline.after(5)) == []


def test_every_request_is_counted(shops: DemoShops, agents: dict[str, Any]) -> None:
    """Counts are by shop and path, and can be reset."""
    agents["alpine"].light(LightRequest("tent"), Deadline.after(5))
    agents["boardroom"].light(LightRequest("tent"), Deadline.after(5))
    agents["summit"].light(LightRequest("tent"), Deadline.after(5))
    assert shops.calls["alpine"] == {"/search": 1}
    assert shops.calls["boardroom"] == {"/products.json": 1}
    assert shops.calls["summit"] == {"/feed.xml": 1}
    assert (shops.total(), shops.total("summit")) == (3, 1)
    shops.reset_calls()
    assert shops.total() == 0


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ({"hang": True}, "timeout"),
        ({"drip": True}, "timeout"),
        ({"fail": 503}, "status"),
        ({"malformed": True}, "malformed"),
        ({"redirect": "http://localhost:1/"}, "refused"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_faulty_shop_fails_in_time_and_by_name(
    shops: DemoShops, agents: dict[str, Any], name: str, fault: dict[str, Any], failure: str
) -> None:
    """Each fault is told apart, within the deadline, and the other shops go on."""
    shops.behave(name, **fault)
    begun = time.monotonic()
    with pytest.raises(VendorError) as caught:
        agents[name].light(LightRequest("snowboards"), Deadline.after(0.6 if failure == "timeout" else 5))
    # The fault itself lasts for ever, or for as long as the shop runs.
    assert time.monotonic() - begun < 60
    assert (caught.value.failure, caught.value.vendor) == (failure, name)
    other = next(agent for key, agent in agents.items() if key != name)
    assert other.light(LightRequest("snowboards"), Deadline.after(5))


def test_faults_are_set_at_the_start_too() -> None:
    """The constructor takes the faults by shop; an unknown shop is a mistake."""
    with DemoShops(delay=0.01, hang={"summit"}, fail={"boardroom": 429}) as shops:
        assert shops.behaviour("summit").hang
        assert shops.behaviour("boardroom").fail == 429
        assert shops.behaviour("alpine").delay == 0.01
    with pytest.raises(ValueError, match="no shop 'alpin'"):
        DemoShops(hang={"alpin"})


def test_closing_does_not_wait_for_hanging_callers() -> None:
    """A shop that hangs for ever is closed at once."""
    with DemoShops(hang={"alpine"}) as shops:
        [agent] = build_agents(parse_vendors(shops.vendors_yaml(["alpine"])))
        caught: list[VendorError] = []

        def ask() -> None:
            try:
                agent.light(LightRequest("tent"), Deadline.after(300))
            except VendorError as error:
                caught.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not shops.total():
            time.sleep(0.01)
    thread.join(60)
    assert not thread.is_alive()
    assert caught


def test_two_hundred_callers_at_once(shops: DemoShops, agents: dict[str, Any]) -> None:
    """Two hundred concurrent requests are all answered, and all counted."""
    shops.behave("alpine", delay=0.1)
    answers: list[int] = []

    def ask() -> None:
        answers.append(len(agents["alpine"].light(LightRequest("tent"), Deadline.after(30))))

    threads = [threading.Thread(target=ask) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 200
    assert len(set(answers)) == 1
    assert shops.calls["alpine"]["/search"] == 200

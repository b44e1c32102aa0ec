"""The operators' page in a real browser: figures as a client counted them, the console, the keyboard, and axe."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from hexar.v1 import query_pb2, query_pb2_grpc
from hexar_client import Client
from hexar_client.chat import uploads
from hexar_client.market import options
from tests.fix.browser import browser, needs_chromium
from tests.fix.demo_server import demo_server

pytestmark = [needs_chromium, pytest.mark.chaos]
#: Where screenshots go, for who wants to look at them.
SHOTS = os.environ.get("HEXAR_SHOTS")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server with the demo's shops; its address, and the page's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        page = f"127.0.0.1:{probe.getsockname()[1]}"
    with demo_server(tmp_path_factory.mktemp("server"), dashboard_address=page) as address:
        yield address, f"http://{page}/"


def opened(driver: webdriver.Chrome, page: str) -> None:
    """Load the page, and wait for its second look."""
    driver.get(page)
    WebDriverWait(driver, 60).until(lambda d: int(d.execute_script("return document.body.dataset.shown || '0'")) >= 2)


def shot(driver: webdriver.Chrome, name: str) -> None:
    """Keep a picture of the whole page."""
    if SHOTS:
        height = driver.execute_script("return document.documentElement.scrollHeight")
        width = driver.execute_script("return innerWidth")
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.save_screenshot(str(Path(SHOTS) / f"{name}.png"))


def violations(driver: webdriver.Chrome, axe: str) -> list[str]:
    """What axe finds wrong, with colours as they are."""
    driver.execute_script(axe)
    found: dict[str, Any] = driver.execute_async_script("const done = arguments[0]; axe.run(document).then(done)")
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found["violations"]]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core, from npm's registry by its own client."""
    given = os.environ.get("HEXAR_AXE")
    if given:
        return Path(given).read_text("utf-8")
    if shutil.which("npm") is None:
        pytest.skip("no npm: axe-core cannot be had")
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "axe-core@4.10.3"]
    if subprocess.run(command, check=False, timeout=120).returncode:
        pytest.skip("npm cannot install axe-core")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


def row_of(driver: webdriver.Chrome, table: str, name: str) -> list[str]:
    """The cells of one row, read at once: the page redraws its tables."""
    script = """
        const rows = [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map((row) => [...row.cells].map((c) => c.textContent));
        return rows.find((cells) => cells[0] === arguments[1]) || [];
    """
    cells: list[str] = driver.execute_script(script, table, name)
    return cells


def test_the_page_counts_what_a_client_sent(served: tuple[str, str], tmp_path: Path) -> None:
    """Thirty calls more are thirty calls more, at once."""
    address, page = served
    with browser(tmp_path / "b") as driver, grpc.insecure_channel(address) as channel:
        stub = query_pb2_grpc.QueryServiceStub(channel)

        def ask(count: int, wrong: int) -> None:
            for _ in range(count):
                list(stub.Query(query_pb2.QueryRequest(text="beginner snowboard under $400")))
            for _ in range(wrong):
                with pytest.raises(grpc.RpcError):
                    list(stub.Query(query_pb2.QueryRequest(text="")))

        ask(1, 1)
        opened(driver, page)
        ask(25, 4)
        WebDriverWait(driver, 60).until(lambda d: row_of(d, "rpc", "QueryService/Query")[1:2] == ["31"])
        cells = row_of(driver, "rpc", "QueryService/Query")
        assert cells[-1] == "INVALID_ARGUMENT 5"
        assert cells[2:4] == ["31", "16.1 %"]
        shot(driver, "desktop")
        assert [line for line in driver.get_log("browser") if line["level"] == "SEVERE"] == []


def ran(driver: webdriver.Chrome, method: str) -> str:
    """Choose a method, run the request that stands there, wait for its end; what the page says of it."""
    Select(driver.find_element(By.ID, "method")).select_by_visible_text(method)
    driver.find_element(By.ID, "go").send_keys(Keys.ENTER)
    outcome = driver.find_element(By.ID, "outcome")
    WebDriverWait(driver, 300).until(lambda _: " after " in outcome.text)
    return str(outcome.text)


def test_the_console_runs_calls_and_shows_their_events(served: tuple[str, str], tmp_path: Path) -> None:
    """By the keyboard alone: a tab, a method, a run; events with the time after which they came, and where from."""
    address, page = served
    with browser(tmp_path / "b") as driver:
        opened(driver, page)
        tab = driver.find_element(By.ID, "tab-figures")
        tab.send_keys(Keys.ARROW_RIGHT)
        assert driver.switch_to.active_element.get_attribute("id") == "tab-console"
        assert driver.find_element(By.ID, "console").is_displayed()
        assert ran(driver, "ChatService/Chat").startswith(("NOT_FOUND", "FAILED_PRECONDITION"))
        (tmp_path / "atlas.md").write_text("# Atlas 40\n\nThe warranty of the Atlas 40 is three years.\n")
        (tmp_path / "sales.csv").write_text("date,brand,revenue\n2024-01-15,Tindra,120.50\n2024-02-15,Korva,90\n")
        with Client(address) as client:
            client.portfolios.add("manuals", uploads([tmp_path / "atlas.md"]))
            client.market.upload(options("sales"), tmp_path / "sales.csv")
        for name, last, said in (
            ("QueryService/Query", "completed", "Snowboard"),
            ("PartsService/Discover", "summary", "bumper"),
            ("LegalService/Draft", "completed", "Agreement"),
            ("MarketService/Analyze", "completed", "Tindra, with 120.50 of revenue."),
            ("ChatService/Chat", "done", "three years"),
        ):
            outcome = ran(driver, name)
            assert outcome.startswith("OK after "), (name, outcome)
            kinds = [item.text for item in driver.find_elements(By.CSS_SELECTOR, "#events li span:first-of-type")]
            assert kinds[-1] == last, kinds
            assert said in driver.find_element(By.ID, "events").get_attribute("textContent"), name
        shot(driver, "console")


@pytest.mark.parametrize(("name", "width", "dark"), [("light", 1280, False), ("dark", 1280, True), ("phone", 390, True)])
def test_axe_finds_nothing_and_a_phone_needs_no_sideways_scrolling(
    served: tuple[str, str], tmp_path: Path, axe: str, name: str, width: int, dark: bool
) -> None:
    """Both tabs, light and dark."""
    with browser(tmp_path / "b", width=width, dark=dark) as driver:
        opened(driver, served[1])
        assert violations(driver, axe) == []
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        shot(driver, name)
        driver.find_element(By.ID, "tab-console").click()
        assert violations(driver, axe) == []
        shot(driver, f"{name}-console")

"""A newcomer's way by the pages alone: from wheels to the first answers, then a fourth shop and a format of one's own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.fix.ports import free_port
from tests.project.wheels import ROOT

DOCS = ROOT / "docs"
FEED = """<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>Z9</g:id><title>Quillon Zephyr 155
snowboard</title><link>/z9</link><g:price>321.00 EUR</g:price><g:availability>in stock</g:availability></item></channel></rss>"""


def blocks(page: str, heading: str = "") -> list[str]:
    """The blocks of code of a page, without their indentation; of one section where ``heading`` is given."""
    text = (DOCS / page).read_text("utf-8")
    if heading:
        text = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^( *)```\w*\n(.*?)^ *```", text, re.S | re.M)
    return [re.sub(rf"^{indent}", "", block, flags=re.M) for indent, block in found]


class Shell:
    """A shell in ``folder`` with the newcomer's environment: nothing of this checkout is on its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port = free_port()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("HEXAR_", "PYTHON"))}
        self.environment |= {
            "HEXAR_PORT": str(port),
            "HEXAR_SERVER": f"localhost:{port}",
            "COLUMNS": "80",
            "XDG_CONFIG_HOME": str(folder),
            "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
            "PIP_QUIET": "1",
        }

    def run(self, script: str) -> str:
        """Run lines as they stand; what they print. They end well and show no traceback."""
        ended = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=1800,
        )
        assert ended.returncode == 0, f"{script}\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
        assert "Traceback" not in ended.stdout + ended.stderr, script
        return ended.stdout

    @contextmanager
    def terminal(self, line: str, said: str) -> Iterator[None]:
        """Run a line in a terminal of its own, once it has ``said`` something; then Ctrl-C."""
        log = self.folder / f"terminal-{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", f". env/bin/activate; exec {line}"],
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                while said not in log.read_text():
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.1)
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)
        assert "Traceback" not in log.read_text()


@pytest.fixture(scope="module")
def shell(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Where the wheels are installed as the page says."""
    made = Shell(tmp_path_factory.mktemp("newcomer"))
    (made.folder / "dist").symlink_to(wheels)
    made.run(blocks("getting-started.md", "From wheels")[0])
    return made


@contextmanager
def running(shell: Shell) -> Iterator[None]:
    """The second block of the page: shops and a server in terminals of their own, the other lines before the server."""
    lines = [line.split("  #")[0].rstrip() for line in blocks("getting-started.md", "From wheels")[1].splitlines()]
    activate, shops, *others, serve = lines
    assert (activate, serve) == (". env/bin/activate", "hexar serve")
    with shell.terminal(f"{shops} --port 0", "summit http"):
        for line in others:
            shell.run(f"{activate}; {line}")
        with shell.terminal(serve, "listening"):
            yield


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_the_first_answers_by_the_page_alone(shell: Shell) -> None:
    """Each command of the page that asks something gives what the page promises."""
    promised = {
        "query": "USD",
        "portfolio": "1 added",
        "chat": "three years",
        "market": "Tindra, with 120.50 of revenue",
        "parts": "front bumper",
        "legal": "Mutual Non-Disclosure Agreement",
        "ops": "ready",
    }
    with running(shell):
        asked = set()
        for line in blocks("getting-started.md", "From wheels")[2].splitlines():
            said = shell.run(f". env/bin/activate; {line}")
            words = line.split()
            if words[0] == "hexar":
                asked.add(words[1])
                assert promised[words[1]] in said, (line, said)
        assert asked == promised.keys()
    assert "Acme Inc." in (shell.folder / "nda.md").read_text()


@contextmanager
def shop(pages: dict[str, tuple[str, str]]) -> Iterator[str]:
    """A shop on loopback that serves ``pages``: media type and text by path; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, text = pages.get(self.path, ("", ""))
            body = text.encode()
            self.send_response(200 if kind else 404)
            self.send_header("content-type", kind or "text/plain")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def add(vendors: Path, row: dict[str, object], url: str) -> None:
    """Add a shop to the file, as it stands in a page, at its address on loopback."""
    found = yaml.safe_load(vendors.read_text())
    found["vendors"].append({**row, "url": url, "allow_private_hosts": ["127.0.0.1"]})
    vendors.write_text(yaml.safe_dump(found))


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_a_fourth_shop_and_a_format_by_the_guides_alone(shell: Shell) -> None:
    """The steps of both pages, with the shops on loopback; what they sell is in an answer, beside the three that were there."""
    page = (DOCS / "how-to" / "formats.md").read_text("utf-8")
    for name, text in re.findall(r"^`(pricelist/[\w.]+)`:\n\n```\w+\n(.*?)^```", page, re.S | re.M):
        (shell.folder / name).parent.mkdir(exist_ok=True)
        (shell.folder / name).write_text(text)
    listed, _, _, install, vendors_yaml, check = blocks("how-to/formats.md")
    assert "adapter: pricelist" in vendors_yaml
    feed = next(
        row
        for row in yaml.safe_load(blocks("how-to/vendors.md", "A shop is a few lines")[0])["vendors"]
        if row["adapter"] == "feed"
    )
    steps = blocks("how-to/vendors.md")
    pages = {"/prices.csv": ("text/csv", listed), "/feed.xml": ("application/xml", FEED)}
    with shell.terminal("hexar demo-shops --vendors vendors.yaml --port 0", "summit http"), shop(pages) as url:
        shell.environment["PIP_CONSTRAINT"] = ""
        pip, first = install.splitlines()
        shell.run(f". env/bin/activate; {pip}")
        said = shell.run(f". env/bin/activate; {first.replace('https://boards.example', url)} --private")
        assert "Halo Snowboard 154\n  399.00 EUR  in stock  " in said
        by_feed = next(line for line in steps[0].splitlines() if "feed" in line)
        assert "321.00 EUR" in shell.run(f". env/bin/activate; {by_feed.replace('https://summit.example', url)} --private")
        add(shell.folder / "vendors.yaml", {**feed, "name": "fourth"}, f"{url}/feed.xml")
        add(shell.folder / "vendors.yaml", yaml.safe_load(vendors_yaml)["vendors"][0], f"{url}/prices.csv")
        for line in (*steps[1].splitlines(), *check.splitlines()):
            said = shell.run(f". env/bin/activate; {line}")
        assert "2 products were read" in said
        with shell.terminal("hexar serve", "listening"):
            said = shell.run(". env/bin/activate; hexar query 'snowboard' --limit 50 --json")
    events = [json.loads(line) for line in said.splitlines()]
    shown = [event["upsert"] for event in events if "upsert" in event]
    shown += [upsert for event in events for upsert in event.get("snapshot", {}).get("products", ())]
    sellers = {offer["vendor"] for upsert in shown for offer in upsert["product"]["offers"]}
    assert sellers == {"alpine", "boardroom", "summit", "fourth", "boards"}

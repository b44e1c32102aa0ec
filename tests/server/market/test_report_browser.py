"""The page of an analysis as a real browser shows it: on a phone, in the dark, in print."""

from __future__ import annotations

import asyncio
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pypdf
import pytest

from hexar.agents.market.demo import write_table
from hexar.server.process.app import App
from hexar_client import AsyncClient
from hexar_client.market import analysis, options
from hexar_client.market.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if BROWSER is None:
    pytest.skip("no Chromium is installed", allow_module_level=True)

PHONE = 390
#: What a browser needs to stay quiet and alone on any machine.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-dark-mode", "--no-pdf-header-footer",
    f"--window-size={PHONE},2000",
)  # fmt: skip
#: Added to a copy of the page, which has no script itself: what a reader sees, as JSON in the title.
MEASURE = """<script>addEventListener('load', () => {
  const size = (e) => e.getBoundingClientRect(), all = (s) => [...document.querySelectorAll(s)];
  document.title = JSON.stringify({
    width: innerWidth, scroll: document.documentElement.scrollWidth,
    background: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
    bars: all('.bars').length, lines: all('svg').length,
    hidden: all('.bars i').filter((e) => size(e).width < 0.2 || size(e).height < 4).length,
    outside: all('.bars i, .bars b, svg text').filter((e) => size(e).right > innerWidth + 1 || size(e).left < -1).length,
    text: Math.min(...all('.bars span, svg text').map((e) => size(e).height)),
    cut: all('.card b').filter((e) => e.scrollWidth > e.clientWidth + 1).length,
    twice: all('.bars').filter((e) => {
      const names = [...e.querySelectorAll('span')].map((s) => s.textContent);
      return new Set(names).size < names.length;
    }).length,
  });
});</script></body>"""


def browse(folder: Path, *options_: str) -> str:
    """The browser's output."""
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", *options_]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


async def test_the_page_reads_on_a_phone_in_the_dark_and_in_print(app: App, tmp_path: Path) -> None:
    """Nothing runs out of the screen, no text is tiny, every chart is there, and the advice is on paper too."""
    table, page = write_table(tmp_path / "outdoor.csv"), tmp_path / "page.html"
    async with AsyncClient(f"127.0.0.1:{app.port}") as client:
        await client.market.upload(options("outdoor", currency_code="EUR"), table)
        seen = await client.market.run(analysis("outdoor"))
    write_report(page, seen)
    copy = tmp_path / "measured.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", MEASURE), encoding="utf-8")
    dumped = await asyncio.to_thread(browse, tmp_path, "--dump-dom", copy.as_uri())
    title = re.search(r"<title>(.*?)</title>", dumped, re.DOTALL)
    assert title is not None
    found = json.loads(html.unescape(title[1]))
    assert found["scroll"] <= found["width"], found
    assert (found["hidden"], found["outside"], found["cut"], found["twice"]) == (0, 0, 0, 0), found
    assert found["bars"] >= 8
    assert found["lines"] >= 2
    assert found["text"] >= 9, "text of a chart is too small to read"
    brightness = [sum(map(int, re.findall(r"\d+", found[name])[:3])) for name in ("background", "ink")]
    assert brightness[0] < 150 < 500 < brightness[1]
    paper = tmp_path / "page.pdf"
    await asyncio.to_thread(browse, tmp_path, f"--print-to-pdf={paper}", page.as_uri())
    text = " ".join(sheet.extract_text() for sheet in pypdf.PdfReader(paper).pages)
    for entry in seen.recommendations:
        assert entry.title in text
    assert "Forecast" in text

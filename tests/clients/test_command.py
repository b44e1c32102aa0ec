"""The `hexar` command as a person, a script and a shell meet it."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from hexar.v1 import query_pb2
from hexar_client.cli import COMMANDS, app
from hexar_client.commands import output
from hexar_client.commands.lazy import load
from hexar_client.commands.query import draw
from hexar_client.gear import Ranking
from tests.fix.demo_server import demo_server

ROOT = Path(__file__).resolve().parents[2]
HEXAR = str(Path(sys.executable).with_name("hexar"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with everything that the demo has."""
    with demo_server(tmp_path_factory.mktemp("demo")) as address:
        yield address


def run(folder: Path, *words: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    """`hexar words` without a terminal, with a home of its own; it ends with ``code`` and never with a traceback."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEXAR_")}
    environment |= {"XDG_CONFIG_HOME": str(folder), "COLUMNS": "80", "TERM": "dumb"} | more
    ended = subprocess.run(
        [HEXAR, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended


def block(page: str, heading: str) -> list[str]:
    """The lines of the first block of code of a section."""
    section = (ROOT / page).read_text("utf-8").split(f"\n## {heading}\n")[1]
    return section.split("```\n")[1].splitlines()


def leaves(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands below one that does something itself."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    for name, each in (inner or {}).items():
        yield from leaves(each, *path, name)


def test_help_imports_neither_grpc_nor_the_server(tmp_path: Path) -> None:
    """So that it is there at once: what a command needs is imported when it runs."""
    probe = """
import sys
from hexar_client.cli import main
sys.argv = ["hexar", "--help"]
try:
    main()
except SystemExit as end:
    assert end.code == 0
heavy = ("grpc", "google.protobuf", "hexar.v1", "hexar.core", "hexar.agents", "pydantic", "numpy", "rich")
found = [name for name in sys.modules if name.startswith(heavy)]
print(len(sys.modules), found, file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    count, _, found = ended.stderr.partition(" ")
    assert found.strip() == "[]"
    assert int(count) < 300
    assert "query " in ended.stdout
    assert "serve " in ended.stdout


def test_version_help_and_completion(tmp_path: Path) -> None:
    """As every command has them."""
    assert run(tmp_path, "--version").stdout.startswith("hexar 0.")
    assert run(tmp_path, "ops", "status", "-h").stdout == run(tmp_path, "ops", "status", "--help").stdout
    listed = run(tmp_path, _HEXAR_COMPLETE="complete_bash", COMP_WORDS="hexar po", COMP_CWORD="1").stdout
    assert listed.split() == ["portfolio"]


def test_every_command_that_asks_a_server_prints_json_on_request() -> None:
    """With --json and with -o json; what keeps contexts asks none, what serves tools prints nothing."""
    for name, (target, _) in COMMANDS.items():
        if name in ("context", "mcp"):
            continue
        for path, command in leaves(load(name, target)):
            options = {word for parameter in command.params for word in parameter.opts}
            assert {"--json", "-o", "--output"} <= options, (name, *path)


def test_what_is_removed_is_asked_for_first(tmp_path: Path, server: str) -> None:
    """Without a terminal nobody can say yes: --yes has to."""
    (tmp_path / "a.md").write_text("# A\n\nThe answer is forty two.\n")
    run(tmp_path, "--server", server, "portfolio", "add", "old", "a.md")
    refused = run(tmp_path, "--server", server, "portfolio", "remove", "old", code=2)
    assert "give --yes" in refused.stderr
    assert "old" in run(tmp_path, "--server", server, "portfolio", "list").stdout
    run(tmp_path, "--server", server, "portfolio", "remove", "old", "--yes")
    assert "old" not in run(tmp_path, "--server", server, "portfolio", "list").stdout


def test_the_exit_code_tells_of_what_was_rejected(tmp_path: Path, server: str) -> None:
    """3 where some were, 1 where all were, with the reason."""
    (tmp_path / "good.md").write_text("# Good\n\nText.\n")
    (tmp_path / "bad.pdf").write_bytes(b"no PDF at all")
    some = run(tmp_path, "--server", server, "portfolio", "add", "mixed", "good.md", "bad.pdf", code=3)
    assert "rejected bad.pdf: " in some.stdout
    run(tmp_path, "--server", server, "portfolio", "add", "mixed", "bad.pdf", code=1)


def test_a_server_that_is_down_is_told_in_words(tmp_path: Path) -> None:
    """With the address as it was typed, and how to start one."""
    for words in (["query", "boots"], ["ops", "status"], ["portfolio", "list"], ["market", "tables"], ["top", "--once"]):
        told = run(tmp_path, "--server", "localhost:1", *words, code=1).stderr
        assert (
            told
            == "hexar: no server answers at localhost:1: start one with `hexar serve`, or name another with --server or `hexar context`\n"
        )


def test_contexts(tmp_path: Path, server: str) -> None:
    """A server is kept by name, used from then on, chosen for one command, and forgotten; the file is the owner's alone."""
    run(tmp_path, "context", "set", "here", "--server", server)
    run(tmp_path, "context", "set", "away", "--server", "localhost:1", "--token", "secret", "--tls")
    assert run(tmp_path, "context", "list").stdout == f"  away  localhost:1  (tls, token)\n* here  {server}\n"
    assert (tmp_path / "hexar" / "contexts.json").stat().st_mode & 0o777 == 0o600
    run(tmp_path, "ops", "cache")
    run(tmp_path, "--context", "away", "ops", "cache", code=1)
    run(tmp_path, "ops", "cache", code=1, HEXAR_CONTEXT="away")
    run(tmp_path, "context", "use", "away")
    run(tmp_path, "ops", "cache", code=1)
    run(tmp_path, "--server", server, "ops", "cache")
    assert "no context 'nowhere'" in run(tmp_path, "--context", "nowhere", "ops", "cache", code=2).stderr
    run(tmp_path, "context", "remove", "away", "--yes")
    assert run(tmp_path, "context", "list").stdout == f"  here  {server}\n"
    (tmp_path / "hexar" / "contexts.json").write_text("nonsense")
    assert "is not JSON" in run(tmp_path, "ops", "cache", code=2).stderr


def test_a_product_in_three_lines(tmp_path: Path, server: str) -> None:
    """On 80 columns: what it is, who sells it for what, what is said of it."""
    lines = (
        run(tmp_path, "--server", server, "query", "beginner snowboard under $400", "--limit", "2").stdout.rstrip().splitlines()
    )
    assert [line[:3] for line in lines[:6]] == ["1. ", "   ", "   ", "2. ", "   ", "   "]
    assert all(len(line) <= 80 for line in lines)
    assert "USD" in lines[1]
    assert "score" in lines[2]


def test_an_empty_answer_says_how_it_was_understood() -> None:
    """The words that were looked for, the filters, and what was not applied."""
    ranking = Ranking()
    ranking.started = query_pb2.QueryStarted()
    ranking.started.understood.terms = "submarine"
    ranking.started.understood.filters.in_stock = True
    ranking.started.understood.filters.price_max.currency_code = "EUR"
    ranking.started.understood.filters.price_max.micros = 5_000_000
    ranking.started.understood.not_applied.add(phrase="made of cheese", reason="no such attribute")
    ranking.completed = query_pb2.QueryCompleted()
    console = output.console()
    with console.capture() as captured:
        console.print(draw(ranking, "miss", 0.1))
    for said in (
        "nothing was found",
        "understood: submarine",
        "price max 5.00 EUR",
        "in stock",
        "made of cheese (no such attribute)",
    ):
        assert said in captured.get()


def test_nothing_that_a_server_says_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Colours, cursor moves, titles, bells and marks of direction of a shop's page stay out, in text and in JSON."""
    evil = "a\x1b[31mb\x1b]0;title\x07c\x9b2Jd\x07e\u202ef\rg\x1bch"
    assert output.visible(evil) == "abc2Jdefgh"
    console = output.console()
    with console.capture() as captured:
        console.print(evil, markup=False)
    assert not set("\x1b\x07\x9b\u202e\r") & set(captured.get())
    output.print_json(query_pb2.ProductRetract(product_id=evil))
    printed = capsys.readouterr().out
    assert not set("\x1b\x07\x9b\u202e\r") & set(printed)
    assert json.loads(printed)["product_id"] == evil


def test_the_root_has_the_options_of_connections() -> None:
    """TLS with an authority, and a certificate of one's own."""
    root = typer.main.get_command(app)
    options = {word for parameter in root.params for word in parameter.opts}
    assert {"--server", "--token", "--tls", "--ca", "--cert", "--key", "--context", "--version"} <= options


def test_top_and_json_by_either_option(tmp_path: Path, server: str) -> None:
    """One look at a server, for people and for programs."""
    assert "ready" in run(tmp_path, "--server", server, "top", "--once").stdout
    by_flag = json.loads(run(tmp_path, "--server", server, "ops", "status", "--json").stdout)
    by_form = json.loads(run(tmp_path, "--server", server, "ops", "status", "-o", "json").stdout)
    assert by_flag["instance"] == by_form["instance"]
    assert run(tmp_path, "--server", server, "ops", "status").stdout.startswith("version")


@pytest.mark.chaos
def test_figures_fit_on_eighty_columns_and_end_their_last_line(tmp_path: Path, server: str) -> None:
    """Every view of an operator, after every kind of call: no line is wider than the screen, no word of a table is cut in two."""
    run(tmp_path, "--server", server, "query", "beginner snowboard", "--wait", "5")
    for words in (
        "ops status", "ops report", "ops cache", "ops cache --entries", "ops vendors", "ops breakers", "ops options", "ops jobs",
        "top --once", "query snowboard", "parts discover --make Vauxhall --model Astra --year 2006 --damage bonnet:minor",
    ):  # fmt: skip
        shown = run(tmp_path, "--server", server, *words.split()).stdout
        assert shown.endswith("\n"), words
        assert max(map(len, shown.splitlines())) <= 80, words
    report = run(tmp_path, "--server", server, "ops", "report").stdout
    assert "\nQuery " in report
    assert "\nalpine " in report
    jobs = run(tmp_path, "--server", server, "ops", "jobs").stdout
    assert "gear.analyse  succeeded  1/3" in jobs


@pytest.mark.chaos
def test_what_operators_change(tmp_path: Path, server: str) -> None:
    """An option, a breaker, a product that is forgotten; what is not known is an error in a line."""
    assert " off " in run(tmp_path, "--server", server, "ops", "options", "--off", "heavy_analysis").stdout
    assert " on " in run(tmp_path, "--server", server, "ops", "options", "--on", "heavy_analysis").stdout
    assert "closed" in run(tmp_path, "--server", server, "ops", "breakers", "--reset", "alpine").stdout
    events = run(tmp_path, "--server", server, "query", "beginner snowboard", "--json").stdout.splitlines()
    completed = json.loads(events[-1])["completed"]
    forgotten = run(tmp_path, "--server", server, "ops", "invalidate", "--product", completed["product_ids"][0]).stdout
    assert "vendor:" in forgotten
    for line in block("docs/operations/runbook.md", "Forget and warm"):
        run(tmp_path, "--server", server, *shlex.split(line)[1:])
    for words in ("invalidate --product p_0", "breakers --reset nobody"):
        assert "was not found" in run(tmp_path, "--server", server, "ops", *words.split(), code=1).stderr
    run(tmp_path, "--server", server, "ops", "invalidate", code=2)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.000712, "0.712 ms"), (0.2227, "223 ms"), (1.5, "1.5 s"), (900, "15 min"), (2_592_000, "30 d")]
)
def test_a_length_of_time_reads_at_once(seconds: float, said: str) -> None:
    """In the unit that fits, with three digits."""
    assert output.span(seconds) == said


def test_a_row_that_is_too_wide_is_shown_line_by_line() -> None:
    """With all of each value, where a table would have cut it."""
    console = output.console()
    console.width = 40
    with console.capture() as captured:
        console.print(output.Rows([{"id": "a" * 32, "kind": "gear.analyse"}, {"id": "b" * 32, "kind": "x"}]))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    assert lines == ["id    " + "a" * 32, "kind  gear.analyse", "", "id    " + "b" * 32, "kind  x"]


def test_a_file_that_is_not_there_is_told_as_one(tmp_path: Path, server: str) -> None:
    """Not as a table whose name it might be."""
    assert (
        run(tmp_path, "--server", server, "market", "analyze", "sales.csv", code=1).stderr
        == "hexar: there is no file 'sales.csv'\n"
    )

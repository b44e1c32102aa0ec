"""What README and docs name is there: files, links, and commands with their options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from hexar.server.commands import COMMANDS as SERVER
from hexar_client.cli import COMMANDS, app
from hexar_client.commands.lazy import load

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: Paths in prose: `server/process/app.py`, docs/reference/streams.md.
PATH = re.compile(r"(?<![\w/.~-])((?:docs|server|core|agents|clients|proto|tests)/[\w./-]*\w)")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def names(page: Path) -> Iterator[Path]:
    """The files that a page names."""
    text = page.read_text("utf-8")
    for link in LINK.findall(text):
        if "://" not in link:
            yield page.parent / link
    if "adr" not in page.parts:
        for path in PATH.findall(text):
            yield ROOT / path


def is_there(path: Path) -> bool:
    """A file or folder, a module without its ending, a decision by its number; NNNN and NAME stand for any."""
    if path.parent.name == "adr" and re.fullmatch(r"\d{4}", path.name):
        return any(path.parent.glob(f"{path.name}-*.md"))
    return path.exists() or path.with_suffix(".py").exists() or bool(re.search("NNNN|NAME", path.name))


def anchor(heading: str) -> str:
    """What a heading is linked by, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-")


def test_every_link_inside_a_page_leads_to_a_heading() -> None:
    """Those with a fragment, to this page or another one."""
    for page in PAGES:
        for target, fragment in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text("utf-8")):
            if "://" not in target:
                text = (page.parent / target if target else page).read_text("utf-8")
                headings = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)}
                assert fragment in headings, (page.name, target, fragment)


def test_every_page_is_reached_from_the_index() -> None:
    """By a link of docs/README.md; decisions are listed by their folder."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text("utf-8"))}
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs") and "adr" not in page.parts and page != index}
    assert pages - linked == set()


def test_a_folder_of_pages_can_be_seen_at_a_glance() -> None:
    """At most twelve files and folders in each, but for the decisions, which are numbered."""
    for folder in (
        ROOT / "docs",
        *(path for path in (ROOT / "docs").rglob("*") if path.is_dir() and path.name != "__pycache__"),
    ):
        if folder.name != "adr":
            assert len([path for path in folder.iterdir() if path.name != "__pycache__"]) <= 12, folder


def test_no_text_that_a_shell_would_change_stands_in_double_quotes() -> None:
    """A "$400" is a variable there, and an empty one."""
    for page in PAGES:
        for block in re.findall(r"^ *```(?:sh|console)?\n(.*?)^ *```", page.read_text("utf-8"), re.S | re.M):
            for words in re.findall(r"'[^']*'|\"[^\"]*\"", block):
                assert words[0] == "'" or not re.search(r"\$\d", words), (page.name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    """By a link or by its path; a decision may name what was there when it was taken."""
    missing = sorted(str(path) for path in names(page) if not is_there(path))
    assert missing == []


def commands() -> Iterator[tuple[Path, list[str]]]:
    """Every line of a block of code that runs `hexar`: where it stands, and its words."""
    for page in PAGES:
        if "adr" in page.parts:
            continue
        for block in re.findall(r"^ *```\w*\n(.*?)^ *```", page.read_text("utf-8"), re.S | re.M):
            for line in block.replace("\\\n", " ").splitlines():
                found = re.match(r"(?:\$ )?(?:\.venv/bin/)?hexar (.*)", line.strip())
                if found:
                    yield page, shlex.split(found[1], comments=True)


def find(words: list[str]) -> tuple[Any, list[str]]:
    """The command that ``words`` run, and what is left of them."""
    table = COMMANDS | SERVER
    command: Any = load(words[0], table[words[0]][0])
    at = 1
    while getattr(command, "commands", None) and at < len(words):
        command = command.commands[words[at]]
        at += 1
    return command, words[at:]


def test_every_command_that_is_shown_is_there_with_its_options() -> None:
    """In blocks of code: its name, and each option that begins with --."""
    shown = list(commands())
    assert len(shown) > 10
    root = {word for parameter in typer.main.get_command(app).params for word in parameter.opts}
    for page, words in shown:
        while words and words[0] in root:
            words = words[2:]
        command, rest = find(words)
        known = {word for parameter in command.params for word in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.split("=")[0] for word in rest if word.startswith("--")}
        assert used <= known | {"--help"}, (page.name, words)

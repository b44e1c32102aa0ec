"""No pattern of the product takes exponential time, and what reads foreign texts takes time in proportion to them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hexar.agents.legal.citations.recognise import recognise
from hexar.agents.market.tables.values import number_format
from hexar.agents.portfolio.documents.chunking import chunks
from hexar.agents.portfolio.documents.formats import find_format, read
from tests.project.patterns import explosive

ROOT = Path(__file__).resolve().parents[2]


def test_no_compiled_pattern_explodes() -> None:
    """Every pattern that is compiled at import is looked at; a new one by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.project.patterns"], check=True, capture_output=True, cwd=ROOT, text=True
    )
    count, found = json.loads(done.stdout.splitlines()[-1])
    print(f"n={count} patterns")
    assert count > 100
    assert found == {}


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"\s*(?:<!--.*?-->\s*)*<x", r"(?:\w+\s?)*$", r"(?:a|aa+)*b", r"((?:x*,?)*)y"])
def test_the_search_finds_what_explodes(pattern: str) -> None:
    """Known offenders are seen."""
    assert explosive(pattern, 0)


@pytest.mark.parametrize(
    "pattern", [r"(a++)+b", r"(?>a+)*b", r"(?:a+,)*b", r"[a-z0-9]+(-[a-z0-9]+)*", r"(?:\w{1,8}x)*", r"a+b+"]
)
def test_the_search_lets_the_others_be(pattern: str) -> None:
    """What gives nothing back, is bounded, or has an end of its own to each round is no offender."""
    assert not explosive(pattern, 0)


def _text(name: str) -> Callable[[int], bytes]:
    unit = {
        "spaces in a heading": lambda n: b"# a" + b" " * n + b"b\n",
        "hashes": lambda n: b"# " + b"#" * n + b"\n",
        "one paragraph of many lines": lambda n: b"word\n" * (n // 5),
        "indented lines": lambda n: b"    code\n\n" * (n // 10),
        "open fences": lambda n: b"```\n" * (n // 4),
        "bars": lambda n: b"|" * n,
        "dashes": lambda n: b"- " * (n // 2),
        "quotes after a stop": lambda n: b"a." + b'"' * n,
        "blank ends": lambda n: b"a. " + b" " * n + b"b",
        "underlines": lambda n: b"a\n" + b"=" * n + b"x",
    }
    return unit[name]


@pytest.mark.parametrize(
    "name",
    [
        "spaces in a heading",
        "hashes",
        "one paragraph of many lines",
        "indented lines",
        "open fences",
        "bars",
        "dashes",
        "quotes after a stop",
        "blank ends",
        "underlines",
    ],
)
def test_texts_are_read_in_time_of_their_length(name: str) -> None:
    """Sixteen times the text takes about sixteen times the time, not two hundred and fifty-six."""
    make = _text(name)

    def seconds(size: int) -> float:
        data, best = make(size), float("inf")
        for _ in range(3):
            started = time.process_time()
            chunks(read(data, "a.md"))
            best = min(best, time.process_time() - started)
        return best

    small, large = seconds(20_000), seconds(320_000)
    assert large < 60 * small + 0.2


def test_comments_before_a_page_are_passed_over() -> None:
    """Any number of comments, closed or not, is looked at once."""
    assert find_format(b"<!---->" * 200 + b"<html>", "notes") == "html"
    assert find_format(b"<!---->" * 200_000 + b"x", "notes") == "text"
    assert find_format(b"<!--" * 200_000, "notes") == "text"


def test_a_cell_of_blanks_is_no_number_at_once() -> None:
    """A cell of a caller's table: a bracket and blanks without an end took the fourth power of their number."""
    begun = time.process_time()
    assert number_format(["(" + " " * 20_000 + "x"]) is None
    assert time.process_time() - begun < 1.0


def test_a_run_of_capitals_names_no_law_at_once() -> None:
    """One word cannot be taken for up to eight: that took the eighth power of its length."""
    begun = time.process_time()
    for end in ("-", ";"):
        recognise("A" * 36 + end + " § 12")
    assert time.process_time() - begun < 1.0

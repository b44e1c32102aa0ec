"""docs/benchmarks.md: a benchmark replaces its own section and no other."""

from tests.bench.run_all import PAGE, benchmarks, written

MACHINE = {"cores": 2, "system": "X", "arch": "y", "python": "3"}


def test_a_section_is_replaced_by_the_next_run_of_its_benchmark_alone() -> None:
    """Each stands once, in the order of names, with the figures and the day of its own last run."""
    page = written("", {"name": "replay", "figures": {"vs_echo": 0.5}, "machine": MACHINE}, "on Monday")
    page = written(page, {"name": "fuzzy", "figures": {"vs_oracle": 12.5, "rows": 25_000}, "machine": MACHINE}, "on Tuesday")
    page = written(page, {"name": "replay", "figures": {"vs_echo": 0.75, "p50_ms": None}, "machine": MACHINE}, "on Wednesday")
    assert page.split("\n## ")[1:] == [
        "fuzzy\n\nMeasured on Tuesday: 2 cores, X y, Python 3.\n\n"
        "| figure | value |\n|---|---:|\n| `vs_oracle` | 12.5 |\n| `rows` | 25,000 |\n",
        "replay\n\nMeasured on Wednesday: 2 cores, X y, Python 3.\n\n"
        "| figure | value |\n|---|---:|\n| `vs_echo` | 0.75 |\n| `p50_ms` | not measured |\n",
    ]


def test_the_page_has_no_section_of_a_benchmark_that_is_gone() -> None:
    """Its figures could not be measured again."""
    names = [section.partition("\n")[0] for section in PAGE.read_text("utf-8").split("\n## ")[1:]]
    assert names == sorted({*benchmarks(), "peers"} & set(names))

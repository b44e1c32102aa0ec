"""docs/benchmarks.md is written by two tools, of which neither takes away what the other wrote."""

from tests.bench.run_all import page, peers, with_peers

REPORT = {"name": "fuzzy", "figures": {"vs_oracle": 12.5}, "machine": {"cores": 2, "system": "X", "arch": "y", "python": "3"}}


def test_the_section_of_the_peers_outlives_a_run_of_all_benchmarks() -> None:
    """It stands once, with the figures of its last run, at the end."""
    first = with_peers(page([REPORT], quick=False), {"chunks_ratio": 11.0}, quick=True)
    kept = peers(first)
    assert "| `chunks_ratio` | 11 |" in kept
    again = f"{page([REPORT], quick=False)}\n{kept}\n"
    assert again == first
    last = with_peers(again, {"chunks_ratio": 13.0}, quick=False)
    assert last.count("## peers") == 1
    assert "| `chunks_ratio` | 13 |" in last
    assert "`vs_oracle` | 12.5" in last
    assert peers(page([REPORT], quick=False)) == ""

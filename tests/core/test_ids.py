"""Identifiers: random, of the length asked for, never given twice."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from hexar.core.ids import BATCH, random_hex


def test_no_identifier_is_given_twice_to_any_thread() -> None:
    """Eight threads that take turns as often as they can draw 40,000 of them."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            drawn = [made for part in pool.map(lambda _: [random_hex(16) for _ in range(5000)], range(8)) for made in part]
    finally:
        sys.setswitchinterval(interval)
    assert len(set(drawn)) == 40_000
    assert {len(made) for made in drawn} == {32}


def test_every_length_is_served() -> None:
    """One byte, a whole batch, and lengths that do not divide it; none and more than a batch are refused."""
    for size in (1, 7, BATCH, BATCH - 1, 13):
        assert len(bytes.fromhex(random_hex(size))) == size
    for size in (0, -1, BATCH + 1):
        with pytest.raises(ValueError):
            random_hex(size)

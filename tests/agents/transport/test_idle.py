"""Kept connections: the youngest first, the dead and the old laid down a few at a time."""

from dataclasses import dataclass

import pytest

from hexar.agents.transport import idle
from hexar.agents.transport.idle import MAX_LAID_DOWN, IdleConnections


@dataclass
class Line:
    """A connection; ``alive`` while its server holds it."""

    alive: bool = True
    closed: bool = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(idle.time, "monotonic", lambda: clock[0])
    return clock


def kept(limit: int = 10) -> IdleConnections[Line]:
    return IdleConnections(limit=limit, seconds=30.0, alive=lambda line: line.alive, close=Line.close)


def test_the_youngest_is_taken_and_what_is_too_many_is_closed(now: list[float]) -> None:
    lines, pool = [Line() for _ in range(3)], kept(limit=2)
    for line in lines:
        pool.keep(line)
    assert lines[2].closed
    assert pool.take() is lines[1]
    assert pool.take() is lines[0]
    assert pool.take() is None


def test_dead_and_old_ones_are_laid_down_a_few_a_call(now: list[float]) -> None:
    """A call after a pause does not answer for them all."""
    lines, pool = [Line(alive=False) for _ in range(MAX_LAID_DOWN + 2)], kept()
    for line in lines:
        pool.keep(line)
    assert pool.take() is None
    assert sum(line.closed for line in lines) == MAX_LAID_DOWN
    now[0] += 31.0
    assert pool.take() is None
    assert all(line.closed for line in lines)
    assert len(pool) == 0


def test_an_old_one_is_not_used(now: list[float]) -> None:
    old, young, pool = Line(), Line(), kept()
    pool.keep(old)
    now[0] += 29.0
    pool.keep(young)
    now[0] += 2.0
    assert pool.take() is young
    assert old.closed
    assert not young.closed


def test_close_closes_all(now: list[float]) -> None:
    lines, pool = [Line(), Line()], kept()
    for line in lines:
        pool.keep(line)
    pool.close()
    assert all(line.closed for line in lines)

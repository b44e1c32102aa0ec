"""The event loop's delay, and its quiet moments."""

from __future__ import annotations

import asyncio
import time

from hexar.core.telemetry.event_loop_lag import EventLoopLag


async def until_probed(lag: EventLoopLag, quiet: list[float], more: int) -> None:
    """Wait until ``more`` further quiet moments were told."""
    wanted = len(quiet) + more
    async with asyncio.timeout(20):
        while len(quiet) < wanted:  # noqa: ASYNC110  # an event would not tell how many
            await asyncio.sleep(0.01)


async def test_a_loop_that_was_held_up_tells_by_how_much() -> None:
    """A block of 0.3 s is the worst lag, but for a probe that was already late."""
    lag = EventLoopLag()
    lag.start()
    try:
        await asyncio.sleep(0.06)
        time.sleep(0.3)  # noqa: ASYNC251  # what is to be seen
        await asyncio.sleep(0.06)
        assert lag.worst >= 0.2
    finally:
        await lag.stop()


async def test_quiet_moments_are_told_and_busy_ones_are_not() -> None:
    """An idle loop is told of again and again; one that is held up at each probe never."""
    lag, quiet = EventLoopLag(), list[float]()
    lag.quiet = lambda: quiet.append(time.monotonic())
    lag.start()
    try:
        await until_probed(lag, quiet, 2)
        before = len(quiet)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            time.sleep(0.01)  # noqa: ASYNC251  # busy
            await asyncio.sleep(0)
        assert len(quiet) - before <= 2
        await until_probed(lag, quiet, 1)
    finally:
        await lag.stop()

"""The pace of streams: few are not slowed, many share the loop, and what can wait waits while requests arrive."""

import asyncio
from functools import partial

from hexar.agents.portfolio.chat.scheduling import LOOP_SHARE, MESSAGE_COST, RUSH_LONGEST, MessageThrottle, QuietScheduler


def test_a_hundred_streams_of_twenty_tokens_a_second_are_not_slowed() -> None:
    """Alone a stream never waits; with a hundred the pause is shorter than the time between two tokens."""
    pace = MessageThrottle()
    with pace.held():
        assert pace.pause() == 0.0
    held = [pace.held() for _ in range(100)]
    for one in held:
        one.__enter__()
    assert 0 < pace.pause() < 1 / 20


def test_all_streams_together_take_their_share_of_the_loop() -> None:
    """However many stream, their messages fill no more than the loop's share; who leaves gives its part back."""
    pace = MessageThrottle()
    held = [pace.held() for _ in range(2000)]
    for one in held:
        one.__enter__()
    assert abs(2000 * MESSAGE_COST / pace.pause() - LOOP_SHARE) < 1e-9
    for one in held:
        one.__exit__(None, None, None)
    assert (pace.streams, pace.pause()) == (0, 0.0)


async def test_what_can_wait_waits_for_a_lull() -> None:
    """While requests arrive nothing is done that was put off; in the lull all of it is, once, in order, errors or not."""
    lull = QuietScheduler()
    done: list[int] = []
    lull.arrived()
    laters = [lull.later(partial(done.append, number)) for number in range(3)]
    lull.later(lambda: done.remove(99))
    ended = asyncio.Event()
    lull.later(ended.set)
    rush = asyncio.get_running_loop().time() + RUSH_LONGEST / 4
    while asyncio.get_running_loop().time() < rush:
        lull.arrived()
        await asyncio.sleep(0)
    assert done == []
    laters[1].now()
    laters[1].now()
    assert done == [1]
    async with asyncio.timeout(10):
        await ended.wait()
    assert done == [1, 0, 2]


async def test_a_rush_without_end_puts_nothing_off_for_longer_than_its_limit() -> None:
    """Work is done while requests still arrive, but not before its time."""
    lull = QuietScheduler()
    loop = asyncio.get_running_loop()
    done: list[float] = []
    began = loop.time()
    lull.later(lambda: done.append(loop.time()))
    async with asyncio.timeout(10):
        while not done:
            lull.arrived()
            await asyncio.sleep(0)
    assert done[0] - began >= RUSH_LONGEST

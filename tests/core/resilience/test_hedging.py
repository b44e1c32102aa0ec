"""A late call is made a second time, within a share of all calls."""

import asyncio

import pytest

from hexar.core.errors import Unavailable
from hexar.core.resilience.hedging import FEW, SAVED, HedgeConfig, Hedger


class Party:
    """Answers at once, or holds each call until it is told; ``ended`` counts those that were cancelled."""

    def __init__(self) -> None:
        self.calls = self.ended = 0
        self.holds: list[asyncio.Event | None] = []
        self.fails: list[bool] = []
        self.held = 0
        self.two_held = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        number = self.calls
        hold = self.holds.pop(0) if self.holds else None
        fails = self.fails.pop(0) if self.fails else False
        try:
            if hold is not None:
                self.held += 1
                if self.held == 2:
                    self.two_held.set()
                await hold.wait()
        except asyncio.CancelledError:
            self.ended += 1
            raise
        if fails:
            raise Unavailable(f"call {number} failed")
        return number


async def known(hedger: Hedger, party: Party, calls: int = 5 * FEW) -> None:
    """So many quick calls: the party's usual time is known, and calls are saved up."""
    for _ in range(calls):
        await hedger.call("shop", party)


def never() -> asyncio.Event:
    return asyncio.Event()


async def test_a_late_call_is_answered_by_the_second_one() -> None:
    """The first is cancelled, and has ended; both are counted."""
    hedger, party = Hedger(HedgeConfig(share=0.05, least=0.01)), Party()
    await known(hedger, party)
    party.holds = [never()]
    assert await hedger.call("shop", party) == 5 * FEW + 2
    counts = hedger.parties["shop"]
    assert (party.ended, counts.calls, counts.hedges, counts.wins) == (1, 5 * FEW + 1, 1, 1)


async def test_no_more_calls_are_added_than_the_share() -> None:
    """Once what was saved up is spent, a late call waits for its first answer; twenty calls later one is hedged again."""
    hedger, party = Hedger(HedgeConfig(share=0.05, least=0.01)), Party()
    await known(hedger, party)
    counts = hedger.parties["shop"]
    for _ in range(int(SAVED)):
        party.holds = [never()]
        await hedger.call("shop", party)
    assert (counts.hedges, counts.wins) == (SAVED, SAVED)
    before, hold = party.calls, never()
    party.holds = [hold]
    asyncio.get_running_loop().call_later(0.05, hold.set)
    assert await hedger.call("shop", party) == before + 1
    assert (party.calls, counts.hedges) == (before + 1, SAVED)
    await known(hedger, party, 20)
    party.holds = [never()]
    await hedger.call("shop", party)
    assert counts.hedges == SAVED + 1


async def test_it_is_off_unless_it_is_configured_and_while_little_is_known() -> None:
    """Then a call is made once, however long it takes."""
    for hedger, before in ((Hedger(HedgeConfig()), 5 * FEW), (Hedger(HedgeConfig(share=0.05, least=0.0)), FEW - 1)):
        party = Party()
        await known(hedger, party, before)
        hold = never()
        party.holds = [hold]
        asyncio.get_running_loop().call_later(0.05, hold.set)
        assert await hedger.call("shop", party) == before + 1
        assert all(counts.hedges == 0 for counts in hedger.parties.values())


async def test_one_that_fails_leaves_the_answer_to_the_other() -> None:
    """Where both fail the first one's error is told; a failure before it is late is not repeated."""
    hedger, party = Hedger(HedgeConfig(share=0.05, least=0.01)), Party()
    await known(hedger, party)
    hold = never()
    party.holds, party.fails = [hold, None], [False, True]
    asyncio.get_running_loop().call_later(0.05, hold.set)
    assert await hedger.call("shop", party) == 5 * FEW + 1
    hold = never()
    party.holds, party.fails = [hold, None], [True, True]
    asyncio.get_running_loop().call_later(0.05, hold.set)
    with pytest.raises(Unavailable, match=f"call {5 * FEW + 3} failed"):
        await hedger.call("shop", party)
    hedges = hedger.parties["shop"].hedges
    party.fails = [True]
    with pytest.raises(Unavailable):
        await hedger.call("shop", party)
    assert hedger.parties["shop"].hedges == hedges == 2


async def test_a_caller_that_leaves_ends_both() -> None:
    """Nothing runs on for nobody."""
    hedger, party = Hedger(HedgeConfig(share=0.05, least=0.001)), Party()
    await known(hedger, party)
    party.holds = [never(), never()]
    asking = asyncio.create_task(hedger.call("shop", party))
    await asyncio.wait_for(party.two_held.wait(), 60)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert party.ended == 2

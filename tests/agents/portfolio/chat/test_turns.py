"""Turns that end together: few transactions, every number right, and one that fails fails alone."""

import asyncio
import time

import pytest
import sqlalchemy as sa

from hexar.agents.portfolio.chat.conversations import Conversations, Record, Turn
from hexar.agents.portfolio.chat.turns import Turns
from hexar.core.errors import StoreUnavailable
from hexar.core.store import Database


def record(number: int, conversation: str, answer: str = "answer", again: str = "") -> Record:
    """The turn ``number`` of a caller in ``conversation`` of tenant "red"."""
    return "red", conversation, "notes", Turn(0, f"run{number}:x", "question", answer, b"", time.time()), again


async def test_turns_that_end_together_share_their_commits(database: Database) -> None:
    """Three hundred turns of thirty conversations: each is kept once, numbered in order, in a handful of transactions."""
    conversations = Conversations(database)
    turns = Turns(database, conversations)
    commits: list[object] = []
    sa.event.listen(database.engine, "commit", commits.append)
    made = await asyncio.gather(*(turns.record(record(number, f"v-{number % 30}")) for number in range(300)))
    assert sorted(made) == sorted(list(range(1, 11)) * 30)
    assert len(commits) < 10
    for name in range(30):
        row, kept = conversations.read("red", f"v-{name}", 0, 50)
        assert (row.turn_count, [turn.number for turn in kept]) == (10, list(range(1, 11)))
        assert [turn.turn_id for turn in kept] == [f"run{name + 30 * step}:x" for step in range(10)]


async def test_a_turn_that_cannot_be_kept_fails_alone(database: Database) -> None:
    """The others of its transaction are kept, once; a caller who comes back finds its own turn."""
    conversations = Conversations(database)
    turns = Turns(database, conversations)
    wrong = record(9, "v-wrong", answer=None)  # type: ignore[arg-type]
    results = await asyncio.gather(
        *(turns.record(each) for each in (record(1, "v-a"), record(2, "v-b"), wrong, record(3, "v-c"))), return_exceptions=True
    )
    assert [result if isinstance(result, int) else type(result) for result in results] == [1, 1, sa.exc.IntegrityError, 1]
    assert await turns.record(record(1, "v-a", again="run1")) == 1
    assert [conversations.read("red", name, 0, 9)[0].turn_count for name in ("v-a", "v-b", "v-c")] == [1, 1, 1]


async def test_a_caller_who_leaves_takes_no_turn_along(database: Database) -> None:
    """Cancelled while its transaction is written: its turn and the others' are kept."""
    conversations = Conversations(database)
    turns = Turns(database, conversations)
    tasks = [asyncio.create_task(turns.record(record(number, f"v-{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    tasks[7].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(each, asyncio.CancelledError) for each in done) == 1
    await turns.record(record(99, "v-last"))
    assert conversations.page("red", "", 0.0, 50)[1] == 21


async def test_a_store_that_is_away_is_told_to_all_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the others' attempts."""
    turns = Turns(database, Conversations(database))
    asked: list[int] = []

    def away() -> None:
        asked.append(1)
        raise StoreUnavailable("the store does not answer")

    monkeypatch.setattr(database, "write", away)
    done = await asyncio.gather(*(turns.record(record(number, "v-x")) for number in range(100)), return_exceptions=True)
    assert all(isinstance(each, StoreUnavailable) for each in done)
    assert len(asked) < 10

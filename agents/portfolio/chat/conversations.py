"""Conversations: what was asked and answered, kept in the store.

All methods block on the store: call them on its threads. Another tenant's row reads like one that does not exist.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hexar.agents.portfolio.tables import conversations, made_key, turns
from hexar.core.errors import NotFound
from hexar.core.ids import random_hex
from hexar.core.store import Database

#: Tokens of earlier turns that a model is shown, and characters that one token is taken for.
HISTORY_TOKENS = 1500
TOKEN_CHARACTERS = 4
#: Turns that are looked at for it.
HISTORY_TURNS = 20


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation; times are Unix seconds."""

    conversation_id: str
    portfolio_id: str
    title: str
    turn_count: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One message with its answer. ``details`` is a serialized ConversationTurn of the contract without the columns here."""

    number: int
    turn_id: str
    message: str
    answer: str
    details: bytes
    created_at: float


_COLUMNS = [conversations.c[name] for name in ConversationRow.__slots__]

# Built once: composing a statement costs more than running it, and every answer keeps a turn.
_FIND = sa.select(conversations.c.key, *_COLUMNS).where(
    conversations.c.tenant == sa.bindparam("tenant"), conversations.c.conversation_id == sa.bindparam("conversation")
)
_LOCK = _FIND.with_for_update()
_INSERT, _INSERT_TURN = sa.insert(conversations), sa.insert(turns)
_TOUCH = (
    sa.update(conversations)
    .where(conversations.c.key == sa.bindparam("conversation"))
    .values(turn_count=sa.bindparam("count"), updated_at=sa.bindparam("now"))
)


#: Tenant, conversation, portfolio, turn, and the run whose caller came back.
Record = tuple[str, str, str, Turn, str]


def new_conversation_id() -> str:
    """An id that cannot be guessed."""
    return f"v-{random_hex(16)}"


class Conversations:
    """The conversations of all tenants.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def history(self, tenant: str, conversation_id: str) -> tuple[str, list[Turn]]:
        """The portfolio of a conversation and its last turns within the token budget, oldest first; NotFound."""
        with self._database.read() as connection:
            key, row = self._find(connection, tenant, conversation_id)
            statement = sa.select(turns).where(turns.c.conversation_key == key)
            latest = connection.execute(statement.order_by(turns.c.number.desc()).limit(HISTORY_TURNS)).all()
        kept: list[Turn] = []
        budget = HISTORY_TOKENS * TOKEN_CHARACTERS
        for found in latest:
            budget -= len(found.message) + len(found.answer)
            if budget < 0:
                break
            kept.insert(0, Turn(*found[1:]))
        return row.portfolio_id, kept

    def record(self, tenant: str, conversation_id: str, portfolio_id: str, turn: Turn, again: str = "") -> int:
        """Keep a turn, and the conversation with its first one; the turn's number.

        ``again`` names the run of an answer whose caller came back for the rest: its turn may be the last one already.
        """
        try:
            return self._record((tenant, conversation_id, portfolio_id, turn, again))
        except sa.exc.IntegrityError:
            # Another caller's turn has made the conversation meanwhile.
            return self._record((tenant, conversation_id, portfolio_id, turn, again))

    def record_all(self, kept: Sequence[Record]) -> list[int]:
        """As `record`, all in one transaction; raises what any of them raises, and then none is kept."""
        with self._database.write() as connection:
            return [self._write(connection, each) for each in kept]

    def _record(self, record: Record) -> int:
        with self._database.write() as connection:
            return self._write(connection, record)

    @staticmethod
    def _write(connection: sa.Connection, record: Record) -> int:
        tenant, conversation_id, portfolio_id, turn, again = record
        now = time.time()
        # Locked: two turns of one conversation take their numbers one after the other.
        found = connection.execute(_LOCK, {"tenant": tenant, "conversation": conversation_id}).first()
        if found is None:
            row = {
                "tenant": tenant,
                "conversation_id": conversation_id,
                "portfolio_id": portfolio_id,
                "title": " ".join(turn.message.split())[:80],
                "turn_count": 1,
                "created_at": now,
                "updated_at": now,
            }
            key, number = made_key(connection.execute(_INSERT, row)), 1
        else:
            key, number = int(found[0]), int(found.turn_count) + 1
            last = sa.select(turns.c.turn_id).where(turns.c.conversation_key == key, turns.c.number == number - 1)
            if again and str(connection.execute(last).scalar() or "").startswith(f"{again}:"):
                return number - 1
            connection.execute(_TOUCH, {"conversation": key, "count": number, "now": now})
        kept = {
            "conversation_key": key,
            "number": number,
            "turn_id": turn.turn_id,
            "message": turn.message,
            "answer": turn.answer,
            "details": turn.details,
            "created_at": now,
        }
        connection.execute(_INSERT_TURN, kept)
        return number

    def page(self, tenant: str, portfolio_id: str, before: float, limit: int) -> tuple[list[ConversationRow], int]:
        """Conversations changed before ``before`` (0: now), the latest first, and how many there are in all."""
        mine = conversations.c.tenant == tenant
        if portfolio_id:
            mine = sa.and_(mine, conversations.c.portfolio_id == portfolio_id)
        with self._database.read() as connection:
            total = int(connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one())
            statement = sa.select(*_COLUMNS).where(mine)
            if before:
                statement = statement.where(conversations.c.updated_at < before)
            rows = connection.execute(statement.order_by(conversations.c.updated_at.desc()).limit(limit))
            return [ConversationRow(*row) for row in rows], total

    def read(self, tenant: str, conversation_id: str, after: int, limit: int) -> tuple[ConversationRow, list[Turn]]:
        """A conversation and its turns past number ``after``, oldest first; NotFound."""
        with self._database.read() as connection:
            key, row = self._find(connection, tenant, conversation_id)
            statement = sa.select(turns).where(turns.c.conversation_key == key, turns.c.number > after)
            found = connection.execute(statement.order_by(turns.c.number).limit(limit))
            return row, [Turn(*each[1:]) for each in found]

    def delete(self, tenant: str, conversation_id: str) -> int:
        """Remove a conversation; how many turns went with it. NotFound."""
        with self._database.write() as connection:
            key, _ = self._find(connection, tenant, conversation_id)
            removed = connection.execute(sa.delete(turns).where(turns.c.conversation_key == key)).rowcount
            connection.execute(sa.delete(conversations).where(conversations.c.key == key))
        return int(removed)

    def _find(self, connection: sa.Connection, tenant: str, conversation_id: str) -> tuple[int, ConversationRow]:
        found = connection.execute(_FIND, {"tenant": tenant, "conversation": conversation_id}).first()
        if found is None:
            raise NotFound("conversation", conversation_id)
        return int(found[0]), ConversationRow(*found[1:])

"""Kept drafts, which Revise goes on from."""

from __future__ import annotations

import time

import sqlalchemy as sa

from hexar.agents.legal.tables import drafts
from hexar.core.errors import NotFound
from hexar.core.ids import random_hex
from hexar.core.store import Database
from hexar.v1 import legal_pb2 as pb

#: Days that a draft is kept.
KEEP_DAYS = 30.0
DAY = 86_400.0


class Drafts:
    """Drafts in the store. All methods block on it and may be called from any thread."""

    def __init__(self, database: Database, keep_days: float = KEEP_DAYS) -> None:
        self._database = database
        self._keep_days = keep_days

    def keep(self, tenant: str, request: pb.DraftRequest, state: bytes) -> str:
        """Keep a draft and return its id; what is older than the time to keep goes."""
        draft_id = random_hex(16)
        now = time.time()
        with self._database.write() as connection:
            connection.execute(sa.delete(drafts).where(drafts.c.created_at < now - self._keep_days * DAY))
            connection.execute(
                sa.insert(drafts).values(
                    draft_id=draft_id, tenant=tenant, created_at=now, request=request.SerializeToString(), state=state
                )
            )
        return draft_id

    def request(self, tenant: str, draft_id: str) -> pb.DraftRequest:
        """What a kept draft was made from; NotFound, also for another tenant's."""
        statement = sa.select(drafts.c.request).where(drafts.c.tenant == tenant, drafts.c.draft_id == draft_id)
        with self._database.read() as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise NotFound("draft", draft_id)
        return pb.DraftRequest.FromString(row[0])

"""What model calls cost, and budgets that are never overdrawn: reserved before a call, settled exactly after it.

A budget lives in the store. Each process leases slices of it (:mod:`hexar.core.ledger.statements`) and hands out
reservations from its slices in memory, so that a call does not wait for a disk before its first token. A settlement is
durable when it returns; settlements of many calls share one commit.
"""

from hexar.core.ledger.ledger import Ledger, Reservation
from hexar.core.ledger.statements import Budget, Charge, Totals
from hexar.core.ledger.usage import Usage
from hexar.core.ledger.window import Period

__all__ = ["Budget", "Charge", "Ledger", "Period", "Reservation", "Totals", "Usage"]

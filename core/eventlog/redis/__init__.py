"""Answers that several processes share: one of them leads a run, the others follow it in Redis.

A process shows its subscribers only what is written to the run, so that any other process can give the exact rest to whoever
loses a connection.

A leader that dies loses its lease; one follower takes the lead and makes the answer again. What it makes is compared with what
was written: as long as it is the same, subscribers notice nothing, and the run goes on where it stood. Where it differs nobody
can go on with the old run: it ends with ABORTED, and the new answer becomes a run of its own, which those who ask again join.

Where Redis is gone a leader goes on alone, and a follower makes the answer itself in the same way.

``store`` is a run in Redis, ``shared`` what a process knows of one, ``driver`` follows and leads it, and :class:`RedisRuns`
is what :class:`~hexar.core.eventlog.Answers` is given.
"""

from hexar.core.eventlog.redis.runs import RedisRuns

__all__ = ["RedisRuns"]

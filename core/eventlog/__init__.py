"""One answer is one event log: appended once, streamed to many, kept, replayed, resumed.

``log`` is the append-only sequence while an answer forms, ``frames`` its stored form, ``live`` who reads it meanwhile, and
:class:`Answers` decides for each request whether its answer is replayed, joined or produced. Where it is produced is a
:class:`~hexar.core.eventlog.runs.Runs`: this process alone, or one of several that share a Redis.
"""

from hexar.core.eventlog.answers import Answers
from hexar.core.eventlog.frames import Compaction, FinishedLog, extended, head
from hexar.core.eventlog.live import Answer, AnswerSpec, Compact, Completion, Origin
from hexar.core.eventlog.log import EventLog

__all__ = [
    "Answer",
    "AnswerSpec",
    "Answers",
    "Compact",
    "Compaction",
    "Completion",
    "EventLog",
    "FinishedLog",
    "Origin",
    "extended",
    "head",
]

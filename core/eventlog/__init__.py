"""One answer is one event log: appended once, streamed to many, kept, replayed, resumed.

``log`` is the append-only sequence while an answer forms, ``frames`` its stored form, and :class:`Answers` decides for each
request whether its answer is replayed, joined or produced.
"""

from hexar.core.eventlog.answers import Answer, Answers, AnswerSpec, Completion, Origin
from hexar.core.eventlog.log import EventLog

__all__ = ["Answer", "AnswerSpec", "Answers", "Completion", "EventLog", "Origin"]

"""Durable background work: acknowledged once, run until it ends, its effect applied once.

``table`` is where jobs live, ``queue`` the statements on it, ``worker`` the threads that run them, and :class:`Jobs` what
callers use.
"""

from hexar.core.jobs.jobs import Jobs
from hexar.core.jobs.model import Job, JobContext, JobState, LostLease

__all__ = ["Job", "JobContext", "JobState", "Jobs", "LostLease"]

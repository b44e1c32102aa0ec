"""Work on what strangers sent, in processes that can be ended."""

from hexar.core.processes.pool import Cancel, ProcessPool, TaskFailed, TaskTimedOut

__all__ = ["Cancel", "ProcessPool", "TaskFailed", "TaskTimedOut"]

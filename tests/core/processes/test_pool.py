"""A pool of processes: what a task may take, how it is ended, and what comes after it."""

import threading
import time
from collections.abc import Iterator

import pytest

from hexar.core.deadline import Deadline
from hexar.core.errors import Unavailable
from hexar.core.processes import Cancel, ProcessPool, TaskFailed, TaskTimedOut

TARGET = "tests.core.processes.tasks:task"


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    made = ProcessPool(TARGET, processes=2, seconds=20.0, memory_mb=300)
    yield made
    made.close()


def test_bytes_go_in_and_come_out(pool: ProcessPool) -> None:
    """Tasks of any size are answered, one after the other, by the same process."""
    for size in (0, 1, 1000, 5_000_000):
        assert pool.run(b"x" * size) == b"x" * size


def test_what_a_library_prints_is_no_answer(pool: ProcessPool) -> None:
    """Output of the task's code does not get between the answers."""
    assert pool.run(b"print") == b"print"
    assert pool.run(b"next") == b"next"


def test_a_task_that_hangs_is_ended_at_its_deadline(pool: ProcessPool) -> None:
    """The process is killed, the caller told, and the next task runs."""
    with pytest.raises(TaskTimedOut):
        pool.run(b"hang", Deadline.after(0.3))
    assert pool.run(b"next") == b"next"


def test_a_task_whose_caller_leaves_is_ended(pool: ProcessPool) -> None:
    """Cancelling from another thread kills what runs."""
    cancel = Cancel()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(TaskTimedOut):
        pool.run(b"hang", cancel=cancel)
    timer.join()
    with pytest.raises(TaskTimedOut):
        pool.run(b"never begins", cancel=cancel)
    assert pool.run(b"next") == b"next"


@pytest.mark.parametrize("task", [b"memory", b"crash"])
def test_a_process_that_dies_is_replaced(pool: ProcessPool, task: bytes) -> None:
    """Too much memory and a fault of the parser end the process, not the server."""
    with pytest.raises(TaskFailed):
        pool.run(task)
    assert pool.run(b"next") == b"next"


def test_the_environment_holds_no_secrets(pool: ProcessPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server is configured with is not inherited."""
    monkeypatch.setenv("HEXAR_DATABASE_URL", "postgresql://user:secret@host/name")
    fresh = ProcessPool(TARGET, processes=1)
    try:
        assert b"HEXAR" not in fresh.run(b"environment")
    finally:
        fresh.close()


def test_a_caller_without_time_does_not_wait_for_a_process() -> None:
    """Where all processes are taken, a caller is refused when its time is over."""
    narrow = ProcessPool(TARGET, processes=1, seconds=30.0)
    cancel, started = Cancel(), threading.Event()

    def hold() -> None:
        started.set()
        with pytest.raises(TaskTimedOut):
            narrow.run(b"hang", cancel=cancel)

    holder = threading.Thread(target=hold)
    holder.start()
    started.wait()
    try:
        while narrow._free.qsize():
            time.sleep(0.01)
        with pytest.raises(Unavailable):
            narrow.run(b"next", Deadline.after(0.2))
    finally:
        cancel.cancel()
        holder.join()
        narrow.close()


def test_closing_ends_what_runs() -> None:
    """A close does not wait for a task that hangs."""
    narrow = ProcessPool(TARGET, processes=1, seconds=30.0)
    assert narrow.run(b"started") == b"started"
    failed = threading.Event()

    def hang() -> None:
        with pytest.raises((TaskTimedOut, TaskFailed, Unavailable)):
            narrow.run(b"hang")
        failed.set()

    holder = threading.Thread(target=hang)
    holder.start()
    while narrow._free.qsize():
        time.sleep(0.01)
    narrow.close()
    holder.join(20)
    assert failed.is_set()

"""A process that submits, cancels and runs jobs until it is killed: each job that ends well adds one row to ``effects``.

Run as ``python -m tests.faults.kills.job_process STORE THREADS LEASE``. It reads commands from stdin, one JSON object a line, and
answers each with one once the store has acknowledged it. The payload of a job says how long it takes, how many of its attempts
fail, and whether it kills its process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import Any

import orjson
import sqlalchemy as sa
import structlog

from hexar.core.errors import Unavailable
from hexar.core.jobs import JobContext, Jobs
from hexar.core.jobs.worker import WorkerConfig
from hexar.core.store import Database

effects = sa.Table("effects", sa.MetaData(), sa.Column("job", sa.String(32)), sa.Column("fence", sa.BigInteger))


def work(payload: bytes, context: JobContext) -> bytes:
    """The handler of every job."""
    orders = orjson.loads(payload)
    if orders.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(orders["seconds"])
    if context.job.attempts <= orders.get("fail", 0):
        raise Unavailable("not yet")
    row = {"job": context.job.id, "fence": context.job.fence}
    context.commit(lambda connection: connection.execute(effects.insert().values(row)) and None)
    return payload


async def perform(jobs: Jobs, command: dict[str, Any]) -> dict[str, Any]:
    """What the store has acknowledged."""
    if command["do"] == "cancel":
        job = await jobs.cancel(None, command["id"])
        assert job is not None
    else:
        payload = orjson.dumps(command["orders"])
        job = await jobs.submit(
            "work", payload, dedupe_key=command.get("key"), priority=command["priority"], max_attempts=command["attempts"]
        )
    return {"id": job.id, "state": job.state}


async def main(store: str, threads: int, lease: float) -> None:
    """Work until the input ends."""
    database = Database(store)
    jobs = Jobs(database, WorkerConfig(threads=threads, lease=lease, poll=0.05, retry_base=0.01, retry_limit=0.1))
    jobs.handler("work", work)
    jobs.start()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("ready", flush=True)
    while line := await reader.readline():
        done = await perform(jobs, orjson.loads(line))
        sys.stdout.buffer.write(orjson.dumps(done) + b"\n")
        sys.stdout.buffer.flush()
    await jobs.close()
    database.close()


if __name__ == "__main__":
    # Standard output carries the answers; what is logged of deaths and takeovers would fill the report of the test.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))

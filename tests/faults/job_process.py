"""A process that runs jobs until it is killed: each job adds one row to the table ``effects``."""

import asyncio
import sys
import time

import sqlalchemy as sa

from hexar.core.jobs import JobContext, Jobs
from hexar.core.jobs.worker import WorkerConfig
from hexar.core.store import Database

effects = sa.Table("effects", sa.MetaData(), sa.Column("job", sa.String(32)), sa.Column("pid", sa.Integer))


async def main(path: str) -> None:
    database = Database(f"sqlite:///{path}")
    database.create_tables()
    jobs = Jobs(database, WorkerConfig(threads=3, lease=0.3, poll=0.02, retry_base=0.01))

    def work(payload: bytes, context: JobContext) -> None:
        time.sleep(float(payload))
        context.commit(lambda connection: connection.execute(effects.insert().values(job=context.job.id)) and None)

    jobs.handler("work", work)
    jobs.start()
    print("ready", flush=True)
    # The parent submits through this process too, so that an acknowledgement is one that this process gave.
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        job = await jobs.submit("work", line.strip().encode(), max_attempts=1000)
        print(job.id, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

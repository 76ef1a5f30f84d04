"""The idiomatic baseline: a FastStream subscriber with a pydantic model, one INSERT and one check for each message.

python -m tests.benchmarks.baseline URL DSN
"""

import asyncio
import dataclasses
import sys
from datetime import datetime

import asyncpg
from faststream import FastStream, Path
from faststream.nats import JStream, NatsBroker, PullSub
from pydantic import BaseModel

from tests.benchmarks.path import Figures
from tests.benchmarks.process import Helper
from tests.benchmarks.stage import Stage
from tests.benchmarks.workload import LIMITS, Workload

_STREAM = "BASELINE"
_TABLE = """
CREATE TABLE idiomatic (
    spacecraft_id text, "timestamp" timestamptz, id text, parameters jsonb, received_at timestamptz DEFAULT now(),
    PRIMARY KEY (spacecraft_id, "timestamp", id)
)
"""
_INSERT = """
INSERT INTO idiomatic (spacecraft_id, "timestamp", id, parameters) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""


class Snapshot(BaseModel):
    """As one would write it."""

    id: str
    timestamp: datetime
    parameters: dict[str, bool | int | float | str]


async def measured(stage: Stage, workload: Workload) -> Figures:
    """Snapshots a second, from the first publish until the last is acknowledged."""
    load = dataclasses.replace(workload, subject="baseline")
    async with stage.database() as dsn, Helper.running("baseline", stage.url, dsn):
        async with Helper.running("generator", stage.url, load.as_json()) as generator:
            told = await generator.go()
            await stage.until_handled(_STREAM)
            seconds = asyncio.get_running_loop().time() - told["began"]
        connection = await asyncpg.connect(dsn)
        count = await connection.fetchval("SELECT count(*) FROM idiomatic")
        await connection.close()
    if count != load.snapshots:
        raise RuntimeError(f"the baseline stored {count} of {load.snapshots}")
    return {"snapshots/s": load.snapshots / seconds, "parameters/s": load.snapshots * load.parameters / seconds}


async def main(url: str, dsn: str) -> None:
    """Subscribe until stopped."""
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=4)
    await pool.execute(_TABLE)
    broker = NatsBroker(url, logger=None)
    application = FastStream(broker, logger=None)

    @broker.subscriber(
        "baseline.{spacecraft_id}", stream=JStream(_STREAM), durable="baseline", pull_sub=PullSub(batch_size=100)
    )
    async def handle(snapshot: Snapshot, spacecraft_id: str = Path()) -> None:
        parameters = snapshot.model_dump_json(include={"parameters"})[len('{"parameters":') : -1]
        await pool.execute(_INSERT, spacecraft_id, snapshot.timestamp, snapshot.id, parameters)
        for name, value in list(snapshot.parameters.items())[:10]:
            if isinstance(value, float) and value > LIMITS["warnHigh"]:
                await broker.publish({"parameter": name, "value": value}, f"baseline-anomalies.{spacecraft_id}")

    @application.after_startup
    async def say() -> None:
        print("ready", flush=True)  # noqa: T201 - what the other process waits for

    await application.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))

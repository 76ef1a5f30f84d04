"""The floor: the same rows by COPY on one connection, 1,000 a statement, into a plain table; nothing else.

python -m tests.benchmarks.floor DSN WORKLOAD
"""

import json
import sys
import time

import asyncpg
import msgspec
import uvloop

from tests.benchmarks.path import Figures
from tests.benchmarks.process import Helper
from tests.benchmarks.stage import Stage
from tests.benchmarks.workload import Workload

_STATEMENT = 1_000
_TABLE = """
CREATE TABLE plain (
    spacecraft_id text, "timestamp" timestamptz, id text, parameters jsonb, received_at timestamptz,
    PRIMARY KEY (spacecraft_id, "timestamp", id)
)
"""
_COLUMNS = ("spacecraft_id", "timestamp", "id", "parameters", "received_at")
_encode = msgspec.json.Encoder(order="deterministic").encode


async def measured(stage: Stage, workload: Workload) -> Figures:
    """Rows a second, and their size."""
    async with stage.database() as dsn, Helper.running("floor", dsn, workload.as_json()) as helper:
        told = await helper.go()
    return {
        "snapshots/s": workload.snapshots / told["seconds"],
        "parameters/s": workload.snapshots * workload.parameters / told["seconds"],
        "bytes/snapshot": told["bytes"] / workload.snapshots,
    }


def rows(workload: Workload) -> list[tuple[object, ...]]:
    """What the service would store; the byte is the version that jsonb has on the wire."""
    return [(s.spacecraft_id, s.timestamp, s.id, b"\1" + _encode(s.parameters), s.timestamp) for s in workload.all()]


async def main(dsn: str, workload: Workload) -> None:
    """Prepare, wait for a word, copy."""
    prepared = rows(workload)
    connection = await asyncpg.connect(dsn)
    await connection.execute(_TABLE)
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
    print("ready", flush=True)  # noqa: T201 - what the other process waits for
    sys.stdin.readline()
    began = time.monotonic()
    for first in range(0, len(prepared), _STATEMENT):
        statement = prepared[first : first + _STATEMENT]
        await connection.copy_records_to_table("plain", columns=_COLUMNS, records=statement)
    told = {"seconds": time.monotonic() - began}
    told["bytes"] = await connection.fetchval("SELECT pg_total_relation_size('plain')")
    print(json.dumps(told), flush=True)  # noqa: T201 - likewise
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Workload.from_json(sys.argv[2])))

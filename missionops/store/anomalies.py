"""Anomalies in and out of the table."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from missionops.database import Connection

Row = tuple[str, datetime, str, str, str, str, int, bytes, int, int, int, int]

_COLUMNS = (
    "spacecraft_id", "timestamp", "snapshot_id", "parameter", "kind", "severity", "config_version", "message",
    "partition", "incarnation", "stream_sequence", "ordinal",
)  # fmt: skip


async def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Add the anomalies of snapshots that were added in this transaction."""
    if rows:
        await connection.copy_records_to_table("anomaly", schema_name="app", columns=_COLUMNS, records=rows)


class Stored(NamedTuple):
    """What publishing a stored anomaly needs."""

    spacecraft_id: str
    timestamp: datetime
    snapshot_id: str
    parameter: str
    kind: str
    message: bytes


_AFTER = """
SELECT stream_sequence, ordinal, spacecraft_id, "timestamp", snapshot_id, parameter, kind, message
FROM app.anomaly
WHERE partition = $1 AND incarnation = $2 AND stream_sequence >= $3 AND (stream_sequence, ordinal) > ($3, $4)
ORDER BY stream_sequence, ordinal
LIMIT $5
"""


async def after(
    connection: Connection, partition: int, incarnation: int, sequence: int, size: int
) -> AsyncIterator[list[Stored]]:
    """The anomalies of messages after `sequence`, in the order of the stream, at most `size` at a time."""
    place = sequence, 2**31 - 1  # past every anomaly of `sequence` itself
    while rows := await connection.fetch(_AFTER, partition, incarnation, *place, size):
        yield [Stored(*row[2:]) for row in rows]
        place = rows[-1][0], rows[-1][1]

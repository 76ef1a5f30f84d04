"""Snapshots in and out of the table."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime

from missionops.database import Connection
from missionops.domain.snapshot import Identity

Row = tuple[str, datetime, str, bytes, datetime]
"""spacecraft_id, timestamp, id, parameters as JSON, received_at."""

_COLUMNS = ("spacecraft_id", "timestamp", "id", "parameters", "received_at")

_STORED = """
SELECT wanted.spacecraft_id, wanted."timestamp", wanted.id
FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS wanted (spacecraft_id, "timestamp", id)
JOIN app.telemetry AS stored USING (spacecraft_id, "timestamp", id)
"""


async def stored(connection: Connection, identities: Collection[Identity]) -> set[Identity]:
    """Those of `identities` that are in the table."""
    if not identities:
        return set()
    rows = await connection.fetch(_STORED, *map(list, zip(*identities, strict=True)))
    return {(row[0], row[1], row[2]) for row in rows}


async def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Add snapshots that are known to be new; one that is not fails the transaction."""
    if rows:
        await connection.copy_records_to_table("telemetry", schema_name="app", columns=_COLUMNS, records=rows)


_ENSURE_MONTH = "SELECT app.ensure_telemetry_month($1)"


async def ensure_months(connection: Connection, months: Iterable[date]) -> None:
    """Make the partitions that hold these months; outside the batch's transaction, so that no lock outlives it."""
    for month in sorted(months):
        await connection.execute(_ENSURE_MONTH, month)

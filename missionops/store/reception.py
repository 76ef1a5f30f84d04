"""What was received of each spacecraft last."""

from collections.abc import Sequence
from typing import NamedTuple

from missionops.store import changes
from missionops.store.database import Connection


class Reception(NamedTuple):
    """What was received of a spacecraft last; times in microseconds since 1970."""

    spacecraft_id: str
    received: int
    timestamp: int
    """Of that snapshot."""
    newest_timestamp: int | None
    """Of all that were received with it and are not ahead of the clock."""


# Times as numbers: asyncpg takes longer to encode a time than the server to update its row. The hint travels with the
# statement: it costs no round trip of its own.
_NOTE = """
WITH noted AS (
    INSERT INTO app.reception AS r (spacecraft_id, last_received_at, last_received_timestamp, last_timestamp)
    SELECT spacecraft_id, timestamptz 'epoch' + received * interval '1 microsecond',
           timestamptz 'epoch' + stamped * interval '1 microsecond',
           timestamptz 'epoch' + newest * interval '1 microsecond'
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS _ (spacecraft_id, received, stamped, newest)
    ON CONFLICT (spacecraft_id) DO UPDATE
    SET last_received_at = EXCLUDED.last_received_at, last_received_timestamp = EXCLUDED.last_received_timestamp,
        last_timestamp = greatest(r.last_timestamp, EXCLUDED.last_timestamp)
)
SELECT pg_notify($5, hint) FROM unnest($6::text[]) AS _ (hint)
"""


async def note(connection: Connection, received: Sequence[Reception]) -> None:
    """Note what a batch has received of its spacecraft, and hint at it. Two batches must not do so at the same time."""
    columns = [list(column) for column in zip(*received, strict=True)]
    hints = changes.written(changes.HintKind.TELEMETRY, (row.spacecraft_id for row in received))
    await connection.execute(_NOTE, *columns, changes.CHANNEL, list(hints))

"""Spacecraft, in and out of their tables: registrations, and what was received of each last."""

from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple

from missionops.store import changes, rows
from missionops.store.database import Connection


class Registration(NamedTuple):
    """A registered spacecraft."""

    spacecraft_id: str
    name: str | None
    mission_type: str | None
    created_at: datetime
    updated_at: datetime


_LOCK = """
SELECT spacecraft_id, name, mission_type, created_at, updated_at FROM app.spacecraft
WHERE spacecraft_id = $1 FOR UPDATE
"""

_REGISTER = """
INSERT INTO app.spacecraft (spacecraft_id, name, mission_type) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
RETURNING spacecraft_id, name, mission_type, created_at, updated_at
"""

_CHANGE = """
UPDATE app.spacecraft
SET name = coalesce($2, name), mission_type = coalesce($3, mission_type), updated_at = CASE
    WHEN (name, mission_type) IS DISTINCT FROM (coalesce($2, name), coalesce($3, mission_type)) THEN clock_timestamp()
    ELSE updated_at END
WHERE spacecraft_id = $1
RETURNING spacecraft_id, name, mission_type, created_at, updated_at
"""


async def register(
    connection: Connection, spacecraft_id: str, name: str | None, mission_type: str | None
) -> tuple[Registration | None, Registration]:
    """Register a spacecraft, or change what is given of one; returns it before, if it was registered, and after."""
    given = spacecraft_id, name, mission_type
    if row := await connection.fetchrow(_REGISTER, *given):
        return None, Registration(*row)
    before = await connection.fetchrow(_LOCK, spacecraft_id)  # the transaction that registered it has committed
    after = await connection.fetchrow(_CHANGE, *given)
    if before is None or after is None:
        raise AssertionError("a spacecraft is never removed")
    return Registration(*before), Registration(*after)


class Registered(NamedTuple):
    """A registration with its config in force; what belongs to the config is None where there is none."""

    spacecraft_id: str
    name: str | None
    mission_type: str | None
    config: bytes | None
    source: str | None
    version: int | None
    created_at: datetime
    updated_at: datetime


_GET = """
SELECT s.spacecraft_id, name, mission_type, document, source, version, created_at,
       greatest(s.updated_at, c.updated_at)
FROM app.spacecraft AS s LEFT JOIN app.config AS c ON c.spacecraft_id = s.spacecraft_id AND version = config_version
WHERE s.spacecraft_id = $1
"""


async def get(connection: Connection, spacecraft_id: str) -> Registered | None:
    """One spacecraft."""
    row = await connection.fetchrow(_GET, spacecraft_id)
    return Registered(*row) if row else None


_COUNT = "SELECT count(*) FROM app.spacecraft WHERE $1::text[] IS NULL OR spacecraft_id = ANY ($1)"


async def count(connection: Connection, within: AbstractSet[str] | None) -> int:
    """How many are registered, of all or of some."""
    return int(await connection.fetchval(_COUNT, None if within is None else list(within)))


_LIST = """
SELECT s.spacecraft_id, name, mission_type, document, source, version, created_at,
       greatest(s.updated_at, c.updated_at)
FROM (
    SELECT * FROM app.spacecraft
    WHERE $3::text[] IS NULL OR spacecraft_id = ANY ($3)
    ORDER BY spacecraft_id LIMIT $1 OFFSET $2
) AS s
LEFT JOIN app.config AS c ON c.spacecraft_id = s.spacecraft_id AND version = config_version
ORDER BY s.spacecraft_id
"""


async def by_id(
    connection: Connection, within: AbstractSet[str] | None, limit: int, offset: int
) -> AsyncIterator[Registered]:
    """A page of the registered spacecraft, of all or of some."""
    among = None if within is None else list(within)
    async for row in rows.rows(connection, _LIST, limit, offset, among):
        yield Registered(*row)


class IngestConfig(NamedTuple):
    """What ingest needs to know of a spacecraft's config before it reads the document."""

    version: int
    """The one in force; 0 where there is none."""
    clock_ahead: float
    """Seconds by which a timestamp may be after its reception."""


_CONFIGS = """
SELECT spacecraft_id, config_version, clock_ahead FROM app.spacecraft WHERE spacecraft_id = ANY ($1::text[])
"""

_REGISTER_UNKNOWN = "INSERT INTO app.spacecraft (spacecraft_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"


async def configs_in_force(connection: Connection, spacecraft_ids: AbstractSet[str]) -> dict[str, IngestConfig]:
    """What is in force for each of these spacecraft; one that is not registered yet is registered."""
    found = await connection.fetch(_CONFIGS, list(spacecraft_ids))
    if len(found) < len(spacecraft_ids):
        unknown = spacecraft_ids - {row[0] for row in found}
        await connection.execute(_REGISTER_UNKNOWN, sorted(unknown))  # in order, so that two writers cannot deadlock
        found += await connection.fetch(_CONFIGS, list(unknown))
    return {spacecraft_id: IngestConfig(version, ahead) for spacecraft_id, version, ahead in found}


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
_NOTE_RECEIVED = """
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


async def note_received(connection: Connection, received: Sequence[Reception]) -> None:
    """Note what a batch has received of its spacecraft, and hint at it. Two batches must not do so at the same time."""
    columns = [list(column) for column in zip(*received, strict=True)]
    hints = changes.written(changes.HintKind.TELEMETRY, (row.spacecraft_id for row in received))
    await connection.execute(_NOTE_RECEIVED, *columns, changes.CHANNEL, list(hints))

"""Registrations of spacecraft, in and out of their table."""

from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple

from missionops.store import rows
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

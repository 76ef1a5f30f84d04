"""Registrations, and what is known of a spacecraft beside its telemetry."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple

import msgspec

from missionops.store import rows, telemetry
from missionops.store.database import Connection

_encode = msgspec.json.Encoder().encode


class Registration(NamedTuple):
    """A registered spacecraft."""

    spacecraft_id: str
    name: str | None
    mission_type: str | None
    created_at: datetime
    updated_at: datetime


_REGISTRATION = "spacecraft_id, name, mission_type, created_at, updated_at"

_LOCK = f"SELECT {_REGISTRATION} FROM app.spacecraft WHERE spacecraft_id = $1 FOR UPDATE"  # noqa: S608 - our own words

_REGISTER = f"""
INSERT INTO app.spacecraft (spacecraft_id, name, mission_type) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
RETURNING {_REGISTRATION}
"""  # noqa: S608 - likewise

_CHANGE = f"""
UPDATE app.spacecraft
SET name = coalesce($2, name), mission_type = coalesce($3, mission_type), updated_at = clock_timestamp()
WHERE spacecraft_id = $1
RETURNING {_REGISTRATION}
"""  # noqa: S608 - likewise


async def register(
    connection: Connection, spacecraft_id: str, name: str | None, mission_type: str | None
) -> tuple[Registration | None, Registration]:
    """Register a spacecraft, or change what is given of one that is; what was before, if it was, and what is now."""
    given = spacecraft_id, name, mission_type
    if row := await connection.fetchrow(_REGISTER, *given):
        return None, Registration(*row)
    before = await connection.fetchrow(_LOCK, spacecraft_id)  # whoever took the id has committed
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
    status: str | None
    source: str | None
    version: int | None
    created_at: datetime
    updated_at: datetime


_GET = """
SELECT s.spacecraft_id, name, mission_type, document, status, source, version, created_at,
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
SELECT s.spacecraft_id, name, mission_type, document, status, source, version, created_at,
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
    """Some of those that are registered, of all or of some."""
    among = None if within is None else list(within)
    async for row in rows.rows(connection, _LIST, limit, offset, among):
        yield Registered(*row)


_HEAR = """
UPDATE app.spacecraft SET heard_at = GREATEST(heard_at, heard.at)
FROM (SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS _ (id, at) ORDER BY id) AS heard
WHERE spacecraft_id = heard.id
"""


async def note_reception(connection: Connection, heard: Sequence[tuple[str, datetime]]) -> None:
    """Note when spacecraft were last heard."""
    await connection.execute(_HEAR, *map(list, zip(*heard, strict=True)))


_COUNT_PARAMETERS = """
SELECT spacecraft_id, count(*) FROM app.parameter WHERE spacecraft_id = ANY ($1::text[]) GROUP BY spacecraft_id
"""


async def count_parameters(connection: Connection, spacecraft_ids: Iterable[str]) -> dict[str, int]:
    """How many names of parameters are noted for each spacecraft that has any."""
    return dict(await connection.fetch(_COUNT_PARAMETERS, list(spacecraft_ids)))  # type: ignore[arg-type] # pairs


_ADD_PARAMETERS = """
WITH added AS (
    INSERT INTO app.parameter (spacecraft_id, name)
    SELECT id, json_array_elements_text(names::json) AS name
    FROM unnest($1::text[], $2::text[]) AS _ (id, names) ORDER BY id, name
    ON CONFLICT DO NOTHING
    RETURNING spacecraft_id
)
SELECT spacecraft_id, count(*) FROM added GROUP BY spacecraft_id
"""


async def add_parameters(connection: Connection, reported: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Note names of parameters that spacecraft have reported; how many of them were new, by spacecraft."""
    # Names as one text: whatever is done for each of them here costs more than all else that is new in a spacecraft.
    names = [_encode(list(names)).decode() for names in reported.values()]
    return dict(await connection.fetch(_ADD_PARAMETERS, list(reported), names))  # type: ignore[arg-type] # pairs


_ADD_VOCABULARIES = """
INSERT INTO app.vocabulary (digest, names)
SELECT digest, ARRAY(SELECT json_array_elements_text(names::json))
FROM unnest($1::bytea[], $2::text[]) AS _ (digest, names) ORDER BY digest
ON CONFLICT DO NOTHING
"""


async def add_vocabularies(connection: Connection, vocabularies: Mapping[bytes, Iterable[str]]) -> None:
    """Note names that come together again and again, by their digest."""
    names = [_encode(list(names)).decode() for names in vocabularies.values()]
    await connection.execute(_ADD_VOCABULARIES, list(vocabularies), names)


_ADD_SPACECRAFT_VOCABULARIES = """
INSERT INTO app.spacecraft_vocabulary (spacecraft_id, digest)
SELECT * FROM unnest($1::text[], $2::bytea[]) AS _ (spacecraft_id, digest) ORDER BY spacecraft_id, digest
ON CONFLICT DO NOTHING
"""


async def add_spacecraft_vocabularies(connection: Connection, pairs: Iterable[tuple[str, bytes]]) -> None:
    """Note spacecraft (spacecraft_id, digest) that have reported all the names of a vocabulary."""
    await connection.execute(_ADD_SPACECRAFT_VOCABULARIES, *map(list, zip(*pairs, strict=True)))


class StatusFacts(NamedTuple):
    """What a status is made of."""

    last_telemetry: datetime | None
    last_hour: int
    last_six_hours: int
    last_day: int
    highest: int
    """0 where nothing is worse than LOW, 1 for MEDIUM, 2 for HIGH, 3 for CRITICAL."""
    is_known: bool
    was_heard: bool


_CONDITION = """
SELECT
    count(*) FILTER (WHERE "timestamp" > $2::timestamptz - interval '1 hour'),
    count(*) FILTER (WHERE "timestamp" > $2::timestamptz - interval '6 hours'),
    count(*),
    coalesce(max(array_position(ARRAY['MEDIUM', 'HIGH', 'CRITICAL'], severity)), 0),
    EXISTS (SELECT FROM app.spacecraft WHERE spacecraft_id = $1),
    EXISTS (SELECT FROM app.spacecraft WHERE spacecraft_id = $1 AND heard_at > $2::timestamptz - interval '24 hours')
FROM app.anomaly
WHERE spacecraft_id = $1 AND "timestamp" > $2::timestamptz - interval '24 hours' AND "timestamp" <= $2::timestamptz
"""


async def condition(connection: Connection, spacecraft_id: str, now: datetime) -> StatusFacts:
    """How a spacecraft does at `now`."""
    row = await connection.fetchrow(_CONDITION, spacecraft_id, now)
    if row is None:
        raise AssertionError("an aggregate answers one row")
    return StatusFacts(await telemetry.last_time(connection, spacecraft_id), *row)


_REPORTED = """
SELECT name FROM app.parameter WHERE spacecraft_id = $1
UNION
SELECT unnest(names) FROM app.spacecraft_vocabulary JOIN app.vocabulary USING (digest) WHERE spacecraft_id = $1
"""


async def reported(connection: Connection, spacecraft_id: str) -> set[str]:
    """The parameters that a spacecraft has ever reported."""
    return {row[0] for row in await connection.fetch(_REPORTED, spacecraft_id)}

"""Spacecraft and the versions of their configs, in and out of the tables."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from missionops.store import rows
from missionops.store.database import Connection


class ConfigVersion(NamedTuple):
    """One version of a spacecraft's config."""

    spacecraft_id: str
    version: int
    document: bytes
    status: str
    source: str
    updated_at: datetime


_VERSIONS = "SELECT spacecraft_id, config_version FROM app.spacecraft WHERE spacecraft_id = ANY($1::text[])"


async def versions(connection: Connection, spacecraft_ids: Collection[str]) -> dict[str, int]:
    """The config version in force for each that is registered; 0 where it has none."""
    return dict(await connection.fetch(_VERSIONS, list(spacecraft_ids)))  # type: ignore[arg-type] # a Record is a pair


_REGISTER = "INSERT INTO app.spacecraft (spacecraft_id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"


async def register(connection: Connection, spacecraft_ids: Iterable[str]) -> None:
    """Register spacecraft from which something came for the first time; in order, so that writers cannot deadlock."""
    await connection.execute(_REGISTER, sorted(spacecraft_ids))


_DOCUMENTS = """
SELECT spacecraft_id, document FROM app.config
JOIN unnest($1::text[], $2::integer[]) AS wanted (spacecraft_id, version) USING (spacecraft_id, version)
"""


async def documents(connection: Connection, wanted: Mapping[str, int]) -> AsyncIterator[tuple[str, bytes]]:
    """The documents of these versions by spacecraft, a few at a time: each may have a megabyte or more."""
    async for row in rows.rows(connection, _DOCUMENTS, list(wanted.keys()), list(wanted.values())):
        yield row[0], row[1]


_DOCUMENT = "SELECT document FROM app.config WHERE spacecraft_id = $1 AND version = $2"


async def document(connection: Connection, spacecraft_id: str, version: int) -> bytes | None:
    """The document of one version, if there is such a version."""
    found: bytes | None = await connection.fetchval(_DOCUMENT, spacecraft_id, version)
    return found


_GET = """
SELECT config.spacecraft_id, version, document, status, source, config.updated_at
FROM app.spacecraft JOIN app.config USING (spacecraft_id)
WHERE spacecraft_id = $1 AND version = coalesce($2::integer, config_version)
"""


async def get(connection: Connection, spacecraft_id: str, version: int | None = None) -> ConfigVersion | None:
    """One version of a config; without `version` the one that telemetry is judged by now."""
    row = await connection.fetchrow(_GET, spacecraft_id, version)
    return ConfigVersion(*row) if row else None


class VersionRecord(NamedTuple):
    """Who put a version in force, when and why."""

    version: int
    source: str
    recorded_by: str | None
    """None for versions that are older than this column."""
    reason: str | None
    updated_at: datetime


_HISTORY = """
SELECT version, source, recorded_by, reason, updated_at FROM app.config
WHERE spacecraft_id = $1 AND version < $2 ORDER BY version DESC LIMIT $3
"""


async def history(connection: Connection, spacecraft_id: str, before: int, count: int) -> AsyncIterator[VersionRecord]:
    """The versions of a spacecraft's config that are older than `before`, newest first."""
    async for row in rows.rows(connection, _HISTORY, spacecraft_id, before, count):
        yield VersionRecord(*row)


# The row lock on the spacecraft numbers versions without gaps: two that set its config take turns.
_RAISE_VERSION = """
INSERT INTO app.spacecraft AS s (spacecraft_id, config_version) VALUES ($1, 1)
ON CONFLICT (spacecraft_id) DO UPDATE SET config_version = s.config_version + 1, updated_at = clock_timestamp()
RETURNING config_version
"""

_ADD = """
INSERT INTO app.config (spacecraft_id, version, document, status, source, recorded_by, reason, updated_at)
VALUES ($1, $2, $3, 'approved', $4, $5, $6, clock_timestamp())
RETURNING spacecraft_id, version, document, status, source, updated_at
"""


class NewConfig(NamedTuple):
    """A config document that is to be put in force."""

    spacecraft_id: str
    document: bytes
    source: str
    recorded_by: str
    reason: str | None


async def put(connection: Connection, new: NewConfig) -> ConfigVersion:
    """Put a new version in force, registering the spacecraft if need be."""
    spacecraft_id, *values = new
    version = await connection.fetchval(_RAISE_VERSION, spacecraft_id)
    row = await connection.fetchrow(_ADD, spacecraft_id, version, *values)
    if row is None:
        raise AssertionError("INSERT … RETURNING returns")
    return ConfigVersion(*row)

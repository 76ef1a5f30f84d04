"""The versions of configs, in and out of their table."""

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from missionops.domain import rule
from missionops.domain.clock import AHEAD
from missionops.domain.limits import Rules
from missionops.store import alarm_marks, config_checks, rows
from missionops.store.config_checks import ConfigCheck
from missionops.store.database import Connection


class ConfigVersion(NamedTuple):
    """One version of a spacecraft's config."""

    spacecraft_id: str
    version: int
    document: bytes
    source: str
    updated_at: datetime


_VERSION = "SELECT config_version FROM app.spacecraft WHERE spacecraft_id = $1"


async def version_in_force(connection: Connection, spacecraft_id: str) -> int:
    """The version that telemetry is judged by now; 0 where there is none."""
    return await connection.fetchval(_VERSION, spacecraft_id) or 0


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


_RULES = """
SELECT version, key, value FROM app.config CROSS JOIN json_each(document -> 'parameters')
WHERE spacecraft_id = $1 AND version = ANY ($2::integer[]) AND key = ANY ($3::text[])
"""


async def rules(
    connection: Connection, spacecraft_id: str, versions: Collection[int], parameters: Collection[str]
) -> dict[tuple[int, str], bytes]:
    """The rules of some parameters in some versions, as they were set, by version and parameter."""
    found = await connection.fetch(_RULES, spacecraft_id, list(versions), list(parameters))
    return {(version, parameter): rule for version, parameter, rule in found}


# What a version judged came before it was replaced, and is not dated later than its clock allows; an hour for clocks
# that differ.
_RULED = """
SELECT key, bool_or(value::text LIKE '%"change"%')
FROM (
    SELECT document, lead(updated_at) OVER (ORDER BY version) AS replaced_at,
           interval '1 hour' + interval '1 second' * coalesce((document #>> '{clock,ahead}')::float8, $4) AS ahead
    FROM app.config WHERE spacecraft_id = $1 AND version <= $2
) AS of_version
CROSS JOIN json_each(document -> 'parameters')
WHERE replaced_at IS NULL OR replaced_at + ahead > $3
GROUP BY key
"""


async def ruled(connection: Connection, spacecraft_id: str, version: int, since: datetime) -> dict[str, bool]:
    """The parameters with a rule in any version up to one that may have judged snapshots of `since` or later.

    With each whether one of its rules may have the check CHANGE.
    """
    return {row[0]: row[1] for row in await connection.fetch(_RULED, spacecraft_id, version, since, AHEAD)}


_GET = """
SELECT config.spacecraft_id, version, document, source, config.updated_at
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
    recorded_by: str
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
INSERT INTO app.spacecraft AS s (spacecraft_id, config_version, clock_ahead, silent_after, tells_silence)
VALUES ($1, 1, coalesce(($2::json #>> '{clock,ahead}')::double precision, $3),
        coalesce(($2::json ->> 'silentAfter')::double precision, 86400), $2::json ->> 'silentAfter' IS NOT NULL)
ON CONFLICT (spacecraft_id) DO UPDATE
SET config_version = s.config_version + 1, clock_ahead = EXCLUDED.clock_ahead, silent_after = EXCLUDED.silent_after,
    tells_silence = EXCLUDED.tells_silence, updated_at = clock_timestamp()
RETURNING config_version
"""

_ADD = """
INSERT INTO app.config (spacecraft_id, version, document, source, recorded_by, reason, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
RETURNING spacecraft_id, version, document, source, updated_at
"""


class NewConfig(NamedTuple):
    """A config document that is to be put in force."""

    spacecraft_id: str
    document: bytes
    source: str
    recorded_by: str
    reason: str | None


async def put(connection: Connection, new: NewConfig, rules: Rules) -> ConfigVersion:
    """Put a new version of a valid document, of which `rules` were compiled, in force.

    The spacecraft is registered if need be.
    """
    spacecraft_id, *values = new
    version = await connection.fetchval(_RAISE_VERSION, spacecraft_id, new.document, AHEAD)
    row = await connection.fetchrow(_ADD, spacecraft_id, version, *values)
    if row is None:
        raise AssertionError("INSERT … RETURNING returns")
    checks = [
        ConfigCheck(name, rule.KINDS[kind], has_persistence=rules[name].has_persistence(kind))
        for name, kind in rules.checks
    ]
    await config_checks.note(connection, spacecraft_id, version, checks)
    if version > 1:  # the first version ends nothing: nothing was checked before it
        await alarm_marks.add_config(connection, spacecraft_id)
    return ConfigVersion(*row)

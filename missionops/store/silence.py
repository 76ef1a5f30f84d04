"""Spacecraft from which nothing was received for too long, and the alarms that say so."""

from datetime import datetime
from typing import NamedTuple

from missionops.domain import timestamp
from missionops.domain.alarm import Alarm
from missionops.store import alarms
from missionops.store.alarms import COLUMNS
from missionops.store.database import Connection


class Silent(NamedTuple):
    """A spacecraft from which nothing was received for longer than its config allows."""

    spacecraft_id: str
    version: int
    """The config version that says so."""
    seconds: float
    """Its silentAfter."""
    since: int
    """When something was received last, or the config was set; microseconds since 1970."""


_SILENT = """
SELECT spacecraft_id, config_version, silent_after, greatest(last_received_at, config.updated_at)
FROM app.spacecraft JOIN app.config USING (spacecraft_id) LEFT JOIN app.reception USING (spacecraft_id)
WHERE tells_silence AND version = config_version
    AND greatest(last_received_at, config.updated_at) + make_interval(secs => silent_after) < $1
    AND NOT EXISTS (
        SELECT FROM app.alarm
        WHERE alarm.spacecraft_id = spacecraft.spacecraft_id AND parameter = '' AND "check" = 'SILENT'
            AND "end" IS NULL AND NOT is_retracted
    )
"""


async def found(connection: Connection, now: datetime) -> list[Silent]:
    """Those of which no alarm says so yet."""
    rows = await connection.fetch(_SILENT, now)
    return [Silent(name, version, seconds, timestamp.to_microseconds(since)) for name, version, seconds, since in rows]


_OPEN = f"""
SELECT {COLUMNS} FROM app.alarm WHERE "check" = 'SILENT' AND "end" IS NULL AND NOT is_retracted
"""  # noqa: S608 - of our own columns


async def told(connection: Connection) -> list[Alarm]:
    """The open alarms that say so."""
    return [alarms.read(row) for row in await connection.fetch(_OPEN)]


_UNMONITORED = """
SELECT alarm.id, config.updated_at, version
FROM app.alarm JOIN app.spacecraft USING (spacecraft_id) JOIN app.config USING (spacecraft_id)
WHERE "check" = 'SILENT' AND "end" IS NULL AND NOT is_retracted AND NOT tells_silence AND version = config_version
"""


async def unmonitored(connection: Connection) -> dict[str, int]:
    """Open alarms, by id, whose spacecraft has a config that does not ask for them, and since when."""
    return {row[0]: timestamp.to_microseconds(row[1]) for row in await connection.fetch(_UNMONITORED)}

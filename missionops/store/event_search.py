"""Events of one spacecraft, of the fleet as a whole or of all, filtered, newest first."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from missionops.domain import timestamp
from missionops.domain.event import Event, EventType
from missionops.domain.severity import Severity
from missionops.store import events, rows
from missionops.store.database import Connection
from missionops.store.telemetry import Between

Cursor = tuple[datetime, str]
"""A position in the order of time, then id."""

_PAST: Cursor = (timestamp.LATEST + timedelta(microseconds=1), "")


class EventFilter(NamedTuple):
    """Which events are wanted."""

    spacecraft: str | Collection[str] | None
    """Of one spacecraft or of several; None: of all, also those that belong to no single spacecraft."""
    is_of_fleet: bool
    """Only those that belong to no single spacecraft."""
    types: Collection[EventType] | None
    severities: Collection[Severity] | None
    text: str | None
    """What the message contains, in upper or lower case."""
    between: Between


_WANTED = """("timestamp", id) < ($1, $2) AND "timestamp" BETWEEN $3 AND $4
    AND ($5::text[] IS NULL OR type = ANY ($5)) AND ($6::text[] IS NULL OR severity = ANY ($6))
    AND ($7::text IS NULL OR position(lower($7) IN lower(message)) > 0)"""

# An index gives the order: event_by_spacecraft for one spacecraft and for the fleet, event_by_time for several and all.
_NEWEST_OF_ONE = f"""
SELECT id, spacecraft_id, "timestamp", type, severity, message, metadata
FROM app.event
WHERE spacecraft_id = $9
    AND {_WANTED}
ORDER BY "timestamp" DESC, id DESC
LIMIT $8
"""  # noqa: S608 - of our own conditions

# `spacecraft_id` in ORDER BY lets the index give the order: to the planner IS NULL is no equality.
_NEWEST_OF_FLEET = f"""
SELECT id, spacecraft_id, "timestamp", type, severity, message, metadata
FROM app.event
WHERE spacecraft_id IS NULL
    AND {_WANTED}
ORDER BY spacecraft_id DESC, "timestamp" DESC, id DESC
LIMIT $8
"""  # noqa: S608 - of our own conditions

_NEWEST_OF_SEVERAL = f"""
SELECT id, spacecraft_id, "timestamp", type, severity, message, metadata
FROM app.event
WHERE spacecraft_id = ANY ($9::text[])
    AND {_WANTED}
ORDER BY "timestamp" DESC, id DESC
LIMIT $8
"""  # noqa: S608 - of our own conditions

_NEWEST_OF_ALL = f"""
SELECT id, spacecraft_id, "timestamp", type, severity, message, metadata
FROM app.event
WHERE {_WANTED}
ORDER BY "timestamp" DESC, id DESC
LIMIT $8
"""  # noqa: S608 - of our own conditions


async def newest(
    connection: Connection, wanted: EventFilter, before: Cursor | None, count: int
) -> AsyncIterator[Event]:
    """Events before a cursor, newest first."""
    arguments: list[Any] = [*(before or _PAST), *wanted.between, wanted.types, wanted.severities, wanted.text, count]
    if wanted.is_of_fleet:
        query = _NEWEST_OF_FLEET
    elif wanted.spacecraft is None:
        query = _NEWEST_OF_ALL
    else:
        query = _NEWEST_OF_ONE if isinstance(wanted.spacecraft, str) else _NEWEST_OF_SEVERAL
        arguments.append(wanted.spacecraft)
    async for row in rows.rows(connection, query, *arguments):
        yield events.event(row)

"""Events in and out of their table."""

from collections.abc import Iterable
from typing import Any

import msgspec

from missionops.domain.event import Event, EventType
from missionops.domain.severity import Severity
from missionops.store.database import Connection


def event(row: Iterable[Any]) -> Event:
    """The event in a row of id, spacecraft_id, timestamp, type, severity, message and metadata."""
    identifier, spacecraft_id, time, event_type, severity, message, metadata = row
    return Event(
        identifier, spacecraft_id, time, EventType(event_type), Severity(severity), message, msgspec.Raw(metadata)
    )


_ADD = """
INSERT INTO app.event (id, spacecraft_id, "timestamp", type, severity, message, metadata, recorded_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
RETURNING true
"""


async def add(connection: Connection, new: Event, recorded_by: str | None) -> bool:
    """Add an event that a caller recorded, or with None the service itself; returns whether it is new.

    If it is not, the transaction that took its id has committed.
    """
    columns = new.id, new.spacecraft_id, new.timestamp, new.type, new.severity, new.message, bytes(new.metadata)
    return bool(await connection.fetchval(_ADD, *columns, recorded_by))


_GET = """
SELECT id, spacecraft_id, "timestamp", type, severity, message, metadata FROM app.event WHERE id = $1
"""


async def get(connection: Connection, identifier: str) -> Event | None:
    """One event."""
    row = await connection.fetchrow(_GET, identifier)
    return event(row) if row else None

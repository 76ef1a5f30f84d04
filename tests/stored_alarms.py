"""Alarms in the database, as the service keeps them."""

import secrets
from datetime import UTC, datetime
from typing import Any

import msgspec

from missionops.domain import timestamp
from missionops.domain.alarm import Acknowledgement, Alarm, Cause
from missionops.domain.anomaly import Limit
from missionops.domain.episodes.episode import Episode, Facts, Rise, SampleAt
from missionops.domain.severity import Severity
from missionops.store import alarms
from missionops.store import database as databases

START = "2025-01-01T00:00:00Z"


def alarm(
    spacecraft_id: str = "SC-001",
    parameter: str = "temp",
    severity: Severity = Severity.HIGH,
    start: str = START,
    end: str | None = None,
    **options: Any,
) -> Alarm:
    """One alarm that nobody has stored yet; SILENT where the parameter is empty. Options are fields of its own."""
    first = timestamp.to_microseconds(timestamp.parse(start))
    position = first, first, "ts_1"
    sample = SampleAt(position, 71.5)
    episode = Episode(
        first,
        position,
        [Rise(severity.level, position, "critHigh", 70, 3)],
        Facts(samples=1, first=sample, peak=sample, last=sample, level=severity.level, peak_level=severity.level),
    )
    if end is not None:
        closed = timestamp.to_microseconds(timestamp.parse(end))
        episode.close((closed, closed, "ts_2"), closed)
    fields = {"id": f"al_{secrets.token_hex(16)}", "check": "LIMIT" if parameter else "SILENT"} | options
    description = f"Parameter {parameter} above critHigh 70" if parameter else "Nothing was received"
    cause = Cause(Limit("critHigh", 70), 3, fields.pop("description", description), unit="°C")
    for name in ("subsystem", "documents"):
        if name in fields:
            setattr(cause, name, fields.pop(name))
    now = fields.pop("found_at", datetime.now(UTC))
    return Alarm(
        spacecraft_id=spacecraft_id, parameter=parameter, episode=episode, cause=cause, found_at=now, updated_at=now,
        **fields,
    )  # fmt: skip


def acknowledged(found: Alarm, by: str = "alice") -> Alarm:
    return msgspec.structs.replace(found, acknowledged=Acknowledgement(by, found.found_at))


async def store(database_url: str, *found: Alarm) -> list[str]:
    """Keep alarms and tell that they were raised, and that they have returned where they have; their ids."""
    async with databases.connected(database_url) as connection, connection.transaction():
        told = []
        for one in found:
            acknowledgement, one.acknowledged = one.acknowledged, None
            told += list(one.begin(one.updated_at))
            if acknowledgement:
                told += list(one.acknowledge(acknowledgement.by, acknowledgement.at, None))
            if one.is_retracted:
                told.append(one.retract(one.merged_into, one.updated_at))
        await alarms.add(connection, 0, found)
        await alarms.change(connection, found)  # `add` writes what an alarm is when it is found
        await alarms.tell(connection, told)
    return [one.id for one in found]

"""Alarms of one spacecraft or of many, filtered, newest first."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from missionops.domain import timestamp
from missionops.domain.alarm import Alarm, State
from missionops.store import alarms, rows
from missionops.store.database import Connection
from missionops.store.telemetry import Between


class AlarmFilter(NamedTuple):
    """Which alarms are wanted."""

    spacecraft_ids: Collection[str] | None
    """Of these spacecraft; None: of all."""
    states: Collection[State] | None
    level: int
    """At least this severity, from 1."""
    parameter: str | None
    """Empty for SILENT."""
    check: str | None
    text: str | None
    """What the spacecraft, the parameter, the description or the subsystem contains, in upper or lower case."""
    between: Between
    """They overlap this time."""
    subsystem: str | None = None


class AlarmCursor(NamedTuple):
    """A position in the order of start, then id."""

    start: datetime
    id: str


_PAST = AlarmCursor(timestamp.LATEST + timedelta(microseconds=1), "")

_WANTED = """(start, id) < ($2, $3) AND start <= $5 AND ("end" IS NULL OR "end" >= $4)
    AND ($6::text[] IS NULL OR state = ANY ($6)) AND severity >= $7
    AND ($8::text IS NULL OR parameter = $8) AND ($9::text IS NULL OR "check" = $9)
    AND ($10::text IS NULL OR position(
        lower($10) IN lower(concat_ws(' ', spacecraft_id, parameter, cause ->> 'description', subsystem))) > 0)
    AND ($11::text IS NULL OR subsystem = $11)"""

# An index gives the order: alarm_by_start for one spacecraft, alarm_by_time for several and all.
_NEWEST_OF_ONE = f"""
SELECT {alarms.COLUMNS} FROM app.alarm
WHERE spacecraft_id = $1 AND {_WANTED}
ORDER BY start DESC, id DESC
LIMIT $12
"""  # noqa: S608 - of our own columns and conditions

_NEWEST_OF_SEVERAL = f"""
SELECT {alarms.COLUMNS} FROM app.alarm
WHERE ($1::text[] IS NULL OR spacecraft_id = ANY ($1))
    AND {_WANTED}
ORDER BY start DESC, id DESC
LIMIT $12
"""  # noqa: S608 - of our own columns and conditions


async def newest(
    connection: Connection, wanted: AlarmFilter, before: AlarmCursor | None, count: int, now: datetime
) -> AsyncIterator[Alarm]:
    """Alarms before a cursor, newest first; whether they are shelved or masked is as it is now."""
    query, spacecraft = _NEWEST_OF_SEVERAL, wanted.spacecraft_ids
    if wanted.spacecraft_ids is not None and len(wanted.spacecraft_ids) == 1:
        query, (spacecraft,) = _NEWEST_OF_ONE, wanted.spacecraft_ids
    portion: list[Alarm] = []
    arguments = (*(before or _PAST), *wanted.between, wanted.states, wanted.level, wanted.parameter, wanted.check)
    async for row in rows.rows(connection, query, spacecraft, *arguments, wanted.text, wanted.subsystem, count):
        portion.append(alarms.read(row))
        if len(portion) == alarms.LOOKED_UP_AT_ONCE:
            await alarms.note_shelved_and_masked(connection, portion, now)
            for alarm in portion:
                yield alarm
            portion = []
    await alarms.note_shelved_and_masked(connection, portion, now)
    for alarm in portion:
        yield alarm


_SPACECRAFT_OF = "SELECT id, spacecraft_id FROM app.alarm WHERE id = ANY ($1::text[])"


async def spacecraft_of(connection: Connection, identifiers: Collection[str]) -> dict[str, str]:
    """By id the spacecraft that alarms are about, of those that there are."""
    return {row[0]: row[1] for row in await connection.fetch(_SPACECRAFT_OF, identifiers)}


_GET = f"SELECT {alarms.COLUMNS} FROM app.alarm WHERE id = $1"  # noqa: S608 - of our own columns


async def get(connection: Connection, identifier: str, now: datetime) -> Alarm | None:
    """One alarm as it is now."""
    row = await connection.fetchrow(_GET, identifier)
    if row is None:
        return None
    alarm = alarms.read(row)
    await alarms.note_shelved_and_masked(connection, [alarm], now)
    return alarm


class PastTransition(NamedTuple):
    """What happened to an alarm, and who did it."""

    revision: int
    transition: str
    by: str | None
    """None: the service itself."""
    at: datetime
    comment: str | None


_HISTORY = """
SELECT revision, transition, by, at, comment FROM app.alarm_transition
WHERE alarm_id = $1 AND revision > $2 ORDER BY revision LIMIT $3
"""


async def history(connection: Connection, identifier: str, after: int, count: int) -> AsyncIterator[PastTransition]:
    """What happened to an alarm after a revision, in order."""
    async for row in rows.rows(connection, _HISTORY, identifier, after, count):
        yield PastTransition(*row)


_TITLES = "SELECT id, spacecraft_id, title FROM app.document WHERE id = ANY ($1::text[])"


async def titles(connection: Connection, documents: Collection[str]) -> dict[str, tuple[str | None, str]]:
    """By id the spacecraft and the titles of documents, of those that there are."""
    return {row[0]: (row[1], row[2]) for row in await connection.fetch(_TITLES, list(documents))}


_WAITING_BEFORE = """
SELECT older.id FROM app.alarm AS named JOIN app.alarm AS older USING (spacecraft_id, parameter, "check")
WHERE named.id = ANY ($1::text[]) AND older.state = 'RETURNED_UNACKNOWLEDGED'
    AND (older.start, older.id) < (named.start, named.id) AND NOT older.id = ANY ($1::text[])
GROUP BY older.id, older.start ORDER BY older.start, older.id LIMIT $2
"""


async def waiting_before(connection: Connection, identifiers: Collection[str], count: int) -> list[str]:
    """The ids of alarms that have returned and wait, of the same checks as these and older, oldest first."""
    return [row[0] for row in await connection.fetch(_WAITING_BEFORE, list(identifiers), count)]


_HANDLED_UNTIL = "SELECT min(sequence_time) FROM app.checkpoint WHERE sequence_time > 0"


async def handled_until(connection: Connection) -> datetime | None:
    """The stream's time up to which telemetry is handled; None where none was."""
    found = await connection.fetchval(_HANDLED_UNTIL)
    return None if found is None else timestamp.from_nanoseconds(found)

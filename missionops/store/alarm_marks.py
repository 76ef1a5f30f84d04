"""What has to be folded again, and what is needed for it: marks, misdated snapshots, and when configs began."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from missionops.domain import timestamp
from missionops.domain.episodes.episode import Position
from missionops.errors import OwnershipLost
from missionops.store import positions
from missionops.store.checkpoint import Lease
from missionops.store.database import Connection

CHANNEL = "missionops_alarm_marks"
"""Notified when a config was set."""


class Mark(NamedTuple):
    """Snapshots of one spacecraft that have not been folded."""

    spacecraft_id: str
    parameter: str | None
    """None: every parameter and check."""
    check: str | None
    first: Position | None
    """None: a config was set."""
    last: Position | None
    is_late: bool = False
    """Whether later snapshots of the spacecraft had been folded when these came."""


_ADD = """
INSERT INTO app.alarm_mark (spacecraft_id, parameter, "check", first_position, last_position, is_late)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::boolean[])
"""


async def add(connection: Connection, marks: Iterable[Mark]) -> None:
    """Note what has to be folded again, in the transaction that makes it necessary."""
    rows = [
        (
            one.spacecraft_id, one.parameter, one.check,
            one.first and positions.written(one.first), one.last and positions.written(one.last), one.is_late,
        )
        for one in marks
    ]  # fmt: skip
    if rows:
        await connection.execute(_ADD, *map(list, zip(*rows, strict=True)))


_ADD_CONFIG = """
WITH added AS (INSERT INTO app.alarm_mark (spacecraft_id, is_late) VALUES ($1, false) RETURNING number)
SELECT pg_notify($2, '') FROM added
"""


async def add_config(connection: Connection, spacecraft_id: str) -> None:
    """Note that a config was set: its alarms may end by it, though nothing is received any more."""
    await connection.execute(_ADD_CONFIG, spacecraft_id, CHANNEL)


class Marked(NamedTuple):
    """The marks of one spacecraft."""

    spacecraft_id: str
    numbers: Sequence[int]
    marks: Sequence[Mark]


# Of a spacecraft whose telemetry has been coming late until a moment ago, all is taken together a moment later.
_DUE = """
WITH due AS (
    SELECT spacecraft_id, bool_or(first_position IS NULL OR parameter IS NULL) AS is_urgent, min(marked_at) AS first,
           max(marked_at) AS last
    FROM app.alarm_mark
    WHERE spacecraft_id <> ALL ($4::text[])
        AND EXISTS (SELECT FROM app.checkpoint WHERE "partition" = $1 AND epoch = $2)
    GROUP BY spacecraft_id
)
SELECT spacecraft_id FROM due
WHERE is_urgent OR last < clock_timestamp() - interval '1 second' OR first < clock_timestamp() - interval '5 seconds'
ORDER BY first LIMIT $3
"""

_OF = """
SELECT number, spacecraft_id, parameter, "check", first_position, last_position, is_late FROM app.alarm_mark
WHERE spacecraft_id = $1 ORDER BY number LIMIT 10000
"""


async def due(connection: Connection, lease: Lease, most: int, except_for: Collection[str] = ()) -> list[str]:
    """Spacecraft whose marks it is time to work off, those that have waited longest first; none if it is not ours."""
    rows = await connection.fetch(_DUE, *lease, most, list(except_for))
    return [row[0] for row in rows]


async def of(connection: Connection, spacecraft_id: str) -> Marked:
    """The marks of a spacecraft."""
    rows = await connection.fetch(_OF, spacecraft_id)
    marks = [
        Mark(name, parameter, check, first and positions.read(first), last and positions.read(last), is_late)
        for _, name, parameter, check, first, last, is_late in rows
    ]
    return Marked(spacecraft_id, [row[0] for row in rows], marks)


_REMOVE = "DELETE FROM app.alarm_mark WHERE number = ANY ($1::bigint[])"


async def remove(connection: Connection, marked: Marked) -> None:
    """They are worked off."""
    await connection.execute(_REMOVE, marked.numbers)


_WAITING = (
    "SELECT count(*), min(marked_at) FROM (SELECT marked_at FROM app.alarm_mark ORDER BY number LIMIT 10000) AS _"
)


_FENCE = 'SELECT FROM app.checkpoint WHERE "partition" = $1 AND epoch = $2 FOR SHARE'


async def fence(connection: Connection, lease: Lease) -> None:
    """Last in a transaction: OwnershipLost, so that it is rolled back, if the partition is not ours any more."""
    if await connection.fetchrow(_FENCE, *lease) is None:
        raise OwnershipLost("another instance has taken over")


class WaitingMarks(NamedTuple):
    """How much has not been folded yet."""

    marks: int
    since: datetime | None


async def waiting(connection: Connection) -> WaitingMarks:
    """How many marks wait (10,000 stands for more), and since when."""
    row = await connection.fetchrow(_WAITING)
    return WaitingMarks(*row) if row else WaitingMarks(0, None)


_ADD_MISDATED = """
INSERT INTO app.misdated_snapshot (spacecraft_id, "timestamp", id, received_at)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::timestamptz[])
ON CONFLICT (spacecraft_id, "timestamp", id) DO UPDATE SET received_at = excluded.received_at
"""


async def add_misdated(connection: Connection, found: Iterable[tuple[str, Position]]) -> None:
    """Note snapshots whose time, the first of their position, is their reception and not their timestamp."""
    rows = [
        (name, timestamp.from_microseconds(stamp), identifier, timestamp.from_microseconds(time))
        for name, (time, stamp, identifier) in found
    ]
    if rows:
        await connection.execute(_ADD_MISDATED, *map(list, zip(*rows, strict=True)))


# What was received of a spacecraft before.
_NEWEST = """
SELECT spacecraft_id, greatest(last_timestamp, (
    SELECT max(received_at) FROM app.misdated_snapshot AS misdated
    WHERE misdated.spacecraft_id = reception.spacecraft_id
))
FROM app.reception WHERE spacecraft_id = ANY ($1::text[])
"""


async def newest_times(connection: Connection, spacecraft_ids: Collection[str]) -> dict[str, int]:
    """The time of the newest snapshot of each spacecraft that sent any; of a misdated one that is its reception."""
    rows = await connection.fetch(_NEWEST, list(spacecraft_ids))
    earliest = timestamp.to_microseconds(timestamp.EARLIEST)
    return {row[0]: timestamp.to_microseconds(row[1]) if row[1] else earliest for row in rows}


_CONFIG_STARTS = "SELECT version, time FROM app.config_start WHERE spacecraft_id = $1 ORDER BY version"


async def config_starts(connection: Connection, spacecraft_id: str) -> dict[int, int]:
    """From when on each version ends what it does not check."""
    rows = await connection.fetch(_CONFIG_STARTS, spacecraft_id)
    return {row[0]: timestamp.to_microseconds(row[1]) for row in rows}


class UnnotedConfig(NamedTuple):
    """A version of which it is not noted yet from when on it ends what it does not check."""

    version: int
    updated_at: int


# The first version ends nothing: nothing was checked before it.
_NEW_CONFIGS = """
SELECT version, updated_at FROM app.config
WHERE spacecraft_id = $1 AND version > greatest(1, (
    SELECT max(version) FROM app.config_start WHERE config_start.spacecraft_id = $1
))
ORDER BY version
"""


async def new_configs(connection: Connection, spacecraft_id: str) -> list[UnnotedConfig]:
    """The versions that are not noted yet."""
    rows = await connection.fetch(_NEW_CONFIGS, spacecraft_id)
    return [UnnotedConfig(row[0], timestamp.to_microseconds(row[1])) for row in rows]


_BEGIN_CONFIG = "INSERT INTO app.config_start (spacecraft_id, version, time) VALUES ($1, $2, $3)"


async def begin_config(connection: Connection, spacecraft_id: str, version: int, time: int) -> None:
    """Note from when on a version ends what it does not check."""
    await connection.execute(_BEGIN_CONFIG, spacecraft_id, version, timestamp.from_microseconds(time))


_POSTPONE = """
WITH early AS (
    SELECT version, time FROM app.config_start WHERE spacecraft_id = $1 AND version > $2 AND time < $3
), postponed AS (
    UPDATE app.config_start SET time = $3 FROM early
    WHERE spacecraft_id = $1 AND config_start.version = early.version
)
SELECT min(time) FROM early
"""


async def postpone_configs(connection: Connection, spacecraft_id: str, version: int, time: int) -> int | None:
    """Later versions end nothing before a time, as `version` has judged a snapshot of it.

    Returns from when on they have ended what they do not check, if that was noted as earlier.
    """
    noted = await connection.fetchval(_POSTPONE, spacecraft_id, version, timestamp.from_microseconds(time))
    return None if noted is None else timestamp.to_microseconds(noted)

"""Alarms in and out of their table, for those that find them and for operators' actions."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.domain.alarm import Acknowledgement, Alarm, Cause, Comment, Shelf, Told
from missionops.domain.episodes.episode import Episode, Position, SampleAt
from missionops.store import changes, positions
from missionops.store.database import Connection

CHANNEL = "missionops_alarms"
"""Notified when a transition waits to be published."""

_PORTION = 1_000
"""Alarms that are written at once, of one to some ten kB each."""
LOOKED_UP_AT_ONCE = 64
"""Alarms of a list of which is found out at once whether they are shelved or masked."""
_MOST_TEXT = 1_024
"""Characters that are kept of a text value."""

COLUMNS = """
    id, spacecraft_id, parameter, "check", episode, cause, found_at, updated_at, masked_by, waits, is_late,
    is_retracted, merged_into, acknowledged_by, acknowledged_at, acknowledgement, comments, revision
"""

_encode = msgspec.json.Encoder().encode
_episode = msgspec.json.Decoder(Episode).decode
_cause = msgspec.json.Decoder(Cause).decode
_comments = msgspec.json.Decoder(list[Comment]).decode


def read(row: Any) -> Alarm:
    """An alarm from the first columns of its row, in the order of `COLUMNS`."""
    (
        identifier, spacecraft_id, parameter, check, episode, cause, found_at, updated_at, masked_by, waits, is_late,
        is_retracted, merged_into, by, at, comment, comments, revision,
    ) = row[:18]  # fmt: skip
    return Alarm(
        identifier, spacecraft_id, parameter, check, _episode(episode), _cause(cause), found_at, updated_at, masked_by,
        waits, is_late, is_retracted, merged_into, Acknowledgement(by, at, comment) if by else None,
        _comments(comments), revision,
    )  # fmt: skip


_BETWEEN = f"""
SELECT {COLUMNS} FROM app.alarm
WHERE spacecraft_id = $1 AND parameter = $2 AND "check" = $3 AND NOT is_retracted
    AND (closed_position IS NULL OR closed_position >= $4) AND raised_position <= $5
ORDER BY raised_position
"""  # noqa: S608 - of our own columns


async def between(
    connection: Connection, spacecraft_id: str, key: tuple[str, str], first: Position, last: Position
) -> list[Alarm]:
    """The alarms of one parameter and check that were open between two positions, in order."""
    between = positions.written(first), positions.written(last)
    return [read(row) for row in await connection.fetch(_BETWEEN, spacecraft_id, *key, *between)]


_OF_KEYS = f"""
SELECT {COLUMNS} FROM app.alarm JOIN unnest($2::text[], $3::text[]) AS wanted (parameter, "check")
    USING (parameter, "check")
WHERE spacecraft_id = $1 AND NOT is_retracted AND (closed_position IS NULL OR closed_position >= $4)
ORDER BY raised_position LIMIT $5
"""  # noqa: S608 - of our own columns


async def of_keys(
    connection: Connection, spacecraft_id: str, keys: Iterable[tuple[str, str]], first: Position, most: int
) -> list[Alarm]:
    """The alarms of these parameters and checks that were open at a position or later, in order, at most so many."""
    names, checks = map(list, zip(*keys, strict=True))
    rows = await connection.fetch(_OF_KEYS, spacecraft_id, names, checks, positions.written(first), most)
    return [read(row) for row in rows]


_KEYS_FROM = """
SELECT DISTINCT parameter, "check" FROM app.alarm
WHERE spacecraft_id = $1 AND NOT is_retracted AND "check" <> 'SILENT'
    AND (closed_position IS NULL OR closed_position >= $2)
"""


async def keys_from(connection: Connection, spacecraft_id: str, position: Position) -> set[tuple[str, str]]:
    """The parameters and checks of a spacecraft that have an alarm open at a position or later."""
    rows = await connection.fetch(_KEYS_FROM, spacecraft_id, positions.written(position))
    return {(row[0], row[1]) for row in rows}


_NEWEST_CLOSED = """
SELECT spacecraft_id, max(closed_position) FROM app.alarm
WHERE spacecraft_id = ANY ($1::text[]) AND NOT is_retracted AND "check" <> 'SILENT'
GROUP BY spacecraft_id
"""


async def newest_closed(connection: Connection, spacecraft_ids: Collection[str]) -> dict[str, Position]:
    """By spacecraft: the last position at which an alarm ended."""
    rows = await connection.fetch(_NEWEST_CLOSED, list(spacecraft_ids))
    return {row[0]: positions.read(row[1]) for row in rows if row[1]}


# The foreign keys of transitions do not wait for this lock. In the order of the ids: two never wait in a circle.
_LOCK = f"""
SELECT {COLUMNS} FROM app.alarm WHERE id = ANY ($1::text[]) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - of our own columns


_HOLD = "SELECT FROM app.alarm WHERE id = ANY ($1::text[]) ORDER BY id FOR NO KEY UPDATE"


async def hold(connection: Connection, identifiers: Collection[str]) -> None:
    """Lock these alarms, which the caller knows, until the end of the transaction."""
    if identifiers:
        await connection.execute(_HOLD, list(identifiers))


async def lock(connection: Connection, identifiers: Collection[str]) -> dict[str, Alarm]:
    """These alarms as they are, which nobody else changes until the end of the transaction."""
    rows = await connection.fetch(_LOCK, list(identifiers))
    return {row[0]: read(row) for row in rows}


_ADD = """
INSERT INTO app.alarm (
    id, spacecraft_id, parameter, "check", partition, severity, start, "end", raised_position, closed_position, episode,
    cause, subsystem, masked_by, waits, is_late, is_retracted, merged_into, found_at, revision, updated_at
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::smallint[], $7::timestamptz[],
    $8::timestamptz[], $9::bytea[], $10::bytea[], $11::json[], $12::json[], $13::text[], $14::text[], $15::boolean[],
    $16::boolean[], $17::boolean[], $18::text[], $19::timestamptz[], $20::integer[], $21::timestamptz[]
)
"""


async def add(connection: Connection, partition: int, alarms: Sequence[Alarm]) -> None:
    """Add new alarms."""
    for start in range(0, len(alarms), _PORTION):
        rows = [
            (
                one.id, one.spacecraft_id, one.parameter, one.check, partition, *_episode_columns(one.episode),
                _encode(one.cause), one.cause.subsystem, one.masked_by, one.waits, one.is_late, one.is_retracted,
                one.merged_into, one.found_at, one.revision, one.updated_at,
            )
            for one in alarms[start : start + _PORTION]
        ]  # fmt: skip
        await connection.execute(_ADD, *map(list, zip(*rows, strict=True)))


# Those that end or are retracted first: a parameter and check have one open alarm at most, also between two statements.
_CHANGE = """
UPDATE app.alarm SET
    severity = new.severity, start = new.start, "end" = new."end", raised_position = new.raised_position,
    closed_position = new.closed_position, episode = new.episode, cause = new.cause, subsystem = new.subsystem,
    masked_by = new.masked_by, waits = new.waits, is_retracted = new.is_retracted, merged_into = new.merged_into,
    acknowledged_by = new.acknowledged_by, acknowledged_at = new.acknowledged_at,
    acknowledgement = new.acknowledgement, comments = new.comments, revision = new.revision, updated_at = new.updated_at
FROM unnest(
    $1::text[], $2::smallint[], $3::timestamptz[], $4::timestamptz[], $5::bytea[], $6::bytea[], $7::json[], $8::json[],
    $9::text[], $10::text[], $11::boolean[], $12::boolean[], $13::text[], $14::text[], $15::timestamptz[], $16::text[],
    $17::json[], $18::integer[], $19::timestamptz[]
) AS new (
    id, severity, start, "end", raised_position, closed_position, episode, cause, subsystem, masked_by, waits,
    is_retracted, merged_into, acknowledged_by, acknowledged_at, acknowledgement, comments, revision, updated_at
)
WHERE alarm.id = new.id
"""


async def change(connection: Connection, alarms: Collection[Alarm]) -> None:
    """Write what became of alarms that are locked."""
    ended = [one for one in alarms if one.is_retracted or one.episode.end is not None]
    others = [one for one in alarms if not (one.is_retracted or one.episode.end is not None)]
    for part in (ended, others):
        for start in range(0, len(part), _PORTION):
            rows = [
                (
                    one.id, *_episode_columns(one.episode), _encode(one.cause), one.cause.subsystem, one.masked_by,
                    one.waits, one.is_retracted, one.merged_into, one.acknowledged and one.acknowledged.by,
                    one.acknowledged and one.acknowledged.at, one.acknowledged and one.acknowledged.comment,
                    _encode(one.comments), one.revision, one.updated_at,
                )
                for one in part[start : start + _PORTION]
            ]  # fmt: skip
            await connection.execute(_CHANGE, *map(list, zip(*rows, strict=True)))


_CHANGE_EPISODE = """
UPDATE app.alarm SET episode = new.episode FROM unnest($1::text[], $2::json[]) AS new (id, episode)
WHERE alarm.id = new.id
"""


async def change_episodes(connection: Connection, episodes: Sequence[tuple[str, Episode]]) -> None:
    """Write what is told of the samples of open alarms, by id; that is no transition."""
    if episodes:
        # In order, so that two never wait in a circle: an operator's action locks several, too.
        rows = [(identifier, _written(episode)) for identifier, episode in sorted(episodes, key=lambda one: one[0])]
        await connection.execute(_CHANGE_EPISODE, *map(list, zip(*rows, strict=True)))


def _episode_columns(episode: Episode) -> Iterator[Any]:
    yield episode.severity
    yield timestamp.from_microseconds(episode.start)
    yield None if episode.end is None else timestamp.from_microseconds(episode.end)
    yield positions.written(episode.raised_at)
    yield None if episode.closed_at is None else positions.written(episode.closed_at)
    yield _written(episode)


def _written(episode: Episode) -> bytes:
    """An episode as it is stored; of a long text that was reported only the beginning is kept."""
    facts = episode.facts
    for name in ("first", "peak", "last"):
        sample: SampleAt | None = getattr(facts, name)
        if sample and isinstance(sample.value, str) and len(sample.value) > _MOST_TEXT:
            setattr(facts, name, SampleAt(sample.position, f"{sample.value[:_MOST_TEXT]}…"))
    return _encode(episode)


_TELL = """
INSERT INTO app.alarm_transition (alarm_id, spacecraft_id, revision, transition, by, at, comment, message)
SELECT id, spacecraft_id, revision, transition, by, at, comment, message
FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::json[])
    WITH ORDINALITY AS _ (id, spacecraft_id, revision, transition, by, at, comment, message, number)
ORDER BY number
"""

_NOTIFY = "SELECT pg_notify($1, ''), pg_notify($2, hint) FROM unnest($3::text[]) AS _ (hint)"


async def tell(connection: Connection, told: Sequence[Told]) -> None:
    """Keep transitions, in this order, and have them published once the caller's transaction is committed."""
    for start in range(0, len(told), _PORTION):
        rows = [
            (
                one.alarm_id, one.spacecraft_id, one.revision, one.message.transition, one.message.by, one.message.at,
                one.comment, _encode(one.message),
            )
            for one in told[start : start + _PORTION]
        ]  # fmt: skip
        await connection.execute(_TELL, *map(list, zip(*rows, strict=True)))
    if told:
        hints = changes.written(changes.HintKind.ALARM, dict.fromkeys(one.spacecraft_id for one in told))
        await connection.execute(_NOTIFY, CHANNEL, changes.CHANNEL, list(hints))


class ShelfRow(NamedTuple):
    """A shelf as it is stored: what it covers, and what operators see of it."""

    spacecraft_id: str
    is_whole: bool
    parameter: str
    check: str
    by: str
    until: datetime
    reason: str


# The closest first.
_SHELVES = """
SELECT spacecraft_id, is_whole, parameter, "check", by, until, reason FROM app.alarm_shelf
WHERE spacecraft_id = ANY ($1::text[]) AND until > $2
ORDER BY is_whole, "check" DESC
"""
_ACTIVE_MASKS = """
SELECT spacecraft_id, parameter FROM app.alarm
WHERE (spacecraft_id, parameter) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    AND "end" IS NULL AND NOT is_retracted AND id <> ALL ($3::text[])
"""


async def note_shelved_and_masked(
    connection: Connection,
    alarms: Collection[Alarm],
    now: datetime,
    active: Collection[tuple[str, str]] = (),
    except_for: Collection[str] = (),
) -> None:
    """Note which of these alarms are on a shelf now, and which are masked.

    `active` are parameters of spacecraft that are about to have an active alarm, `except_for` the ids of alarms that
    are about to change: what is stored of these does not count.
    """
    if not alarms:
        return
    rows = await connection.fetch(_SHELVES, list({one.spacecraft_id for one in alarms}), now)
    shelves = [ShelfRow(*row) for row in rows]
    masks = {(one.spacecraft_id, one.masked_by) for one in alarms if one.masked_by}
    masking = set(active)
    if masks:
        spacecraft_ids, parameters = map(list, zip(*masks, strict=True))
        stored = await connection.fetch(_ACTIVE_MASKS, spacecraft_ids, parameters, list(except_for))
        masking |= {(row[0], row[1]) for row in stored}
    for one in alarms:
        one.shelf = shelf_of(one, shelves)
        one.is_masked = one.masked_by is not None and (one.spacecraft_id, one.masked_by) in masking


def shelf_of(alarm: Alarm, shelves: Iterable[ShelfRow]) -> Shelf | None:
    """The shelf that an alarm is on: the first that covers it."""
    for shelf in shelves:
        names_it = shelf.is_whole or shelf.parameter == alarm.parameter
        if shelf.spacecraft_id == alarm.spacecraft_id and names_it and shelf.check in {"", alarm.check}:
            return Shelf(shelf.by, shelf.until, shelf.reason)
    return None

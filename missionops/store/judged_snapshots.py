"""Stored snapshots in the order of their positions, with the config versions that judged them.

Those whose clock cannot have been right stand at their reception: app.misdated_snapshot lists them.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import msgspec

from missionops.domain import parameter_set, timestamp
from missionops.domain.episodes.episode import Position
from missionops.domain.history import JudgedSnapshot
from missionops.store import rows
from missionops.store.database import Connection
from missionops.store.parameter_sets import ParameterNames

_NEAR = timedelta(days=1)
"""How far is looked at first: mostly that is enough, and then no more than two partitions are opened."""

_FIRST_PAGE, _LARGEST_PAGE = 8, 4_096
"""Snapshots that are asked for at once, more each time. Without a limit PostgreSQL plans for all of a spacecraft's
snapshots, and sorts them on disk, though one is read."""

_COLUMNS = 'stored."timestamp", stored.id, config_version, parameter_set_id, numbers, others'
IS_DATED = """
NOT EXISTS (
    SELECT FROM app.misdated_snapshot AS misdated
    WHERE misdated.spacecraft_id = $1 AND misdated."timestamp" = stored."timestamp" AND misdated.id = stored.id
)
"""

_AFTER = f"""
SELECT stored."timestamp", {_COLUMNS} FROM app.snapshot AS stored
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $2 AND $5 AND ("timestamp", "timestamp", id) > ($2, $3, $4)
    AND {IS_DATED}
ORDER BY "timestamp", id LIMIT $6
"""  # noqa: S608 - of our own texts

_BEFORE = f"""
SELECT stored."timestamp", {_COLUMNS} FROM app.snapshot AS stored
WHERE spacecraft_id = $1 AND "timestamp" BETWEEN $5 AND $2 AND ("timestamp", "timestamp", id) < ($2, $3, $4)
    AND {IS_DATED}
ORDER BY "timestamp" DESC, id DESC LIMIT $6
"""  # noqa: S608 - of our own texts

_MISDATED_AFTER = f"""
SELECT misdated.received_at, {_COLUMNS}
FROM app.misdated_snapshot AS misdated JOIN app.snapshot AS stored USING (spacecraft_id, "timestamp", id)
WHERE spacecraft_id = $1 AND misdated.received_at >= $2
    AND (misdated.received_at, misdated."timestamp", misdated.id) > ($2, $3, $4)
ORDER BY misdated.received_at, stored."timestamp", stored.id LIMIT $5
"""  # noqa: S608 - of our own texts

_MISDATED_BEFORE = f"""
SELECT misdated.received_at, {_COLUMNS}
FROM app.misdated_snapshot AS misdated JOIN app.snapshot AS stored USING (spacecraft_id, "timestamp", id)
WHERE spacecraft_id = $1 AND misdated.received_at <= $2
    AND (misdated.received_at, misdated."timestamp", misdated.id) < ($2, $3, $4)
ORDER BY misdated.received_at DESC, stored."timestamp" DESC, stored.id DESC LIMIT $5
"""  # noqa: S608 - of our own texts

HAS_MISDATED = "SELECT EXISTS (SELECT FROM app.misdated_snapshot WHERE spacecraft_id = $1)"


class _Query(NamedTuple):
    """A query, the position after or before which it reads ($2 to $4), and further arguments."""

    text: str
    position: tuple[datetime, datetime, str]
    others: tuple[datetime, ...] = ()


class JudgedSnapshots:
    """The snapshots of one spacecraft, read in a transaction."""

    def __init__(self, connection: Connection, spacecraft_id: str, names: ParameterNames) -> None:
        self._connection = connection
        self._spacecraft_id = spacecraft_id
        self._names = names
        self._has_misdated: bool | None = None

    async def has_misdated(self) -> bool:
        """Whether any of them stands elsewhere than at its timestamp."""
        if self._has_misdated is None:
            self._has_misdated = bool(await self._connection.fetchval(HAS_MISDATED, self._spacecraft_id))
        return self._has_misdated

    async def after(self, position: Position) -> AsyncIterator[JudgedSnapshot]:
        """Those after a position, in order."""
        given = _moment(position[0]), _moment(position[1]), position[2]
        near = min(given[0] + _NEAR, timestamp.LATEST)
        dated = [_Query(_AFTER, given, (near,))]
        if near < timestamp.LATEST:
            next_day = near + timedelta(microseconds=1)
            dated.append(_Query(_AFTER, (next_day, timestamp.EARLIEST, ""), (timestamp.LATEST,)))
        async for one in self._merged(dated, _Query(_MISDATED_AFTER, given), is_ascending=True):
            yield one

    async def before(self, position: Position) -> AsyncIterator[JudgedSnapshot]:
        """Those before a position, the newest first."""
        given = _moment(position[0]), _moment(position[1]), position[2]
        near = max(given[0] - _NEAR, timestamp.EARLIEST)
        dated = [_Query(_BEFORE, given, (near,))]
        if near > timestamp.EARLIEST:
            day_before = near - timedelta(microseconds=1)
            dated.append(_Query(_BEFORE, (day_before, timestamp.LATEST, ""), (timestamp.EARLIEST,)))
        async for one in self._merged(dated, _Query(_MISDATED_BEFORE, given), is_ascending=False):
            yield one

    async def _merged(
        self, dated: Sequence[_Query], misdated: _Query, *, is_ascending: bool
    ) -> AsyncIterator[JudgedSnapshot]:
        others = self._read([misdated]) if await self.has_misdated() else None
        other = await anext(others, None) if others else None
        async for one in self._read(dated):
            while others and other and (other.position < one.position) == is_ascending:
                yield other
                other = await anext(others, None)
            yield one
        while others and other:
            yield other
            other = await anext(others, None)

    async def _read(self, queries: Sequence[_Query]) -> AsyncIterator[JudgedSnapshot]:
        page = _FIRST_PAGE
        for query, position, others in queries:
            is_full = True
            while is_full:
                found = 0
                arguments = self._spacecraft_id, *position, *others, page
                async for row in rows.rows(self._connection, query, *arguments):
                    found += 1
                    position = row[:3]  # noqa: PLW2901 - where the next page goes on
                    yield await self._snapshot(row)
                is_full, page = found == page, min(4 * page, _LARGEST_PAGE)

    async def _snapshot(self, row: asyncpg.Record) -> JudgedSnapshot:
        time, stamp, identifier, version, set_id, numbers, others = row
        of_numbers = await self._names.of(self._connection, set_id)
        values = parameter_set.joined(of_numbers, numbers or (), msgspec.json.decode(others) if others else {})
        position = timestamp.to_microseconds(time), timestamp.to_microseconds(stamp), identifier
        return JudgedSnapshot(position, values, version)


def _moment(microseconds: int) -> datetime:
    return timestamp.from_microseconds(microseconds)

"""Whether the rules of each spacecraft work, for all of them: found out once, and kept as long as it must be true."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

import msgspec

from missionops.domain import timestamp
from missionops.operations import config_document
from missionops.operations.spacecraft import Monitoring
from missionops.store import fleet
from missionops.store.database import Database
from missionops.store.status import StatusFacts

_LATELY = timedelta(hours=24)
_PAUSE = timedelta(seconds=5)
"""How long what was found counts at least: a spacecraft whose rules do not work is not looked at with each snapshot."""
_CHUNK = 250

_decode = msgspec.json.Decoder(dict[str, int | float | str | bool | None]).decode

Find = Callable[[str], Awaitable[tuple[Monitoring, datetime]]]
"""Finds out the monitoring of one spacecraft by all that is stored of it, and until when that holds."""


class _Verdict(NamedTuple):
    """What was found of one spacecraft."""

    version: int
    """Of the config that it was found for."""
    monitoring: Monitoring
    holds_until: datetime
    found_at: datetime
    received_at: datetime | None
    """What had been received then: only something newer can make a rule work that did not."""

    def holds(self, row: StatusFacts, now: datetime) -> bool:
        """Whether nothing has happened since that may have changed it."""
        if self.version != row.version:
            return False
        if self.monitoring == "ACTIVE":
            return now < self.holds_until
        return self.received_at == row.last_received_at or now < self.found_at + _PAUSE


class FleetMonitoring:
    """Remembers the monitoring of each spacecraft; of what is not known it finds out as much as the time allows."""

    def __init__(self) -> None:
        self._verdicts: dict[str, _Verdict] = {}

    def of(self, row: StatusFacts) -> Monitoring:
        """The monitoring of one spacecraft; UNKNOWN where there was no time yet to find out."""
        if row.is_silent:
            return "SILENT"
        if not row.version:
            return "NOT_CONFIGURED"
        verdict = self._verdicts.get(row.spacecraft_id)
        return verdict.monitoring if verdict and verdict.version == row.version else "UNKNOWN"

    async def update(self, database: Database, rows: Iterable[StatusFacts], find: Find, seconds: float) -> None:
        """Find out what is not known or may have changed, for some seconds, what is not known first."""
        now, deadline = datetime.now(UTC), asyncio.get_running_loop().time() + seconds
        open_: list[tuple[datetime, StatusFacts]] = []
        """With when something was found of it last."""
        for row in rows:
            verdict = self._verdicts.get(row.spacecraft_id)
            if row.version and not row.is_silent and not (verdict and verdict.holds(row, now)):
                open_.append((verdict.found_at if verdict else timestamp.EARLIEST, row))
        open_.sort(key=itemgetter(0))
        for start in range(0, len(open_), _CHUNK):
            if asyncio.get_running_loop().time() > deadline:
                return
            chunk = {row.spacecraft_id: row for _, row in open_[start : start + _CHUNK]}
            await self._look_at_newest(database, chunk.keys(), chunk, now)
            for row in chunk.values():
                verdict = self._verdicts.get(row.spacecraft_id)
                if verdict and verdict.holds(row, now):
                    continue
                if asyncio.get_running_loop().time() > deadline:
                    return
                monitoring, until = await find(row.spacecraft_id)
                self._verdicts[row.spacecraft_id] = _Verdict(row.version, monitoring, until, now, row.last_received_at)

    async def _look_at_newest(
        self, database: Database, spacecraft_ids: Collection[str], rows: dict[str, StatusFacts], now: datetime
    ) -> None:
        """Mark those in whose newest snapshot every rule judges a number: nearly all of a healthy fleet."""
        async with database.transaction() as connection:
            async for newest in fleet.newest_snapshots(connection, list(spacecraft_ids), now):
                row = rows[newest.spacecraft_id]
                if newest.version != row.version or newest.parameters is None:
                    continue
                rules = await config_document.compiled(msgspec.json.decode(newest.document))
                values = _decode(newest.parameters)
                if rules and not rules.off and all(type(values.get(name)) in {int, float} for name in rules):
                    until = (newest.received_at or now) + _LATELY
                    self._verdicts[row.spacecraft_id] = _Verdict(
                        row.version, "ACTIVE", until, now, row.last_received_at
                    )

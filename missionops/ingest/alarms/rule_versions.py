"""The rules of config versions that judged stored snapshots, and when a version ends what it does not check."""

from collections.abc import AsyncIterator, Mapping

import msgspec

from missionops.domain import limits
from missionops.domain.episodes import episode as episodes
from missionops.domain.episodes.episode import Position, Reading
from missionops.domain.history import JudgedSnapshot
from missionops.domain.limits import Rules
from missionops.ingest.alarms.memory import Key
from missionops.store import alarm_marks, configs
from missionops.store.database import Connection

_MOST_RULES = 40_000
"""Compiled rules that are kept at a time, of some 700 bytes each."""
_MOST_VERSIONS = 16
"""Versions of which it is kept what they check."""


class RuleVersions:
    """The versions of one spacecraft's rules, read when they are needed."""

    def __init__(self, connection: Connection, spacecraft_id: str) -> None:
        self._connection = connection
        self._spacecraft_id = spacecraft_id
        self._kept: dict[int, Rules] = {0: Rules({})}
        self._checks: dict[int, frozenset[Key]] = {}
        self.starts: list[tuple[int, int]] = []
        """From when on each version ends what it does not check, in order."""

    async def load(self, began: Mapping[int, int]) -> None:
        """Read when the versions began; `began` are those of which it is not noted yet."""
        starts = {**await alarm_marks.config_starts(self._connection, self._spacecraft_id), **began}
        self.starts = sorted((time, version) for version, time in starts.items())

    async def of(self, version: int) -> Rules:
        """The rules of a version."""
        if (found := self._kept.get(version)) is None:
            document = await configs.document(self._connection, self._spacecraft_id, version)
            found = limits.compile_valid(msgspec.json.decode(document or b"{}"))
            if sum(map(len, self._kept.values())) > _MOST_RULES:
                self._kept = {0: Rules({})}
            self._kept[version] = found
        return found

    async def reading(self, snapshot: JudgedSnapshot, key: Key) -> Reading:
        """What a snapshot means for one parameter and kind of check."""
        name, kind = key
        rules = self._kept.get(snapshot.version) or await self.of(snapshot.version)
        value = snapshot.values.get(name)
        if (ruled := rules.get(name)) is None:
            return Reading(snapshot.position, value, None, snapshot.version)
        in_context = ruled.in_context(snapshot.values)
        check = in_context.checks[kind]
        return Reading(snapshot.position, value, check, snapshot.version, in_context.acknowledge)

    async def lacks(self, version: int, key: Key) -> bool:
        """Whether a version does not have a parameter's check."""
        if (has := self._checks.get(version)) is None:
            if len(self._checks) >= _MOST_VERSIONS:
                self._checks.clear()
            has = self._checks[version] = frozenset((await self.of(version)).checks)
        return key not in has

    async def ends_before(self, key: Key, position: Position) -> AsyncIterator[Reading]:
        """Where versions end a check because they have it no more: those before a position, the newest first."""
        for time, version in reversed(self.starts):
            end = episodes.unmonitored(time, version)
            if end.position < position and await self.lacks(version, key):
                yield end

    async def ends_after(self, key: Key, position: Position) -> AsyncIterator[Reading]:
        """Those after a position, in order."""
        for time, version in self.starts:
            end = episodes.unmonitored(time, version)
            if end.position > position and await self.lacks(version, key):
                yield end

"""The rules of config versions that judged stored snapshots, and when a version ends what it does not check."""

from collections.abc import Iterator, Sequence

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


class RuleVersions:
    """The versions of one spacecraft's rules, read when they are needed."""

    def __init__(self, connection: Connection, spacecraft_id: str) -> None:
        self._connection = connection
        self._spacecraft_id = spacecraft_id
        self._kept: dict[int, Rules] = {0: Rules({})}
        self.starts: dict[int, int] = {}
        """From when on each version ends what it does not check."""

    async def load(self) -> None:
        """Read when the versions began."""
        self.starts = await alarm_marks.config_starts(self._connection, self._spacecraft_id)

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

    async def ends(self, key: Key) -> list[Reading]:
        """Where versions end one parameter's check because they have it no more, in order."""
        name, kind = key
        found = []
        for version, time in self.starts.items():
            ruled = (await self.of(version)).get(name)
            if ruled is None or not ruled.has(kind):
                found.append(episodes.unmonitored(time, version))
        return sorted(found, key=lambda one: one.position)


def between(ends: Sequence[Reading], after: Position | None, until: Position) -> Iterator[Reading]:
    """Those after one position and before another, in order."""
    return (one for one in ends if (after is None or one.position > after) and one.position < until)
